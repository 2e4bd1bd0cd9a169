//! What an entry costs in memory: at most 100 bytes and its name, the namer included.

use super::super::{Entry, Layout, Namer};
use super::fixture::LEAP_DAY;

/// Bytes for each entry besides the name, at the worst moment of growing.
fn cost(keys: impl IntoIterator<Item = String>) -> f64 {
    let (mut namer, mut layout, mut names) = (Namer::new(""), Layout::new(), 0);
    let mut worst = 0_f64;
    for key in keys {
        let name = namer.name(&key);
        names += name.as_str().len();
        layout.push(Entry {
            name,
            size: 1,
            modified: LEAP_DAY,
            crc32: Some(1),
        });
        // What is rounded up is nothing beside the whole once there are a few.
        if layout.entries() > 2000 {
            let heap = namer.heap_bytes() + layout.heap_bytes() - names;
            worst = worst.max(heap as f64 / layout.entries() as f64);
        }
    }
    worst
}

#[test]
fn many_files_in_few_folders() {
    let cost = cost((0..40_000).map(|i| format!("invoices/{}/{i:08}.pdf", i / 1000)));
    assert!(cost < 66.0, "{cost}");
}

#[test]
fn a_folder_for_each_file() {
    let cost = cost((0..40_000).map(|i| format!("invoices/{i:08}/invoice.pdf")));
    assert!(cost < 86.0, "{cost}");
}

#[test]
fn every_name_twice() {
    let cost = cost((0..40_000).map(|i| format!("{:08}.pdf", i / 2)));
    assert!(cost < 100.0, "{cost}");
}

#[test]
fn rows_alone() {
    let mut layout = Layout::new();
    for _ in 0..64 * 1024 {
        layout.push(super::fixture::entry("12345678", 1, None));
    }
    let each = layout.heap_bytes() as f64 / layout.entries() as f64;
    assert!((40.0 + 8.0..50.0).contains(&each), "{each}");
}
