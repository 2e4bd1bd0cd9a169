//! Links in a versioned bucket: they survive that objects are overwritten and deleted.

use serde_json::{Value, json};

use crate::links::{Link, create, refused};
use crate::support::client;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::versions::id;
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

fn objects() -> Vec<SyntheticObject> {
    vec![
        SyntheticObject::new("a.pdf", 1000),
        SyntheticObject::new("b.pdf", 2 * MIB).checksum(Checksum::FullObject),
        SyntheticObject::new("c.pdf", 12 * MIB)
            .checksum(Checksum::Composite { part_size: 5 * MIB }),
        SyntheticObject::new("d.pdf", 2 * MIB),
    ]
}

async fn versioned(page_size: usize) -> (Synthetic, Server) {
    let options = Options {
        versioned: true,
        page_size,
        ..Options::default()
    };
    let store = Synthetic::start(objects(), options).await;
    let server = Server::over(&store.endpoint());
    (store, server)
}

fn deny(store: &Synthetic, operations: &[Operation]) {
    for operation in operations {
        let denied = Fault::Answer(Failure::ACCESS_DENIED);
        let rule = Rule::new(Target::Every(*operation), denied);
        store.faults().add(rule);
    }
}

/// Overwrites and deletes everything.
fn upset(store: &Synthetic) {
    for object in objects() {
        store.put(SyntheticObject::version(
            object.key.clone(),
            object.size() + 1,
            7,
        ));
        if object.key != "b.pdf" {
            store.remove(&object.key);
        }
    }
}

/// The link's archive and its files are what they were.
async fn survives(store: &Synthetic, server: &Server, link: &Link) {
    let whole = server.get(&link.path).await;
    assert_eq!(
        (whole.status.as_u16(), whole.body.len() as u64),
        (200, link.bytes)
    );
    upset(store);
    assert!(server.get(&link.path).await.body == whole.body);
    let range = format!("bytes={}-", link.bytes / 3);
    let part = server.send("GET", &link.path, &[("range", &range)]).await;
    assert_eq!(part.status, 206);
    assert!(part.body == whole.body.slice(link.bytes as usize / 3..));
    let page = link.path.rsplit_once('/').unwrap().0;
    let lines = server.get(&format!("{page}/manifest.jsonl")).await.body;
    let lines = std::str::from_utf8(&lines).unwrap().lines();
    for (index, (line, object)) in lines.zip(objects()).enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        let url = line["url"].as_str().unwrap();
        let version = format!("versionId={}", id(&object));
        assert!(url.contains(&version), "{url}");
        let file = client::fetch("GET", url, &[]).await.unwrap();
        assert_eq!(file.status, 200);
        assert_eq!(crc32fast::hash(&file.body), object.crc32());
        let one = server.get(&format!("{page}/files/{index}")).await;
        assert!(one.headers["location"].to_str().unwrap().contains(&version));
    }
}

#[tokio::test]
async fn a_link_survives_overwriting_and_deleting() {
    let (store, server) = versioned(1000).await;
    let link = create(&server, &json!({})).await;
    let count = |operation| store.requests().count(operation);
    assert_eq!(
        (
            count(Operation::List),
            count(Operation::ListVersions),
            count(Operation::HeadObject)
        ),
        (1, 1, 2),
        "one list is of claims that proved wrong; one HEAD is for a checksum, one finds out whether versions may be read"
    );
    survives(&store, &server, &link).await;
    let flags = server
        .send("GET", &link.path, &[("range", "bytes=6-6")])
        .await;
    assert_eq!(flags.body[0] & 8, 0);
}

#[tokio::test]
async fn a_list_of_keys_survives_too() {
    let (store, server) = versioned(1000).await;
    let keys: Vec<String> = objects().into_iter().map(|object| object.key).collect();
    let link = create(&server, &json!({"keys": keys})).await;
    let same = create(&server, &json!({})).await;
    assert_eq!(same.etag, link.etag);
    survives(&store, &server, &link).await;
}

#[tokio::test]
async fn where_versions_may_not_be_listed_each_object_is_asked() {
    for denied in [
        &[Operation::ListVersions][..],
        &[Operation::ListVersions, Operation::GetVersioning],
    ] {
        let (store, server) = versioned(1000).await;
        deny(&store, denied);
        let link = create(&server, &json!({})).await;
        survives(&store, &server, &link).await;
    }
}

#[tokio::test]
async fn where_versions_may_not_be_read_they_are_not_named() {
    let (store, server) = versioned(1000).await;
    deny(&store, &[Operation::HeadObject]);
    let link = create(&server, &json!({})).await;
    assert_eq!(server.get(&link.path).await.body.len() as u64, link.bytes);
    let log = store.requests().log();
    let mut reads = log
        .iter()
        .filter(|record| record.operation == Operation::GetObject);
    assert!(reads.all(|read| read.version_id.is_none()));
}

#[tokio::test]
async fn a_bucket_without_versions_is_listed_plainly() {
    for denied in [&[][..], &[Operation::GetVersioning]] {
        let store = Synthetic::start(objects(), Options::default()).await;
        let server = Server::over(&store.endpoint());
        deny(&store, denied);
        let link = create(&server, &json!({})).await;
        let log = store.requests().log();
        assert!(log.iter().all(|record| record.version_id.is_none()));
        let lists = store.requests().count(Operation::List);
        assert_eq!(lists, 2, "the other one is of claims that proved wrong");
        let asked = store.requests().count(Operation::ListVersions);
        assert_eq!(
            asked,
            denied.len(),
            "only where the bucket is not told to have none"
        );
        assert_eq!(server.get(&link.path).await.body.len() as u64, link.bytes);
    }
}

#[tokio::test]
async fn old_versions_and_deletions_are_left_out_on_pages_of_any_size() {
    for page_size in [1, 2, 3, 5] {
        let (store, server) = versioned(page_size).await;
        store.put(SyntheticObject::new("b b+ü\u{1}.pdf", 10));
        store.put(SyntheticObject::version("b.pdf", 100, 1));
        store.put(SyntheticObject::version("b.pdf", 200, 2));
        store.remove("a.pdf");
        store.remove("d.pdf");
        store.put(SyntheticObject::version("d.pdf", 300, 3));
        let link = create(&server, &json!({})).await;
        let keys = json!({"keys": ["b b+ü\u{1}.pdf", "b.pdf", "c.pdf", "d.pdf"]});
        assert_eq!(link.answer["count"], 4, "pages of {page_size}");
        assert_eq!(create(&server, &keys).await.etag, link.etag);
    }
}

#[tokio::test]
async fn tiers_that_no_listing_tells_are_named_all_the_same() {
    let cold = SyntheticObject::new("cold.pdf", 200 << 10).tiered("DEEP_ARCHIVE_ACCESS");
    let warm = SyntheticObject::new("warm.pdf", 200 << 10);
    let store = Synthetic::start([cold, warm], Options::default()).await;
    let server = Server::over(&store.endpoint());
    for body in [json!({}), json!({"keys": ["cold.pdf", "warm.pdf"]})] {
        let (status, problem) = refused(&server, &body).await;
        assert_eq!(
            (status, &problem["type"], &problem["keys"]),
            (409, &"archived".into(), &json!(["cold.pdf"]))
        );
    }
}
