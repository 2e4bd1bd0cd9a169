use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::SdkError;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::store::error::innermost;
use crate::store::{Identity, Store, StoreOptions};

/// A server that answers requests without bodies with these lines, one after the other, and the last for ever.
struct Server {
    endpoint: String,
    opened: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
}

const FOUND: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const OVERLOADED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

impl Server {
    async fn start(answers: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            opened: Arc::default(),
            most_under_way: Arc::default(),
        };
        let (opened, most) = (server.opened.clone(), server.most_under_way.clone());
        let (under_way, answered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                let (most, under_way, answered) =
                    (most.clone(), under_way.clone(), answered.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while read_head(&mut stream).await {
                        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        // Whoever else is to come is there by then.
                        tokio::task::yield_now().await;
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        let nth = answered
                            .fetch_add(1, Ordering::SeqCst)
                            .min(answers.len() - 1);
                        if stream.write_all(answers[nth].as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    async fn store(&self, max_connections: usize) -> Store {
        store(&self.endpoint, max_connections).await
    }
}

/// Whether another request came.
async fn read_head(stream: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return false,
            Ok(_) if line == "\r\n" => return true,
            Ok(_) => {}
        }
    }
}

async fn store(endpoint: &str, max_connections: usize) -> Store {
    let options = StoreOptions {
        endpoint: Some(endpoint.to_owned()),
        identity: Identity::Keys(Credentials::new("key", "secret", None, None, "test")),
        max_connections,
        ..StoreOptions::default()
    };
    Store::connect(&options).await.unwrap()
}

#[tokio::test]
async fn connections_are_used_again_and_requests_wait_for_their_turn() {
    let server = Server::start(&[FOUND]).await;
    let store = server.store(2).await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let head = store.client.head_object().bucket("b").key("k");
        requests.spawn(head.send());
    }
    while let Some(answer) = requests.join_next().await {
        answer.unwrap().unwrap();
    }
    assert!(server.most_under_way.load(Ordering::SeqCst) <= 2);
    let opened = server.opened.load(Ordering::SeqCst);
    assert!(opened < 10, "{opened} connections for 20 requests");
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_over_another_connection() {
    let server = Server::start(&[OVERLOADED, FOUND]).await;
    let store = server.store(2).await;
    let head = store.client.head_object().bucket("b").key("k");
    head.send().await.unwrap();
    assert_eq!(server.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_and_may_pass() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = store(&format!("http://{}", silent.local_addr().unwrap()), 2).await;
    let head = store.reader.head_object().bucket("b").key("k");
    let error = head.send().await.unwrap_err();
    assert_eq!(innermost(&error), "no answer within 20 s");
    let SdkError::DispatchFailure(failure) = error else {
        panic!("{error}");
    };
    assert!(failure.is_timeout());
}

#[tokio::test]
async fn a_closed_door_is_told() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let store = store(&endpoint, 2).await;
    let head = store.reader.head_object().bucket("b").key("k");
    let error = head.send().await.unwrap_err();
    assert!(innermost(&error).starts_with("Connection refused"));
    let SdkError::DispatchFailure(failure) = error else {
        panic!("{error}");
    };
    assert!(failure.is_io());
}
