//! Archives made byte by byte, sound and otherwise, and what `check` says of them.

mod bombs;
mod faults;
mod flips;
mod large;
mod made;
mod memory;
mod over_http;
mod reads;
mod report;
mod server;
mod sound;
mod stored;

use futures::executor::block_on;

use super::{Report, Source, check_through};
pub(super) use memory::Memory;

/// What `check` says of an archive, through a window so small that headers and data cross its edges.
fn report(archive: &[u8]) -> Report {
    block_on(check_through(
        Source::memory(Memory::new(archive)),
        100,
        "memory",
        &mut |_| {},
    ))
    .unwrap()
}

/// The code of the archive's fault, or `sound`.
fn verdict(archive: &[u8]) -> &'static str {
    report(archive)
        .fault
        .map_or("sound", |fault| fault.kind.code())
}
