//! The integration tests: one binary, one file per subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

mod cli;
mod links;
mod links_clients;
mod live;
mod manifest;
mod program;
mod readers;
mod synthetic;
