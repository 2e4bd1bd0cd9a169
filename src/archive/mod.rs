//! The ZIP format, pure: no I/O, no S3, no clock.
//!
//! Keys and rows go in, bytes come out:
//!
//! ```text
//! key ── Namer ── EntryName ─┐
//! size, time, CRC of a row ──┴─ Entry ── Layout ─┬─ local headers, descriptors
//!                                                ├─ Directory: the central directory in frames
//!                                                ├─ len: the length of the archive
//!                                                └─ segments: the parts of any byte range
//! ```
//!
//! The invariant of the whole module: **an archive is a pure function of its entries**. The same entries in the
//! same order give the same bytes, whether they are pushed one by one while the archive is on its way or all at
//! once, and no layout ever depends on a CRC that was learned on the way.
//!
//! | file | owns |
//! |---|---|
//! | `name.rs` | what a safe name is |
//! | `collide.rs` | what makes names unique |
//! | `fold.rs` | when two names are the same to a file system |
//! | `compressible.rs` | which objects are worth to be deflated |
//! | `entry.rs` | an entry, and which form it takes |
//! | `placed.rs` | an entry at its offset: the lengths of its records |
//! | `zip64.rs` | where Zip64 stands |
//! | `time.rs` | DOS times and the extended timestamp |
//! | `record/` | the bytes of each record |
//! | `table.rs` | what is kept in memory for each entry |
//! | `layout.rs` | where every byte of an archive comes from |
//! | `directory.rs` | the end of the archive, in frames |
//!
//! Section numbers are those of APPNOTE.TXT 6.3.10.

mod collide;
mod compressible;
mod directory;
mod entry;
mod fold;
mod layout;
mod name;
mod placed;
mod record;
mod table;
mod time;
mod zip64;

pub use collide::Namer;
pub use compressible::Method;
pub use directory::Directory;
pub use entry::{Entry, Form, INLINE_MAX};
pub use layout::{Layout, Part, Segment, Segments};
pub use name::EntryName;

#[cfg(test)]
mod tests;
