//! Archives that would cost a reader more than they are long.

use std::io::{Seek, SeekFrom, Write};

use futures::executor::block_on;

use super::made::{self, archive, entries, entry};
use super::{Memory, Source, verdict};
use crate::verify::preflight::{DIRECTORY_MAX, ENTRIES_MAX};
use crate::verify::{Report, check, check_through};

/// What is said of an archive, and how far its data was read.
fn watched(bytes: &[u8]) -> (Report, Option<u64>) {
    let mut seen = None;
    let memory = Memory::new(bytes);
    let report = block_on(check_through(Source::memory(memory), 100, "", &mut |at| {
        seen = Some(at)
    }));
    (report.unwrap(), seen)
}

#[test]
fn entries_that_share_their_data_are_refused_before_any_is_read() {
    // Every entry's data is all that follows it, the local headers of the later ones included (Fifield, 2019).
    let kernel = vec![0; 1000];
    let mut files: Vec<_> = (0..50)
        .map(|index| entry(&format!("{index:02}"), b""))
        .collect();
    files.last_mut().unwrap().data = kernel;
    let mut following = Vec::new();
    for file in files.iter_mut().rev() {
        following = [&file.data[..], &following].concat();
        let (crc32, size) = (crc32fast::hash(&following), following.len() as u32);
        for (record, at) in [(&mut file.local, 14), (&mut file.central, 16)] {
            record[at..at + 4].copy_from_slice(&crc32.to_le_bytes());
            record[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
            record[at + 8..at + 12].copy_from_slice(&size.to_le_bytes());
        }
        following = [&file.local[..], &following].concat();
    }
    let (report, seen) = watched(&archive(&files));
    assert_eq!(report.fault.unwrap().kind.code(), "overlap");
    assert_eq!(seen, None);
}

#[test]
fn entries_that_are_one_and_the_same_are_refused() {
    let shared = entry("a", b"shared");
    let mut again = entry("b", b"shared");
    again.local.clear();
    again.data.clear();
    // At the same local header, or as near to it as can be.
    for offset in [1u32, 2, 30] {
        again.central[42..46].copy_from_slice(&offset.to_le_bytes());
        let verdict = verdict(&archive(&[shared.clone(), again.clone()]));
        assert_eq!(verdict, "overlap");
    }
}

#[test]
fn claims_of_millions_cost_nothing() {
    let body = archive(&[entry("a", b"a")]);
    let body = &body[..body.len() - 22];
    let start = 30 + 1 + 9 + 1; // local header, name, timestamp, data
    let len = (body.len() - start) as u64;
    for (entries, directory_len, directory_offset, code) in [
        (u64::MAX, len, start as u64, "entry-count"),
        (9_000_000, len, start as u64, "entry-count"),
        (1, u64::MAX, start as u64, "directory-out-of-bounds"),
        (1, u64::MAX, u64::MAX, "directory-out-of-bounds"),
        (1, 1 << 40, 0, "directory-out-of-bounds"),
        (1, len, u64::MAX - len, "directory-out-of-bounds"),
    ] {
        let mut end = made::zip64_end(entries, 0, 0);
        end[40..48].copy_from_slice(&directory_len.to_le_bytes());
        end[48..56].copy_from_slice(&directory_offset.to_le_bytes());
        end[64..72].copy_from_slice(&(body.len() as u64).to_le_bytes());
        let bytes = [body, &end, &made::end(u16::MAX, u32::MAX, u32::MAX)].concat();
        let (report, _) = watched(&bytes);
        assert_eq!(
            report.fault.unwrap().kind.code(),
            code,
            "{entries} {directory_len} {directory_offset}"
        );
    }
}

/// A file with a hole in place of its directory.
async fn hollow(directory_len: u64, entries: u64) -> Report {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file_mut().set_len(directory_len).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&made::zip64_end(entries, directory_len, 0))
        .unwrap();
    file.write_all(&made::end(u16::MAX, u32::MAX, u32::MAX))
        .unwrap();
    let source = Source::file(file.path()).await.unwrap();
    check(source, "", &mut |_| {}).await.unwrap()
}

#[tokio::test]
async fn directories_beyond_the_bounds_are_not_read() {
    let report = hollow(DIRECTORY_MAX + 1, 1).await;
    assert_eq!(report.fault.unwrap().kind.code(), "directory-too-large");
    let report = hollow(DIRECTORY_MAX, ENTRIES_MAX + 1).await;
    assert_eq!(report.fault.unwrap().kind.code(), "too-many-entries");
    let report = hollow(DIRECTORY_MAX, ENTRIES_MAX).await;
    assert_eq!(report.fault.unwrap().kind.code(), "bad-central-header");
}

#[test]
fn many_tiny_extra_fields_are_refused() {
    let mut files = entries();
    let extra = [0xAA, 0xAA, 0, 0].repeat(17);
    files[0] = made::with_extras("a.pdf", b"", &extra, &extra[..64]);
    assert_eq!(verdict(&archive(&files)), "bad-extra-field");
    files[0] = made::with_extras("a.pdf", b"", &extra[..64], &extra);
    assert_eq!(verdict(&archive(&files)), "bad-extra-field");
    files[0] = made::with_extras("a.pdf", b"", &extra[..64], &extra[..64]);
    assert_eq!(verdict(&archive(&files)), "sound");
}
