//! Archives behind URLs, on servers of all manners.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, IF_MATCH};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::made::{archive, entry};
use super::server::{Server, body, part, range, redirect, status};
use crate::verify::{RemoteError, SourceError};

/// 1,000 entries of some 3 kB: larger than the first look at the end of an archive.
fn thousand() -> Vec<u8> {
    let files: Vec<_> = (0..1000)
        .map(|index| entry(&format!("{index}.pdf"), &[index as u8; 3000]))
        .collect();
    archive(&files)
}

#[tokio::test]
async fn a_thousand_entries_take_few_requests() {
    let bytes = thousand();
    let server = Server::start(move |asked| part(&bytes, "\"one\"", asked.headers)).await;
    let report = server.verify().await.unwrap();
    assert_eq!((report.fault, report.entries), (None, 1000));
    // The first byte, the end with the directory, everything.
    assert_eq!(server.requests(), 3);
    let asked = server.asked.lock().unwrap();
    assert!(!asked[0].contains_key(IF_MATCH));
    assert!(
        asked[1..]
            .iter()
            .all(|headers| headers[IF_MATCH] == "\"one\"")
    );
}

#[tokio::test]
async fn a_faulty_archive_is_a_report_and_no_error() {
    let mut bytes = thousand();
    bytes[1_500_000] ^= 1;
    let server = Server::start(move |asked| part(&bytes, "\"one\"", asked.headers)).await;
    let report = server.verify().await.unwrap();
    assert!(report.fault.is_some());
}

#[tokio::test]
async fn a_server_without_ranges_is_told_apart() {
    let bytes = thousand();
    let server = Server::start(move |_| {
        Response::builder()
            .header(ACCEPT_RANGES, "none")
            .body(body(&bytes))
            .unwrap()
    })
    .await;
    let error = server.verify().await.unwrap_err();
    assert!(
        matches!(error, SourceError::Remote(RemoteError::NoRanges { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("download it"), "{error}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_file_that_changes_is_never_mixed() {
    // One server heeds If-Match; the next does not, but tells its ETag; the third has none, and only another length.
    let bytes = thousand();
    let longer = [&bytes[..], b"x"].concat();
    let servers = [
        Server::start({
            let bytes = bytes.clone();
            move |asked| {
                part(
                    &bytes,
                    if asked.number < 2 {
                        "\"one\""
                    } else {
                        "\"two\""
                    },
                    asked.headers,
                )
            }
        })
        .await,
        Server::start({
            let bytes = bytes.clone();
            move |asked| {
                let mut headers = asked.headers.clone();
                headers.remove(IF_MATCH);
                part(
                    &bytes,
                    if asked.number < 2 {
                        "\"one\""
                    } else {
                        "\"two\""
                    },
                    &headers,
                )
            }
        })
        .await,
        Server::start(move |asked| {
            let mut answer = part(
                if asked.number < 2 { &bytes } else { &longer },
                "",
                asked.headers,
            );
            answer.headers_mut().remove(ETAG);
            answer
        })
        .await,
    ];
    for (number, server) in servers.iter().enumerate() {
        let error = server.verify().await.unwrap_err();
        assert!(
            matches!(error, SourceError::Remote(RemoteError::Changed { .. })),
            "{number}: {error}"
        );
        assert_eq!(server.requests(), 3);
    }
}

#[tokio::test]
async fn what_breaks_is_asked_for_again_where_it_broke() {
    let bytes = thousand();
    let len = bytes.len();
    let server = Server::start(move |asked| match asked.number {
        1 => status(StatusCode::SERVICE_UNAVAILABLE),
        3 => {
            // Half of what was asked for, then the connection breaks.
            let whole = part(&bytes, "\"one\"", asked.headers);
            let half = Bytes::copy_from_slice(&bytes[..1_000_000]);
            let frames = [
                Ok(Frame::data(half)),
                Err(std::io::ErrorKind::ConnectionReset.into()),
            ];
            let (head, _) = whole.into_parts();
            Response::from_parts(
                head,
                BodyExt::boxed(StreamBody::new(futures::stream::iter(frames))),
            )
        }
        _ => part(&bytes, "\"one\"", asked.headers),
    })
    .await;
    let report = server.verify().await.unwrap();
    assert_eq!((report.fault, report.entries), (None, 1000));
    let asked = server.asked.lock().unwrap();
    let ranges: Vec<_> = asked.iter().map(range).collect();
    assert_eq!(ranges[1], ranges[2]);
    assert_eq!(ranges[3], 0..len);
    // As much of the half as had come.
    assert!((1..=1_000_000).contains(&ranges[4].start), "{ranges:?}");
    assert_eq!(ranges.len(), 5);
}

#[tokio::test]
async fn redirects_are_followed_and_found_again_when_they_expire() {
    let bytes = thousand();
    let server = Server::start(move |asked| match (asked.number, asked.path) {
        (_, "/a.zip") => redirect(&format!("/signed/{}", asked.number)),
        // The place of the first redirect expires after two reads.
        (number, "/signed/0") if number > 2 => status(StatusCode::FORBIDDEN),
        _ => part(&bytes, "\"one\"", asked.headers),
    })
    .await;
    let report = server.verify().await.unwrap();
    assert_eq!((report.fault, report.entries), (None, 1000));
    // Redirect, first byte, end; refused, redirect, everything.
    assert_eq!(server.requests(), 6);
}

#[tokio::test]
async fn refusals_and_circles_end() {
    let forbidden = Server::start(|_| status(StatusCode::FORBIDDEN)).await;
    let error = forbidden.verify().await.unwrap_err();
    assert!(matches!(
        error,
        SourceError::Remote(RemoteError::Status {
            status: StatusCode::FORBIDDEN,
            ..
        })
    ));
    assert_eq!(forbidden.requests(), 1);

    let circle = Server::start(|_| redirect("/a.zip")).await;
    let error = circle.verify().await.unwrap_err();
    assert!(matches!(
        error,
        SourceError::Remote(RemoteError::TooManyRedirects { .. })
    ));

    let away = Server::start(|_| redirect("file:///etc/passwd")).await;
    let error = away.verify().await.unwrap_err();
    assert!(matches!(
        error,
        SourceError::Remote(RemoteError::BadRedirect { .. })
    ));
}

#[tokio::test]
async fn nonsense_is_refused() {
    let bytes = thousand();
    let elsewhere = Server::start({
        let bytes = bytes.clone();
        move |asked| {
            let mut answer = part(&bytes, "\"one\"", asked.headers);
            if asked.number > 0 {
                let other = format!("bytes 0-9/{}", bytes.len());
                answer
                    .headers_mut()
                    .insert(CONTENT_RANGE, other.parse().unwrap());
            }
            answer
        }
    })
    .await;
    let endless = Server::start(move |asked| {
        let answer = part(&bytes, "\"one\"", asked.headers);
        if asked.number == 0 {
            return answer;
        }
        let (head, _) = answer.into_parts();
        let chunk = || Ok(Frame::data(Bytes::from_static(&[0; 65536])));
        Response::from_parts(
            head,
            BodyExt::boxed(StreamBody::new(futures::stream::repeat_with(chunk))),
        )
    })
    .await;
    let unknown = Server::start(move |_| {
        Response::builder()
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, "bytes 0-0/*")
            .body(body(b"P"))
            .unwrap()
    })
    .await;
    for server in [elsewhere, endless, unknown] {
        let error = server.verify().await.unwrap_err();
        assert!(
            matches!(error, SourceError::Remote(RemoteError::Nonsense { .. })),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_empty_file_is_no_archive() {
    let server = Server::start(|_| {
        let mut answer = status(StatusCode::RANGE_NOT_SATISFIABLE);
        answer
            .headers_mut()
            .insert(CONTENT_RANGE, "bytes */0".parse().unwrap());
        answer
    })
    .await;
    let report = server.verify().await.unwrap();
    assert_eq!(report.fault.unwrap().kind.code(), "not-a-zip");
}
