//! Requests that are wrong in themselves.

use super::{manifest, zip};
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::server::Server;

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 64 << 10;

#[tokio::test]
async fn queries() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    for (query, words) in [
        (
            "?prefx=a",
            &["\"prefx\"", "bucket, prefix, include, filename"][..],
        ),
        ("?prefix=a&prefix=b", &["\"prefix\"", "more than once"]),
        ("?bucket=local&bucket=local", &["\"bucket\""]),
        ("?filename=a&filename=b", &["\"filename\""]),
        ("?prefix=%FF", &["UTF-8"]),
        ("?include=*%C3", &["UTF-8"]),
    ] {
        zip(&server, query).await.is(400, "malformed-query", words);
    }
    let long = format!("?prefix={}", "p".repeat(1025));
    let many = format!("?{}", ["include=x"; 65].join("&"));
    let long_pattern = format!("?include={}", "x".repeat(1025));
    for (query, words) in [
        ("?include=%5Ba", &["\"[a\"", "malformed"][..]),
        ("?include=%7Ba", &["\"{a\""]),
        ("?bucket=a/b", &["\"a/b\"", "bucket name"]),
        ("?bucket=ab", &["3 to 255"]),
        ("?bucket=a..b", &["bucket name"]),
        (&long, &["1025", "1024"]),
        (&many, &["65", "64"]),
        (&long_pattern, &["1025", "1024"]),
    ] {
        zip(&server, query)
            .await
            .is(400, "malformed-selection", words);
    }
    let whole = format!("?prefix={}&include=x", "p".repeat(1024));
    zip(&server, &whole).await.is(404, "nothing-selected", &[]);
}

#[tokio::test]
async fn bodies() {
    let server = Server::local();
    for (body, words) in [
        ("", &["EOF", "line 1"][..]),
        ("{", &["EOF"]),
        ("{\"prefix\":\"a\",}", &["line 1"]),
        ("{} {}", &["trailing"]),
        ("[]", &["object"]),
        ("[null,null,[],5]", &["object"]),
        ("null", &["object"]),
        ("\"reports/\"", &["object"]),
        ("{\"prefx\":\"a\"}", &["`prefx`", "`prefix`"]),
        (
            "{\"prefix\":\"a\",\"prefix\":\"b\"}",
            &["duplicate", "`prefix`"],
        ),
        ("{\"prefix\":5}", &["invalid type", "string"]),
        ("{\"include\":5}", &["a pattern or a list of patterns"]),
        ("{\"include\":[5]}", &["a pattern or a list of patterns"]),
        ("{\"expires_in\":\"900\"}", &["\"900\""]),
        ("{\"expires_in\":-1}", &["`-1`"]),
        ("{\"expires_in\":1.5}", &["1.5"]),
        ("{\"expires_in\":18446744073709551616}", &["invalid"]),
        ("{\"prefix\":\"\\ud800\"}", &["line 1"]),
    ] {
        manifest(&server, body)
            .await
            .is(400, "malformed-body", words);
    }
    manifest(&server, &b"{\"prefix\":\"\xFF\"}"[..])
        .await
        .is(400, "malformed-body", &[]);
    let long = format!("{{\"prefix\":\"{}\"}}", "p".repeat(1025));
    let many = format!("{{\"include\":[{}]}}", ["\"x\""; 65].join(","));
    for (body, words) in [
        ("{\"include\":\"[a\"}", &["\"[a\""][..]),
        ("{\"include\":[\"*.pdf\",\"[a\"]}", &["\"[a\""]),
        ("{\"bucket\":\"a/b\"}", &["\"a/b\""]),
        (&long, &["1025"]),
        (&many, &["65"]),
    ] {
        let problem = manifest(&server, body.to_owned()).await;
        problem.is(400, "malformed-selection", words);
    }
    for seconds in [0, 604_801, u64::MAX] {
        let body = format!("{{\"expires_in\":{seconds}}}");
        manifest(&server, body)
            .await
            .is(400, "invalid-expiry", &["604800 s (7 days)"]);
    }
    let none = server.bucket().join("manifests");
    assert!(!none.exists());
}

#[tokio::test]
async fn a_body_has_64_kib() {
    let server = Server::local();
    let mut body = b"{}".to_vec();
    body.resize(BODY_LIMIT, b' ');
    let most = server.post("/v1/manifests", body.clone()).await;
    assert_eq!(most.status, 201);
    body.push(b' ');
    let problem = manifest(&server, body).await;
    problem.is(413, "body-too-large", &["65536"]);
}

#[tokio::test]
async fn json_is_insisted_on() {
    let server = Server::local();
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "text/plain; application/json")],
    ] {
        let answer = server.post_with("/v1/manifests", headers, "{}").await;
        Problem::of(&answer).is(415, "not-json", &["application/json"]);
    }
    for json in ["application/json; charset=utf-8", "Application/JSON"] {
        let json = [("content-type", json)];
        let answer = server.post_with("/v1/manifests", &json, "{}").await;
        assert_eq!(answer.status, 201);
    }
}

#[tokio::test]
async fn methods_and_paths() {
    let server = Server::local();
    for (method, path, allowed) in [
        ("POST", "/v1/zip", &["GET", "HEAD"][..]),
        ("PUT", "/v1/zip", &["GET", "HEAD"]),
        ("DELETE", "/v1/zip?prefix=a", &["GET", "HEAD"]),
        ("OPTIONS", "/v1/zip", &["GET", "HEAD"]),
        ("GET", "/v1/manifests", &["POST"]),
        ("POST", "/healthz", &["GET"]),
        ("DELETE", "/openapi.json", &["GET"]),
    ] {
        let problem = Problem::of(&server.send(method, path, &[]).await);
        let problem = problem.is(405, "method-not-allowed", &[method]);
        let allow = problem.headers["allow"].to_str().unwrap();
        for method in allowed {
            assert!(
                allow.split(',').any(|name| name.trim() == *method),
                "{allow}"
            );
        }
    }
    for path in [
        "/v1",
        "/v1/zip/",
        "/v2/zip",
        "/v1/zip.json",
        "/favicon.ico",
        "/%00",
    ] {
        Problem::of(&server.get(path).await).is(404, "not-found", &[path]);
    }
    let head = server.send("HEAD", "/v1/zip", &[]).await;
    assert_eq!(head.status, 404);
    assert_eq!(head.headers["content-type"], "application/problem+json");
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn nothing_selected() {
    let server = Server::local();
    server.drop_in("reports/notes.txt", "x");
    for query in ["", "?prefix=none/", "?prefix=reports/", "?include=*.doc"] {
        let words = &[
            "nothing under s3://local/",
            " matches *.",
            "; include=* takes",
        ];
        zip(&server, query).await.is(404, "nothing-selected", words);
    }
    let empty = server.post("/v1/manifests", "{}").await;
    assert_eq!(empty.status, 201);
    let empty: serde_json::Value = serde_json::from_slice(&empty.body).unwrap();
    assert_eq!((&empty["count"], &empty["bytes"]), (&0.into(), &0.into()));
    let url = empty["manifest_url"].as_str().unwrap();
    let lines = client::fetch("GET", url, &[]).await.unwrap();
    assert_eq!((lines.status.as_u16(), &lines.body[..]), (200, &b""[..]));
}

#[tokio::test]
async fn live_archives_are_not_resumable() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    let answer = server
        .send("GET", "/v1/zip", &[("range", "bytes=7-")])
        .await;
    let problem = Problem::of(&answer).is(409, "not-resumable", &["POST /v1/links"]);
    assert_eq!(problem.headers["accept-ranges"], "none");
}

#[tokio::test]
async fn without_a_default_bucket_one_must_be_named() {
    let server = Server::with(|command, _| {
        command.env("S3_ENDPOINT_URL", "http://127.0.0.1:9");
    });
    let words = &["name a bucket", "BUCKET_NAME"];
    zip(&server, "").await.is(400, "malformed-selection", words);
    zip(&server, "?bucket=")
        .await
        .is(400, "malformed-selection", words);
    manifest(&server, "{}")
        .await
        .is(400, "malformed-selection", words);
    assert_eq!(server.get("/readyz").await.status, 200);
}
