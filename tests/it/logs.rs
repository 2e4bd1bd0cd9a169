//! The log: one line of JSON a request, with what happened, and never a secret.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

/// The line of a request holds these fields.
fn holds(line: &Value, fields: Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name} of {line}");
    }
    assert!(line["duration_ms"].is_u64(), "{line}");
    assert!(line["timestamp"].is_string(), "{line}");
}

#[tokio::test]
async fn an_archive_has_a_line() {
    let server = Server::local();
    server.drop_in("reports/a.pdf", "first");
    server.drop_in("reports/b.pdf", "second");
    let id = "from-the-client:1";
    let answer = server
        .send("GET", "/v1/zip?prefix=reports/", &[("x-request-id", id)])
        .await;
    assert_eq!(answer.headers["x-request-id"], id);
    let line = server.line(id).await;
    holds(
        &line,
        json!({
            "level": "INFO",
            "method": "GET",
            "path": "/v1/zip",
            "status": 200,
            "bucket": "local",
            "prefix": "reports/",
            "entries": 2,
            "bytes": answer.body.len(),
            "outcome": "complete",
        }),
    );
    assert_eq!(line["reason"], Value::Null);
}

#[tokio::test]
async fn other_requests_have_theirs() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    let line = async |method, target, body: &'static str| {
        let answer = match method {
            "POST" => server.post(target, body).await,
            method => server.send(method, target, &[]).await,
        };
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let line = server.line(id).await;
        assert_eq!(line["bytes"], answer.body.len(), "{line}");
        line
    };
    let made = line("POST", "/v1/manifests", "{}").await;
    holds(
        &made,
        json!({"status": 201, "bucket": "local", "prefix": "", "entries": 1, "outcome": "complete"}),
    );
    let head = line("HEAD", "/v1/zip", "").await;
    holds(&head, json!({"status": 200, "outcome": "complete"}));
    let health = line("GET", "/healthz", "").await;
    holds(&health, json!({"status": 200, "outcome": "complete"}));
    let nothing = line("GET", "/v1/zip?prefix=none/", "").await;
    holds(
        &nothing,
        json!({"status": 404, "prefix": "none/", "outcome": "complete"}),
    );
    let reason = nothing["reason"].as_str().unwrap();
    assert!(reason.starts_with("nothing-selected: "), "{reason}");
    let refused = line("GET", "/local/a.pdf", "").await;
    holds(&refused, json!({"status": 403, "path": "/local/a.pdf"}));
}

#[tokio::test]
async fn request_ids_cannot_break_out_of_a_line() {
    let server = Server::local();
    let long = "x".repeat(129);
    for unsound in ["", "a b", "a\"b", "{}", "a,b", &long] {
        let answer = server
            .send("GET", "/healthz", &[("x-request-id", unsound)])
            .await;
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert_ne!(id, unsound);
        assert_eq!(id.len(), 36, "a UUID");
        server.line(id).await;
    }
}

#[tokio::test]
async fn a_download_that_fails_is_failed() {
    let objects = [
        SyntheticObject::new("a.pdf", 3 * MIB),
        SyntheticObject::new("b.pdf", 3 * MIB),
    ];
    let store = Synthetic::start(objects, Options::default()).await;
    store
        .faults()
        .add(Rule::get("b.pdf", Failure::ACCESS_DENIED));
    let server = Server::over(&store.endpoint());
    let url = format!("{}/v1/zip", server.url);
    let broken = client::fetch("GET", &url, &[("x-request-id", "broken")]).await;
    assert!(broken.is_err(), "a break that nobody can overlook");
    let line = server.line("broken").await;
    holds(
        &line,
        json!({"level": "WARN", "status": 200, "outcome": "failed"}),
    );
    assert!(line["bytes"].as_u64().unwrap() >= 3 * MIB, "{line}");
    let reason = line["reason"].as_str().unwrap();
    assert!(
        reason.contains("s3:GetObject") && reason.contains("b.pdf"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_error_of_the_store_is_failed() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 1)], Options::default()).await;
    let rule = Rule::new(Target::ListPage(1), Fault::Answer(Failure::EXPIRED_TOKEN));
    store.faults().add(rule);
    let server = Server::over(&store.endpoint());
    let answer = server.get("/v1/zip").await;
    let line = server
        .line(answer.headers["x-request-id"].to_str().unwrap())
        .await;
    holds(
        &line,
        json!({"level": "WARN", "status": 502, "bucket": "bench", "outcome": "failed"}),
    );
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.starts_with("store-credentials: "), "{reason}");
}

#[tokio::test]
async fn a_client_that_goes_is_gone() {
    let store =
        Synthetic::start([SyntheticObject::new("a.pdf", 1 << 40)], Options::default()).await;
    let server = Server::over(&store.endpoint());
    let url = format!("{}/v1/zip", server.url);
    let mut answer = client::open("GET", &url, &[("x-request-id", "gone")])
        .await
        .unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    let line = server.line("gone").await;
    holds(
        &line,
        json!({"level": "INFO", "status": 200, "entries": 1, "outcome": "client_gone"}),
    );
}

#[tokio::test]
async fn a_client_that_goes_before_the_answer_is_gone_too() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 1)], Options::default()).await;
    let gate = Gate::new();
    let held = Fault::Body {
        at: 10,
        mishap: Mishap::Hold(gate.clone()),
    };
    store.faults().add(Rule::new(Target::ListPage(1), held));
    let server = Server::over(&store.endpoint());
    let url = format!("{}/v1/zip?prefix=a", server.url);
    tokio::select! {
        answer = client::open("GET", &url, &[("x-request-id", "early")]) => panic!("{answer:?}"),
        () = gate.reached(1) => {}
    }
    let line = server.line("early").await;
    holds(
        &line,
        json!({"bucket": "bench", "prefix": "a", "bytes": 0, "outcome": "client_gone"}),
    );
    assert_eq!(line["status"], Value::Null);
}

/// What must never be in a log, beside each server's own keys.
const SECRETS: [&str; 4] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "x-amz-signature",
    "Signature=",
];

/// No line holds a secret or the query of a URL. Looks at the text as well: a secret may stand outside of any line.
fn tells_no_secret(server: &Server, secrets: &[&str]) {
    let text = server.said();
    for secret in SECRETS.iter().chain(secrets) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for line in server.log() {
        let path = line["path"].as_str().unwrap_or_default();
        assert!(!path.contains('?'), "{line}");
    }
}

#[tokio::test]
async fn no_secret_is_logged() {
    const API_KEY: &str = "an-api-key-that-is-secret";
    const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SESSION: &str = "a-session-token-that-is-secret";
    for filter in ["sheaf=debug", "debug", "trace"] {
        let objects = [
            SyntheticObject::new("a.pdf", 10),
            SyntheticObject::new("b.pdf", 3 * MIB),
        ];
        let store = Synthetic::start(objects, Options::default()).await;
        let server = Server::with(|command, _| {
            command
                .env("S3_ENDPOINT_URL", store.endpoint())
                .env("BUCKET_NAME", "bench")
                .env("SHEAF_API_KEYS", API_KEY)
                .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
                .env("AWS_SESSION_TOKEN", SESSION)
                .env("SHEAF_LOG", filter);
        });
        let bearer = format!("Bearer {API_KEY}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let made = server.post_with("/v1/manifests", &headers, "{}").await;
        assert_eq!(made.status, 201);
        assert_eq!(server.send("GET", "/v1/zip", &headers).await.status, 200);
        store
            .faults()
            .add(Rule::body("b.pdf", MIB, Mishap::Reset).times(1));
        assert_eq!(server.send("GET", "/v1/zip", &headers).await.status, 200);
        for failure in [
            Failure::SIGNATURE_DOES_NOT_MATCH,
            Failure::ACCESS_DENIED,
            Failure::EXPIRED_TOKEN,
        ] {
            store.faults().clear();
            let rule = Rule::new(Target::ListPage(1), Fault::Answer(failure));
            store.faults().add(rule);
            assert!(
                server
                    .send("GET", "/v1/zip", &headers)
                    .await
                    .status
                    .as_u16()
                    > 400
            );
            let made = server.post_with("/v1/manifests", &headers, "{}").await;
            assert!(made.status.as_u16() > 400);
        }
        let almost = format!("Bearer {API_KEY}x");
        let almost = server
            .send("GET", "/v1/zip", &[("authorization", &almost)])
            .await;
        assert_eq!(almost.status, 401);
        let misplaced = format!("/v1/zip?key={API_KEY}&X-Amz-Signature=00");
        assert_eq!(server.get(&misplaced).await.status, 401);
        let last = server
            .send("GET", "/healthz", &[("x-request-id", "last")])
            .await;
        assert_eq!(last.status, 200);
        server.line("last").await;
        tells_no_secret(&server, &[API_KEY, SECRET_KEY, SESSION]);
    }
}

#[tokio::test]
async fn no_presigned_url_is_logged() {
    let server = Server::with(|command, home| {
        command.arg("--local").arg(home.join("bucket"));
        command.env("SHEAF_LOG", "sheaf=debug");
    });
    server.drop_in("a.pdf", "x");
    let made = server.post("/v1/manifests", "{}").await;
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let url = made["manifest_url"].as_str().unwrap();
    let manifest = client::fetch("GET", url, &[]).await.unwrap();
    let line: Value = serde_json::from_slice(&manifest.body).unwrap();
    let file = line["url"].as_str().unwrap();
    let id = [("x-request-id", "by-url")];
    assert_eq!(client::fetch("GET", file, &id).await.unwrap().status, 200);
    let tampered = file.replace("a.pdf?", "b.pdf?");
    assert_eq!(
        client::fetch("GET", &tampered, &[]).await.unwrap().status,
        403
    );
    let line = server.line("by-url").await;
    holds(
        &line,
        json!({"path": "/local/a.pdf", "status": 200, "bytes": 1, "outcome": "complete"}),
    );
    let signature = file.split("X-Amz-Signature=").nth(1).unwrap();
    let signature = signature.split('&').next().unwrap();
    tells_no_secret(&server, &[signature]);
}

#[tokio::test]
async fn what_a_folder_has_and_is_not_served_is_named() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("b.pdf"), "y").unwrap();
    let links = ["b.pdf", "c.pdf"].map(|name| server.bucket().join(name));
    for link in &links {
        std::os::unix::fs::symlink(elsewhere.path().join("b.pdf"), link).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(server.bucket().join("s.pdf")).unwrap();
    let listed = server.get("/v1/zip").await;
    assert_eq!(listed.status, 200);
    let warned: Vec<_> = server
        .log()
        .into_iter()
        .filter(|line| line["level"] == "WARN")
        .map(|line| (line["path"].clone(), line["why"].clone()))
        .collect();
    let why = |part: &str| {
        let about = |(_, why): &&(Value, Value)| why.as_str().is_some_and(|why| why.contains(part));
        warned.iter().filter(about).collect::<Vec<_>>()
    };
    let [(path, _)] = why("leads out of the folder")[..] else {
        panic!("once: {warned:?}");
    };
    assert!(links.iter().any(|link| path == link.to_str().unwrap()));
    let [(path, _)] = why("neither a file nor a folder")[..] else {
        panic!("once: {warned:?}");
    };
    assert!(path.as_str().unwrap().ends_with("/s.pdf"));
}
