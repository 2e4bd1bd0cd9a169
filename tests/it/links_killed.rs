//! A server is killed in the middle of a link's download, and another one goes on with it.

use http_body_util::BodyExt;
use serde_json::json;

use crate::links::{create, replica_of};
use crate::support::client;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

/// Rounds of a normal run; `SHEAF_KILL_ROUNDS=n` makes others.
const ROUNDS: u64 = 10;

fn objects() -> Vec<SyntheticObject> {
    let small = (0..40).map(|n| SyntheticObject::new(format!("a/{n:02}.pdf"), 40_000 + n));
    let described = (0..3).map(|n| SyntheticObject::new(format!("b/{n}.pdf"), 3 * MIB + n));
    let known = (0..3).map(|n| {
        SyntheticObject::new(format!("c/{n}.pdf"), 2 * MIB + n).checksum(Checksum::FullObject)
    });
    small.chain(described).chain(known).collect()
}

/// Takes bytes from `have` on, until there are `enough` or the answer ends. Returns whether it came to its end.
async fn take(server: &Server, path: &str, etag: &str, have: &mut Vec<u8>, enough: usize) -> bool {
    let url = format!("{}{path}", server.url);
    let range = format!("bytes={}-", have.len());
    let headers = [("range", range.as_str()), ("if-range", etag)];
    let answer = client::open("GET", &url, &headers).await.unwrap();
    assert_eq!(answer.status(), 206);
    let mut body = answer.into_body();
    while have.len() < enough {
        match body.frame().await {
            Some(frame) => have.extend_from_slice(frame.unwrap().data_ref().unwrap()),
            None => return true,
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_leave_nothing_that_another_cannot_go_on_with() {
    let rounds =
        std::env::var("SHEAF_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let store = Synthetic::start(objects(), Options::default()).await;
    let first = Server::over(&store.endpoint());
    let link = create(&first, &json!({})).await;
    let reference = replica_of(&first, &store).get(&link.path).await.body;
    assert_eq!(reference.len() as u64, link.bytes);
    for round in 0..rounds {
        let mut random = Random::new(round);
        let mut have = Vec::new();
        // Up to three servers die on the way.
        for _ in 0..1 + random.below(3) {
            let doomed = replica_of(&first, &store);
            let enough = have.len() as u64 + 1 + random.below(link.bytes - have.len() as u64);
            let ended = take(&doomed, &link.path, &link.etag, &mut have, enough as usize).await;
            // It gets SIGKILL.
            drop(doomed);
            if ended || have.len() == reference.len() {
                break;
            }
        }
        if have.len() < reference.len() {
            let last = replica_of(&first, &store);
            take(&last, &link.path, &link.etag, &mut have, usize::MAX).await;
        }
        assert!(have == reference, "round {round}");
    }
}
