//! What a client can do to an HTTP/2 connection, frame by frame: requests without number, requests taken back, headers
//! without end, frames that want an answer which nobody reads. Frames are made here, because no client sends them.

use std::time::Duration;

use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::support::halfway::{self, Halfway};
use crate::support::server::Server;
use crate::support::tls::{self, Certificate};

const LONG: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a connection begins with.
fn preface() -> Vec<u8> {
    [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &frame(SETTINGS, 0, 0, &[]),
    ]
    .concat()
}

/// GET, https, this path, and an authority: all as literals (RFC 7541 §6.2.2), but for what the static table has.
fn get(path: &str) -> Vec<u8> {
    let text = |index: u8, text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 127);
        [&[index, length], text.as_bytes()].concat()
    };
    [vec![0x82, 0x87], text(0x04, path), text(0x01, "localhost")].concat()
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(
        RST_STREAM,
        0,
        stream,
        &u32::from(Reason::CANCEL).to_be_bytes(),
    )
}

async fn connect(server: &Server) -> TlsStream<TcpStream> {
    let authority = server.url.strip_prefix("https://").unwrap();
    tls::connect(authority, "h2").await.unwrap()
}

/// The whole frames of what came, as kind, flags, stream and payload.
fn frames(mut came: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = came {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if rest.len() < length {
            break;
        }
        let (payload, after) = rest.split_at(length);
        let stream = u32::from_be_bytes([*d, *e, *f, *g]);
        frames.push((*kind, *flags, stream, payload.to_vec()));
        came = after;
    }
    frames
}

/// The reason of the goodbye among them.
fn goodbye(came: &[u8]) -> Option<Reason> {
    let payload = frames(came)
        .into_iter()
        .find_map(|(kind, _, _, payload)| (kind == GOAWAY).then_some(payload))?;
    let code = payload[4..8].try_into().unwrap();
    Some(u32::from_be_bytes(code).into())
}

/// Sends it, and reads until the server closes.
async fn sent(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(connect(server).await);
    let sending = async {
        // It may close before it has read everything.
        let _ = writer.write_all(&[&preface(), bytes].concat()).await;
    };
    let mut came = Vec::new();
    let reading = async {
        // The end may come without its alert.
        let _ = timeout(LONG, reader.read_to_end(&mut came))
            .await
            .expect("it went on for ever");
    };
    tokio::join!(sending, reading);
    came
}

/// Sends it, and reads until so many frames of this kind have come.
async fn until(
    server: &Server,
    bytes: &[u8],
    kind: u8,
    number: usize,
) -> (TlsStream<TcpStream>, Vec<u8>) {
    let mut stream = connect(server).await;
    stream
        .write_all(&[&preface(), bytes].concat())
        .await
        .unwrap();
    let mut came = Vec::new();
    let reading = async {
        while frames(&came).iter().filter(|frame| frame.0 == kind).count() < number {
            let read = stream.read_buf(&mut came).await.unwrap();
            assert!(read > 0, "it was closed: {:?}", goodbye(&came));
        }
    };
    timeout(LONG, reading).await.expect("they did not come");
    (stream, came)
}

fn local(certificate: &Certificate, more: &[&str]) -> Server {
    Server::with(|command, home| {
        command.args(certificate.arguments()).args(more);
        command.arg("--local").arg(home.join("bucket"));
    })
}

/// The server lives, has counted this and told it once.
async fn told(server: &Server, limit: &str) {
    let line = server.logged(|line| line["limit"] == limit).await;
    assert_eq!(
        (&line["level"], &line["client"]),
        (&"WARN".into(), &"127.0.0.1".into())
    );
    // The client may see the end before the server has counted it; it counts before it tells.
    let counted = server.get("/metrics").await;
    assert_eq!(counted.status, 200);
    let counted = String::from_utf8(counted.body.to_vec()).unwrap();
    let series = format!("sheaf_over_limit_total{{limit=\"{limit}\"}} 1\n");
    assert!(counted.contains(&series), "{counted}");
}

#[tokio::test]
async fn requests_at_once_are_bounded() {
    let certificate = Certificate::new();
    let arguments = certificate.arguments();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--max-streams", "3"]);
    let halfway = Halfway::start_with(&arguments).await;
    let gate = halfway.hold(halfway::MIDDLE, 3);
    let requests = |number: u32| -> Vec<u8> {
        let streams = (0..number).map(|stream| 2 * stream + 1);
        streams
            .flat_map(|stream| request(stream, halfway::PATH))
            .collect()
    };
    // Below the edge and at it all are answered; one more is refused, and the others are let be.
    let (_two, came) = until(&halfway.server, &requests(2), HEADERS, 2).await;
    assert!(frames(&came).iter().all(|frame| frame.0 != RST_STREAM));
    let (_three, came) = until(&halfway.server, &requests(3), HEADERS, 3).await;
    assert!(frames(&came).iter().all(|frame| frame.0 != RST_STREAM));
    let (_four, came) = until(&halfway.server, &requests(4), RST_STREAM, 1).await;
    let refused: Vec<_> = frames(&came)
        .into_iter()
        .filter(|frame| frame.0 == RST_STREAM)
        .collect();
    assert_eq!(refused.len(), 1);
    let (_, _, stream, reason) = &refused[0];
    let expected = u32::from(Reason::REFUSED_STREAM).to_be_bytes();
    assert_eq!((*stream, &reason[..]), (7, &expected[..]));
    gate.open();
}

#[tokio::test]
async fn requests_that_are_taken_back_end_the_connection() {
    let certificate = Certificate::new();
    let server = local(&certificate, &["--max-resets", "5"]);
    let burst = |number: u32| -> Vec<u8> {
        let streams = (0..number).map(|stream| 2 * stream + 1);
        streams
            .flat_map(|stream| [request(stream, "/healthz"), reset(stream)].concat())
            .collect()
    };
    // At the edge the connection goes on: what is asked after that is answered.
    for fits in [4, 5] {
        let then = request(2 * fits + 1, "/healthz");
        let (_stream, came) = until(&server, &[burst(fits), then].concat(), HEADERS, 1).await;
        assert_eq!(goodbye(&came), None, "{fits}");
    }
    let came = sent(&server, &burst(200)).await;
    assert_eq!(goodbye(&came), Some(Reason::ENHANCE_YOUR_CALM));
    told(&server, "flood").await;
}

#[tokio::test]
async fn headers_without_end_end_the_connection() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    // A byte of a literal that never ends, a frame each (CVE-2024-27316).
    let mut flood = frame(HEADERS, END_STREAM, 1, &get("/"));
    for _ in 0..10_000 {
        flood.extend(frame(CONTINUATION, 0, 1, &[]));
    }
    let came = sent(&server, &flood).await;
    assert_eq!(goodbye(&came), Some(Reason::ENHANCE_YOUR_CALM));
    told(&server, "flood").await;
}

#[tokio::test]
async fn empty_frames_end_the_connection() {
    let certificate = Certificate::new();
    let server = local(&certificate, &[]);
    let post = [
        &[0x83, 0x87][..],
        &[0x04, 13],
        b"/v1/manifests",
        &[0x01, 9],
        b"localhost",
        // content-type, by its index in the static table.
        &[0x0f, 0x10, 16],
        b"application/json",
    ]
    .concat();
    let mut flood = frame(HEADERS, END_HEADERS, 1, &post);
    for _ in 0..200_000 {
        flood.extend(frame(DATA, 0, 1, &[]));
    }
    let came = sent(&server, &flood).await;
    assert_eq!(goodbye(&came), Some(Reason::ENHANCE_YOUR_CALM));
    told(&server, "flood").await;
}

/// Frames that want an answer each, from a client that reads none: the server stops reading, and keeps no more than its
/// buffers; the client's time is over once it has been idle for long enough.
#[tokio::test]
async fn answers_that_nobody_reads_are_not_piled_up() {
    const MOST: u64 = 32 << 20;
    let certificate = Certificate::new();
    let timeouts = ["--idle-timeout", "3s", "--header-timeout", "1s"];
    for kind in [PING, SETTINGS] {
        let mut server = local(&certificate, &timeouts);
        assert_eq!(server.get("/healthz").await.status, 200);
        let before = server.process().peak_resident().unwrap();
        let mut stream = connect(&server).await;
        stream.write_all(&preface()).await.unwrap();
        let payload: &[u8] = if kind == PING { &[0; 8] } else { &[] };
        let many: Vec<u8> = std::iter::repeat_n(frame(kind, 0, 0, payload), 10_000)
            .flatten()
            .collect();
        let flood = async {
            loop {
                // Until the server has closed.
                if stream.write_all(&many).await.is_err() {
                    break;
                }
            }
        };
        timeout(LONG, flood).await.expect("it was let go on");
        assert_eq!(server.get("/healthz").await.status, 200);
        let grown = server.process().peak_resident().unwrap() - before;
        assert!(grown < MOST, "{kind}: {grown} bytes more");
    }
}
