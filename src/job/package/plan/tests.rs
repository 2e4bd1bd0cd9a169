//! Plans are whole, keep S3's limits, copy what they say, and give the archive byte for byte.

use proptest::prelude::*;

use super::*;
use crate::archive::{Entry, Namer};

const MIB: u64 = 1 << 20;

fn layout(objects: impl IntoIterator<Item = (u64, bool)>) -> Layout {
    let (mut layout, mut namer) = (Layout::new(), Namer::new(""));
    for (index, (size, claims)) in objects.into_iter().enumerate() {
        layout.push(Entry {
            name: namer.name(&format!("folder/object-{index:06}.pdf")),
            size,
            modified: 0,
            crc32: claims.then_some(index as u32),
        });
    }
    layout
}

/// The bytes that pass through the worker, in percent of the archive.
fn passing(layout: &Layout, plan: &Plan) -> f64 {
    100.0 * (layout.len() - plan.copied_bytes()) as f64 / layout.len() as f64
}

fn check(layout: &Layout, plan: &Plan) {
    let parts = plan.parts();
    assert!(!parts.is_empty() && parts.len() <= MAX_PARTS);
    let mut at = 0;
    for (index, part) in parts.iter().enumerate() {
        assert_eq!(part.range.start, at, "part {} follows", index + 1);
        at = part.range.end;
        let is_last = index + 1 == parts.len();
        assert!(part.len() <= LARGEST && (is_last || part.len() >= LEAST) && part.len() > 0);
        if let Source::Copy { row, range } = &part.source {
            assert!(!is_last, "the directory is never copied");
            assert_eq!(layout.data_offset(*row) + range.start, part.range.start);
            assert_eq!(range.end - range.start, part.len());
            assert!(range.end <= layout.size(*row));
            assert!(layout.claimed_crc32(*row).is_some(), "nobody hashes it");
        }
    }
    assert_eq!(at, layout.len());
}

#[test]
fn ten_thousand_small_objects_all_pass() {
    let layout = layout(std::iter::repeat_n((100_000, true), 10_000));
    assert_eq!(Plan::copied(&layout, PART), None);
    let plan = Plan::streamed(&layout, PART);
    check(&layout, &plan);
    assert_eq!((plan.parts().len(), passing(&layout, &plan)), (96, 100.0));
}

#[test]
fn of_a_thousand_middling_objects_a_tenth_passes() {
    let layout = layout(std::iter::repeat_n((50_000_000, true), 1_000));
    let plan = Plan::copied(&layout, PART).unwrap();
    check(&layout, &plan);
    assert_eq!(plan.parts().len(), 2_001);
    assert!(
        passing(&layout, &plan) <= 10.5,
        "{}",
        passing(&layout, &plan)
    );
}

#[test]
fn of_a_hundred_large_objects_next_to_nothing_passes() {
    let layout = layout(std::iter::repeat_n((10_000_000_000, true), 100));
    let plan = Plan::copied(&layout, PART).unwrap();
    check(&layout, &plan);
    assert_eq!(plan.parts().len(), 301);
    assert!(
        passing(&layout, &plan) <= 0.06,
        "{}",
        passing(&layout, &plan)
    );
}

#[test]
fn more_large_objects_than_parts_are_copied_in_part() {
    let sizes = (0..20_000).map(|index| (20 * MIB + index % 7 * MIB, true));
    let layout = layout(sizes);
    let plan = Plan::copied(&layout, PART).unwrap();
    check(&layout, &plan);
    let rows = plan.copied_rows();
    assert!(rows.len() > 1_000, "{}", rows.len());
    let (copied, passing): (Vec<usize>, Vec<usize>) =
        (0..20_000).partition(|row| rows.contains(row));
    let smallest = copied.iter().map(|&row| layout.size(row)).min();
    let largest = passing.iter().map(|&row| layout.size(row)).max();
    assert!(smallest >= largest, "the larger the sooner");
}

#[test]
fn objects_without_a_claim_are_never_copied() {
    let layout = layout([(100 * MIB, false), (20 * MIB, true), (100 * MIB, false)]);
    let plan = Plan::copied(&layout, PART).unwrap();
    check(&layout, &plan);
    assert_eq!(plan.copied_rows(), BTreeSet::from([1]));
}

#[test]
fn too_little_would_remain_of_the_object() {
    // 5 MiB of its head, its header included, are for the bridge.
    let header = layout([(0, true)]).directory_offset();
    for (size, copied) in [(10 * MIB - header - 1, false), (10 * MIB - header, true)] {
        let plan = Plan::copied(&layout([(size, true)]), PART);
        assert_eq!(plan.is_some(), copied, "{size}");
    }
}

#[test]
fn parts_grow_with_the_archive() {
    assert_eq!(part_size(1, PART), Some(PART));
    assert_eq!(part_size(100_000 * MIB, PART), Some(PART));
    assert_eq!(part_size(100_000 * MIB + 1, PART), Some(11 * MIB));
    assert_eq!(part_size(1, 1), Some(LEAST), "S3 takes no smaller ones");
    assert_eq!(part_size(MOST, PART), Some(LARGEST));
    assert_eq!(part_size(MOST + 1, PART), None);
}

/// What stands at an offset of an object.
fn byte(row: usize, at: u64) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16) ^ (row as u64).wrapping_mul(37)) as u8
}

/// The archive's bytes in a range: those of objects are made up, those of records their offsets.
fn bytes(layout: &Layout, range: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in layout.segments(range) {
        let places = segment.start..segment.start + segment.len;
        match segment.part {
            crate::archive::Part::Data(row) => out.extend(places.map(|at| byte(row, at))),
            _ => out.extend(places.map(|at| at as u8)),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// A store that is asked for what the plan says puts the archive together, byte for byte.
    #[test]
    fn a_simulated_store_gets_the_archive(
        sizes in prop::collection::vec(
            (prop_oneof![0..3 * MIB, 4 * MIB..6 * MIB, 9 * MIB..17 * MIB], prop::bool::weighted(0.8)),
            1..5,
        ),
        part_size in LEAST..11 * MIB,
    ) {
        let layout = layout(sizes);
        let whole = bytes(&layout, 0..layout.len());
        for plan in [Some(Plan::streamed(&layout, part_size)), Plan::copied(&layout, part_size)].into_iter().flatten() {
            check(&layout, &plan);
            let mut written = Vec::new();
            for part in plan.parts() {
                match &part.source {
                    Source::Stream => written.extend(bytes(&layout, part.range.clone())),
                    Source::Copy { row, range } => written.extend(range.clone().map(|at| byte(*row, at))),
                }
            }
            prop_assert!(written == whole);
        }
    }

    #[test]
    fn limits_hold_at_any_size(
        sizes in prop::collection::vec(
            (prop_oneof![0..MIB, LEAST - 100..LEAST + 100, 0..LARGEST, LARGEST - 100..3 * LARGEST], any::<bool>()),
            1..200,
        ),
    ) {
        let layout = layout(sizes);
        let size = part_size(layout.len(), PART).unwrap();
        check(&layout, &Plan::streamed(&layout, size));
        if let Some(plan) = Plan::copied(&layout, size) {
            check(&layout, &plan);
        }
    }
}
