//! TLS from files: what clients are shown, HTTP/2 and its ends, and what stays shut.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::support::client;
use crate::support::halfway::{self, Halfway};
use crate::support::problem::Problem;
use crate::support::server::{self, Server, refused};
use crate::support::tls::{self, Certificate};
use crate::support::tools::tool;

/// Longer than anything here takes; what waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

type Driver = Connection<TlsStream<TcpStream>, Bytes>;

fn authority(server: &Server) -> &str {
    server.url.strip_prefix("https://").expect("an https URL")
}

fn local(certificate: &Certificate, more: &[&str]) -> Server {
    Server::with(|command, home| {
        command.args(certificate.arguments()).args(more);
        command.arg("--local").arg(home.join("bucket"));
    })
}

async fn halfway(certificate: &Certificate, more: &[&str]) -> Halfway {
    let arguments = certificate.arguments();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(more);
    Halfway::start_with(&arguments).await
}

/// A connection that the test drives itself.
async fn undriven(server: &Server) -> (SendRequest<Bytes>, Driver) {
    let stream = tls::connect(authority(server), "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // Enough to take what comes before the middle of a held download.
    h2::client::Builder::new()
        .initial_window_size(4 << 20)
        .initial_connection_window_size(4 << 20)
        .handshake(stream)
        .await
        .expect("HTTP/2")
}

async fn http2(server: &Server) -> SendRequest<Bytes> {
    let (sender, connection) = undriven(server).await;
    tokio::spawn(connection);
    sender
}

fn request(server: &Server, path: &str) -> Request<()> {
    let uri = format!("{}{path}", server.url);
    Request::get(uri).body(()).unwrap()
}

/// The status and the body, as far as it comes; its end, where that is an error.
async fn get(
    server: &Server,
    sender: &SendRequest<Bytes>,
    path: &str,
) -> (u16, Vec<u8>, Option<h2::Error>) {
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, _) = sender.send_request(request(server, path), true).unwrap();
    let answer = answer.await.unwrap();
    let (mut whole, status) = (Vec::new(), answer.status().as_u16());
    let end = read(&mut answer.into_body(), &mut whole, usize::MAX).await;
    (status, whole, end)
}

/// Reads until there are `enough` bytes, or the body ends.
async fn read(body: &mut RecvStream, into: &mut Vec<u8>, enough: usize) -> Option<h2::Error> {
    while into.len() < enough {
        match body.data().await {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                into.extend_from_slice(&data);
            }
            Some(Err(error)) => return Some(error),
            None => return None,
        }
    }
    None
}

fn curl(certificate: &Certificate, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(tool("curl")?);
    command
        .args(["-sS", "--noproxy", "*", "--cacert"])
        .arg(certificate.authority())
        .args(arguments);
    Some(command.output().expect("curl"))
}

#[test]
fn curl_speaks_both_protocols() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    server.drop_in("a.pdf", "content");
    let url = format!("{}/v1/zip", server.url);
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1"), ("--http1.0", "1")] {
        let told = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
            option,
            &url,
        ];
        let Some(output) = curl(&certificate, &told) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{option}: {said}");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(told, format!("{version} 200"), "{option}");
    }
    // Who does not know the authority is not talked into anything.
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", &url])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(60));
}

#[tokio::test]
async fn a_failure_after_the_first_byte_resets_its_stream_alone() {
    let certificate = Certificate::new();
    let halfway = halfway(&certificate, &[]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let sender = http2(&halfway.server).await;
    let failing = get(&halfway.server, &sender, halfway::PATH);
    let ((status, part, end), ()) = tokio::join!(failing, halfway.lose_the_second(&gate));
    assert_eq!(status, 200);
    assert!(
        !part.is_empty() && halfway.whole.starts_with(&part) && part.len() < halfway.whole.len()
    );
    let end = end.expect("an archive that was cut ended in good order");
    assert!(end.is_reset() && end.is_remote(), "{end}");
    assert_eq!(end.reason(), Some(Reason::INTERNAL_ERROR));
    let (status, body, end) = get(&halfway.server, &sender, "/healthz").await;
    assert_eq!(
        (status, &body[..]),
        (200, &b"ok\n"[..]),
        "the connection lives"
    );
    assert!(end.is_none());
    let outcomes = ["complete", "failed"];
    halfway.server.outcomes("/v1/zip", &outcomes).await;
}

#[tokio::test]
async fn curl_tells_a_failed_archive_from_a_whole_one() {
    if tool("curl").is_none() {
        return;
    }
    let certificate = Arc::new(Certificate::new());
    let halfway = halfway(&certificate, &[]).await;
    for (option, codes) in [
        ("--http2", &[92][..]),
        ("--http1.1", &[18, 56]),
        ("--http1.0", &[18, 56]),
    ] {
        let gate = halfway.hold(halfway::MIDDLE, 1);
        let url = halfway.url();
        let trusted = certificate.clone();
        let download = tokio::task::spawn_blocking(move || {
            let arguments = ["-f", "-o", "/dev/null", option, &url];
            curl(&trusted, &arguments)
        });
        halfway.lose_the_second(&gate).await;
        let download = download.await.unwrap();
        let Some(output) = download else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().unwrap_or_default();
        assert!(codes.contains(&code), "{option}: {code} {said}");
    }
}

#[tokio::test]
async fn a_client_that_resets_its_stream_is_gone_and_its_connection_is_not() {
    let certificate = Certificate::new();
    let halfway = halfway(&certificate, &[]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let sender = http2(&halfway.server).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let request = request(&halfway.server, halfway::PATH);
    let (answer, mut stream) = ready.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    read(&mut body, &mut Vec::new(), 1).await;
    gate.reached(1).await;
    stream.send_reset(Reason::CANCEL);
    let outcomes = ["client_gone", "complete"];
    halfway.server.outcomes("/v1/zip", &outcomes).await;
    gate.open();
    let (_, exposition, _) = get(&halfway.server, &sender, "/metrics").await;
    let exposition = String::from_utf8(exposition).unwrap();
    assert!(
        exposition.contains("sheaf_downloads_running{kind=\"live\"} 0"),
        "{exposition}"
    );
}

#[tokio::test]
async fn whoever_takes_nothing_holds_no_more_than_the_budget() {
    let certificate = Certificate::new();
    let halfway = halfway(&certificate, &[]).await;
    let sender = http2(&halfway.server).await;
    let mut held = Vec::new();
    let (mut taken, mut turned_away) = (0, 0);
    for _ in 0..60 {
        let mut ready = sender.clone().ready().await.unwrap();
        let asked = request(&halfway.server, halfway::PATH);
        let (answer, stream) = ready.send_request(asked, true).unwrap();
        let answer = answer.await.unwrap();
        match answer.status().as_u16() {
            200 => taken += 1,
            503 => turned_away += 1,
            status => panic!("{status}"),
        }
        held.push((answer.into_body(), stream));
    }
    assert!(taken > 0 && turned_away > 0, "{taken} and {turned_away}");
    let other = http2(&halfway.server).await;
    let (_, exposition, _) = get(&halfway.server, &other, "/metrics").await;
    let exposition = String::from_utf8(exposition).unwrap();
    let gauge = |name: &str| -> f64 {
        let line = exposition.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let peak = gauge("sheaf_memory_reserved_peak_bytes ");
    // What directories need is charged, but never refused.
    let most = gauge("sheaf_memory_budget_bytes ") + 64.0 * 1024.0;
    assert!(peak <= most, "{peak} of {most}");
    drop(held);
}

#[tokio::test]
async fn a_link_is_resumed_over_http2() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    server.drop_in("a.pdf", &content);
    let link = server.post("/v1/links", r#"{"prefix": ""}"#).await;
    assert_eq!(link.status, 201);
    let link: serde_json::Value = serde_json::from_slice(&link.body).unwrap();
    let url = link["zip_url"].as_str().unwrap();
    assert!(url.starts_with(&server.url), "{url}");
    let whole = client::fetch("GET", url, &[]).await.unwrap().body;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.zip");
    std::fs::write(&file, &whole[..1_000_000]).unwrap();
    let name = file.to_str().unwrap();
    let arguments = [
        "-f",
        "--http2",
        "-C",
        "-",
        "-o",
        name,
        "-w",
        "%{http_version} %{http_code}",
        url,
    ];
    let Some(output) = curl(&certificate, &arguments) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 206");
    assert!(std::fs::read(&file).unwrap() == whole);
    // Presigned URLs of the folder lead to the same listener, and signatures hold there.
    let urls = link["manifest_url"].as_str().unwrap();
    let urls = client::fetch("GET", &format!("{urls}?as=urls"), &[])
        .await
        .unwrap();
    let presigned = String::from_utf8(urls.body.to_vec()).unwrap();
    let Some(output) = curl(&certificate, &["-f", "--http2", presigned.trim()]) else {
        return;
    };
    assert!(
        output.stdout == content,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn commands_on_the_same_folder_need_not_trust_the_certificate() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    server.drop_in("a.pdf", "content");
    let mut manifest = server::sheaf(server.state().parent().unwrap());
    manifest
        .args(["manifest", "s3://local/", "--local"])
        .arg(server.bucket());
    let output = manifest.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let manifest: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let url = manifest["manifest_url"].as_str().unwrap();
    assert!(url.starts_with(&server.url), "{url}");
    let lines = client::fetch("GET", url, &[]).await.unwrap();
    assert_eq!(lines.status, 200);
    let line: serde_json::Value = serde_json::from_slice(&lines.body).unwrap();
    assert_eq!(line["key"], "a.pdf");
}

#[tokio::test]
async fn downloads_are_counted_over_http2() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    server.drop_in("a.pdf", "content");
    let link = server
        .post("/v1/links", r#"{"prefix": "", "max_downloads": 1}"#)
        .await;
    let link: serde_json::Value = serde_json::from_slice(&link.body).unwrap();
    let path = link["zip_url"]
        .as_str()
        .unwrap()
        .strip_prefix(&server.url)
        .unwrap()
        .to_owned();
    let sender = http2(&server).await;
    let (status, _, end) = get(&server, &sender, &path).await;
    assert!(status == 200 && end.is_none());
    let again = async {
        loop {
            let (status, _, _) = get(&server, &sender, &path).await;
            if status == 410 {
                break;
            }
        }
    };
    timeout(LONG, again).await.expect("it never counted");
}

#[tokio::test]
async fn a_new_certificate_is_shown_after_sighup_and_a_bad_one_is_not() {
    let certificate = Certificate::new();
    let mut server = local(&certificate, &[]);
    let shown = async |server: &Server| {
        let stream = tls::connect(authority(server), "h2").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = shown(&server).await;
    std::fs::write(certificate.key(), "no key").unwrap();
    server.signal("HUP");
    let line = server
        .logged(|line| line["message"] == "the certificate stays as it was")
        .await;
    assert_eq!(line["level"], "ERROR");
    let error = line["error"].as_str().unwrap();
    assert!(error.contains("key.pem holds no private key"), "{error}");
    assert_eq!(shown(&server).await, first);
    let second = certificate.renew();
    server.signal("HUP");
    server
        .logged(|line| line["message"] == "the certificate was read again")
        .await;
    assert_ne!(first, second);
    assert_eq!(shown(&server).await, second);
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let certificate = Certificate::new();
    let [_, path, _, key] = certificate.arguments();
    let other = Certificate::new();
    let other = other.key().to_str().unwrap().to_owned();
    for (arguments, says) in [
        (vec!["--tls-cert", &path], "--tls-key is missing"),
        (vec!["--tls-key", &key], "--tls-cert is missing"),
        (
            vec!["--tls-cert", "/nowhere/cert.pem", "--tls-key", &key],
            "cannot read /nowhere/cert.pem: No such file",
        ),
        (
            vec!["--tls-cert", &path, "--tls-key", &other],
            "does not belong to the first certificate in",
        ),
    ] {
        let (code, said) = refused(|command, home| {
            command
                .args(&arguments)
                .arg("--local")
                .arg(home.join("bucket"));
        });
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn http_in_clear_is_told_where_it_is() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    let clear = server.url.replace("https://", "http://");
    let answer = client::fetch("GET", &format!("{clear}/healthz"), &[])
        .await
        .unwrap();
    Problem::of(&answer).is(400, "https-needed", &["https://"]);
    let html = [("accept", "text/html")];
    let answer = client::fetch("GET", &format!("{clear}/"), &html)
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn whoever_says_nothing_under_tls_is_cut_off() {
    let certificate = Certificate::new();
    let server = local(&certificate, &["--header-timeout", "1s"]);
    // A connection without a handshake, one with half of one, and one that is idle after it.
    for says in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut socket = TcpStream::connect(authority(&server)).await.unwrap();
        socket.write_all(says).await.unwrap();
        let mut rest = Vec::new();
        let closed = timeout(LONG, socket.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{says:?} was not cut off");
    }
    let (sender, connection) = undriven(&server).await;
    // It may not be done with taking its leave when the server has gone.
    let _ = timeout(LONG, connection)
        .await
        .expect("an idle connection stayed");
    drop(sender);
}

#[tokio::test]
async fn a_download_over_http2_may_take_longer_than_an_idle_client_may_stay() {
    let certificate = Certificate::new();
    let halfway = halfway(&certificate, &["--header-timeout", "1s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let sender = http2(&halfway.server).await;
    let download = get(&halfway.server, &sender, halfway::PATH);
    let ((status, body, end), ()) = tokio::join!(download, async {
        gate.reached(1).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        gate.open();
    });
    assert!(status == 200 && end.is_none() && body == halfway.whole);
}

#[tokio::test]
async fn downloads_under_way_are_finished_when_the_server_stops() {
    let certificate = Certificate::new();
    let mut halfway = halfway(&certificate, &["--drain", "60s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let (sender, connection) = undriven(&halfway.server).await;
    let connection = tokio::spawn(connection);
    let mut ready = sender.clone().ready().await.unwrap();
    let asked = request(&halfway.server, halfway::PATH);
    let (answer, _) = ready.send_request(asked, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    gate.reached(1).await;
    halfway.server.signal("TERM");
    halfway
        .server
        .logged(|line| line["message"] == "draining")
        .await;
    let late = http2(&halfway.server).await;
    assert_eq!(get(&halfway.server, &late, "/").await.0, 503);
    gate.open();
    let mut whole = Vec::new();
    assert!(read(&mut body, &mut whole, usize::MAX).await.is_none());
    assert!(whole == halfway.whole);
    // GOAWAY without an error ends the connection in good order.
    connection.await.unwrap().unwrap();
    assert_eq!(halfway.server.exited().await.code(), Some(0));
}

#[tokio::test]
async fn what_outlasts_the_drain_is_broken_off_in_sight() {
    let certificate = Certificate::new();
    let mut halfway = halfway(&certificate, &["--drain", "1s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let sender = http2(&halfway.server).await;
    let mut ready = sender.clone().ready().await.unwrap();
    let asked = request(&halfway.server, halfway::PATH);
    let (answer, _) = ready.send_request(asked, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    gate.reached(1).await;
    halfway.server.signal("TERM");
    let end = read(&mut body, &mut Vec::new(), usize::MAX).await;
    assert!(end.is_some(), "it ended as if it were whole");
    assert_eq!(halfway.server.exited().await.code(), Some(0));
    let outcomes = ["complete", "failed"];
    halfway.server.outcomes("/v1/zip", &outcomes).await;
}

#[tokio::test]
async fn streams_are_bounded_and_rapid_resets_end_the_connection() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    let sender = http2(&server).await;
    assert_eq!(get(&server, &sender, "/healthz").await.0, 200);
    assert_eq!(sender.current_max_send_streams(), 100);
    // Frames in the raw, because the client crate does not send what is taken back at once.
    let mut stream = tls::connect(authority(&server), "h2").await.unwrap();
    let frame = |kind: u8, flags: u8, id: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
    };
    let mut burst = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    burst.extend(frame(4, 0, 0, &[]));
    for id in (1..=199).step_by(2) {
        // GET, https, /, and the authority as a literal (RFC 7541, appendix A).
        let head = [&[0x82, 0x87, 0x84, 0x41, 9][..], b"127.0.0.1"].concat();
        burst.extend(frame(1, 0x5, id, &head));
        burst.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    stream.write_all(&burst).await.unwrap();
    let mut said = Vec::new();
    // The end may come without its alert.
    let _ = timeout(LONG, stream.read_to_end(&mut said))
        .await
        .expect("it went on for ever");
    let mut rest = &said[..];
    let mut goodbye = None;
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (payload, after) = after.split_at(length);
        if *kind == 7 {
            goodbye = Some(payload[4..8].to_vec());
        }
        rest = after;
    }
    let calm = u32::from(Reason::ENHANCE_YOUR_CALM).to_be_bytes();
    assert_eq!(goodbye.as_deref(), Some(&calm[..]));
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    let mut sender = http2(&server).await.ready().await.unwrap();
    let large = Request::get(format!("{}/healthz", server.url))
        .header("x-large", "x".repeat(20_000))
        .body(())
        .unwrap();
    let (answer, _) = sender.send_request(large, true).unwrap();
    match answer.await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}
