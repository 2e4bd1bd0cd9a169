//! Objects in an archive tier: refused by name before the first byte, and readable once they are restored.

use super::{unwritten, zip};
use crate::support::client;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Rule};
use crate::support::synthetic::object::{Restore, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

async fn started(objects: impl IntoIterator<Item = SyntheticObject>) -> (Synthetic, Server) {
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    (store, server)
}

#[tokio::test]
async fn the_listing_tells_them() {
    let glacier = SyntheticObject::new("b.pdf", 10).archived("GLACIER", None);
    let deep =
        SyntheticObject::new("c.pdf", 10).archived("DEEP_ARCHIVE", Some(Restore::InProgress));
    let others = [
        SyntheticObject::new("a.pdf", 10),
        SyntheticObject::new("d.pdf", 10).archived("GLACIER_IR", None),
        SyntheticObject::new("e.txt", 10).archived("GLACIER", None),
    ];
    let (store, server) = started(others.into_iter().chain([glacier.clone(), deep])).await;
    let problem = zip(&server, "").await;
    let problem = problem.is(409, "archived", &["b.pdf", "c.pdf", "restored"]);
    assert_eq!(problem.body["keys"], serde_json::json!(["b.pdf", "c.pdf"]));
    assert_eq!(store.requests().count(Operation::GetObject), 0);
    unwritten(&store);

    store.put(glacier.archived("GLACIER", Some(Restore::Done)));
    let problem = zip(&server, "").await.is(409, "archived", &["c.pdf"]);
    assert_eq!(problem.body["keys"], serde_json::json!(["c.pdf"]));
    store.remove("c.pdf");
    assert_eq!(server.get("/v1/zip").await.status, 200);
    assert_eq!(server.get("/v1/zip?prefix=b").await.status, 200);
}

#[tokio::test]
async fn only_the_first_are_named() {
    let objects =
        (0..30).map(|n| SyntheticObject::new(format!("{n:02}.pdf"), 10).archived("GLACIER", None));
    let (_store, server) = started(objects).await;
    let problem = zip(&server, "")
        .await
        .is(409, "archived", &["00.pdf", "09.pdf"]);
    assert_eq!(problem.body["keys"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn tiers_that_no_listing_tells() {
    let object = SyntheticObject::new("a.pdf", 10).archived("INTELLIGENT_TIERING", None);
    let large = SyntheticObject::new("b.pdf", 3 << 20).archived("INTELLIGENT_TIERING", None);
    let (store, server) = started([object, large]).await;
    for key in ["a.pdf", "b.pdf"] {
        store
            .faults()
            .add(Rule::get(key, Failure::INVALID_OBJECT_STATE));
        let problem = zip(&server, &format!("?include={key}")).await;
        let problem = problem.is(409, "archived", &[key, "restored"]);
        assert_eq!(problem.body["keys"], serde_json::json!([key]));
    }
    unwritten(&store);
}

#[tokio::test]
async fn manifests_note_them() {
    let glacier = SyntheticObject::new("b.pdf", 10).archived("GLACIER", None);
    let (_store, server) = started([SyntheticObject::new("a.pdf", 10), glacier]).await;
    let answer = server.post("/v1/manifests", "{}").await;
    assert_eq!(answer.status, 201);
    let published: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let url = published["manifest_url"].as_str().unwrap();
    let lines = client::fetch("GET", url, &[]).await.unwrap().body;
    let lines: Vec<serde_json::Value> = std::str::from_utf8(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["note"], serde_json::Value::Null);
    assert!(lines[1]["note"].as_str().unwrap().contains("restored"));
}
