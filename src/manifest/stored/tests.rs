//! Stored manifests read back as they were written, and nothing else is taken for one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::manifest::passphrase::Passphrase;
use crate::store::Bucket;

fn bucket() -> Bucket {
    Bucket::new("bucket").unwrap()
}

fn row(key: &str, size: u64) -> Row {
    Row {
        key: key.to_owned(),
        size,
        etag: "\"0123456789abcdef0123456789abcdef\"".to_owned(),
        modified: 1_714_979_290,
        crc32: None,
        announced: false,
        version: None,
    }
}

fn frozen(rows: &[Row]) -> Frozen {
    let mut freezer = Freezer::new(&bucket(), "a/");
    rows.iter().for_each(|row| freezer.push(row));
    freezer.finish("a.zip", 2_000_000_000, 2_000_000_900)
}

fn keys(count: usize) -> Vec<Row> {
    (0..count)
        .map(|n| row(&format!("a/reports/{n:07}.pdf"), n as u64))
        .collect()
}

/// The file with another checksum, so that what lies deeper is reached.
fn sealed(mut file: Vec<u8>) -> Bytes {
    let end = file.len() - 4;
    let crc32 = crc32fast::hash(&file[..end]);
    file[end..].copy_from_slice(&crc32.to_le_bytes());
    file.into()
}

#[test]
fn rows_are_found_by_number() {
    let rows = keys(300);
    let written = frozen(&rows);
    let opened = Frozen::open(written.file().clone()).unwrap();
    assert_eq!(opened.header(), written.header());
    for index in [0, 1, 62, 63, 64, 65, 128, 299] {
        assert_eq!(opened.row(index).as_ref(), Some(&rows[index]), "{index}");
        assert_eq!(written.row(index).as_ref(), Some(&rows[index]), "{index}");
    }
    for beyond in [300, 301, 320, 384, usize::MAX] {
        assert_eq!(opened.row(beyond), None);
    }
    assert!(opened.rows(100).eq(rows[100..].iter().cloned()));
    assert_eq!(opened.layout().len(), written.layout().len());
    assert_eq!(opened.layout().name(7), "reports/0000007.pdf");
}

#[test]
fn what_is_guarded_is_nothing_to_those_who_would_not_guard_it() {
    let rows = keys(3);
    let with = |terms: Terms| {
        let mut freezer = Freezer::new(&bucket(), "a/");
        rows.iter().for_each(|row| freezer.push(row));
        freezer.finish_with("a.zip", 2_000_000_000, 2_000_000_900, terms)
    };
    let open = with(Terms::default());
    assert!(open.file().starts_with(&MAGIC));
    assert_eq!(open.file(), frozen(&rows).file());
    let header = String::from_utf8_lossy(open.file()).into_owned();
    assert!(!header.contains("passphrase") && !header.contains("max_downloads"));
    let hash = Passphrase::new("correct horse").unwrap().hash();
    let terms = [
        Terms {
            passphrase: Some(hash.clone()),
            max_downloads: None,
        },
        Terms {
            passphrase: None,
            max_downloads: NonZeroU32::new(3),
        },
    ];
    for terms in terms {
        let guarded = with(terms.clone());
        assert!(guarded.file().starts_with(&MAGIC_GUARDED));
        assert_eq!(guarded.header().etag, open.header().etag);
        let read = Frozen::open(guarded.file().clone()).unwrap();
        let header = read.header();
        assert_eq!(
            (&header.passphrase, header.max_downloads),
            (&terms.passphrase, terms.max_downloads)
        );
        assert_eq!(peek(guarded.file()).as_ref(), Some(header));
        assert!(guarded.broken("k").starts_with(&MAGIC_GUARDED));
    }
}

#[test]
fn a_row_takes_little() {
    let file = frozen(&keys(10_000)).file().len();
    // Flags, shared, length, some digits and .pdf, size, time, MD5.
    assert!(file < 10_000 * 36, "{file}");
}

#[test]
fn the_etag_is_that_of_the_rows() {
    let etag = |rows: &[Row]| frozen(rows).header().etag.clone();
    let rows = keys(3);
    let same = {
        let mut freezer = Freezer::new(&bucket(), "a/");
        rows.iter().for_each(|row| freezer.push(row));
        freezer.finish("other.zip", 5, 6)
    };
    assert_eq!(same.header().etag, etag(&rows), "neither name nor times");
    let mut seen = vec![etag(&rows)];
    for change in [
        |row: &mut Row| row.size += 1,
        |row: &mut Row| row.modified += 1,
        |row: &mut Row| row.etag = "\"x\"".to_owned(),
        |row: &mut Row| row.crc32 = Some(0),
        |row: &mut Row| row.version = Some("v".to_owned()),
        |row: &mut Row| row.key.push('x'),
    ] {
        let mut changed = rows.clone();
        change(&mut changed[1]);
        seen.push(etag(&changed));
    }
    seen.push(etag(&rows[..2]));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8);
    assert!(seen[0].starts_with('"') && seen[0].ends_with('"') && seen[0].len() == 34);
}

#[test]
fn the_format_never_changes() {
    let mut rows = keys(2);
    rows[0].crc32 = Some(0xCBF4_3926);
    rows[1].etag = "\"0123456789abcdef0123456789abcdef-12\"".to_owned();
    rows[1].version = Some("v1".to_owned());
    let file = frozen(&rows).file().clone();
    let header = file.windows(2).position(|bytes| bytes == b"}\x05").unwrap() + 1;
    assert_eq!(
        hex::encode(&file[header..file.len() - 4]),
        concat!(
            "05",
            "00",
            "15",
            "612f7265706f7274732f303030303030302e706466",
            "00",
            "b487c4e30c",
            "0123456789abcdef0123456789abcdef",
            "2639f4cb",
            "0a",
            "10",
            "05",
            "312e706466",
            "01",
            "b487c4e30c",
            "0123456789abcdef0123456789abcdef",
            "0c",
            "02",
            "7631",
        )
    );
}

#[test]
fn what_is_damaged_is_not_opened() {
    let file = frozen(&keys(100)).file().clone();
    for at in (0..file.len()).step_by(7) {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0x10;
        assert!(Frozen::open(damaged.into()).is_err(), "byte {at}");
        assert!(Frozen::open(file.slice(..at)).is_err(), "cut at {at}");
    }
    let mut newer = file.to_vec();
    newer[7] = 3;
    assert!(matches!(
        Frozen::open(sealed(newer)),
        Err(StoredError::Magic)
    ));
}

#[test]
fn rows_out_of_order_are_not_opened() {
    let file = frozen(&[row("a/1", 0), row("a/2", 0)]).file().to_vec();
    let at = file
        .windows(3)
        .rposition(|bytes| bytes == b"\x02\x012")
        .unwrap();
    for (digit, sound) in [(b'3', false), (b'1', false), (b'0', false)] {
        let mut other = file.clone();
        other[at + 2] = digit;
        // A later key is in order, but has another name than the one that was frozen.
        assert_eq!(Frozen::open(sealed(other)).is_ok(), sound);
    }
}

#[test]
fn a_broken_manifest_says_so() {
    let frozen = frozen(&keys(3));
    let opened = Frozen::open(frozen.broken("a/x")).unwrap();
    assert_eq!(opened.header().broken.as_deref(), Some("a/x"));
    assert_eq!(opened.row(0), None);
}

#[test]
fn the_archive_is_as_old_as_its_newest_row() {
    let mut rows = keys(2);
    rows[0].modified = 77;
    rows[1].modified = 33;
    assert_eq!(frozen(&rows).modified(), 77);
    rows[1].modified = i64::MAX;
    assert_eq!(frozen(&rows).modified(), 2_000_000_000);
}

#[test]
#[should_panic(expected = "order")]
fn keys_come_in_order() {
    frozen(&[row("a/2", 0), row("a/1", 0)]);
}

fn any_row() -> impl Strategy<Value = Row> {
    let etag = prop_oneof![
        "\"[0-9a-f]{32}\"",
        "\"[0-9a-f]{32}-[0-9]{1,20}\"",
        "\"[0-9a-fA-F]{32}\"",
        any::<String>(),
    ];
    let version = proptest::option::of(any::<String>());
    let crc32 = any::<Option<u32>>();
    (
        any::<u64>(),
        etag,
        any::<i64>(),
        crc32,
        any::<bool>(),
        version,
    )
        .prop_map(|(size, etag, modified, crc32, announced, version)| Row {
            key: String::new(),
            size,
            etag,
            modified,
            crc32,
            announced,
            version,
        })
}

proptest! {
    #[test]
    fn whatever_is_frozen_is_opened(rows in prop::collection::btree_map("[a/é日]{0,9}|.*", any_row(), 0..150)) {
        let rows: Vec<Row> = rows.into_iter().map(|(key, row)| Row { key, ..row }).collect();
        let opened = Frozen::open(frozen(&rows).file().clone()).unwrap();
        prop_assert!(opened.rows(0).eq(rows.iter().cloned()));
        prop_assert_eq!(opened.row(rows.len()), None);
    }

    #[test]
    fn hostile_rows_do_no_harm(
        rows in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        real in any::<bool>(),
    ) {
        let mut file = frozen(&keys(if real { 70 } else { 1 })).file().to_vec();
        if !real {
            let end = file.len() - 4;
            file.splice(end..end, rows);
        }
        for (at, byte) in flips {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(opened) = Frozen::open(sealed(file)) {
            let all: BTreeMap<String, u64> = opened.rows(0).map(|row| (row.key, row.size)).collect();
            prop_assert_eq!(all.len(), opened.header().count);
        }
    }
}

/// What a replica pays once for a large link. Run it with optimisation to see what it says.
#[test]
#[ignore = "it takes a minute unoptimised"]
fn a_million_rows() {
    let frozen = frozen(&keys(1_000_000));
    let begun = std::time::Instant::now();
    let opened = Frozen::open(frozen.file().clone()).unwrap();
    let open = begun.elapsed();
    let begun = std::time::Instant::now();
    assert!(opened.row(987_654).is_some());
    println!(
        "{} bytes stored, {} in memory, opened in {open:?}, a row in {:?}",
        opened.file().len(),
        opened.heap_bytes(),
        begun.elapsed()
    );
}
