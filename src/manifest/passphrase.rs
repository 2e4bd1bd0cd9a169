//! The passphrase of a link: kept as a salted, slow hash only.
//!
//! Argon2id with 19 MiB and two passes, as OWASP's
//! [password storage cheat sheet](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html)
//! has it. What it costs stands beside each hash, so that it can grow and old links still open.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The shortest passphrase, in bytes.
pub const SHORTEST: usize = 8;

/// The longest passphrase, in bytes.
pub const LONGEST: usize = 1024;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What a stored hash may cost at the most, whoever wrote it.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_PASSES: u32 = 16;

const HASH: usize = 32;

/// A passphrase as its owner chose it. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

/// Why a text is no passphrase. Does not hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassphrase {
    /// It could be guessed, or is too long to be typed.
    #[error("the passphrase has {length} bytes; it must have {SHORTEST} to {LONGEST}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
    /// No client can send it.
    #[error("the passphrase has a control character")]
    Control,
}

impl Passphrase {
    /// Checks a passphrase.
    ///
    /// # Errors
    /// [`InvalidPassphrase`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Passphrase, InvalidPassphrase> {
        let length = text.len();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(InvalidPassphrase::Length { length });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPassphrase::Control);
        }
        Ok(Passphrase(text.to_owned()))
    }

    /// What is kept of it. Takes a good part of a tenth of a second, on purpose.
    pub fn hash(&self) -> PassphraseHash {
        let mut hash = PassphraseHash {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            // 122 random bits from the system.
            salt: hex::encode(Uuid::new_v4().as_bytes()),
            hash: String::new(),
        };
        // The costs above are ones that Argon2 takes.
        hash.hash = hash.of(&self.0).map(hex::encode).unwrap_or_default();
        hash
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// What is kept of a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PassphraseHash {
    /// Memory that it takes, in KiB.
    memory_kib: u32,
    /// How often that memory is passed over.
    passes: u32,
    /// In hex.
    salt: String,
    /// In hex.
    hash: String,
}

impl PassphraseHash {
    /// Whether this is the passphrase. Takes as long as hashing it.
    pub fn is_of(&self, tried: &str) -> bool {
        let (Some(found), Ok(expected)) = (self.of(tried), hex::decode(&self.hash)) else {
            return false;
        };
        // The time that it takes does not depend on where they differ.
        let differences = found
            .iter()
            .zip(&expected)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        expected.len() == HASH && differences == 0
    }

    fn of(&self, text: &str) -> Option<[u8; HASH]> {
        if text.len() > LONGEST || self.memory_kib > MOST_MEMORY_KIB || self.passes > MOST_PASSES {
            return None;
        }
        let params = Params::new(self.memory_kib, self.passes, 1, Some(HASH)).ok()?;
        let salt = hex::decode(&self.salt).ok()?;
        let mut hash = [0; HASH];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(text.as_bytes(), &salt, &mut hash)
            .ok()?;
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens() {
        let passphrase = Passphrase::new("größer als gedacht").unwrap();
        let (hash, other) = (passphrase.hash(), passphrase.hash());
        assert_ne!(hash, other, "salted");
        assert!(hash.is_of("größer als gedacht"));
        for wrong in ["", "größer als gedach", "größer als gedacht "] {
            assert!(!hash.is_of(wrong), "{wrong}");
        }
        let stored = serde_json::to_string(&hash).unwrap();
        assert!(!stored.contains("gedacht"));
        let read: PassphraseHash = serde_json::from_str(&stored).unwrap();
        assert!(read.is_of("größer als gedacht"));
    }

    #[test]
    fn what_is_stored_cannot_cost_without_bound() {
        let sound = Passphrase::new("12345678").unwrap().hash();
        for dear in [
            PassphraseHash {
                memory_kib: u32::MAX,
                ..sound.clone()
            },
            PassphraseHash {
                passes: u32::MAX,
                ..sound.clone()
            },
            PassphraseHash {
                salt: "x".to_owned(),
                ..sound.clone()
            },
            PassphraseHash {
                hash: String::new(),
                ..sound.clone()
            },
        ] {
            assert!(!dear.is_of("12345678"));
        }
        assert!(!sound.is_of(&"x".repeat(LONGEST + 1)));
    }

    #[test]
    fn passphrases_are_checked_and_not_shown() {
        assert!(matches!(
            Passphrase::new("short"),
            Err(InvalidPassphrase::Length { length: 5 })
        ));
        assert!(Passphrase::new(&"x".repeat(1025)).is_err());
        assert_eq!(
            Passphrase::new("line\nbreak"),
            Err(InvalidPassphrase::Control)
        );
        let passphrase = Passphrase::new("correct horse").unwrap();
        assert!(!format!("{passphrase:?}").contains("horse"));
    }
}
