//! One part: streamed through, or copied by the store; tried again where that can help.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};

use super::Job;
use super::known::PartChecksums;
use super::outlet::{Outlet, Stalled};
use super::plan::{Part, Source};
use crate::download::DownloadError;
use crate::download::passage::Passage;
use crate::job::Failure;
use crate::job::checkpoint::Fragment;
use crate::measure;
use crate::store::{Patience, StoreError, StoreErrorKind, StoredPart};

/// Tries at one part.
const TRIES: u32 = 6;

/// How often, and how many times, a part without memory asks for it.
const ADMISSION: (Duration, u32) = (Duration::from_millis(500), 120);

impl Job {
    /// Does a part, however often that takes.
    pub(super) async fn part(&self, number: usize) -> Result<(), Failure> {
        let Some(part) = self.plan.part(number).cloned() else {
            return Ok(());
        };
        let mut patience = Patience::new(TRIES);
        loop {
            match self.try_part(number, &part).await {
                Ok(fragments) => {
                    self.known.finish(number, &part.range, fragments).await?;
                    self.progress.part();
                    measure::job_part(part.is_copied(), part.len());
                    return Ok(());
                }
                Err(failure) if failure.is_worth_another_part() => match patience.pause() {
                    Some(pause) => {
                        tracing::warn!(number, %failure, "a part is done once more");
                        tokio::time::sleep(pause).await;
                    }
                    None => return Err(failure),
                },
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn try_part(&self, number: usize, part: &Part) -> Result<Vec<Fragment>, Failure> {
        match &part.source {
            Source::Stream => self.stream(number, part).await,
            Source::Copy { row, range } => {
                let Some(row) = self.open.frozen.row(*row) else {
                    return Ok(Vec::new());
                };
                let (from, object) = (&self.open.bucket, row.object());
                let stored = self.upload.copy(number, from, &object, range.clone());
                check(part, &stored.await?);
                self.progress.copied(part.len());
                Ok(Vec::new())
            }
        }
    }

    async fn stream(&self, number: usize, part: &Part) -> Result<Vec<Fragment>, Failure> {
        let share = self.admission().await?;
        let own: Arc<Mutex<Vec<Fragment>>> = Arc::default();
        let checksums = PartChecksums::new(&self.known, &self.reads, &own);
        let mut passage = Passage::new(
            self.reads.clone(),
            checksums,
            &self.open,
            part.range.clone(),
            share,
        );
        let (outlet, bytes) = Outlet::new();
        let mut counted = Counted {
            job: self,
            bytes: 0,
        };
        let pump = async {
            while let Some(frame) = passage.next().await? {
                let length = frame.len() as u64;
                let put = outlet.put(frame).await;
                if !put.map_err(|stalled| self.stalled(&stalled))? {
                    break;
                }
                counted.advance(length);
            }
            let finished = outlet.finish().await;
            Ok::<_, Failure>(finished.map_err(|stalled| self.stalled(&stalled))?)
        };
        let sending = self.upload.send(number, part.len(), bytes);
        let stored = match select(std::pin::pin!(pump), std::pin::pin!(sending)).await {
            Either::Left((pumped, sending)) => {
                pumped?;
                sending.await?
            }
            Either::Right((stored, _)) => stored?,
        };
        check(part, &stored);
        counted.bytes = 0;
        drop(counted);
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *own))
    }

    /// Waits for memory, but not for ever.
    async fn admission(&self) -> Result<crate::read_ahead::Share, Failure> {
        let (pause, tries) = ADMISSION;
        for _ in 1..tries {
            if let Ok(share) = self.budget.admit() {
                return Ok(share);
            }
            tokio::time::sleep(pause).await;
        }
        Ok(self.budget.admit()?)
    }

    fn stalled(&self, stalled: &Stalled) -> StoreError {
        let kind = StoreErrorKind::Unreachable {
            reason: stalled.to_string(),
        };
        let target = &self.order.target;
        StoreError::new("UploadPart", &target.bucket, Some(&target.key), kind)
    }
}

fn check(part: &Part, stored: &StoredPart) {
    debug_assert_eq!(part.len(), stored.size);
}

/// Bytes that count as progress, until it shows that they were in vain.
struct Counted<'a> {
    job: &'a Job,
    bytes: u64,
}

impl Counted<'_> {
    fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.job.progress.advance(bytes);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.job.progress.take_back(self.bytes);
    }
}

impl Failure {
    /// Is it about this one try at a part?
    fn is_worth_another_part(&self) -> bool {
        match self {
            Failure::Store(error) => error.kind.can_pass(),
            Failure::Archive(DownloadError::Store(error)) => error.kind.can_pass(),
            Failure::Archive(DownloadError::Overloaded(_)) => true,
            _ => false,
        }
    }
}
