//! The integration tests: one binary, one file per subject.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

mod allowed;
mod api;
mod archives;
mod browser;
mod browser_pages;
mod chaos;
mod cli;
mod clients;
mod connections;
mod corpora;
mod crowd;
mod deflate;
mod door;
mod door_keys;
mod errors;
mod faults;
mod floods;
mod guide;
mod jobs;
mod lambda;
mod limits;
mod links;
mod links_access;
mod links_clients;
mod links_faults;
mod links_input;
mod links_killed;
mod links_versions;
mod listing;
mod live;
mod logs;
mod manifest;
mod manifests;
mod metrics;
mod nginx;
mod outcomes;
mod overload;
mod owner;
mod packaging;
mod pages;
mod program;
mod queue;
mod readers;
mod rolling;
mod scale;
mod shutdown;
mod state;
mod store_options;
mod strict;
mod synthetic;
mod tls;
mod verify;
