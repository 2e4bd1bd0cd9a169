//! Ranged reads in order: the seam between a frozen archive and whatever reads for it.
//!
//! An archive is a sequence of steps, some of which read a range of an object. [`OrderedReads`] takes the steps from an
//! iterator, hands them out in order, and gives the bytes of each as chunks. For now it opens one read after the other;
//! since the iterator tells what comes, it is free to read ahead.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use crate::store::{Bucket, Object, ObjectBody, Store, StoreError, StoreErrorKind};

/// Breaks in a row, with less than [`PROGRESS`] between them, that end a read.
const TRIES: u32 = 6;

/// Bytes after which a read counts as well again.
const PROGRESS: u64 = 1 << 20;

/// Pause after the first break; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of one object; never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The object, as it is to be found.
    pub object: Object,
    /// Which of its bytes.
    pub range: Range<u64>,
}

/// A step that may read.
pub trait Step {
    /// What it reads, if it does.
    fn wanted(&self) -> Option<&Wanted>;
}

/// Hands out steps in order, and the bytes of each.
pub struct OrderedReads<P: Iterator> {
    store: Store,
    bucket: Bucket,
    plan: P,
    current: Option<RangeRead>,
}

impl<P> OrderedReads<P>
where
    P: Iterator,
    P::Item: Step,
{
    /// Nothing is read before the first step is taken.
    pub fn new(store: &Store, bucket: &Bucket, plan: P) -> OrderedReads<P> {
        OrderedReads {
            store: store.clone(),
            bucket: bucket.clone(),
            plan,
            current: None,
        }
    }

    /// The next step. Its read, if it has one, is open then; what was left of the step before is dropped.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn next_step(&mut self) -> Result<Option<P::Item>, StoreError> {
        self.current = None;
        let Some(step) = self.plan.next() else {
            return Ok(None);
        };
        if let Some(Wanted { object, range }) = step.wanted() {
            let read = RangeRead::open(&self.store, &self.bucket, object.clone(), range.clone());
            self.current = Some(read.await?);
        }
        Ok(Some(step))
    }

    /// The next chunk of the current step's read, or `None` when all of it has come.
    ///
    /// # Errors
    /// As [`RangeRead::next`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        match &mut self.current {
            Some(read) => read.next().await,
            None => Ok(None),
        }
    }
}

/// A read of a range of one object, pinned to its ETag.
pub struct RangeRead {
    store: Store,
    bucket: Bucket,
    object: Object,
    body: ObjectBody,
    rest: Range<u64>,
    breaks: u32,
    last_break: u64,
}

impl RangeRead {
    /// Opens the read of a range that is not empty.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn open(
        store: &Store,
        bucket: &Bucket,
        object: Object,
        range: Range<u64>,
    ) -> Result<RangeRead, StoreError> {
        Ok(RangeRead {
            body: store.get(bucket, &object, range.clone(), false).await?,
            store: store.clone(),
            bucket: bucket.clone(),
            object,
            breaks: 0,
            last_break: range.start,
            rest: range,
        })
    }

    /// The next chunk, or `None` when all of the range has come.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchKey`] and [`StoreErrorKind::Changed`] at once; what can be mended, after six tries.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            match self.body.next().await {
                Ok(chunk) => {
                    self.rest.start += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    return Ok(chunk);
                }
                Err(error) => self.reopen(error).await?,
            }
        }
    }

    async fn reopen(&mut self, mut error: StoreError) -> Result<(), StoreError> {
        let position = self.rest.start;
        if position - self.last_break >= PROGRESS {
            self.breaks = 0;
        }
        self.last_break = position;
        loop {
            self.breaks += 1;
            if !mendable(&error.kind) || self.breaks == TRIES {
                return Err(error);
            }
            warn!(%error, position, tries = self.breaks, "a read broke; it goes on from its next byte");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(self.breaks - 1)).await;
            let again = self
                .store
                .get(&self.bucket, &self.object, self.rest.clone(), false);
            match again.await {
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
                Err(next) => error = next,
            }
        }
    }
}

fn mendable(kind: &StoreErrorKind) -> bool {
    match kind {
        StoreErrorKind::Body { .. }
        | StoreErrorKind::Throttled
        | StoreErrorKind::Unreachable { .. } => true,
        StoreErrorKind::Unexpected { status, .. } => *status >= 500,
        _ => false,
    }
}
