//! One tiny archive of each form, byte by byte: the bytes of an archive must never change, or downloads that were
//! begun with an older version cannot be resumed.

use super::super::INLINE_MAX;
use super::fixture::{entry, layout};

const CRC: u32 = 0xED6F_7A7A;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    hex::decode(digits).unwrap()
}

#[test]
fn a_known_entry() {
    let layout = layout([entry("a.txt", 3, None)]);
    let local = "
        504b0304 1400 0000 0000 bd6c 5d58 7a7a6fed 03000000 03000000 0500 0900
        612e747874
        5554 0500 01 b788e065";
    let tail = "
        504b0102 2d03 1400 0000 0000 bd6c 5d58 7a7a6fed 03000000 03000000 0500 0900
            0000 0000 0000 0000a481 00000000
        612e747874
        5554 0500 01 b788e065
        504b0506 0000 0000 0100 0100 3c000000 2f000000 0000";
    assert_eq!(layout.local_header(0, CRC), bytes(local));
    assert_eq!(layout.descriptor(0, CRC), None);
    assert_eq!(
        layout.directory(&[CRC]).collect::<Vec<_>>().concat(),
        bytes(tail)
    );
}

#[test]
fn a_described_entry() {
    let layout = layout([entry("é.pdf", INLINE_MAX + 1, None)]);
    let local = "
        504b0304 1400 0808 0000 bd6c 5d58 00000000 01001000 01001000 0600 0900
        c3a92e706466
        5554 0500 01 b788e065";
    let descriptor = "504b0708 7a7a6fed 01001000 01001000";
    let tail = "
        504b0102 2d03 1400 0808 0000 bd6c 5d58 7a7a6fed 01001000 01001000 0600 0900
            0000 0000 0000 0000a481 00000000
        c3a92e706466
        5554 0500 01 b788e065
        504b0506 0000 0000 0100 0100 3d000000 3e001000 0000";
    assert_eq!(layout.local_header(0, CRC), bytes(local));
    assert_eq!(layout.descriptor(0, CRC).unwrap(), bytes(descriptor));
    assert_eq!(
        layout.directory(&[CRC]).collect::<Vec<_>>().concat(),
        bytes(tail)
    );
}

#[test]
fn a_known_entry_of_4_gib() {
    let layout = layout([entry("b", 0xFFFF_FFFF, Some(CRC))]);
    let local = "
        504b0304 2d00 0000 0000 bd6c 5d58 7a7a6fed ffffffff ffffffff 0100 1d00
        62
        0100 1000 ffffffff00000000 ffffffff00000000
        5554 0500 01 b788e065";
    let tail = "
        504b0102 2d03 2d00 0000 0000 bd6c 5d58 7a7a6fed ffffffff ffffffff 0100 1d00
            0000 0000 0000 0000a481 00000000
        62
        0100 1000 ffffffff00000000 ffffffff00000000
        5554 0500 01 b788e065
        504b0606 2c00000000000000 2d03 2d00 00000000 00000000
            0100000000000000 0100000000000000 4c00000000000000 3b00000001000000
        504b0607 00000000 8700000001000000 01000000
        504b0506 0000 0000 0100 0100 4c000000 ffffffff 0000";
    assert_eq!(layout.local_header(0, CRC), bytes(local));
    assert_eq!(layout.descriptor(0, CRC), None);
    assert_eq!(
        layout.directory(&[CRC]).collect::<Vec<_>>().concat(),
        bytes(tail)
    );
}

#[test]
fn a_described_entry_of_4_gib() {
    let layout = layout([entry("b", 0x1_0000_0000, None)]);
    let local = "
        504b0304 2d00 0800 0000 bd6c 5d58 00000000 ffffffff ffffffff 0100 1d00
        62
        0100 1000 0000000001000000 0000000001000000
        5554 0500 01 b788e065";
    let descriptor = "504b0708 7a7a6fed 0000000001000000 0000000001000000";
    assert_eq!(layout.local_header(0, CRC), bytes(local));
    assert_eq!(layout.descriptor(0, CRC).unwrap(), bytes(descriptor));
}
