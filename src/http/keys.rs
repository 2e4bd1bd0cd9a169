//! API keys: who has which, for what, and how much at once.
//!
//! A list holds keys as they are, or what `sheaf key new` prints: the SHA-256 of a key with its owner's name, scopes and
//! limits. Only digests are kept, and every one is compared, whole, so that a comparison tells nothing about a key. The
//! keys are long and random (or at least 16 bytes of their owner's choice), so that a plain hash is enough.

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::allowance::{Allowance, Rate};

/// The shortest key that is taken, in bytes.
const SHORTEST_KEY: usize = 16;

/// The longest name of a key, in bytes.
const LONGEST_NAME: usize = 32;

/// What would end a scope, or be taken for something else in it.
const SEPARATING: &AsciiSet = &CONTROLS.add(b' ').add(b',').add(b'%');

/// The keys that open the API.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<Arc<ApiKey>>);

/// One key, of which only the digest is known.
#[derive(Debug)]
pub struct ApiKey {
    /// What logs call it.
    pub name: String,
    /// Whose jobs its jobs are: keys in clear have no name of their own, and their places change.
    pub owner: String,
    /// What it may touch; everything where empty.
    pub scopes: Vec<Scope>,
    /// How much it may ask for.
    pub allowance: Allowance,
    digest: [u8; 32],
}

/// A bucket, or a prefix of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The bucket's name.
    pub bucket: String,
    /// What keys in it begin with.
    pub prefix: String,
}

/// Why a list of keys is no good. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKeys {
    /// A key that could be guessed.
    #[error(
        "API key number {number} has {length} bytes; at least {SHORTEST_KEY} are needed (try: sheaf key new)"
    )]
    Short {
        /// Its place in the list, from 1 on.
        number: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// A key that cannot stand in a header.
    #[error("API key number {number} has a character other than visible ASCII")]
    Unsendable {
        /// Its place in the list, from 1 on.
        number: usize,
    },
    /// A digest that is none.
    #[error("API key number {number} has not the form NAME:sha256:64 hexadecimal digits")]
    Digest {
        /// Its place in the list, from 1 on.
        number: usize,
    },
    /// A name that could be mistaken in a log.
    #[error(
        "the name of API key number {number} must have 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.', and no other key may have it"
    )]
    Name {
        /// Its place in the list, from 1 on.
        number: usize,
    },
    /// An option that is not known, or is malformed.
    #[error(
        "API key number {number}: {option:?} is no option; there are scope=BUCKET/PREFIX, rate=10/s (or /m, /h) and running=N"
    )]
    Option {
        /// Its place in the list, from 1 on.
        number: usize,
        /// What stands there.
        option: String,
    },
}

impl ApiKeys {
    /// Reads a list with commas or line ends between the keys. Lines that begin with `#` are left out.
    ///
    /// # Errors
    /// [`InvalidApiKeys`] names the first bad key by its number.
    pub fn parse(list: &str) -> Result<ApiKeys, InvalidApiKeys> {
        let lines = list
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'));
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim);
        let mut keys: Vec<Arc<ApiKey>> = Vec::new();
        for (index, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let number = index + 1;
            let key = ApiKey::parse(entry, number)?;
            if keys.iter().any(|known| known.name == key.name) {
                return Err(InvalidApiKeys::Name { number });
            }
            keys.push(Arc::new(key));
        }
        Ok(ApiKeys(keys))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that this text is.
    pub fn find(&self, text: &str) -> Option<&Arc<ApiKey>> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        // The search never ends early.
        self.0.iter().fold(None, |found, key| {
            match bool::from(key.digest.ct_eq(&digest)) {
                true => Some(key),
                false => found,
            }
        })
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({} keys)", self.0.len())
    }
}

impl ApiKey {
    fn parse(entry: &str, number: usize) -> Result<ApiKey, InvalidApiKeys> {
        let mut words = entry.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let Some((name, digest)) = first.split_once(":sha256:") else {
            return ApiKey::plain(entry, number);
        };
        if !is_name(name) {
            return Err(InvalidApiKeys::Name { number });
        }
        let digest = hex::decode(digest)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let digest = digest.ok_or(InvalidApiKeys::Digest { number })?;
        let mut key = ApiKey {
            name: name.to_owned(),
            owner: name.to_owned(),
            scopes: Vec::new(),
            allowance: Allowance::default(),
            digest,
        };
        let (mut rate, mut running) = (None, None);
        for option in words {
            let fails = || InvalidApiKeys::Option {
                number,
                option: option.to_owned(),
            };
            let (name, value) = option.split_once('=').ok_or_else(fails)?;
            match name {
                "scope" => key.scopes.push(Scope::parse(value).ok_or_else(fails)?),
                "rate" => rate = Some(Rate::parse(value).ok_or_else(fails)?),
                "running" => {
                    let limit = value.parse().ok().filter(|&limit: &usize| limit > 0);
                    running = Some(limit.ok_or_else(fails)?);
                }
                _ => return Err(fails()),
            }
        }
        key.allowance = Allowance::new(rate, running);
        Ok(key)
    }

    fn plain(key: &str, number: usize) -> Result<ApiKey, InvalidApiKeys> {
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidApiKeys::Unsendable { number });
        }
        let length = key.len();
        if length < SHORTEST_KEY {
            return Err(InvalidApiKeys::Short { number, length });
        }
        Ok(ApiKey {
            name: format!("key{number}"),
            owner: format!("sha256:{}", &digest(key)[..16]),
            scopes: Vec::new(),
            allowance: Allowance::default(),
            digest: Sha256::digest(key).into(),
        })
    }
}

impl Scope {
    /// Reads `bucket` or `bucket/prefix`, in which `%2C` and `%20` stand for what separates keys and options.
    pub fn parse(text: &str) -> Option<Scope> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = percent_decode_str(prefix).decode_utf8().ok()?;
        let bucket = crate::store::Bucket::new(bucket).ok()?;
        Some(Scope {
            bucket: bucket.as_str().to_owned(),
            prefix: prefix.into_owned(),
        })
    }

    /// Whether everything that begins with `prefix` lies in it.
    pub fn holds(&self, bucket: &str, prefix: &str) -> bool {
        self.bucket == bucket && prefix.starts_with(&self.prefix)
    }
}

/// As a list of keys has it.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = utf8_percent_encode(&self.prefix, SEPARATING);
        write!(f, "{}/{prefix}", self.bucket)
    }
}

/// Whether logs can call a key so.
pub fn is_name(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(sound)
}

/// The digest of a key as a list of keys has it.
pub fn digest(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

#[cfg(test)]
mod tests;
