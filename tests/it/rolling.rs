//! A rolling restart: two replicas behind a real nginx stop and start in turn while a hundred clients download.

use futures::future::join_all;
use serde_json::json;

use crate::links::create;
use crate::support::clients::Client;
use crate::support::nginx::Nginx;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

const CLIENTS: usize = 100;

/// As the README recommends for several replicas.
const NGINX: &str = "proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host;
                     proxy_next_upstream error timeout http_502 http_503;";

fn replica(store: &Synthetic, listen: &str) -> Server {
    Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .env(
                "SHEAF_LINK_KEYS",
                "rolling:00112233445566778899aabbccddeeff",
            )
            .args(["--listen", listen, "--drain", "1s"]);
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_downloads_survive_the_restart_of_both_replicas() {
    const HELD: &str = "3.pdf";
    let objects = (0..6).map(|n| SyntheticObject::new(format!("{n}.pdf"), 300_000));
    let store = Synthetic::start(objects, Options::default()).await;
    let mut replicas = [0, 1].map(|_| replica(&store, "127.0.0.1:0"));
    let urls = replicas.each_ref().map(|replica| replica.url.clone());
    let Some(nginx) = Nginx::among(&[&urls[0], &urls[1]], NGINX) else {
        return;
    };
    let link = create(&replicas[0], &json!({})).await;
    let whole = replicas[1].get(&link.path).await.body;
    assert_eq!(whole.len() as u64, link.bytes);

    let gate = Gate::new();
    let hold = Rule::body(HELD, 150_000, Mishap::Hold(gate.clone()));
    store.faults().add(hold);
    let url = format!("{}{}", nginx.url, link.path);
    let downloads = (0..CLIENTS).map(|n| {
        let client = match n % 10 {
            0 => Client::CurlContinue,
            1 => Client::WgetContinue,
            _ => Client::Ranges,
        };
        let url = url.clone();
        tokio::spawn(async move { (client, client.run(&url).await) })
    });
    let downloads: Vec<_> = downloads.collect();
    let restart = async {
        // All of them stand still in the middle, on either replica.
        gate.reached(CLIENTS as u32).await;
        for replica_here in &mut replicas {
            let address = replica_here.url.trim_start_matches("http://").to_owned();
            replica_here.signal("TERM");
            assert_eq!(replica_here.exited().await.code(), Some(0));
            *replica_here = replica(&store, &address);
        }
        gate.open();
    };
    let (ended, ()) = tokio::join!(join_all(downloads), restart);
    for ended in ended {
        let (client, Some(ended)) = ended.unwrap() else {
            continue;
        };
        assert!(ended.success, "{client:?}: {}", ended.said);
        assert!(ended.file == whole, "{client:?} has something else");
    }
    let resumed = replicas.iter().flat_map(Server::log);
    let resumed = resumed.filter(|line| line["status"] == 206).count();
    assert!(resumed >= CLIENTS / 2, "only {resumed} went on");
}
