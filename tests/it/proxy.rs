//! A proxy that the environment may name, which refuses what it is asked.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

pub struct Proxy(TcpListener);

impl Proxy {
    pub async fn start() -> Proxy {
        Proxy(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Its host and port.
    pub fn authority(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Answers one request with `status` (`403 Forbidden`) and returns its head.
    pub async fn refuse(&self, status: &str) -> String {
        let (stream, _) = self.0.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        head
    }
}
