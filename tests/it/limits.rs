//! Bounds on requests: URLs, header fields, bodies, their depth and their pace, patterns. Each below its edge, at it, and
//! beyond.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::metrics::{exposition, value};
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::server::Server;

/// Longer than anything here takes; what waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

/// A server of one file, with these arguments.
pub(crate) fn with(arguments: &[&str]) -> Server {
    let server = Server::with(|command, home| {
        command.args(arguments);
        command.arg("--local").arg(home.join("bucket"));
    });
    server.drop_in("a.pdf", "content");
    server
}

/// A connection to a server.
pub(crate) async fn connect(server: &Server) -> TcpStream {
    let authority = server.url.strip_prefix("http://").unwrap();
    TcpStream::connect(authority).await.unwrap()
}

/// Sends these bytes, and reads until the server closes.
pub(crate) async fn raw(server: &Server, request: &[u8]) -> String {
    let mut socket = connect(server).await;
    // It may close before it has read everything.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let closed = timeout(LONG, socket.read_to_end(&mut answer)).await;
    let _ = closed.expect("the connection stayed open");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn times(server: &Server, limit: &str) -> Option<f64> {
    let counted = exposition(&server.url).await;
    value(
        &counted,
        &format!("sheaf_over_limit_total{{limit=\"{limit}\"}}"),
    )
}

#[tokio::test]
async fn urls_are_bounded() {
    for (arguments, most) in [(&[][..], 8192), (&["--max-url", "100"], 100)] {
        let server = with(arguments);
        let path = |length: usize| format!("/healthz?{}", "x".repeat(length - 9));
        for fits in [most - 1, most] {
            assert_eq!(server.get(&path(fits)).await.status, 200, "{fits}");
        }
        let answer = server.get(&path(most + 1)).await;
        let (length, most) = ((most + 1).to_string(), most.to_string());
        Problem::of(&answer).is(
            414,
            "url-too-long",
            &[&length, &most, "POST /v1/links and POST /v1/manifests take"],
        );
        // The scheme and the host of a request to a proxy are not counted, and no key is needed to be refused.
        let answer = server
            .get(&format!("/v1/zip?prefix={}", "x".repeat(8200)))
            .await;
        let problem = Problem::of(&answer).is(414, "url-too-long", &[]);
        let id = problem.body["request_id"].as_str().unwrap().to_owned();
        let line = server.line(&id).await;
        assert_eq!(
            (&line["status"], &line["path"]),
            (&414.into(), &"/v1/zip".into())
        );
        assert_eq!(times(&server, "url").await, Some(2.0));
    }
}

#[tokio::test]
async fn a_long_path_is_not_logged_in_full() {
    let server = with(&[]);
    let answer = server.get(&format!("/{}", "x".repeat(20_000))).await;
    let problem = Problem::of(&answer).is(414, "url-too-long", &[]);
    let line = server
        .line(problem.body["request_id"].as_str().unwrap())
        .await;
    let path = line["path"].as_str().unwrap();
    assert!(path.len() < 5000 && path.ends_with("x…"), "{}", path.len());
}

#[tokio::test]
async fn header_fields_are_bounded_in_number() {
    for (arguments, most) in [
        (&[][..], 64),
        (&["--max-headers", "5"], 5),
        (&["--max-headers", "150", "--max-header-size", "24KiB"], 150),
    ] {
        let server = with(arguments);
        // The client sends Host as well.
        let headers = |number: usize| vec![("x-a", "b"); number - 1];
        let get = async |number| server.send("GET", "/healthz", &headers(number)).await;
        for fits in [most - 1, most] {
            assert_eq!(get(fits).await.status, 200, "{fits}");
        }
        let number = (most + 1).to_string();
        Problem::of(&get(most + 1).await).is(431, "headers-too-large", &[&number]);
        // So many that they are not even read.
        let answer = get(most + 200).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (431, 0));
        assert_eq!(times(&server, "headers").await, Some(2.0));
    }
}

#[tokio::test]
async fn header_fields_are_bounded_in_size() {
    for (arguments, most) in [(&[][..], 16 << 10), (&["--max-header-size", "500"], 500)] {
        let server = with(arguments);
        let host = server.url.strip_prefix("http://").unwrap().to_owned();
        let get = async |size: usize| {
            let others = "host".len() + host.len() + 32 + "x-large".len() + 32;
            let large = "x".repeat(size - others);
            server.send("GET", "/healthz", &[("x-large", &large)]).await
        };
        for fits in [most - 1, most] {
            assert_eq!(get(fits).await.status, 200, "{fits}");
        }
        let size = (most + 1).to_string();
        Problem::of(&get(most + 1).await).is(431, "headers-too-large", &[&size]);
    }
}

#[tokio::test]
async fn a_head_that_has_no_end_is_cut_off() {
    let server = with(&[]);
    for (begins, goes_on) in [("GET /", "x"), ("GET / HTTP/1.1\r\nx: ", "y")] {
        let request = format!("{begins}{}", goes_on.repeat(100_000));
        let answer = raw(&server, request.as_bytes()).await;
        let refused = ["HTTP/1.1 431", "HTTP/1.1 414"];
        assert!(
            answer.is_empty() || refused.iter().any(|status| answer.starts_with(status)),
            "{answer}"
        );
    }
    let line = server
        .logged(|line| line["limit"] == "headers" && line["client"] == "127.0.0.1")
        .await;
    assert_eq!(line["level"], "WARN");
    // Two within a moment have one line.
    assert_eq!(times(&server, "headers").await, Some(2.0));
    let lines = server.log();
    let told = lines.iter().filter(|line| line["limit"] == "headers");
    assert_eq!(told.count(), 1);
}

/// A body of JSON of this size.
fn padded(size: usize) -> String {
    format!("{{{}}}", " ".repeat(size - 2))
}

#[tokio::test]
async fn bodies_are_bounded() {
    for (path, arguments, most) in [
        ("/v1/manifests", &[][..], 64 << 10),
        ("/v1/manifests", &["--max-body", "1000"], 1000),
        ("/v1/links", &["--max-body", "1000"], 1000),
        ("/v1/jobs", &["--max-body", "1000"], 1000),
        ("/v1/links", &["--max-body", "1MiB"], 1 << 20),
    ] {
        let server = with(arguments);
        for fits in [most - 1, most] {
            let status = server.post(path, padded(fits)).await.status.as_u16();
            assert!(matches!(status, 201 | 202), "{path} {fits}: {status}");
        }
        let answer = server.post(path, padded(most + 1)).await;
        let words = format!("more than {most} bytes");
        Problem::of(&answer).is(413, "body-too-large", &[&words]);
        // The same without a length.
        let chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            most + 1,
            padded(most + 1)
        );
        let answer = raw(&server, chunked.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("body-too-large"), "{answer}");
        assert_eq!(times(&server, "body").await, Some(2.0));
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let server = with(&[]);
    let request = "POST /v1/links HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                   content-type: application/json\r\ncontent-length: 33554433\r\n\r\n{";
    let answer = raw(&server, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn json_is_bounded_in_depth() {
    for (arguments, most) in [(&[][..], 16), (&["--max-json-depth", "3"], 3)] {
        let server = with(arguments);
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            format!("{{\"include\": {open}{close}}}")
        };
        for path in ["/v1/manifests", "/v1/links", "/v1/jobs"] {
            // It fits, and is none that means anything.
            for fits in [most - 1, most] {
                let answer = server.post(path, nested(fits)).await;
                if fits > 2 {
                    Problem::of(&answer).is(400, "malformed-body", &[]);
                }
            }
            let answer = server.post(path, nested(most + 1)).await;
            let words = format!("more than {most} deep");
            Problem::of(&answer).is(400, "body-too-deep", &[&words]);
            let brackets = format!("{{\"prefix\": \"{}\"}}", "[".repeat(100));
            let answer = server.post(path, brackets).await;
            assert_ne!(answer.status, 400, "{path}: brackets in a text are text");
        }
    }
}

#[tokio::test]
async fn patterns_are_bounded() {
    for (arguments, most, longest) in [
        (&[][..], 64, 1024),
        (
            &["--max-patterns", "2", "--max-pattern-length", "10"][..],
            2,
            10,
        ),
        (
            &["--max-patterns", "65", "--max-pattern-length", "1025"],
            65,
            1025,
        ),
    ] {
        let server = with(arguments);
        for (number, length, fits) in [
            (most - 1, 1, true),
            (most, 1, true),
            (most + 1, 1, false),
            (1, longest - 1, true),
            (1, longest, true),
            (1, longest + 1, false),
        ] {
            let pattern = "*".repeat(length);
            let query = vec![format!("include={pattern}"); number].join("&");
            let answer = server.get(&format!("/v1/zip?{query}")).await;
            let body = serde_json::json!({"include": vec![pattern; number]});
            let made = server.post("/v1/links", body.to_string()).await;
            if fits {
                assert_eq!((answer.status.as_u16(), made.status.as_u16()), (200, 201));
            } else {
                for answer in [answer, made] {
                    Problem::of(&answer).is(400, "malformed-selection", &["at most"]);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_may_pause_and_must_come() {
    let server = with(&["--body-timeout", "2s"]);
    let head = "POST /v1/manifests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let mut socket = connect(&server).await;
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    socket.write_all(padded(100).as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // A byte now and then is not enough.
    for drips in [false, true] {
        let (mut reader, mut writer) = connect(&server).await.into_split();
        let request = format!("{head}{{");
        writer.write_all(request.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            while drips && writer.write_all(b" ").await.is_ok() {
                pace.tick().await;
            }
            std::future::pending::<()>().await;
        });
        let mut answer = Vec::new();
        let closed = timeout(LONG, reader.read_to_end(&mut answer)).await;
        let _ = closed.expect("it is waited for");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{drips}: {answer}");
        assert!(answer.contains("body-too-slow"), "{answer}");
        dripping.abort();
    }
    assert_eq!(times(&server, "body-time").await, Some(2.0));
}

#[tokio::test]
async fn what_a_key_may_ask_for_is_counted_beside() {
    let (key, line) = crate::door_keys::new_key(&["--name", "portal", "--rate", "2/h"]);
    let server = crate::door_keys::keyed(&["owner-key-0123456789", &line]);
    let bearer = format!("Bearer {key}");
    let url = format!("{}/", server.url);
    for expected in [200, 200, 429] {
        let headers = [("authorization", bearer.as_str())];
        let answer = client::fetch("GET", &url, &headers).await.unwrap();
        assert_eq!(answer.status, expected);
    }
    let owner = [("authorization", "Bearer owner-key-0123456789")];
    let counted = server.send("GET", "/metrics", &owner).await;
    let counted = String::from_utf8(counted.body.to_vec()).unwrap();
    let times = value(&counted, "sheaf_over_limit_total{limit=\"key\"}");
    assert_eq!(times, Some(1.0));
}
