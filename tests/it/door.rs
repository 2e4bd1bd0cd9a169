//! Who may use the API: keys, loopback names, and what is open to everybody.

use std::fs;

use serde_json::Value;

use crate::support::problem::Problem;
use crate::support::server::{Server, refused};

const FIRST: &str = "first-key-0123456789";
const SECOND: &str = "second-key-0123456789";

/// A server of one file that has these keys.
fn keyed(keys: &str) -> Server {
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS", keys);
    });
    server.drop_in("a.pdf", "x");
    server
}

/// The status of `GET /v1/zip` with these headers.
async fn status(server: &Server, headers: &[(&str, &str)]) -> u16 {
    server.send("GET", "/v1/zip", headers).await.status.as_u16()
}

#[tokio::test]
async fn keys_open_the_api() {
    let server = keyed(&format!("{FIRST}, {SECOND}"));
    for key in [FIRST, SECOND] {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        assert_eq!(status(&server, &headers[..1]).await, 200);
        let made = server.post_with("/v1/manifests", &headers, "{}").await;
        assert_eq!(made.status, 201);
        // A key is proof enough; the name does not matter then.
        let named = [headers[0], ("host", "files.example.org")];
        assert_eq!(status(&server, &named).await, 200);
    }
    let both = format!("Bearer {FIRST}, {SECOND}");
    for wrong in [
        "Bearer another-key-0123456789",
        "Bearer first-key-012345678",
        "Bearer FIRST-KEY-0123456789",
        "Basic first-key-0123456789",
        FIRST,
        "Bearer",
        "Bearer ",
        &both,
    ] {
        let headers = [
            ("authorization", wrong),
            ("content-type", "application/json"),
        ];
        for (method, path) in [("GET", "/v1/zip"), ("POST", "/v1/manifests"), ("GET", "/")] {
            let answer = server.send(method, path, &headers).await;
            let problem = Problem::of(&answer).is(401, "unauthorized", &["API key"]);
            let challenge = problem.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
            assert!(!problem.body.to_string().contains("key-0123456789"));
        }
    }
    let nothing = server.get("/v1/zip?api_key=first-key-0123456789").await;
    let problem = Problem::of(&nothing).is(401, "unauthorized", &["Authorization: Bearer"]);
    assert!(problem.headers.contains_key("www-authenticate"));
    let head = server.send("HEAD", "/v1/zip", &[]).await;
    assert_eq!(head.status, 401);
}

#[tokio::test]
async fn some_paths_need_no_key() {
    let server = keyed(FIRST);
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let described: Value = serde_json::from_slice(&server.get("/openapi.json").await.body).unwrap();
    assert_eq!(described, sheaf::http::api::described());
}

#[tokio::test]
async fn keys_from_a_file() {
    let server = Server::with(|command, home| {
        let file = home.join("keys");
        fs::write(&file, format!("{FIRST}\n\n  {SECOND}  \n")).unwrap();
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS_FILE", file);
    });
    server.drop_in("a.pdf", "x");
    for key in [FIRST, SECOND] {
        let bearer = format!("Bearer {key}");
        assert_eq!(status(&server, &[("authorization", &bearer)]).await, 200);
    }
    assert_eq!(status(&server, &[]).await, 401);
}

#[test]
fn bad_keys_are_refused_and_not_repeated() {
    for keys in [
        "short",
        "first-key-0123456789,short",
        "first-key-012345678 9x",
    ] {
        let (code, said) = refused(|command, _| {
            command.env("SHEAF_API_KEYS", keys);
        });
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("SHEAF_API_KEYS"), "{said}");
        assert!(
            !said.contains("short") && !said.contains("0123456"),
            "{said}"
        );
    }
    let (code, said) = refused(|command, home| {
        command.env("SHEAF_API_KEYS_FILE", home.join("missing"));
    });
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("missing"), "{said}");
    let (code, said) = refused(|command, home| {
        fs::write(home.join("keys"), "\n").unwrap();
        command.env("SHEAF_API_KEYS_FILE", home.join("keys"));
    });
    assert_eq!(code, Some(2), "{said}");
}

#[tokio::test]
async fn without_keys_the_name_must_be_loopback() {
    let server = Server::local();
    server.drop_in("a.pdf", "x");
    for ours in [
        "localhost",
        "localhost:8080",
        "127.0.0.1:1",
        "[::1]:8080",
        "LocalHost:80",
    ] {
        assert_eq!(status(&server, &[("host", ours)]).await, 200, "{ours}");
    }
    for theirs in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "user@localhost",
        "localhost, evil.example",
    ] {
        let answer = server.send("GET", "/v1/zip", &[("host", theirs)]).await;
        let problem = Problem::of(&answer);
        problem.is(403, "forbidden-host", &[theirs, "--public-url"]);
        let headers = [("host", theirs), ("content-type", "application/json")];
        let answer = server.post_with("/v1/manifests", &headers, "{}").await;
        Problem::of(&answer).is(403, "forbidden-host", &[theirs]);
    }
    for forwarded in ["x-forwarded-host", "forwarded", "x-host", "x-original-host"] {
        let disguised = [("host", "evil.example"), (forwarded, "localhost")];
        assert_eq!(status(&server, &disguised).await, 403, "{forwarded}");
        let harmless = [("host", "localhost"), (forwarded, "evil.example")];
        assert_eq!(status(&server, &harmless).await, 200, "{forwarded}");
    }
}

#[tokio::test]
async fn the_public_name_is_ours() {
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .args(["--public-url", "https://files.example.org"]);
    });
    server.drop_in("a.pdf", "x");
    assert_eq!(status(&server, &[("host", "files.example.org")]).await, 200);
    assert_eq!(status(&server, &[("host", "example.org")]).await, 403);
}

#[tokio::test]
async fn what_a_page_can_send_unasked_is_not_taken() {
    let server = Server::local();
    for unasked in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let headers = [("content-type", unasked), ("origin", "http://evil.example")];
        let answer = server.post_with("/v1/manifests", &headers, "{}").await;
        Problem::of(&answer).is(415, "not-json", &[]);
    }
}

#[test]
fn all_addresses_need_keys() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let (code, said) = refused(|command, home| {
            command.env("SHEAF_LISTEN", address);
            command.arg("--local").arg(home.join("bucket"));
        });
        assert_eq!(code, Some(2), "{said}");
        for words in ["SHEAF_API_KEYS", "--allow-anonymous"] {
            assert!(said.contains(words), "{said}");
        }
    }
}

#[tokio::test]
async fn all_addresses_with_keys_or_on_purpose() {
    let open = Server::with(|command, home| {
        command.env("SHEAF_LISTEN", "0.0.0.0:0");
        command.arg("--local").arg(home.join("bucket"));
        command.arg("--allow-anonymous");
    });
    open.drop_in("a.pdf", "x");
    assert_eq!(status(&open, &[]).await, 200);
    assert_eq!(status(&open, &[("host", "files.example.org")]).await, 200);
    let keyed = Server::with(|command, home| {
        command.env("SHEAF_LISTEN", "0.0.0.0:0");
        command.arg("--local").arg(home.join("bucket"));
        command.env("SHEAF_API_KEYS", FIRST);
    });
    keyed.drop_in("a.pdf", "x");
    assert_eq!(status(&keyed, &[]).await, 401);
}

#[tokio::test]
async fn the_mounted_store_wants_signatures_even_of_friends() {
    let server = Server::local();
    server.drop_in("a.pdf", "secret");
    for (method, path) in [
        ("GET", "/local/a.pdf"),
        ("HEAD", "/local/a.pdf"),
        ("GET", "/local/missing.pdf"),
        ("GET", "/local/?list-type=2"),
        ("GET", "/local"),
        ("PUT", "/local/b.pdf"),
        ("DELETE", "/local/a.pdf"),
        ("POST", "/local/b.pdf?uploads"),
    ] {
        let answer = server.send(method, path, &[]).await;
        assert_eq!(answer.status, 403, "{method} {path}");
        let text = String::from_utf8_lossy(&answer.body);
        if method != "HEAD" {
            assert_eq!(answer.headers["content-type"], "application/xml");
            assert!(text.contains("<Code>AccessDenied</Code>"), "{text}");
        }
        assert!(!text.contains("secret"));
    }
    let signed = "AWS4-HMAC-SHA256 Credential=AKIA/20240101/us-east-1/s3/aws4_request, \
                  SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00";
    let headers = [
        ("authorization", signed),
        ("x-amz-date", "20240101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    let answer = server.send("GET", "/local/a.pdf", &headers).await;
    assert_eq!(answer.status, 403);
    assert!(server.bucket().join("a.pdf").exists());
    assert!(!server.bucket().join("b.pdf").exists());
}
