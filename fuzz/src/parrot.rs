//! Answers of a store to sheaf.

use std::sync::{Arc, Mutex};

use futures::{Stream, TryStreamExt};
use sheaf::store::embedded::EmbeddedStore;
use sheaf::store::{Bucket, Object, Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
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

/// A store that answers everything with the same bytes, whatever they are. Pauses pass at once.
struct Parrot {
    runtime: Runtime,
    store: Store,
    says: Arc<Mutex<Said>>,
    _home: tempfile::TempDir,
}

#[derive(Default)]
struct Said {
    answer: Vec<u8>,
    times: usize,
}

/// Who asks more often than this asks without end.
const MOST: usize = 10_000;

impl Parrot {
    fn new() -> Parrot {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let home = tempfile::tempdir().expect("a temporary folder");
        // Only its credentials are used.
        let credentials = EmbeddedStore::open(home.path(), &home.path().join("state"));
        let credentials = credentials.expect("a store");
        let says = Arc::default();
        let store = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
            tokio::spawn(speak(listener, Arc::clone(&says)));
            let options = StoreOptions::default();
            Store::embedded_elsewhere(&credentials, &endpoint, &options).expect("a store")
        });
        Parrot {
            runtime,
            store,
            says,
            _home: home,
        }
    }

    /// What `asks` of the store comes to an end while it says this.
    fn saying(&self, answer: Vec<u8>, asks: impl AsyncFnOnce(&Store, Bucket)) {
        *self.says.lock().expect("no panic") = Said { answer, times: 0 };
        let bucket = Bucket::new("bucket").expect("a name");
        self.runtime.block_on(asks(&self.store, bucket));
        let times = self.says.lock().expect("no panic").times;
        assert!(times <= MOST, "it does not end");
    }
}

async fn speak(listener: TcpListener, says: Arc<Mutex<Said>>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        let answer = {
            let mut says = says.lock().expect("no panic");
            says.times += 1;
            match says.times > MOST {
                true => Vec::new(),
                false => says.answer.clone(),
            }
        };
        tokio::spawn(async move {
            let mut head = vec![0; 8192];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        });
    }
}

thread_local!(static PARROT: Parrot = Parrot::new());

/// A page that names its successor is followed by itself for ever: a few are enough.
async fn few<E>(listing: impl Stream<Item = Result<Vec<Object>, E>>) {
    let mut listing = std::pin::pin!(listing);
    let mut objects = 0;
    while let Ok(Some(page)) = listing.try_next().await {
        objects += 1 + page.len();
        if objects > 3000 {
            break;
        }
    }
}

/// The body of a store's answers: a listing of it ends, and so does all else that is asked.
pub fn answer(data: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: {}\r\nconnection: close\r\n\r\n",
        data.len(),
        object().etag
    );
    let asks = async |store: &Store, bucket: Bucket| {
        few(store.list(&bucket, "")).await;
        few(store.list_latest(&bucket, "")).await;
        let _ = store.folder(&bucket, "", None, 10).await;
        let _ = store.versioning(&bucket).await;
        let _ = store.head(&bucket, "a.pdf").await;
        let _ = store.combined_crc32(&bucket, &object()).await;
        let _ = store.uploads_of(&bucket, "a.pdf").await;
        let upload = store.resume(&bucket, "a.pdf", "upload");
        if let Ok(parts) = upload.parts().await {
            let _ = upload.complete(&parts).await;
        }
    };
    PARROT.with(|parrot| parrot.saying([head.as_bytes(), data].concat(), asks));
}

/// The whole answer to a read, head and all: it ends, and brings what was asked for, or says that it does not.
pub fn read(data: &[u8]) {
    let asks = async |store: &Store, bucket: Bucket| {
        for range in [0..object().size, 3..7] {
            let expected = (range.end - range.start) as usize;
            let Ok(mut body) = store.get(&bucket, &object(), range, true).await else {
                continue;
            };
            let mut came = 0;
            let whole = loop {
                match body.next().await {
                    Ok(Some(chunk)) => came += chunk.len(),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
                assert!(came <= expected, "{came} bytes came of {expected}");
            };
            assert!(
                !whole || came == expected,
                "{came} bytes of {expected} are taken for all"
            );
        }
    };
    PARROT.with(|parrot| parrot.saying(data.to_vec(), asks));
}
