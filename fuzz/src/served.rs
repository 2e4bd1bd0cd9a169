//! Requests as they come over the wire, to a server.

use std::cell::RefCell;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use sheaf::http::{self, ApiKeys, DoorConfig, Limits, LinkConfig, Listeners, ServerConfig};
use sheaf::link::KeyRing;
use sheaf::manifest::StateSpace;
use sheaf::read_ahead::MemoryBudget;
use sheaf::store::embedded::{self, EmbeddedStore};
use sheaf::store::{Bucket, Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A server over a folder with one file and a link to it, and the runtime that it runs on.
struct Served {
    runtime: Runtime,
    address: SocketAddr,
    /// The link's token.
    token: String,
    answered: usize,
    _home: tempfile::TempDir,
}

/// So many requests make a folder of links that is slow to list.
const ENOUGH: usize = 5000;

/// What is sent behind every request, so that the server hangs up when it has answered. Who is hung up on has no answer.
const LAST: &[u8] =
    b"\r\n\r\nGET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// After so long without a word from the server, it has taken [`LAST`] for a part of a body.
const SILENT: Duration = Duration::from_millis(30);

impl Served {
    fn new() -> Served {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let home = tempfile::tempdir().expect("a temporary folder");
        let state = home.path().join("state");
        let bucket = home.path().join("bucket");
        std::fs::create_dir(&bucket).expect("a folder");
        std::fs::write(bucket.join("a.pdf"), "content").expect("a file");
        let store = EmbeddedStore::open(&bucket, &state).expect("a store");
        let address = runtime.block_on(async {
            let clients = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = clients.local_addr().expect("an address");
            let config = ServerConfig {
                store: Store::embedded(&store, &StoreOptions::default()),
                embedded: Some(store),
                default_bucket: Some(Bucket::new(embedded::BUCKET).expect("a name")),
                default_prefix: String::new(),
                api_keys: ApiKeys::default(),
                door: DoorConfig::default(),
                public_url: None,
                expires_in: Duration::from_secs(60),
                queue_max: 100,
                memory: MemoryBudget::new(16 << 20),
                links: LinkConfig {
                    keys: KeyRing::parse("k:00112233445566778899aabbccddeeff").expect("a key"),
                    space: Some(StateSpace {
                        bucket: Bucket::new(embedded::BUCKET).expect("a name"),
                        prefix: ".sheaf/".to_owned(),
                    }),
                    state_prefix: ".sheaf/".to_owned(),
                    trusted_for: Duration::from_secs(30),
                },
                queue: None,
                limits: Limits::default(),
                watch: sheaf::manifest::Watch::default(),
            };
            let listeners = Listeners {
                clients,
                operators: None,
            };
            tokio::spawn(http::run(config, listeners, pending()));
            address
        });
        let mut served = Served {
            runtime,
            address,
            token: String::new(),
            answered: 0,
            _home: home,
        };
        let link = served.answer(
            b"POST /v1/links HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        );
        let (_, token) = link.split_once("/d/").expect("a link");
        served.token = token.chars().take_while(|c| !"/\"".contains(*c)).collect();
        served
    }

    /// What comes back for these bytes.
    fn answer(&mut self, request: &[u8]) -> String {
        self.answered += 1;
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(self.address).await.expect("a server");
            // It may hang up before all is sent.
            let _ = stream.write_all(&[request, LAST].concat()).await;
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(20), async {
                while let Ok(read) =
                    tokio::time::timeout(SILENT, stream.read_buf(&mut answer)).await
                {
                    if !matches!(read, Ok(1..)) {
                        return;
                    }
                }
                // It waits for the rest of a body.
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut answer).await;
            });
            assert!(ended.await.is_ok(), "it neither answers nor hangs up");
            String::from_utf8_lossy(&answer).into_owned()
        })
    }
}

/// What comes over a connection: the server answers or hangs up, and never with a 500. The word `LINK` stands for the
/// token of a link that there is.
pub fn request(data: &[u8]) {
    thread_local!(static SERVED: RefCell<Served> = RefCell::new(Served::new()));
    SERVED.with_borrow_mut(|served| {
        if served.answered > ENOUGH {
            *served = Served::new();
        }
        let token = served.token.clone();
        let word = data.windows(4).position(|word| word == b"LINK");
        let answer = match word {
            Some(at) => served.answer(&[&data[..at], token.as_bytes(), &data[at + 4..]].concat()),
            None => served.answer(data),
        };
        assert!(!answer.starts_with("HTTP/1.1 500"), "{answer}");
    });
}
