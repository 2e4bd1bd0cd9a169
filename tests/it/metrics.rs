//! What is counted, as Prometheus gets it.

use serde_json::json;

use crate::links::create;
use crate::support::client;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

/// The value of a series, by its name and labels as they are written.
pub(crate) fn value(exposition: &str, series: &str) -> Option<f64> {
    let line = exposition
        .lines()
        .find_map(|line| line.strip_prefix(series));
    line.and_then(|rest| rest.strip_prefix(' ')?.parse().ok())
}

pub(crate) async fn exposition(url: &str) -> String {
    let answer = client::fetch("GET", &format!("{url}/metrics"), &[])
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn downloads_and_reads_are_counted_and_gauges_come_back_to_zero() {
    const SIZE: u64 = 3 << 20;
    let objects = [
        SyntheticObject::new("a.pdf", SIZE),
        SyntheticObject::new("b.pdf", 10),
    ];
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    store
        .faults()
        .add(Rule::body("a.pdf", 1000, Mishap::Reset).times(1));
    let whole = server.get("/v1/zip").await;
    store.remove("a.pdf");
    store.put(SyntheticObject::new("a.pdf", 0));
    store.remove("b.pdf");
    assert_eq!(server.get("/v1/zip?prefix=nothing/").await.status, 404);

    let counted = exposition(&server.url).await;
    let is = |series: &str, expected: f64| {
        assert_eq!(
            value(&counted, series),
            Some(expected),
            "{series}\n{counted}"
        )
    };
    is(
        "sheaf_downloads_total{kind=\"live\",outcome=\"complete\"}",
        1.0,
    );
    is("sheaf_downloads_running{kind=\"live\"}", 0.0);
    is("sheaf_download_bytes_total", whole.body.len() as f64);
    is("sheaf_download_entries_total", 2.0);
    is(
        "sheaf_download_first_byte_seconds_count{kind=\"live\"}",
        1.0,
    );
    is(
        "sheaf_http_requests_total{route=\"/v1/zip\",status=\"2xx\"}",
        1.0,
    );
    is(
        "sheaf_http_requests_total{route=\"/v1/zip\",status=\"4xx\"}",
        1.0,
    );
    is(
        "sheaf_store_requests_total{operation=\"ListObjectsV2\"}",
        2.0,
    );
    // A request on a connection that proves dead is sent again, and a read that nobody wants any more may be given up
    // before its request arrives.
    let arrived = store
        .requests()
        .count(crate::support::synthetic::requests::Operation::GetObject) as f64;
    let sent = value(
        &counted,
        "sheaf_store_requests_total{operation=\"GetObject\"}",
    )
    .unwrap();
    assert!(
        (arrived..=arrived + 3.0).contains(&sent),
        "{sent} of {arrived}"
    );
    is("sheaf_store_retries_total{kind=\"body\"}", 1.0);
    is("sheaf_memory_budget_bytes", f64::from(256 << 20));
    is("sheaf_memory_reserved_bytes", 0.0);
    is("sheaf_memory_shares", 0.0);
    assert!(value(&counted, "sheaf_memory_reserved_peak_bytes") > Some(0.0));
    assert!(value(&counted, "sheaf_read_ahead_window_bytes_count") >= Some(1.0));
    assert!(value(&counted, "sheaf_store_queue_wait_seconds_count") >= Some(3.0));
}

#[tokio::test]
async fn downloads_of_links_are_counted_too() {
    let objects = ["a.pdf", "b.pdf"].map(|key| SyntheticObject::new(key, 1000));
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({})).await;
    let whole = server.get(&link.path).await;
    let part = [("range", "bytes=1100-1199")];
    assert_eq!(server.send("GET", &link.path, &part).await.status, 206);
    server.send("HEAD", &link.path, &[]).await;
    store.remove("a.pdf");
    assert_eq!(server.get(&link.path).await.status, 409);

    let counted = exposition(&server.url).await;
    for (series, expected) in [
        (
            "sheaf_downloads_total{kind=\"frozen\",outcome=\"complete\"}",
            2,
        ),
        (
            "sheaf_download_first_byte_seconds_count{kind=\"frozen\"}",
            2,
        ),
        ("sheaf_download_entries_total", 3),
        ("sheaf_download_bytes_total", whole.body.len() as u32 + 100),
        ("sheaf_downloads_running{kind=\"frozen\"}", 0),
        ("sheaf_memory_reserved_bytes", 0),
        ("sheaf_memory_shares", 0),
    ] {
        let found = value(&counted, series);
        assert_eq!(found, Some(f64::from(expected)), "{series}\n{counted}");
    }
}

#[tokio::test]
async fn operators_have_a_listener_of_their_own() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 10)], Options::default()).await;
    let mut server = Server::with(|command, _| {
        command
            .args(["--admin-listen", "127.0.0.1:0", "--max-connections", "1"])
            .env("SHEAF_API_KEYS", "0123456789abcdef")
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench");
    });
    let line: serde_json::Value = serde_json::from_str(&server.process().line).unwrap();
    let admin = line["admin"].as_str().unwrap().to_owned();
    // Every place of clients is taken.
    let url = url::Url::parse(&server.url).unwrap();
    let _held = tokio::net::TcpStream::connect(url.socket_addrs(|| None).unwrap()[0])
        .await
        .unwrap();
    assert!(
        exposition(&admin)
            .await
            .contains("sheaf_memory_budget_bytes")
    );
    for path in ["/healthz", "/readyz"] {
        let answer = client::fetch("GET", &format!("{admin}{path}"), &[])
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{path}");
    }
    let key = [("authorization", "Bearer 0123456789abcdef")];
    let api = client::fetch("GET", &format!("{admin}/v1/zip"), &key)
        .await
        .unwrap();
    assert_eq!(api.status, 404, "nothing but health and metrics");
}

#[tokio::test]
async fn on_the_listener_of_clients_metrics_need_a_key() {
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS", "0123456789abcdef");
    });
    assert_eq!(server.get("/metrics").await.status, 401);
    let key = [("authorization", "Bearer 0123456789abcdef")];
    assert_eq!(server.send("GET", "/metrics", &key).await.status, 200);
}
