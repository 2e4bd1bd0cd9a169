//! Manifests: what stands in them, what their URLs give, and that a manifest is whole or not there.

mod urls;
mod whole;

use serde_json::Value;

use crate::support::client::{self, Answered};
use crate::support::server::Server;

/// What `POST /v1/manifests` answers with, which must be 201.
async fn publish(server: &Server, body: &'static str) -> Value {
    let answer = server.post("/v1/manifests", body).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 201, "{text}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    serde_json::from_str(&text).unwrap()
}

/// The text of a field.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Asks for a presigned URL as anybody would: without credentials.
async fn fetch(url: &str) -> Answered {
    client::fetch("GET", url, &[]).await.unwrap()
}

/// The lines of a manifest, each of which must begin with `key` and `url`.
fn lines(manifest: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(manifest).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let begins = format!("{{\"key\":{},\"url\":{},", value["key"], value["url"]);
            assert!(line.starts_with(&begins), "{line}");
            value
        })
        .collect()
}

/// The lines of the manifest that was published.
async fn published_lines(published: &Value) -> Vec<Value> {
    let answer = fetch(text(published, "manifest_url")).await;
    assert_eq!(answer.status, 200);
    let lines = lines(&answer.body);
    assert_eq!(lines.len() as u64, published["count"].as_u64().unwrap());
    lines
}

#[tokio::test]
async fn many_prefixes_have_a_result_each() {
    use crate::support::server::Server;
    let server = Server::local();
    server.drop_in("a/1.pdf", "x");
    server.drop_in("b/1.pdf", "x");
    server.drop_in("b/2.pdf", "x");
    let answer = server
        .post("/v1/manifests", r#"{"prefixes": ["b/", "a/", "c/"]}"#)
        .await;
    assert_eq!(answer.status, 201);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let results = body["results"].as_array().unwrap();
    let told: Vec<(&str, u64)> = results
        .iter()
        .map(|result| (text(result, "prefix"), result["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("b/", 2), ("a/", 1), ("c/", 0)]);
    let both = server
        .post("/v1/manifests", r#"{"prefix": "a/", "prefixes": ["b/"]}"#)
        .await;
    assert_eq!(both.status, 400);
}
