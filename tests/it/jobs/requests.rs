//! What is refused, and to whom.

use serde_json::json;

use super::{enter, id, idle, json_of, with};
use crate::support::problem::Problem;
use crate::support::server::{Server, refused};

#[tokio::test]
async fn malformed_requests_change_nothing() {
    let server = idle();
    server.drop_in("r/a.pdf", "x");
    let links = || async { json_of(&server.get("/v1/links").await)["links"].clone() };
    for (body, status, kind, words) in [
        (json!({"prefix": "none/"}), 404, "nothing-selected", ""),
        (
            json!({"prefixes": ["r/"]}),
            400,
            "malformed-body",
            "prefixes",
        ),
        (
            json!({"link": "x", "prefix": "r/"}),
            400,
            "malformed-body",
            "prefix",
        ),
        (
            json!({"prefix": "r/", "to": "reports.zip"}),
            400,
            "malformed-body",
            "s3://",
        ),
        (
            json!({"prefix": "r/", "to": "s3://local/"}),
            400,
            "malformed-body",
            "name the object",
        ),
        (
            json!({"prefix": "r/", "to": "s3://local/folder/"}),
            400,
            "malformed-body",
            "name the object",
        ),
        (
            json!({"prefix": "r/", "to": {"key": "x".repeat(1025)}}),
            400,
            "malformed-body",
            "name the object",
        ),
        (
            json!({"prefix": "r/", "to": {"key": ".sheaf/links/x"}}),
            400,
            "malformed-body",
            "own objects",
        ),
        (
            json!({"prefix": "r/", "to": "s3://a b/c.zip"}),
            400,
            "malformed-selection",
            "",
        ),
        (
            json!({"prefix": "r/", "to": {"bucket": "local"}}),
            400,
            "malformed-body",
            "",
        ),
        (
            json!({"prefix": "r/", "method": "magic"}),
            400,
            "malformed-body",
            "magic",
        ),
        (
            json!({"prefix": "r/", "verify": 1}),
            400,
            "malformed-body",
            "",
        ),
        (
            json!({"prefix": "r/", "expires_in": 0}),
            400,
            "invalid-expiry",
            "",
        ),
    ] {
        let answer = server.post("/v1/jobs", body.to_string()).await;
        let problem = Problem::of(&answer);
        assert_eq!(
            (problem.status, problem.kind.as_str()),
            (status, kind),
            "{body}"
        );
        assert!(problem.detail.contains(words), "{body}: {}", problem.detail);
    }
    let answer = server
        .post_with("/v1/jobs", &[("content-type", "text/plain")], "{}")
        .await;
    Problem::of(&answer).is(415, "not-json", &[]);
    assert_eq!(json_of(&server.get("/v1/jobs").await), json!({"jobs": []}));
    assert_eq!(links().await, json!([]), "no link was left behind");
    for (method, path) in [
        ("GET", "/v1/jobs/none"),
        ("DELETE", "/v1/jobs/none"),
        ("GET", "/v1/jobs/none/events"),
    ] {
        let answer = server.send(method, path, &[]).await;
        Problem::of(&answer).is(404, "no-such-job", &[]);
    }
}

#[tokio::test]
async fn limits_are_told_and_leave_no_link() {
    let server = with(&["--slots", "0", "--max-jobs", "1"]);
    server.drop_in("r/a.pdf", "x");
    enter(&server, &json!({"prefix": "r/"})).await;
    let answer = server
        .post("/v1/jobs", json!({"prefix": "r/"}).to_string())
        .await;
    Problem::of(&answer).is(429, "too-many-jobs", &["1"]);
    let server = with(&["--slots", "0", "--max-job-bytes", "1000"]);
    server.drop_in("small/a.pdf", "x");
    server.drop_in("large/a.pdf", vec![0; 2000]);
    let answer = server
        .post("/v1/jobs", json!({"prefix": "large/"}).to_string())
        .await;
    Problem::of(&answer).is(429, "jobs-too-large", &["1000"]);
    assert_eq!(json_of(&server.get("/v1/links").await)["links"], json!([]));
    enter(&server, &json!({"prefix": "small/"})).await;
}

#[tokio::test]
async fn keys_see_their_own_jobs_and_stay_in_their_scopes() {
    const ONE: &str = "one-key-0123456789abcdef";
    const TWO: &str = "two-key-0123456789abcdef";
    let line = |name: &str, key: &str, scope: &str| {
        format!(
            "{name}:sha256:{} scope={scope}",
            sheaf::http::keys::digest(key)
        )
    };
    let keys = [
        line("one", ONE, "local/one/"),
        line("two", TWO, "local/two/"),
    ]
    .join(",");
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .args(["--slots", "0"])
            .env("SHEAF_API_KEYS", keys);
    });
    server.drop_in("one/a.pdf", "x");
    server.drop_in("two/a.pdf", "x");
    let ask = async |key: &str, body: serde_json::Value| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &bearer),
        ];
        server
            .post_with("/v1/jobs", &headers, body.to_string())
            .await
    };
    for body in [
        json!({"prefix": "two/"}),
        json!({}),
        json!({"prefix": "one/", "to": "s3://local/two/archive.zip"}),
    ] {
        let answer = ask(ONE, body).await;
        Problem::of(&answer).is(403, "out-of-scope", &[]);
    }
    let answer = ask(
        ONE,
        json!({"prefix": "one/", "to": "s3://local/one/archive.zip"}),
    )
    .await;
    assert_eq!(answer.status, 202);
    let entered = json_of(&answer);
    // The link of one is nothing that two could have packaged.
    let answer = ask(TWO, json!({"link": entered["link"]})).await;
    Problem::of(&answer).is(403, "out-of-scope", &[]);
    let path = format!("/v1/jobs/{}", id(&entered));
    let bearer = |key: &str| format!("Bearer {key}");
    for (method, path) in [
        ("GET", path.clone()),
        ("DELETE", path.clone()),
        ("GET", format!("{path}/events")),
    ] {
        let two = bearer(TWO);
        let answer = server.send(method, &path, &[("authorization", &two)]).await;
        Problem::of(&answer).is(404, "no-such-job", &[]);
        Problem::of(&server.send(method, &path, &[]).await).is(401, "unauthorized", &[]);
    }
    let listed = async |key: &str| {
        let bearer = bearer(key);
        let answer = server
            .send("GET", "/v1/jobs", &[("authorization", &bearer)])
            .await;
        json_of(&answer)["jobs"].as_array().unwrap().len()
    };
    assert_eq!((listed(ONE).await, listed(TWO).await), (1, 0));
}

#[tokio::test]
async fn queues_that_are_no_use_are_refused_without_their_password() {
    let (code, said) = refused(|command, home| {
        command.arg("--local").arg(home.join("bucket"));
        command.env("SHEAF_QUEUE", "postgres://me:hunter2@127.0.0.1:1/jobs");
    });
    assert_eq!(code, Some(1));
    assert!(
        said.contains("127.0.0.1:1/jobs") && !said.contains("hunter2"),
        "{said}"
    );
    let (code, said) = refused(|command, home| {
        command.arg("--local").arg(home.join("bucket"));
        command.env("SHEAF_QUEUE", "mysql://me:hunter2@h/jobs");
    });
    assert_eq!(code, Some(2));
    assert!(
        said.contains("SHEAF_QUEUE") && !said.contains("hunter2"),
        "{said}"
    );
}
