//! The records of an archive, one file each: how long they are and which bytes they have.
//!
//! A record's `len` follows from the entry alone and is what `put` writes, whatever the CRC-32.

mod central_header;
mod descriptor;
mod end;
mod local_header;

pub(super) use central_header::CentralHeader;
pub(super) use descriptor::Descriptor;
pub(super) use end::End;
pub(super) use local_header::LocalHeader;

use super::placed::Placed;
use super::zip64;

/// The version needed to extract a file in a folder, stored or deflated (4.4.3.2).
const VERSION_PLAIN: u16 = 20;

/// The compression methods here (4.4.5): stored, and deflated.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Made on Unix (4.4.2), by software that knows the specification up to Zip64.
const VERSION_MADE_BY: u16 = 3 << 8 | zip64::VERSION;

/// The compression method of an entry.
fn method(entry: &Placed<'_>) -> u16 {
    match entry.deflated {
        Some(_) => DEFLATED,
        None => STORED,
    }
}

/// The version needed to extract, as one header says it: 4.5 where that header has Zip64 (4.4.3).
fn version_needed(zip64: bool) -> u16 {
    if zip64 { zip64::VERSION } else { VERSION_PLAIN }
}
