//! The integration tests: one binary, one file per subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

mod door;
mod errors;
mod live;
mod logs;
mod manifests;
mod readers;
mod synthetic;
