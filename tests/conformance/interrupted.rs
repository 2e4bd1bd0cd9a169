//! A manifest whose listing fails on page 140 leaves no object and no multipart upload behind, on real stores.

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::support::relay::{Relay, Script};
use crate::support::server::{Server, sheaf};
use crate::support::stores::{ExternalStore, Software};
use crate::target::Target;

/// Enough for the pages of [`SCRIPT`].
const KEYS: usize = 2400;

const SCRIPT: Script = Script {
    page_size: 16,
    refused_page: 140,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_leaves_nothing_on_the_embedded_store() {
    let server = Server::local();
    for name in names() {
        server.drop_in(&format!("wide/{name}"), "content");
    }
    leaves_nothing(Target::served(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_leaves_nothing_on_garage() {
    let Some(store) = ExternalStore::start(Software::Garage).await else {
        return;
    };
    let target = Target::external(Software::Garage, &store).await;
    let below = target.below("wide");
    stream::iter(names())
        .for_each_concurrent(16, async |name| {
            below.put(&name, Bytes::from_static(b"content")).await;
        })
        .await;
    leaves_nothing(target).await;
}

/// Their lines have some 6 kB each, so that 90 pages fill the first part of the manifest. Some fifty more may be asked for
/// in vain, by a listing that finds out whether it can begin in many places. Each segment fits a file system.
fn names() -> impl Iterator<Item = String> {
    let segment = "年".repeat(80);
    (0..KEYS).map(move |number| format!("{number:05}/{segment}/{segment}/{segment}/{segment}.pdf"))
}

async fn leaves_nothing(target: Target) {
    let relay = Relay::start(&target.endpoint, target.s3.clone(), SCRIPT).await;

    let home = tempfile::tempdir().unwrap();
    let mut command = sheaf(home.path());
    command
        .args(["manifest", &format!("s3://{}/wide/", target.bucket)])
        .env("S3_ENDPOINT_URL", relay.endpoint())
        .env("AWS_ACCESS_KEY_ID", target.credentials.access_key_id())
        .env(
            "AWS_SECRET_ACCESS_KEY",
            target.credentials.secret_access_key(),
        );
    let ended = tokio::task::spawn_blocking(move || command.output());
    let ended = ended.await.unwrap().expect("sheaf starts");
    let messages = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{messages}");
    assert!(messages.contains("access denied"), "{messages}");
    assert!(ended.stdout.is_empty(), "a failure is no result");

    assert!(
        relay.pages() >= SCRIPT.refused_page,
        "the listing went as far as it should"
    );
    assert!(relay.parts() > 0, "a part was sent meanwhile");
    let uploads = target.s3.list_multipart_uploads();
    let uploads = uploads.bucket(target.bucket.as_str()).send().await;
    assert!(uploads.expect("a list of uploads").uploads().is_empty());
    let objects = target.list("").await.unwrap();
    assert_eq!(objects.len(), KEYS, "no manifest is there");
}
