//! Errors: what a client is told, by status, stable type and words; and that an error changes nothing in the store.

mod archived;
mod requests;
mod store;
mod unreachable;

use crate::support::problem::{Problem, is_described, kinds};
use crate::support::server::Server;
use crate::support::synthetic::Synthetic;
use crate::support::synthetic::requests::Operation;

/// The problem that `GET /v1/zip` answers with.
async fn zip(server: &Server, query: &str) -> Problem {
    let problem = Problem::of(&server.get(&format!("/v1/zip{query}")).await);
    assert!(
        is_described("get", "/v1/zip", problem.status),
        "{}",
        problem.body
    );
    problem
}

/// The problem that `POST /v1/manifests` answers with.
async fn manifest(server: &Server, body: impl Into<bytes::Bytes>) -> Problem {
    let problem = Problem::of(&server.post("/v1/manifests", body).await);
    assert!(
        is_described("post", "/v1/manifests", problem.status),
        "{}",
        problem.body
    );
    problem
}

/// Nothing was written, nor tried to be.
fn unwritten(store: &Synthetic) {
    let writes = [
        Operation::PutObject,
        Operation::DeleteObject,
        Operation::CreateUpload,
        Operation::UploadPart,
        Operation::CompleteUpload,
        Operation::Unknown,
    ];
    for operation in writes {
        assert_eq!(store.requests().count(operation), 0, "{operation:?}");
    }
    assert!(store.open_uploads().is_empty());
}

#[test]
fn every_type_is_seen() {
    let tests = [
        include_str!("archived.rs"),
        include_str!("requests.rs"),
        include_str!("store.rs"),
        include_str!("unreachable.rs"),
        include_str!("../connections.rs"),
        include_str!("../door.rs"),
        include_str!("../door_keys.rs"),
        include_str!("../faults.rs"),
        include_str!("../jobs/ends.rs"),
        include_str!("../jobs/fleet.rs"),
        include_str!("../jobs/requests.rs"),
        include_str!("../limits.rs"),
        include_str!("../links.rs"),
        include_str!("../links_access.rs"),
        include_str!("../shutdown.rs"),
        include_str!("../tls.rs"),
    ];
    let tests = tests.concat();
    let mut unseen = kinds();
    unseen.retain(|kind| !tests.contains(&format!("\"{kind}\"")));
    // One takes 80 GB of lines; the others are answers that only the library's own tests can bring about.
    assert_eq!(
        unseen,
        [
            "job-unreadable",
            "link-too-large",
            "link-unreadable",
            "manifest-too-large",
            "manifest-too-slow",
            "no-public-url",
            "range-not-satisfiable"
        ]
    );
}
