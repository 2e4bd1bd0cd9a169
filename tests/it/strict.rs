//! The strict reader can be trusted: it accepts what the server sends, and no byte of that can change unnoticed.

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;

use crate::support::server::Server;
use crate::support::strict::{self, Entry, Refused, Strict};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};

/// Reads an archive that comes in frames of `frame` bytes.
fn read(archive: &[u8], frame: usize) -> Result<Strict, Refused> {
    let frames = archive.chunks(frame).map(Bytes::copy_from_slice);
    block_on(strict::read(stream::iter(
        frames.map(Ok::<_, std::io::Error>),
    )))
}

/// A small archive with entries of every form, and what is in it.
async fn archive() -> (Bytes, Vec<Entry>) {
    let objects = [
        SyntheticObject::new("a.pdf", 100),
        SyntheticObject::new("b/é.pdf", 1),
        SyntheticObject::new("c.pdf", (1 << 20) + 1),
        SyntheticObject::new("d.pdf", (1 << 20) + 1).checksum(Checksum::FullObject),
        SyntheticObject::new("e.pdf", 0),
    ];
    let store = Synthetic::start(objects, Options::default()).await;
    let archive = Server::over(&store.endpoint()).get("/v1/zip").await.body;
    let entries = read(&archive, 1000).unwrap().entries;
    (archive, entries)
}

#[tokio::test]
async fn frames_of_any_length_are_read_alike() {
    let (archive, entries) = archive().await;
    let described: Vec<bool> = entries.iter().map(|entry| entry.described).collect();
    assert_eq!(described, [false, false, true, false, false]);
    for frame in [7, 64, 65_536, archive.len()] {
        let strict = read(&archive, frame).unwrap();
        assert_eq!(strict.entries, entries, "frames of {frame} bytes");
        assert_eq!(strict.len, archive.len() as u64);
    }
}

#[tokio::test]
async fn no_byte_can_change_unnoticed() {
    let (archive, entries) = archive().await;
    // Every byte of the records, and some of the data.
    let is_data = |at: usize| {
        entries[2..4].iter().any(|entry| {
            let offset = entry.offset as usize + 100;
            (offset..offset + (1 << 20) - 100).contains(&at)
        })
    };
    let mut changed = archive.to_vec();
    for at in (0..archive.len()).filter(|at| !is_data(*at) || at % 100_000 == 0) {
        for bit in [1, 0x80] {
            changed[at] ^= bit;
            let outcome = read(&changed, 1 << 16);
            assert!(outcome.is_err(), "bit {bit:#x} of byte {at}");
            changed[at] ^= bit;
        }
    }
}

#[tokio::test]
async fn what_is_cut_or_goes_on_is_refused() {
    let (archive, _) = archive().await;
    for len in (0..archive.len())
        .step_by(10_007)
        .chain([archive.len() - 1])
    {
        let outcome = read(&archive[..len], 1 << 16);
        assert!(matches!(outcome, Err(Refused::Short { .. })), "at {len}");
    }
    let longer = [&archive[..], b"\0"].concat();
    assert!(matches!(
        read(&longer, 1 << 16),
        Err(Refused::Wrong { at, .. }) if at == archive.len() as u64
    ));
}
