//! The report as JSON.

use super::made::{archive, entries};
use super::report;

#[test]
fn a_sound_archive_has_no_fault_in_its_report() {
    let bytes = archive(&entries());
    assert_eq!(
        serde_json::to_value(report(&bytes)).unwrap(),
        serde_json::json!({
            "ok": true, "source": "memory", "entries": 5, "bytes": 103, "length": bytes.len(), "zip64": true,
            "descriptors": 2,
        })
    );
}

#[test]
fn a_fault_names_entry_place_and_kind() {
    let mut entries = entries();
    entries[1].data[0] ^= 1;
    let bytes = archive(&entries);
    let data = entries[0].local.len() + entries[0].data.len() + entries[1].local.len();
    let fault = &serde_json::to_value(report(&bytes)).unwrap()["fault"];
    assert_eq!(fault["entry"], "d/b.pdf");
    assert_eq!(fault["offset"], data);
    assert_eq!(fault["kind"], "wrong-crc32");
    assert!(fault["detail"].as_str().unwrap().contains("CRC-32"));
}

#[test]
fn what_comes_before_the_fault_is_counted() {
    let mut entries = entries();
    entries[3].data[0] ^= 1;
    let report = report(&archive(&entries));
    assert!(!report.is_ok());
    assert_eq!(
        (report.entries, report.bytes, report.descriptors),
        (3, 14 + 31, 1)
    );
}
