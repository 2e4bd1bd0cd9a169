//! A pass-through of TCP that cuts connections in the middle of what a server sends.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A running pass-through; it ends when it is dropped, and its connections with it.
#[derive(Debug)]
pub struct Cutter {
    address: SocketAddr,
    cuts: Arc<Mutex<VecDeque<u64>>>,
    accepting: AbortHandle,
}

impl Cutter {
    /// Passes on to `upstream` (`http://127.0.0.1:PORT`). Each of `cuts` ends one connection after so many bytes from
    /// the server: the first one that brings so many, in the order in which they come to be opened.
    pub async fn start(upstream: &str, cuts: &[u64]) -> Cutter {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let cuts = Arc::new(Mutex::new(VecDeque::from(cuts.to_vec())));
        let accepting = tokio::spawn(accept(listener, upstream, cuts.clone())).abort_handle();
        Cutter {
            address,
            cuts,
            accepting,
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> usize {
        self.cuts.lock().expect("a sound lock").len()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: String, cuts: Arc<Mutex<VecDeque<u64>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(pass(client, upstream.clone(), cuts.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, upstream: String, cuts: Arc<Mutex<VecDeque<u64>>>) {
    let mut server = TcpStream::connect(&upstream)
        .await
        .expect("the server answers");
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let down = async {
        let (mut chunk, mut passed) = (vec![0; 16 << 10], 0);
        loop {
            let count = from_server.read(&mut chunk).await.unwrap_or(0);
            passed += count as u64;
            let cut = {
                let mut cuts = cuts.lock().expect("a sound lock");
                cuts.pop_front_if(|cut| *cut <= passed).is_some()
            };
            if count == 0 || cut || to_client.write_all(&chunk[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = down => {}
        _ = copy(&mut from_client, &mut to_server) => {}
    }
}
