//! How far a job is: counted by those who do it, read by those who show it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a job is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It opens its manifest and plans.
    #[default]
    Planning,
    /// It finds out whether the store copies parts of objects.
    Probing,
    /// Parts are on their way.
    Uploading,
    /// The store puts the parts together.
    Completing,
    /// The archive is read back.
    Verifying,
}

/// How far a job is. It may go back where a part is sent again.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    parts: AtomicU64,
    parts_total: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
    copied: AtomicU64,
    note: Mutex<Option<String>>,
}

/// The same at one moment, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What it is at.
    pub phase: Phase,
    /// Parts that stand.
    pub parts: u64,
    /// Parts in all.
    pub parts_total: u64,
    /// Bytes of the archive that stand or are on their way; while it is verified, bytes that were read back.
    pub bytes: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Those of the bytes that the store copied by itself.
    pub copied: u64,
    /// Why nothing is copied, where it might have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Progress {
    /// How far it is now.
    pub fn shown(&self) -> Shown {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Shown {
            phase: match self.phase.load(Ordering::Relaxed) {
                0 => Phase::Planning,
                1 => Phase::Probing,
                2 => Phase::Uploading,
                3 => Phase::Completing,
                _ => Phase::Verifying,
            },
            parts: get(&self.parts),
            parts_total: get(&self.parts_total),
            bytes: get(&self.bytes),
            bytes_total: get(&self.bytes_total),
            copied: get(&self.copied),
            note: self.lock().clone(),
        }
    }

    /// It is at something else now.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// What there is to do, and what of it was done before.
    pub fn begin(&self, parts: (u64, u64), bytes: (u64, u64), copied: u64) {
        self.parts.store(parts.0, Ordering::Relaxed);
        self.parts_total.store(parts.1, Ordering::Relaxed);
        self.bytes.store(bytes.0, Ordering::Relaxed);
        self.bytes_total.store(bytes.1, Ordering::Relaxed);
        self.copied.store(copied, Ordering::Relaxed);
    }

    /// So many more bytes are on their way.
    pub fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes were on their way in vain.
    pub fn take_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// One more part stands.
    pub fn part(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    /// The store has copied so many bytes.
    pub fn copied(&self, bytes: u64) {
        self.copied.fetch_add(bytes, Ordering::Relaxed);
        self.advance(bytes);
    }

    /// Why nothing is copied.
    pub fn note(&self, note: Option<String>) {
        *self.lock() = note;
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
