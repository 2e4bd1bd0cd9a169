//! Reading ahead, under one memory budget for the whole process.
//!
//! ```text
//! items ─ Cursor ─ Cut ─┬─ reader ─ Buffer ─┬─ ReadAhead::next ─ Event: begin, data, end
//!                       ├─ reader ─ Buffer ─┤      │
//!                       └─ reader ─ Buffer ─┘      └ what the client took
//!            Window ────┘ how many, how large      ┘
//!            Share ─────  whether there is memory for it
//! ```
//!
//! A download brings an ordered source of [`Item`]s (ranges of objects), asked for lazily, and takes [`Event`]s from
//! [`ReadAhead`]. Items are cut into pieces across the borders of objects: small objects are read many at a time, large
//! ones in parallel ranges. Every piece has a task of its own, and memory for all of it before its read begins, so that
//! no read ever waits for a client. Every chunk that leaves carries its reservation, however far it goes.
//!
//! | file | owns |
//! |---|---|
//! | [`ledger`] | the arithmetic of the budget |
//! | [`budget`] | budget, share, reservation; who gives way to whom |
//! | [`kept`] | what is kept beside downloads, for as long as they leave it |
//! | [`window`] | how far to read ahead |
//! | [`piece`] | what is to be read, and how it is cut |
//! | [`reads`] | what is asked of a store |
//! | [`repair`] | one range of one object, mended where its read breaks |
//! | `reader.rs` | the task that reads a piece |
//! | `traffic.rs` | how many reads are under way, how soon the store answers |
//! | `buffer.rs` | where a piece lies until it is passed on |
//! | [`sequence`] | the pieces in order |

pub mod budget;
mod buffer;
pub mod kept;
pub mod ledger;
pub mod piece;
mod reader;
pub mod reads;
pub mod repair;
pub mod sequence;
mod traffic;
pub mod window;

pub use budget::{DEFAULT_BUDGET, LEAST_BUDGET, MemoryBudget, Overloaded, Reservation, Share};
pub use kept::{Keeper, Kept};
pub use piece::{Before, Item};
pub use reads::{BucketReads, ReadBody, Reads};
pub use sequence::{Event, ReadAhead, ReadAheadError};

#[cfg(test)]
mod tests;
