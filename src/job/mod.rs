//! Jobs: work that outlives the request that asked for it, and the process that began it.
//!
//! | file | owns |
//! |---|---|
//! | [`order`] | what is to be packaged: what a queue keeps |
//! | [`checkpoint`] | what a job needs to go on after a crash: what a queue keeps beside it |
//! | [`desk`] | what a running job is given by whoever runs it |
//! | [`progress`] | how far it is |
//! | [`failure`] | why it did not come to its end, and whether to try again |
//! | [`mod@package`] | from a frozen manifest to an archive in a bucket |
//! | [`queue`] | which jobs there are, and who works on them; knows nothing of S3 |
//! | [`run`] | jobs of the queue, packaged |
//!
//! Invariant: everything that a job writes before its end is a function of its order, so that two workers that take
//! each other for dead write the same bytes to the same places.

pub mod checkpoint;
pub mod desk;
pub mod failure;
pub mod order;
pub mod package;
pub mod progress;
pub mod queue;
pub mod run;

pub use checkpoint::{Checkpoint, PartsDone};
pub use desk::{Desk, Keep, Unsaved};
pub use failure::Failure;
pub use order::{Method, Order, Packaged, Target, Verify};
pub use package::{Means, abandon, package, package_parts, prepare};
pub use progress::{Phase, Progress, Shown};
