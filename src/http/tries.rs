//! What a server remembers of passphrases: those that were right, so that every range does not pay for the hash again,
//! and how often a wrong one was tried for a link. Both are bounded, and forgotten when the server ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::manifest::passphrase::PassphraseHash;

/// Wrong passphrases that may be tried for a link one after the other.
const TRIES: u32 = 10;

/// How long it takes until one more may be tried.
const PAUSE: Duration = Duration::from_secs(6);

/// Right passphrases, and links with wrong ones, that are remembered at the most.
const MOST: usize = 10_000;

/// The fingerprint of a passphrase that was given for a link.
pub type Fingerprint = [u8; 32];

/// What is remembered.
#[derive(Debug)]
pub struct Tries {
    /// Makes fingerprints of this process useless elsewhere.
    key: [u8; 32],
    right: HashMap<Fingerprint, u64>,
    wrong: HashMap<Uuid, Wrong>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    /// Tries that are used up, as of `at`.
    used: u32,
    at: Instant,
}

impl Default for Tries {
    fn default() -> Tries {
        let halves = [Uuid::new_v4(), Uuid::new_v4()];
        let mut key = [0; 32];
        key[..16].copy_from_slice(halves[0].as_bytes());
        key[16..].copy_from_slice(halves[1].as_bytes());
        Tries {
            key,
            right: HashMap::new(),
            wrong: HashMap::new(),
            clock: 0,
        }
    }
}

impl Tries {
    /// What a passphrase given for a link is known by: another one once the link has another hash.
    pub fn fingerprint(&self, id: Uuid, hash: &PassphraseHash, given: &str) -> Fingerprint {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(id.as_bytes());
        // Serialising text and numbers into memory has no way to fail.
        let hash = serde_json::to_vec(hash).unwrap_or_default();
        hasher.update((hash.len() as u64).to_le_bytes());
        hasher.update(hash);
        hasher.update(given);
        hasher.finalize().into()
    }

    /// Whether this was found right before.
    pub fn is_right(&mut self, given: &Fingerprint) -> bool {
        self.clock += 1;
        let known = self.right.get_mut(given);
        known.map(|used| *used = self.clock).is_some()
    }

    /// It was found right.
    pub fn note_right(&mut self, given: Fingerprint) {
        self.clock += 1;
        self.right.insert(given, self.clock);
        if self.right.len() > MOST {
            let oldest = self.right.iter().min_by_key(|(_, used)| **used);
            let oldest = oldest.map(|(given, _)| *given);
            oldest.map(|given| self.right.remove(&given));
        }
    }

    /// Takes one try for a link, to be given back if it turns out right.
    ///
    /// # Errors
    /// How long to wait, where all are used up.
    pub fn take(&mut self, id: Uuid, now: Instant) -> Result<(), Duration> {
        if self.wrong.len() >= MOST {
            self.wrong.retain(|_, wrong| wrong.left(now).used > 0);
        }
        if self.wrong.len() >= MOST && !self.wrong.contains_key(&id) {
            return Err(PAUSE);
        }
        let wrong = self.wrong.entry(id).or_insert(Wrong { used: 0, at: now });
        *wrong = wrong.left(now);
        if wrong.used >= TRIES {
            return Err(PAUSE.saturating_sub(now.saturating_duration_since(wrong.at)));
        }
        wrong.used += 1;
        Ok(())
    }

    /// Gives a try back.
    pub fn give_back(&mut self, id: Uuid) {
        if let Some(wrong) = self.wrong.get_mut(&id) {
            wrong.used = wrong.used.saturating_sub(1);
            if wrong.used == 0 {
                self.wrong.remove(&id);
            }
        }
    }
}

impl Wrong {
    /// What is used up later: a try comes back each [`PAUSE`].
    fn left(self, now: Instant) -> Wrong {
        let since = now.saturating_duration_since(self.at);
        let back = u32::try_from(since.as_nanos() / PAUSE.as_nanos()).unwrap_or(u32::MAX);
        match self.used.saturating_sub(back) {
            0 => Wrong { used: 0, at: now },
            used => Wrong {
                used,
                at: self.at + PAUSE * back,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::passphrase::Passphrase;

    #[test]
    fn tries_run_out_and_come_back() {
        let (mut tries, id, start) = (Tries::default(), Uuid::new_v4(), Instant::now());
        for _ in 0..TRIES {
            tries.take(id, start).unwrap();
        }
        assert_eq!(tries.take(id, start), Err(PAUSE));
        assert!(
            tries.take(Uuid::new_v4(), start).is_ok(),
            "each link has its own"
        );
        let later = start + PAUSE / 3;
        assert_eq!(tries.take(id, later), Err(PAUSE - PAUSE / 3));
        assert!(tries.take(id, start + PAUSE).is_ok());
        assert!(tries.take(id, start + PAUSE).is_err());
        for _ in 0..TRIES {
            assert!(tries.take(id, start + PAUSE * 100).is_ok());
        }
        assert!(tries.take(id, start + PAUSE * 100).is_err());
    }

    #[test]
    fn right_ones_cost_no_try() {
        let (mut tries, id, now) = (Tries::default(), Uuid::new_v4(), Instant::now());
        for _ in 0..TRIES * 3 {
            tries.take(id, now).unwrap();
            tries.give_back(id);
        }
        assert!(tries.wrong.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        let hash = Passphrase::new("12345678").unwrap().hash();
        let first = tries.fingerprint(Uuid::nil(), &hash, "a");
        assert_ne!(first, tries.fingerprint(Uuid::nil(), &hash, "b"));
        assert_ne!(first, tries.fingerprint(Uuid::max(), &hash, "a"));
        assert_ne!(first, Tries::default().fingerprint(Uuid::nil(), &hash, "a"));
        tries.note_right(first);
        assert!(tries.is_right(&first));
        for n in 0..MOST as u32 {
            let mut other = first;
            other[..4].copy_from_slice(&n.to_le_bytes());
            tries.note_right(other);
            let _ = tries.take(Uuid::new_v4(), now);
        }
        assert_eq!((tries.right.len(), tries.wrong.len()), (MOST, MOST));
        assert!(!tries.is_right(&first), "the oldest went");
        assert!(tries.take(Uuid::new_v4(), now).is_err());
        assert!(tries.take(Uuid::new_v4(), now + PAUSE).is_ok());
        assert_eq!(tries.wrong.len(), 1, "what came back is forgotten");
    }
}
