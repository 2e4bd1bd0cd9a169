//! Targets that need a file, a server or a store: `verify` on hostile archives, requests as they come over the wire, and
//! answers of a store to sheaf.

use std::cell::RefCell;
use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use sheaf::http::{self, ApiKeys, DoorConfig, Limits, LinkConfig, Listeners, ServerConfig};
use sheaf::link::KeyRing;
use sheaf::read_ahead::MemoryBudget;
use sheaf::store::embedded::{self, EmbeddedStore};
use sheaf::store::{Bucket, Object, Store, StoreOptions};
use sheaf::verify::{Source, check};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// An object as a listing might show it.
pub fn object() -> Object {
    Object {
        key: "a.pdf".to_owned(),
        size: 10,
        etag: "\"0123456789abcdef0123456789abcdef\"".to_owned(),
        modified: 0,
        has_crc32: true,
        has_part_crc32s: false,
        version_id: None,
        may_be_archived: false,
        archived: false,
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// An archive: whatever it is, the report says so, and reading it ends.
pub fn verify(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("a file");
    runtime().block_on(async {
        let source = Source::file(file.path()).await.expect("a file");
        let report = check(source, "fuzzed", &mut |_| {}).await.expect("a file");
        assert!(!report.is_ok() || report.length == data.len() as u64);
    });
}

/// A server over an empty folder, and the runtime that it runs on.
struct Served {
    runtime: Runtime,
    address: SocketAddr,
    _home: tempfile::TempDir,
}

impl Served {
    fn new() -> Served {
        let runtime = runtime();
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
                    space: None,
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
        Served {
            runtime,
            address,
            _home: home,
        }
    }
}

/// What comes over a connection: the server answers or hangs up, and never with a 500.
pub fn request(data: &[u8]) {
    thread_local!(static SERVED: Served = Served::new());
    SERVED.with(|served| {
        served.runtime.block_on(async {
            let mut stream = TcpStream::connect(served.address).await.expect("a server");
            // It may hang up before all is sent.
            let _ = stream.write_all(data).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            let ended = tokio::time::timeout(Duration::from_secs(20), read).await;
            assert!(ended.is_ok(), "it neither answers nor hangs up");
            let head = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
            assert!(!head.starts_with("HTTP/1.1 500"), "{head}");
        });
    });
}

/// A store that answers everything with the same bytes.
struct Parrot {
    runtime: Runtime,
    store: Store,
    says: Arc<Mutex<Vec<u8>>>,
    _home: tempfile::TempDir,
}

impl Parrot {
    fn new() -> Parrot {
        let runtime = runtime();
        let home = tempfile::tempdir().expect("a temporary folder");
        // Only its credentials are used.
        let credentials = EmbeddedStore::open(home.path(), &home.path().join("state"));
        let credentials = credentials.expect("a store");
        let says = Arc::new(Mutex::new(Vec::new()));
        let store = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
            tokio::spawn(speak(listener, says.clone()));
            let options = StoreOptions {
                read_timeout: Duration::from_secs(1),
                ..StoreOptions::default()
            };
            Store::embedded_elsewhere(&credentials, &endpoint, &options).expect("a store")
        });
        Parrot {
            runtime,
            store,
            says,
            _home: home,
        }
    }
}

async fn speak(listener: TcpListener, says: Arc<Mutex<Vec<u8>>>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        let body = says.lock().expect("no panic").clone();
        tokio::spawn(async move {
            let mut head = vec![0; 8192];
            let _ = stream.read(&mut head).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: \"x\"\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[answer.as_bytes(), &body].concat()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// The body of a store's answers: a listing of it ends, and so does all else that is asked.
pub fn answer(data: &[u8]) {
    thread_local!(static PARROT: RefCell<Parrot> = RefCell::new(Parrot::new()));
    PARROT.with_borrow(|parrot| {
        *parrot.says.lock().expect("no panic") = data.to_vec();
        parrot.runtime.block_on(async {
            let bucket = Bucket::new("bucket").expect("a name");
            let asked = async {
                // A page that names its successor is followed by itself for ever: a few are enough.
                let mut objects = 0;
                let mut listing = std::pin::pin!(parrot.store.list(&bucket, ""));
                while let Ok(Some(page)) = listing.try_next().await {
                    objects += 1 + page.len();
                    if objects > 3000 {
                        break;
                    }
                }
                let _ = parrot.store.head(&bucket, "a.pdf").await;
                let _ = parrot.store.combined_crc32(&bucket, &object()).await;
            };
            let ended = tokio::time::timeout(Duration::from_secs(20), asked).await;
            assert!(ended.is_ok(), "it does not end");
        });
    });
}
