//! The window: that it reads what is there, and how often it asks.

use futures::executor::block_on;
use futures::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use proptest::prelude::*;

use super::made::{archive, entries, entry};
use super::{Memory, Source, check_through};
use crate::verify::window::Window;
use crate::verify::{SourceError, WINDOW};

proptest! {
    #[test]
    fn any_walk_through_the_window_reads_what_is_there(
        len in 0..500usize,
        size in 1..200usize,
        steps in prop::collection::vec((0..520u64, 0..100usize, any::<bool>()), 1..20),
    ) {
        let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let mut window = Window::new(Source::memory(Memory::new(&bytes)), size);
        block_on(async {
            for (to, count, ahead) in steps {
                if ahead {
                    window.go_ahead(to, count);
                } else {
                    window.seek(SeekFrom::Start(to)).await.unwrap();
                }
                let mut buffer = Vec::new();
                (&mut window).take(count as u64).read_to_end(&mut buffer).await.unwrap();
                let start = len.min(to as usize);
                assert_eq!(buffer, &bytes[start..len.min(start + count)]);
            }
        });
    }
}

#[test]
fn seeks_count_from_start_end_and_position() {
    let mut window = Window::new(Source::memory(Memory::new(b"0123456789")), 4);
    block_on(async {
        assert_eq!(window.seek(SeekFrom::End(-3)).await.unwrap(), 7);
        assert_eq!(window.seek(SeekFrom::Current(-2)).await.unwrap(), 5);
        let mut one = [0];
        window.fill(&mut one).await.unwrap();
        assert_eq!(one, *b"5");
        assert_eq!(window.seek(SeekFrom::Current(0)).await.unwrap(), 6);
        assert!(window.seek(SeekFrom::End(-11)).await.is_err());
        assert_eq!(window.seek(SeekFrom::End(5)).await.unwrap(), 15);
        assert_eq!(window.read(&mut one).await.unwrap(), 0);
    });
}

/// The reads of an archive through a window of that size.
fn reads(bytes: &[u8], window: usize) -> Vec<std::ops::Range<u64>> {
    let memory = Memory::new(bytes);
    let reads = memory.clone();
    let report = block_on(check_through(
        Source::memory(memory),
        window,
        "",
        &mut |_| {},
    ))
    .unwrap();
    assert_eq!(report.fault, None);
    reads.reads()
}

#[test]
fn a_small_archive_is_one_read() {
    let files: Vec<_> = (0..1000)
        .map(|index| entry(&format!("{index}.txt"), &[0; 500]))
        .collect();
    let bytes = archive(&files);
    assert!(bytes.len() < 1 << 20);
    let whole = 0..bytes.len() as u64;
    assert_eq!(reads(&bytes, WINDOW), vec![whole]);
}

#[test]
fn small_entries_cost_few_more_bytes_than_there_are() {
    let files: Vec<_> = (0..3000)
        .map(|index| entry(&format!("{index}.txt"), &[0; 1500]))
        .collect();
    let bytes = archive(&files);
    let window = 128 * 1024;
    let reads = reads(&bytes, window);
    // One pass over the entries, two over the directory, and what a seek back costs at each edge.
    let passes = bytes.len().div_ceil(window) + 2 * (3000 * 70usize).div_ceil(window) + 4;
    assert!(reads.len() <= passes + passes / 10, "{} reads", reads.len());
    assert!(
        reads
            .iter()
            .all(|read| read.end - read.start <= window as u64)
    );
}

#[test]
fn a_source_that_fails_is_no_fault_of_the_archive() {
    let bytes = archive(&entries());
    let whole = reads(&bytes, 100).len();
    for failing in 0..whole {
        let memory = Memory::new(&bytes).failing_at(failing);
        let outcome = block_on(check_through(Source::memory(memory), 100, "", &mut |_| {}));
        assert!(
            matches!(outcome, Err(SourceError::File { .. })),
            "read {failing}: {outcome:?}"
        );
    }
}

#[test]
fn progress_comes_to_the_end() {
    let bytes = archive(&entries());
    let mut seen = Vec::new();
    let source = Source::memory(Memory::new(&bytes));
    block_on(check_through(source, 100, "", &mut |at| seen.push(at))).unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&(bytes.len() as u64)));
}
