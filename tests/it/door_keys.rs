//! What a key opens and what stays shut: scopes, limits, buckets, origins, proxies, hosts.

use std::fs;

use serde_json::{Value, json};

use crate::links::create;
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::server::{Server, refused, sheaf};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

const OWNER: &str = "owner-key-0123456789";

/// What `sheaf key new` makes.
pub(crate) fn new_key(arguments: &[&str]) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = sheaf(home.path());
    command.args(["key", "new"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("key"), text("line"))
}

/// A server of a folder that knows these keys.
pub(crate) fn keyed(lines: &[&str]) -> Server {
    Server::with(|command, home| {
        let file = home.join("keys");
        fs::write(&file, lines.join("\n")).unwrap();
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS_FILE", file);
    })
}

#[tokio::test]
async fn a_key_opens_its_scope_and_nothing_else() {
    let (key, line) = new_key(&["--name", "portal", "--scope", "local/a/"]);
    assert!(!line.contains(&key) && line.starts_with("portal:sha256:"));
    let server = keyed(&[OWNER, &line]);
    server.drop_in("a/x.pdf", "mine");
    server.drop_in("ab/x.pdf", "not mine");
    let bearer = format!("Bearer {key}");
    let json_type = ("content-type", "application/json");
    let headers = [("authorization", bearer.as_str()), json_type];
    for (inside, status) in [("a/", 200), ("a/x", 200), ("a/none/", 404)] {
        let answer = server
            .send("GET", &format!("/v1/zip?prefix={inside}"), &headers)
            .await;
        assert_eq!(answer.status, status, "{inside}");
    }
    for outside in [
        "",
        "?prefix=",
        "?prefix=a",
        "?prefix=ab/",
        "?prefix=a/&bucket=other-bucket",
        "?prefix=/a/",
        "?prefix=%2e/a/",
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server
                .send(method, &format!("/v1/zip{outside}"), &headers)
                .await;
            assert_eq!(answer.status, 403, "{method} {outside}");
        }
        let answer = server
            .send("GET", &format!("/v1/zip{outside}"), &headers)
            .await;
        Problem::of(&answer).is(403, "out-of-scope", &["s3://"]);
    }
    for (path, body) in [
        ("/v1/manifests", json!({"prefix": "ab/"})),
        ("/v1/manifests", json!({})),
        ("/v1/links", json!({"prefix": ""})),
        ("/v1/links", json!({"keys": ["a/x.pdf", "ab/x.pdf"]})),
    ] {
        let answer = server.post_with(path, &headers, body.to_string()).await;
        Problem::of(&answer).is(403, "out-of-scope", &[]);
    }
    let answer = server.send("GET", "/metrics", &headers).await;
    Problem::of(&answer).is(403, "out-of-scope", &[]);

    // Links: its own can be taken back, another's cannot.
    let owner = format!("Bearer {OWNER}");
    let link = async |key: &str, body: Value| {
        let headers = [("authorization", key), json_type];
        let made = server
            .post_with("/v1/links", &headers, body.to_string())
            .await;
        assert_eq!(made.status, 201);
        let made: Value = serde_json::from_slice(&made.body).unwrap();
        format!("/v1/links/{}", made["id"].as_str().unwrap())
    };
    let own = link(&bearer, json!({"keys": ["a/x.pdf"]})).await;
    let others = link(&owner, json!({"prefix": ""})).await;
    let answer = server.send("DELETE", &others, &headers[..1]).await;
    Problem::of(&answer).is(403, "out-of-scope", &[]);
    assert_eq!(server.send("DELETE", &own, &headers[..1]).await.status, 204);
    assert_eq!(server.send("DELETE", &own, &headers[..1]).await.status, 204);

    let line = server
        .logged(|line| line["path"] == "/v1/links" && line["status"] == 201)
        .await;
    assert_eq!(
        (&line["key"], &line["client"]),
        (&json!("portal"), &json!("127.0.0.1"))
    );
    assert!(!server.said().contains(&key[6..]), "no key in the log");
}

#[tokio::test]
async fn a_key_has_its_share_and_no_more() {
    let (slow, slow_line) = new_key(&["--name", "slow", "--rate", "2/h"]);
    let (single, single_line) = new_key(&["--name", "single", "--running", "1"]);
    let server = keyed(&[&slow_line, &single_line]);
    server.drop_in("a.pdf", vec![1; 64 << 20]);
    let slow = format!("Bearer {slow}");
    let headers = [("authorization", slow.as_str())];
    for _ in 0..2 {
        assert_eq!(server.send("HEAD", "/v1/zip", &headers).await.status, 200);
    }
    let answer = server.send("GET", "/v1/zip", &headers).await;
    let problem = Problem::of(&answer).is(429, "too-many-requests", &["slow"]);
    let wait: u32 = problem.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");

    let single = format!("Bearer {single}");
    let headers = [("authorization", single.as_str())];
    // Nobody reads it, so it stays under way.
    let url = format!("{}/v1/zip", server.url);
    let download = client::open("GET", &url, &headers).await.unwrap();
    let answer = server.send("GET", "/", &headers).await;
    Problem::of(&answer).is(429, "too-many-requests", &["single"]);
    drop(download);
    server
        .outcomes(
            "/v1/zip",
            &["complete", "complete", "complete", "client_gone"],
        )
        .await;
    assert_eq!(server.send("GET", "/", &headers).await.status, 200);
}

#[tokio::test]
async fn only_buckets_on_the_list_are_asked_for() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 10)], Options::default()).await;
    let server = Server::over_with(&store.endpoint(), &["--allow-bucket", "bench"]);
    assert_eq!(server.get("/v1/zip").await.status, 200);
    let asked = store.requests().log().len();
    let answer = server.get("/v1/zip?bucket=other-bucket").await;
    Problem::of(&answer).is(
        403,
        "bucket-not-allowed",
        &["other-bucket", "--allow-bucket"],
    );
    for path in ["/v1/manifests", "/v1/links"] {
        let body = json!({"bucket": "other-bucket", "prefix": ""}).to_string();
        let answer = server.post(path, body).await;
        Problem::of(&answer).is(403, "bucket-not-allowed", &[]);
    }
    assert_eq!(
        store.requests().log().len(),
        asked,
        "the store is not even asked"
    );
    let (code, said) = refused(|command, _| {
        command
            .env("BUCKET_NAME", "one")
            .env("SHEAF_ALLOW_BUCKETS", "two,three");
    });
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--allow-bucket"), "{said}");
}

#[tokio::test]
async fn other_origins_read_nothing_unless_they_are_named() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    let origin = ("origin", "https://portal.example");
    let asks = ("access-control-request-method", "POST");
    let answer = server.send("GET", "/v1/zip", &[origin]).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let preflight = server.send("OPTIONS", "/v1/links", &[origin, asks]).await;
    assert_eq!(preflight.status, 405);
    assert!(
        !preflight
            .headers
            .contains_key("access-control-allow-origin")
    );

    let open = Server::with(|command, home| {
        command.arg("--local").arg(home.join("bucket"));
        command.args(["--cors-origin", "https://portal.example"]);
    });
    open.drop_in("a.pdf", "x");
    let preflight = open.send("OPTIONS", "/v1/links", &[origin, asks]).await;
    assert_eq!(preflight.status, 204);
    let answer = open.send("GET", "/v1/zip", &[origin]).await;
    for answer in [&preflight, &answer] {
        assert_eq!(
            answer.headers["access-control-allow-origin"],
            "https://portal.example"
        );
        assert_eq!(answer.headers["vary"], "Origin");
        assert!(
            !answer
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
    for other in [
        "https://evil.example",
        "https://portal.example.evil.example",
        "null",
        "http://portal.example",
    ] {
        let answer = open.send("GET", "/v1/zip", &[("origin", other)]).await;
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{other}"
        );
        assert_eq!(answer.headers["vary"], "Origin");
    }
}

#[tokio::test]
async fn a_second_host_is_refused() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    for second in ["evil.example", "localhost"] {
        let hosts = [("host", "localhost"), ("host", second)];
        let answer = server.send("GET", "/v1/zip", &hosts).await;
        Problem::of(&answer).is(400, "malformed-host", &[]);
        let answer = server.send("GET", "/local/a.pdf", &hosts).await;
        Problem::of(&answer).is(400, "malformed-host", &[]);
    }
}

#[tokio::test]
async fn forwarded_addresses_are_believed_of_named_proxies_only() {
    let client = async |arguments: &[&str]| {
        let server = Server::with(|command, home| {
            command
                .arg("--local")
                .arg(home.join("bucket"))
                .args(arguments);
        });
        let headers = [
            ("x-forwarded-for", "198.51.100.7, 203.0.113.9"),
            ("x-request-id", "me"),
        ];
        server.send("GET", "/healthz", &headers).await;
        server.line("me").await["client"].clone()
    };
    assert_eq!(client(&[]).await, "127.0.0.1");
    assert_eq!(
        client(&["--trusted-proxy", "10.0.0.0/8"]).await,
        "127.0.0.1"
    );
    assert_eq!(
        client(&["--trusted-proxy", "127.0.0.0/8"]).await,
        "203.0.113.9"
    );
    assert_eq!(client(&["--no-log-addresses"]).await, Value::Null);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_and_no_header_is_made_up() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    let link = create(&server, &json!({})).await;
    let page = link.answer["page_url"].as_str().unwrap();
    let path = page.strip_prefix(&server.url).unwrap();
    let evil = "url=https://evil.example&next=//evil.example";
    let redirect = server.get(&format!("{path}/files/0?{evil}")).await;
    let location = redirect.headers["location"].to_str().unwrap();
    assert!(
        location.starts_with(&format!("{}/local/a.pdf?", server.url)),
        "{location}"
    );
    for elsewhere in [
        "//evil.example/",
        "/https://evil.example",
        "/\\evil.example",
    ] {
        let answer = server.get(elsewhere).await;
        assert!(answer.status.is_client_error() && !answer.headers.contains_key("location"));
    }
    // The store that is asked is the configured one, whatever a request says.
    for unknown in ["endpoint", "endpoint_url", "region", "url"] {
        let answer = server
            .get(&format!("/v1/zip?{unknown}=http://169.254.169.254/"))
            .await;
        Problem::of(&answer).is(400, "malformed-query", &[unknown]);
    }
    let split = "a%0D%0Aset-cookie:%20a=b%0D%0A%0D%0Ax.zip";
    let answer = server.get(&format!("/v1/zip?filename={split}")).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("set-cookie"));
    let answer = server
        .get(&format!("{path}?q={split}&folder={split}"))
        .await;
    assert!(!answer.headers.contains_key("set-cookie"));
}
