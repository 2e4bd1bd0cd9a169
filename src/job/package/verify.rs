//! Reading the archive back: is what stands in the bucket what the manifest says?
//!
//! Its length and entity tag; everything behind the last entry, byte for byte; the directory once more as other people's
//! reader sees it; and a sample of entries, header and data, hashed. Or, if that is asked for, all of it by the eyes of
//! [`crate::verify`], which know nothing of how it was made. What does not pass is removed, and nothing else is: what
//! somebody puts in its place meanwhile stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Means;
use super::begin::{At, look};
use super::plan::Plan;
use crate::archive::{Directory, Form, Layout};
use crate::job::progress::Phase;
use crate::job::{Checkpoint, Desk, Failure, Method, Order, Verify};
use crate::manifest::Open;
use crate::store::StoreErrorKind;
use crate::verify::{Fault, Source, SourceError, check, list};

/// Entries of a sample at the most, and the bytes of their data, but for the smallest one.
const SAMPLE: (usize, u64) = (32, 64 << 20);

/// Entries of which other people's reader keeps all in memory.
const LISTED: usize = 100_000;

/// Bytes that are read back at once.
const CHUNK: u64 = 1 << 20;

/// What stands at the target of a job.
pub(super) struct Standing {
    pub(super) open: Arc<Open>,
    pub(super) method: Method,
    pub(super) note: Option<String>,
    pub(super) copied: u64,
    copied_rows: BTreeSet<usize>,
    /// It is not this job's work. Called off, the job leaves it alone; only where it turns out to be damaged it is
    /// removed, to be written anew.
    is_found: bool,
}

impl Standing {
    /// It was written by a plan.
    pub(super) fn of(open: &Arc<Open>, plan: &Plan, checkpoint: &Checkpoint) -> Standing {
        Standing {
            open: open.clone(),
            method: checkpoint.method,
            note: checkpoint.note.clone(),
            copied: plan.copied_bytes(),
            copied_rows: plan.copied_rows(),
            is_found: false,
        }
    }

    /// It was found.
    pub(super) fn found(open: &Arc<Open>) -> Standing {
        Standing {
            open: open.clone(),
            method: Method::Stream,
            note: Some("the archive stood at its target already".to_owned()),
            copied: 0,
            copied_rows: BTreeSet::new(),
            is_found: true,
        }
    }
}

/// Reads the archive back, and says of how many entries the data was hashed.
pub(super) async fn verify(
    means: &Means,
    order: &Order,
    standing: &Standing,
    etag: &str,
    desk: &Desk,
) -> Result<u64, Failure> {
    desk.progress.enter(Phase::Verifying);
    let outcome = tokio::select! {
        biased;
        () = desk.cancel.cancelled() => Err(Failure::Cancelled),
        () = desk.pause.cancelled() => Err(Failure::Paused),
        outcome = read_back(means, order, standing, etag) => outcome,
    };
    let Err(failure) = outcome else {
        return outcome;
    };
    let is_void = match &failure {
        Failure::Cancelled => !standing.is_found,
        Failure::Unsound { .. } => true,
        Failure::Unread(SourceError::Store(error))
            if matches!(error.kind, StoreErrorKind::Changed) =>
        {
            return Err(replaced(order));
        }
        // Nobody can say of it that it is whole.
        Failure::Unread(_) => !standing.is_found && !failure.can_pass(),
        _ => false,
    };
    if is_void {
        match look(&means.store, order, &standing.open).await? {
            At::Ours { etag: found, .. } if is_same(etag, &found) => {
                let target = &order.target;
                means.store.delete(&target.bucket, &target.key).await?;
            }
            At::Nothing => {}
            At::Ours { .. } | At::Other if matches!(failure, Failure::Cancelled) => {}
            At::Ours { .. } | At::Other => return Err(replaced(order)),
        }
    }
    Err(failure)
}

/// Whether two entity tags are one; there are stores that tell none when they put an upload together.
fn is_same(etag: &str, found: &str) -> bool {
    etag.is_empty() || found.trim_matches('"') == etag.trim_matches('"')
}

fn replaced(order: &Order) -> Failure {
    Failure::Replaced(order.target.clone())
}

async fn read_back(
    means: &Means,
    order: &Order,
    standing: &Standing,
    etag: &str,
) -> Result<u64, Failure> {
    let target = &order.target;
    let unsound = |reason: String| Failure::Unsound {
        target: target.clone(),
        reason,
    };
    let source = Source::object(&means.store, &target.bucket, &target.key).await;
    let source = match source {
        Err(SourceError::Store(error)) if matches!(error.kind, StoreErrorKind::NoSuchKey) => {
            return Err(unsound("it is not there".to_owned()));
        }
        source => source?,
    };
    let layout = standing.open.frozen.layout();
    if source.len() != layout.len() {
        let (found, expected) = (source.len(), layout.len());
        return Err(unsound(format!(
            "it has {found} bytes instead of {expected}"
        )));
    }
    let found = source.etag().unwrap_or_default();
    if !is_same(etag, found) {
        return Err(unsound(format!("its ETag is {found} instead of {etag}")));
    }
    // Where others made it, nobody here may know its CRC-32s: then it is held against itself, all of it.
    let knows_all = || (0..layout.entries()).all(|row| standing.open.crc32(row).is_some());
    if order.verify == Verify::Full || (standing.is_found && !knows_all()) {
        let report = check(source, &target.key, &mut |_| {}).await?;
        return match report.fault {
            Some(fault) => Err(unsound(told(&fault))),
            None if report.entries != layout.entries() as u64 => Err(unsound(format!(
                "it has {} entries instead of {}",
                report.entries,
                layout.entries()
            ))),
            None => Ok(report.entries),
        };
    }
    if let Some(reason) = tail_differs(&source, standing).await? {
        return Err(unsound(reason));
    }
    let rows = sample(layout, &standing.copied_rows);
    for &row in &rows {
        if let Some(reason) = entry_differs(&source, standing, row).await? {
            let name = layout.name(row).escape_default();
            return Err(unsound(format!("{name}: {reason}")));
        }
    }
    if layout.entries() <= LISTED
        && let Some(fault) = list(source, layout.entries() as u64).await?
    {
        return Err(unsound(told(&fault)));
    }
    Ok(rows.len() as u64)
}

fn told(fault: &Fault) -> String {
    let entry = fault.entry.as_ref().map(|entry| format!("{entry:?}: "));
    format!("{}{}", entry.unwrap_or_default(), fault.kind)
}

/// Everything behind the last entry, byte for byte.
async fn tail_differs(source: &Source, standing: &Standing) -> Result<Option<String>, SourceError> {
    let layout = standing.open.frozen.layout();
    let (mut directory, mut at) = (Directory::new(), layout.directory_offset());
    let mut buffer = Vec::new();
    while let Some(frame) =
        directory.next(layout, |row| standing.open.crc32(row).unwrap_or_default())
    {
        let end = at + frame.len() as u64;
        buffer = source.read(at..end, buffer).await?;
        if buffer != frame {
            return Ok(Some(format!(
                "its directory differs between the offsets {at} and {end}"
            )));
        }
        at = end;
    }
    Ok(None)
}

/// One entry: its header, its data, its descriptor.
async fn entry_differs(
    source: &Source,
    standing: &Standing,
    row: usize,
) -> Result<Option<String>, SourceError> {
    let layout = standing.open.frozen.layout();
    let Some(crc32) = standing.open.crc32(row) else {
        return Ok(Some("nobody knows its CRC-32".to_owned()));
    };
    let (start, mut at) = (layout.offset(row), layout.data_offset(row));
    let header = source.read(start..at, Vec::new()).await?;
    if header != layout.local_header(row, crc32) {
        return Ok(Some("it has another header".to_owned()));
    }
    let end = at + layout.size(row);
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), Vec::new());
    while at < end {
        let next = end.min(at + CHUNK);
        buffer = source.read(at..next, buffer).await?;
        hasher.update(&buffer);
        at = next;
    }
    let found = hasher.finalize();
    if found != crc32 {
        return Ok(Some(format!(
            "its data has the CRC-32 {found:08x} instead of {crc32:08x}"
        )));
    }
    if layout.form(row) == Form::Described
        && let Some(descriptor) = layout.descriptor(row, crc32)
    {
        let end = at + descriptor.len() as u64;
        if source.read(at..end, buffer).await? != descriptor {
            return Ok(Some("it has another descriptor".to_owned()));
        }
    }
    Ok(None)
}

/// Which entries are read back: the first and the last, those whose data nobody here has seen, and others from all over
/// the archive, as far as the bounds go.
fn sample(layout: &Layout, copied: &BTreeSet<usize>) -> BTreeSet<usize> {
    let (most, most_bytes) = SAMPLE;
    let count = layout.entries();
    let spread = |of: usize| (0..of).map(move |step| step * count / of);
    let first_and_last = [0, count.saturating_sub(1)];
    let wanted = first_and_last
        .into_iter()
        .chain(copied.iter().copied().take(most / 2))
        .chain(spread(most))
        .filter(|&row| row < count);
    let (mut rows, mut bytes) = (BTreeSet::new(), 0);
    for row in wanted {
        let size = layout.size(row);
        if rows.len() < most && bytes + size <= most_bytes && rows.insert(row) {
            bytes += size;
        }
    }
    if rows.is_empty() {
        rows.extend((0..count).min_by_key(|&row| layout.size(row)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Entry, Namer};

    fn layout(sizes: &[u64]) -> Layout {
        let (mut layout, mut namer) = (Layout::new(), Namer::new(""));
        for (index, &size) in sizes.iter().enumerate() {
            layout.push(Entry {
                name: namer.name(&format!("{index}")),
                size,
                modified: 0,
                crc32: None,
            });
        }
        layout
    }

    #[test]
    fn a_sample_is_bounded_and_never_empty() {
        let copied = BTreeSet::from([3]);
        let rows = sample(&layout(&[1000; 5]), &copied);
        assert_eq!(rows, BTreeSet::from([0, 1, 2, 3, 4]), "all of a few");
        let rows = sample(&layout(&[1 << 20; 10_000]), &copied);
        assert_eq!(rows.len(), SAMPLE.0);
        assert!(rows.contains(&0) && rows.contains(&9_999) && rows.contains(&3));
        let rows = sample(&layout(&[20 << 20; 100]), &BTreeSet::new());
        assert_eq!(rows.len(), 3, "as many as the bytes allow");
        let rows = sample(&layout(&[2 << 30, 1 << 30]), &BTreeSet::new());
        assert_eq!(rows, BTreeSet::from([1]), "the smallest in any case");
        assert!(sample(&layout(&[]), &BTreeSet::new()).is_empty());
    }
}
