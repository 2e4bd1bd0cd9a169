//! The store's one pair of keys: made at random once, kept in the state folder, readable by its owner only.
//!
//! Invariant: processes that share a state folder share the keys, also when they start at the same moment.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::error::EmbeddedError;

/// The keys that clients of the store sign with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

impl Credentials {
    /// Reads the keys in `path`, or makes them.
    pub(super) fn open(path: &Path, temp: &Path) -> Result<Credentials, EmbeddedError> {
        let state = |source| EmbeddedError::State {
            path: path.to_owned(),
            source,
        };
        loop {
            match fs::read(path) {
                Ok(bytes) => {
                    return serde_json::from_slice(&bytes).map_err(|source| {
                        EmbeddedError::Credentials {
                            path: path.to_owned(),
                            source,
                        }
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(state(error)),
            }
            let made = Credentials::random();
            // Files of `tempfile` have mode 0600.
            let mut file = NamedTempFile::new_in(temp).map_err(state)?;
            let text =
                serde_json::to_vec_pretty(&made).map_err(|source| EmbeddedError::Credentials {
                    path: path.to_owned(),
                    source,
                })?;
            file.write_all(&text).map_err(state)?;
            match file.persist_noclobber(path) {
                Ok(_) => return Ok(made),
                // Another process was first: its keys count.
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(state(error.error)),
            }
        }
    }

    fn random() -> Credentials {
        let digits = || {
            // Two random UUIDs carry 244 bits; the hash spreads them evenly.
            let hash = Sha256::new()
                .chain_update(Uuid::new_v4())
                .chain_update(Uuid::new_v4())
                .finalize();
            hex::encode(hash)
        };
        Credentials {
            access_key: format!("SHEAF{}", &digits()[..15].to_uppercase()),
            secret_key: digits()[..40].to_owned(),
        }
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key {
            Ok(SecretKey::from(self.secret_key.as_str()))
        } else {
            Err(S3Error::with_message(
                S3ErrorCode::InvalidAccessKeyId,
                "this access key is not known here",
            ))
        }
    }
}
