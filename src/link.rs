//! Signed links: the credential that recipients hold. Pure: the time is an argument.
//!
//! A token says which stored manifest it is for and until when, and carries an HMAC-SHA256 over all of that, so that
//! nothing of it can be changed and nothing need be asked to refuse a forged one. In base64url it holds, in this order:
//!
//! | bytes | |
//! |---|---|
//! | 1 | version |
//! | 16 | id of the stored manifest |
//! | 5 | end of its life in Unix seconds, big-endian |
//! | 1 to 16 | id of the key that signs |
//! | 16 | HMAC-SHA256 over what stands before, truncated on the right (RFC 2104 §5) |
//!
//! Each link has one token only: the decoder takes neither padding nor stray bits.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// The form of the token.
const VERSION: u8 = 1;

/// What a signature covers before the token itself, so that no other use of a key can be taken for it.
const PURPOSE: &[u8] = b"sheaf link\0";

const TAG: usize = 16;
const FIXED: usize = 1 + 16 + 5;
const LONGEST_KEY_ID: usize = 16;

/// The shortest key, in bytes.
pub const SHORTEST_KEY: usize = 16;

/// The last second that a token can name.
const LAST_SECOND: u64 = (1 << 40) - 1;

/// What a verified token grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The stored manifest.
    pub id: Uuid,
    /// When the link ends, in Unix seconds.
    pub expires: u64,
}

/// Why a token is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// It was not signed with a key of ours, or something of it was changed.
    #[error("the link is not valid: it may have been cut short or altered on its way")]
    Forged,
    /// Its life is over.
    #[error("the link has expired")]
    Expired(Grant),
}

/// The keys that sign links. The first signs, all verify.
#[derive(Clone)]
pub struct KeyRing(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    mac: Hmac<Sha256>,
}

/// Why a list of keys is no good. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyRing {
    /// No key at all.
    #[error("there is no key; write id:hex, with commas between several")]
    Empty,
    /// Not of the form `id:hex`.
    #[error("key number {number} has not the form id:hex")]
    Form {
        /// Its place in the list, from 1 on.
        number: usize,
    },
    /// An id that cannot stand in a token.
    #[error(
        "the id of key number {number} must have 1 to {LONGEST_KEY_ID} letters, digits, '-' or '_'"
    )]
    Id {
        /// Its place in the list, from 1 on.
        number: usize,
    },
    /// A key that could be guessed.
    #[error(
        "key number {number} has {length} bytes; at least {SHORTEST_KEY} are needed (try: openssl rand -hex 32)"
    )]
    Short {
        /// Its place in the list, from 1 on.
        number: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// Two keys with one id.
    #[error("key number {number} has the id of an earlier one")]
    Repeated {
        /// Its place in the list, from 1 on.
        number: usize,
    },
}

impl KeyRing {
    /// Reads `id:hex` keys with commas or line ends between them.
    ///
    /// # Errors
    /// [`InvalidKeyRing`] names the first bad key by its number.
    pub fn parse(list: &str) -> Result<KeyRing, InvalidKeyRing> {
        let mut keys: Vec<Key> = Vec::new();
        let entries = list.split([',', '\n']).map(str::trim);
        for (index, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let number = index + 1;
            let (id, key) = entry
                .split_once(':')
                .ok_or(InvalidKeyRing::Form { number })?;
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if !(1..=LONGEST_KEY_ID).contains(&id.len()) || !id.bytes().all(sound) {
                return Err(InvalidKeyRing::Id { number });
            }
            let key = hex::decode(key.trim()).map_err(|_| InvalidKeyRing::Form { number })?;
            let length = key.len();
            if length < SHORTEST_KEY {
                return Err(InvalidKeyRing::Short { number, length });
            }
            if keys.iter().any(|known| known.id == id) {
                return Err(InvalidKeyRing::Repeated { number });
            }
            // HMAC takes a key of any length.
            let mac = Hmac::new_from_slice(&key).map_err(|_| InvalidKeyRing::Form { number })?;
            let id = id.to_owned();
            keys.push(Key { id, mac });
        }
        if keys.is_empty() {
            return Err(InvalidKeyRing::Empty);
        }
        Ok(KeyRing(keys))
    }

    /// A list of one new key, as [`KeyRing::parse`] reads it.
    pub fn generate() -> String {
        // Two version 4 UUIDs have 244 random bits from the system.
        let parts = [Uuid::new_v4(), Uuid::new_v4()];
        let key: String = parts.iter().map(|part| part.simple().to_string()).collect();
        let id = &Uuid::new_v4().simple().to_string()[..4];
        format!("{id}:{key}")
    }

    /// The token of a stored manifest, good until `expires` (Unix seconds).
    pub fn sign(&self, id: Uuid, expires: u64) -> String {
        // There is at least one key, by construction.
        let key = &self.0[0];
        let mut token = Vec::with_capacity(FIXED + key.id.len() + TAG);
        token.push(VERSION);
        token.extend_from_slice(id.as_bytes());
        token.extend_from_slice(&expires.min(LAST_SECOND).to_be_bytes()[3..]);
        token.extend_from_slice(key.id.as_bytes());
        let tag = key.over(&token).finalize().into_bytes();
        token.extend_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token grants at `now` (Unix seconds), whatever bytes it is made of.
    ///
    /// # Errors
    /// [`InvalidLink::Forged`] for whatever no key of the ring signed; [`InvalidLink::Expired`] only for what one did.
    pub fn verify(&self, token: &str, now: u64) -> Result<Grant, InvalidLink> {
        const LONGEST: usize = (FIXED + LONGEST_KEY_ID + TAG).div_ceil(3) * 4;
        if token.len() > LONGEST {
            return Err(InvalidLink::Forged);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| InvalidLink::Forged)?;
        if bytes.len() <= FIXED + TAG || bytes[0] != VERSION {
            return Err(InvalidLink::Forged);
        }
        let (signed, tag) = bytes.split_at(bytes.len() - TAG);
        let (fixed, key_id) = signed.split_at(FIXED);
        let key = self.0.iter().find(|key| key.id.as_bytes() == key_id);
        let key = key.ok_or(InvalidLink::Forged)?;
        // Takes the same time wherever the tags differ.
        key.over(signed)
            .verify_truncated_left(tag)
            .map_err(|_| InvalidLink::Forged)?;
        let mut id = [0; 16];
        id.copy_from_slice(&fixed[1..17]);
        let expires = fixed[17..]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let grant = Grant {
            id: Uuid::from_bytes(id),
            expires,
        };
        if now >= expires {
            return Err(InvalidLink::Expired(grant));
        }
        Ok(grant)
    }
}

impl Key {
    fn over(&self, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(PURPOSE);
        mac.update(signed);
        mac
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|key| key.id.as_str()).collect();
        write!(f, "KeyRing({})", ids.join(", "))
    }
}

/// A request's path as it may stand in a log: of `/d/{link}/…` the token is left out.
pub fn without_token(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/d/") else {
        return path.to_owned();
    };
    let below = rest.find('/').map_or("", |slash| &rest[slash..]);
    format!("/d/-{below}")
}

#[cfg(test)]
mod tests;
