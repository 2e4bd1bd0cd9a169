//! What is known of an upload and of the objects in it: which parts are done, and the CRC-32s of runs of objects that
//! lie in several parts.
//!
//! Invariant: what a checkpoint says is done has all of its runs in the same checkpoint, or in the manifest's sidecar.
//! So the CRC-32 of an object is put together from its parts, and no object is read for it a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crc32fast::Hasher;

use super::plan::Plan;
use crate::archive::Form;
use crate::download::checksums::{Checksums, Scanned};
use crate::download::slices::Needed;
use crate::download::{DownloadError, Scanner};
use crate::job::checkpoint::Fragment;
use crate::manifest::Open;
use crate::read_ahead::BucketReads;

/// What is known of one upload. It is shared by all who work at it in this process.
#[derive(Debug)]
pub(super) struct Known {
    open: Arc<Open>,
    scanner: Scanner,
    /// Rows of which the store copies a range: they never pass whole.
    copied: BTreeSet<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: Done,
    runs: BTreeMap<usize, Runs>,
    /// Rows that were hashed whole here.
    learned: BTreeMap<usize, u32>,
}

/// Parts that are done, by their numbers.
#[derive(Clone, Debug, Default)]
struct Done {
    is_done: Vec<bool>,
    /// Parts with bytes of entries that are not done.
    entries_left: usize,
}

/// Runs of one object, by where they begin: where they end, and their CRC-32. No two of them touch.
type Runs = BTreeMap<u64, (u64, u32)>;

impl Known {
    /// What a checkpoint knows of a plan.
    pub(super) fn new(
        open: &Arc<Open>,
        scanner: &Scanner,
        plan: &Plan,
        done: impl IntoIterator<Item = usize>,
        fragments: &[Fragment],
    ) -> Known {
        let known = Known {
            open: open.clone(),
            scanner: scanner.clone(),
            copied: plan.copied_rows(),
            state: Mutex::default(),
        };
        {
            let mut state = known.lock();
            state.done.is_done = vec![false; plan.parts().len()];
            for number in done {
                if let Some(is_done) = state.done.is_done.get_mut(number - 1) {
                    *is_done = true;
                }
            }
            let directory = open.frozen.layout().directory_offset();
            let parts = plan.parts().iter().zip(&state.done.is_done);
            state.done.entries_left = parts
                .filter(|(part, is_done)| !**is_done && part.range.start < directory)
                .count();
            for fragment in fragments {
                state.put(fragment);
            }
        }
        known
    }

    /// The numbers of the parts that are not done.
    pub(super) fn left(&self) -> BTreeSet<usize> {
        let state = self.lock();
        let parts = state.done.is_done.iter().enumerate();
        parts
            .filter(|(_, is_done)| !**is_done)
            .map(|(index, _)| index + 1)
            .collect()
    }

    /// The parts that are done, as runs of numbers, and what is known of objects that lie in several parts.
    pub(super) fn snapshot(&self) -> (Vec<(usize, usize)>, Vec<Fragment>) {
        let state = self.lock();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (index, _) in state
            .done
            .is_done
            .iter()
            .enumerate()
            .filter(|(_, is_done)| **is_done)
        {
            match runs.last_mut() {
                Some((_, last)) if *last == index => *last = index + 1,
                _ => runs.push((index + 1, index + 1)),
            }
        }
        let fragments = state.runs.iter().flat_map(|(&row, runs)| {
            let fragment = move |(&start, &(end, crc32)): (&u64, &(u64, u32))| Fragment {
                row,
                start,
                end,
                crc32,
            };
            runs.iter().map(fragment)
        });
        (runs, fragments.collect())
    }

    /// The rows that were hashed whole here and claim nothing.
    pub(super) fn learned(&self) -> Vec<(usize, u32)> {
        let state = self.lock();
        state
            .learned
            .iter()
            .map(|(&row, &crc32)| (row, crc32))
            .collect()
    }

    /// Whether all that the bytes of a range need is known, or becomes known while they pass.
    pub(super) fn is_ready(&self, range: &Range<u64>) -> bool {
        let layout = self.open.frozen.layout();
        let needed = Needed::by(layout, range);
        let state = self.lock();
        // A part that has the directory and entries too is one of those that are left.
        let itself = usize::from(range.start < layout.directory_offset());
        if !needed.listed.is_empty() && state.done.entries_left > itself {
            return false;
        }
        needed.described.is_none_or(|row| {
            let before = range.start - layout.data_offset(row);
            self.open.crc32(row).is_some() || state.head(row, before).is_some()
        })
    }

    /// A part is done.
    ///
    /// # Errors
    /// An object is not what it should be, which shows with its last part.
    pub(super) async fn finish(
        &self,
        number: usize,
        range: &Range<u64>,
        own: Vec<Fragment>,
    ) -> Result<(), DownloadError> {
        let layout = self.open.frozen.layout();
        let mut whole = Vec::new();
        {
            let mut state = self.lock();
            for fragment in &own {
                state.put(fragment);
                let size = layout.size(fragment.row);
                if let Some(crc32) = state.head(fragment.row, size) {
                    state.runs.remove(&fragment.row);
                    whole.push((fragment.row, crc32));
                }
            }
        }
        for (row, crc32) in whole {
            self.learn(row, crc32, None).await?;
        }
        let mut state = self.lock();
        if let Some(is_done) = state.done.is_done.get_mut(number - 1)
            && !std::mem::replace(is_done, true)
            && range.start < layout.directory_offset()
        {
            state.done.entries_left -= 1;
        }
        Ok(())
    }

    /// Parts that were done have to be done again.
    pub(super) fn undo(&self, numbers: &[usize], plan: &Plan) {
        let directory = self.open.frozen.layout().directory_offset();
        let mut state = self.lock();
        for &number in numbers {
            if let (Some(is_done), Some(part)) =
                (state.done.is_done.get_mut(number - 1), plan.part(number))
                && std::mem::replace(is_done, false)
                && part.range.start < directory
            {
                state.done.entries_left += 1;
            }
        }
    }

    async fn learn(
        &self,
        row: usize,
        crc32: u32,
        stored: Option<u32>,
    ) -> Result<(), DownloadError> {
        let scanner = &self.scanner;
        scanner.learn(&self.open, row, crc32, stored).await?;
        if self.open.frozen.layout().claimed_crc32(row).is_none() {
            self.lock().learned.insert(row, crc32);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a run in, and joins it with those that it touches. One that is known already changes nothing.
    fn put(&mut self, fragment: &Fragment) {
        let runs = self.runs.entry(fragment.row).or_default();
        let Fragment {
            mut start,
            mut end,
            mut crc32,
            ..
        } = *fragment;
        if let Some((&before, &(until, crc32_before))) = runs.range(..=start).next_back() {
            if until > start {
                return;
            }
            if until == start {
                runs.remove(&before);
                crc32 = joined(crc32_before, crc32, end - start);
                start = before;
            }
        }
        if let Some((until, crc32_behind)) = runs.remove(&end) {
            crc32 = joined(crc32, crc32_behind, until - end);
            end = until;
        }
        runs.insert(start, (end, crc32));
    }

    /// The CRC-32 of so many bytes from the start of a row, if it is known of just these.
    fn head(&self, row: usize, length: u64) -> Option<u32> {
        let (end, crc32) = self.runs.get(&row)?.get(&0)?;
        (*end == length).then_some(*crc32)
    }
}

/// The CRC-32 of two runs, the second of `length` bytes.
fn joined(first: u32, second: u32, length: u64) -> u32 {
    let mut hasher = Hasher::new_with_initial(first);
    hasher.combine(&Hasher::new_with_initial_len(second, length));
    hasher.finalize()
}

/// What one part knows and learns. Nothing of it counts before the part is done.
pub(super) struct PartChecksums {
    known: Arc<Known>,
    own: Arc<Mutex<Vec<Fragment>>>,
    /// For what cannot be put together, because a checkpoint was lost.
    scanned: Scanned<BucketReads>,
}

impl PartChecksums {
    /// Nothing is learned yet. What is, comes to `own` too.
    pub(super) fn new(
        known: &Arc<Known>,
        reads: &BucketReads,
        own: &Arc<Mutex<Vec<Fragment>>>,
    ) -> PartChecksums {
        PartChecksums {
            known: known.clone(),
            own: own.clone(),
            scanned: Scanned::new(reads.clone(), &known.scanner, &known.open),
        }
    }
}

impl Checksums for PartChecksums {
    const REMEMBERS: bool = true;

    async fn hashed(
        &self,
        index: usize,
        range: Range<u64>,
        crc32: u32,
        stored: Option<u32>,
    ) -> Result<(), DownloadError> {
        let layout = self.known.open.frozen.layout();
        if range == (0..layout.size(index)) {
            return self.known.learn(index, crc32, stored).await;
        }
        // A small object is hashed whole by the part that has its header.
        let is_small = layout.form(index) == Form::Known && layout.claimed_crc32(index).is_none();
        if !is_small && !self.known.copied.contains(&index) {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.push(Fragment {
                row: index,
                start: range.start,
                end: range.end,
                crc32,
            });
        }
        Ok(())
    }

    async fn crc32(&self, index: usize) -> Result<u32, DownloadError> {
        if let Some(crc32) = self.known.open.crc32(index) {
            return Ok(crc32);
        }
        let own = {
            let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.iter().rfind(|fragment| fragment.row == index).copied()
        };
        let size = self.known.open.frozen.layout().size(index);
        let own = own.filter(|own| own.end == size);
        let head = own.and_then(|own| self.known.lock().head(index, own.start));
        if let (Some(own), Some(head)) = (own, head) {
            let crc32 = joined(head, own.crc32, own.end - own.start);
            // The directory is written from what is learned.
            self.known.learn(index, crc32, None).await?;
            return Ok(crc32);
        }
        self.scanned.crc32(index).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_together_in_any_order() {
        let bytes: Vec<u8> = (0..1000u32).map(|at| (at * 7) as u8).collect();
        let borders = [0usize, 1, 10, 400, 999, 1000];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 3, 1]] {
            let mut state = State::default();
            for piece in order {
                let (start, end) = (borders[piece], borders[piece + 1]);
                let fragment = Fragment {
                    row: 3,
                    start: start as u64,
                    end: end as u64,
                    crc32: crc32fast::hash(&bytes[start..end]),
                };
                state.put(&fragment);
                state.put(&fragment);
            }
            assert_eq!(state.head(3, 1000), Some(crc32fast::hash(&bytes)));
            assert_eq!(state.runs[&3].len(), 1);
            assert_eq!(state.head(3, 999), None, "of just these bytes");
        }
    }
}
