use tokio::io::DuplexStream;

use super::*;

/// A line, and the store's end of it.
fn line() -> (Line, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(4 * BLOCK);
    let connection = Connection {
        stream: Box::new(ours),
        forwarded: None,
    };
    (Line::new(connection, &Blocks::default()), theirs)
}

/// What comes when the store says this, with a pause at each of the places.
async fn said(text: &str, pauses: &[usize], close: bool) -> (Line, Result<(u16, Vec<u8>), Broken>) {
    let (mut line, mut store) = line();
    let store = async {
        let mut at = 0;
        for &pause in pauses.iter().chain([&text.len()]) {
            store.write_all(&text.as_bytes()[at..pause]).await.unwrap();
            at = pause;
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        // Dropped, it closes the connection.
        (!close).then_some(store)
    };
    let ours = async {
        let head = line.ask("GET / HTTP/1.1\r\n\r\n", 5).await?;
        let mut body = Vec::new();
        while let Some(bytes) = line.next().await? {
            assert!(!bytes.is_empty());
            body.extend_from_slice(&bytes);
        }
        Ok((head.status.as_u16(), body))
    };
    let (came, _store) = tokio::join!(ours, store);
    (line, came)
}

const LENGTH: &str =
    "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
    3;name=value\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 1\r\n\r\n";

#[tokio::test]
async fn answers_are_whole_wherever_they_are_cut() {
    for text in [LENGTH, CHUNKED] {
        for first in 1..text.len() {
            for second in [first, text.len() - 1, (first + text.len()) / 2] {
                let (line, came) = said(text, &[first, second.max(first)], false).await;
                let (status, body) = came.unwrap();
                assert!([200, 206].contains(&status));
                assert_eq!(body, b"hello");
                assert!(line.is_free(), "cut at {first} and {second}");
            }
        }
    }
}

#[tokio::test]
async fn one_connection_answers_one_request_after_the_other() {
    let (mut line, mut store) = line();
    for _ in 0..3 {
        store.write_all(LENGTH.as_bytes()).await.unwrap();
        assert!(line.is_free());
        let head = line.ask("GET / HTTP/1.1\r\n\r\n", 5).await.unwrap();
        assert_eq!(head.headers.get(ETAG).unwrap(), "\"a\"");
        assert!(!line.is_free(), "the body is still to come");
        assert_eq!(line.next().await.unwrap().unwrap(), "hello");
        assert!(line.is_free() && line.is_open());
        assert!(line.next().await.unwrap().is_none());
    }
    drop(store);
    assert!(!line.is_open());
}

#[tokio::test]
async fn a_connection_is_not_used_again_where_its_end_is_the_bodys_end() {
    for (text, free) in [
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 5\r\n\r\nhello",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello, and more",
            false,
        ),
    ] {
        let (line, came) = said(text, &[], true).await;
        assert_eq!(came.unwrap(), (200, b"hello".to_vec()), "{text}");
        assert_eq!(line.is_free(), free, "{text}");
    }
    let (line, came) = said(
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        &[],
        true,
    )
    .await;
    assert_eq!(came.unwrap(), (304, Vec::new()));
    assert!(line.is_free());
}

#[tokio::test]
async fn what_ends_early_is_never_whole() {
    for text in [LENGTH, CHUNKED] {
        for end in 0..text.len() {
            let (line, came) = said(&text[..end], &[], true).await;
            let error = came.unwrap_err();
            assert_eq!(error.unanswered(), end == 0, "{end}: {error}");
            assert!(!line.is_free(), "{end}");
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello, and more",
    ] {
        let (_, came) = said(text, &[], false).await;
        assert!(matches!(came, Err(Broken::NotHttp(_))), "{text}: {came:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(2 * LONGEST_HEAD));
    let (_, came) = said(&endless, &[], false).await;
    assert!(matches!(came, Err(Broken::NotHttp(_))));
}

#[tokio::test]
async fn a_read_takes_no_more_memory_than_it_brings() {
    let (mut line, mut store) = line();
    let length = 3 * BLOCK + 10;
    let body = "x".repeat(length);
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    store.write_all(text.as_bytes()).await.unwrap();
    line.ask("GET / HTTP/1.1\r\n\r\n", length as u64)
        .await
        .unwrap();
    let mut sizes = Vec::new();
    while let Some(bytes) = line.next().await.unwrap() {
        assert!(line.block.capacity() <= BLOCK);
        sizes.push(bytes.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), length);
    assert!(sizes.len() <= 5, "{sizes:?}");
    assert!(
        line.block.capacity() < LEAST_ROOM,
        "{}",
        line.block.capacity()
    );

    // A small one lies in a small block, together with its head.
    store.write_all(LENGTH.as_bytes()).await.unwrap();
    line.ask("GET / HTTP/1.1\r\n\r\n", 5).await.unwrap();
    assert!(line.block.capacity() <= HEAD_ROOM + 5);
}
