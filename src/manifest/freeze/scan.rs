//! Hashing what has no CRC-32, once, so that every row of a link has one: then its archive has no descriptors, and no
//! range of it ever waits for a checksum.
//!
//! Objects are read ahead within the memory budget, as those of a download are, pinned to what was frozen. Dropped, it
//! ends its reads; what it hashed so far is forgotten.

use std::fmt;
use std::sync::Arc;

use futures::stream;

use super::FreezeError;
use crate::manifest::stored::{Freezer, Frozen};
use crate::read_ahead::{BucketReads, Event, Item, MemoryBudget, ReadAhead};
use crate::store::{Bucket, Store, StoreError};

/// How objects are hashed for a link.
#[derive(Clone)]
pub struct Scan {
    /// What it may fill with bytes under way.
    pub budget: MemoryBudget,
    /// Told now and then how far it has come.
    pub told: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// How far a scan has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Objects that are hashed.
    pub objects: u64,
    /// Objects that are to be.
    pub all_objects: u64,
    /// Bytes that are hashed.
    pub bytes: u64,
    /// Bytes that are to be.
    pub all_bytes: u64,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").finish_non_exhaustive()
    }
}

/// The same rows, each with its CRC-32.
///
/// # Errors
/// [`FreezeError::Overloaded`] where there is no room for one more download; [`FreezeError::Store`] where an object
/// cannot be read, or is another one by now.
pub async fn scanned(
    store: &Store,
    bucket: &Bucket,
    frozen: Arc<Frozen>,
    scan: &Scan,
) -> Result<Freezer, FreezeError> {
    let lacks = |row: &crate::manifest::stored::Row| row.crc32.is_none() && row.size > 0;
    let mut progress = Progress {
        objects: 0,
        all_objects: 0,
        bytes: 0,
        all_bytes: 0,
    };
    for row in frozen.rows(0).filter(lacks) {
        progress.all_objects += 1;
        progress.all_bytes += row.size;
    }
    let tell = |progress| {
        if let Some(told) = &scan.told {
            told(progress);
        }
    };
    let mut crc32s = Vec::new();
    if progress.all_objects > 0 {
        let share = scan.budget.admit()?;
        let rows = frozen.clone();
        let indexes = (0..frozen.header().count).filter_map(move |index| {
            let row = rows.row(index).filter(lacks)?;
            Some((index, row))
        });
        let items = indexes.map(|(index, row)| {
            Ok::<_, StoreError>(Item {
                range: 0..row.size,
                object: row.object(),
                before: Default::default(),
                tag: index,
            })
        });
        let reads = BucketReads::new(store, bucket);
        let mut ahead = ReadAhead::new(reads, stream::iter(items), share);
        let mut hashed = 0;
        while let Some(event) = ahead.next().await? {
            match event {
                Event::Begin { tag, .. } => hashed = tag,
                Event::Data(chunk) => {
                    progress.bytes += chunk.len() as u64;
                    tell(progress);
                }
                Event::End { crc32 } => {
                    progress.objects += 1;
                    crc32s.push((hashed, crc32));
                    tell(progress);
                }
            }
        }
    }
    let mut crc32s = crc32s.into_iter().peekable();
    let mut freezer = Freezer::new(bucket, &frozen.header().prefix);
    for (index, mut row) in frozen.rows(0).enumerate() {
        if let Some((_, crc32)) = crc32s.next_if(|(hashed, _)| *hashed == index) {
            row.crc32 = Some(crc32);
            row.announced = false;
        }
        freezer.push(&row);
    }
    Ok(freezer)
}
