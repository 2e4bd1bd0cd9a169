//! What sheaf asks of S3, asked of every store: one suite, one function a behaviour.
//!
//! | file | owns |
//! |---|---|
//! | [`behaviour`] | the behaviours, by subject |
//! | [`suite`] | the table of them, and their run |
//! | [`gaps`] | which store lacks what, and what sheaf does about it |
//! | [`answer`] | the latter, by function |
//! | [`target`] | a store under test |
//! | [`aws`] | answers that AWS alone gives, by script |
//! | [`interrupted`] | a manifest whose listing fails leaves nothing behind |
//! | [`links`] | the whole life of a link |
//! | [`long`] | downloads of minutes and gigabytes |
//!
//! The embedded store always runs: in this process, and on the listener of the real binary. Other stores run where
//! `SHEAF_TEST_STORES` names them (`garage,ministack,minio`) and they are installed.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

mod answer;
mod aws;
mod behaviour;
mod gaps;
mod interrupted;
mod links;
mod long;
mod suite;
mod target;

use support::server::Server;
use support::stores::{ExternalStore, Software};
use target::Target;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_in_process() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    suite::run(Target::in_process(dir.path(), state.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_over_tcp() {
    let server = Server::local();
    suite::run(Target::served(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garage() {
    external(Software::Garage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack() {
    external(Software::Ministack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minio() {
    external(Software::Minio).await;
}

async fn external(software: Software) {
    let Some(store) = ExternalStore::start(software).await else {
        return;
    };
    suite::run(Target::external(software, &store).await).await;
}
