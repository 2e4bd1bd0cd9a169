//! The embedded store as the SDK sees it, in process; and as curl does, over a socket.

mod borders;
mod concurrency;
mod conditions;
mod copies;
mod devices;
mod folder;
mod hostile_keys;
mod listing;
mod multipart;
mod multipart_more;
mod objects;
mod signatures;
mod truncation;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tempfile::TempDir;

use super::disk::Disk;
use super::incoming::Received;
use super::record::{Headers, Record, Sidecars, Stamp};
use super::{BUCKET, EmbeddedStore};

/// A store over a fresh folder, and a client of it.
struct Fixture {
    dir: TempDir,
    state: TempDir,
    store: EmbeddedStore,
    s3: Client,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = TempDir::new().unwrap();
        let state = TempDir::new().unwrap();
        let store = EmbeddedStore::open(dir.path(), state.path()).unwrap();
        let s3 = client(&store, store.secret_key());
        Fixture {
            dir,
            state,
            store,
            s3,
        }
    }

    /// The same folders, opened once more as another process would.
    fn reopen(&self) -> Client {
        let store = EmbeddedStore::open(self.dir.path(), self.state.path()).unwrap();
        client(&store, store.secret_key())
    }

    /// Puts a file into the folder, behind the store's back.
    fn drop_in(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    async fn put(&self, key: &str, content: impl Into<Vec<u8>>) -> String {
        let body = ByteStream::from(content.into());
        let put = self
            .s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(body)
            .send()
            .await;
        put.unwrap_or_else(|error| panic!("{key:?}: {error:?}"))
            .e_tag
            .unwrap()
    }

    async fn get(&self, key: &str) -> GetObjectOutput {
        let got = self.s3.get_object().bucket(BUCKET).key(key).send().await;
        got.unwrap_or_else(|error| panic!("{key:?}: {error:?}"))
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        self.get(key).await.body.collect().await.unwrap().to_vec()
    }

    async fn get_code(&self, key: &str) -> String {
        code(self.s3.get_object().bucket(BUCKET).key(key).send().await)
    }

    /// The CRC-32 that HEAD tells.
    async fn crc32(&self, key: &str) -> Option<String> {
        let mode = aws_sdk_s3::types::ChecksumMode::Enabled;
        self.s3
            .head_object()
            .bucket(BUCKET)
            .key(key)
            .checksum_mode(mode)
            .send()
            .await
            .unwrap()
            .checksum_crc32
    }

    /// All keys below a prefix, page by page.
    async fn keys(&self, prefix: &str) -> Vec<String> {
        keys(&self.s3, prefix, 1000).await
    }

    /// How many files are anywhere below the state folder's part with this name.
    fn count_state(&self, part: &str) -> usize {
        let mut pending = vec![self.state.path().join("embedded")];
        let mut files = 0;
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    pending.push(entry.path());
                } else if entry
                    .path()
                    .to_str()
                    .unwrap()
                    .contains(&format!("/{part}/"))
                {
                    files += 1;
                }
            }
        }
        files
    }
}

fn client(store: &EmbeddedStore, secret_key: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-7"))
        .endpoint_url("http://127.0.0.1:1")
        .force_path_style(true)
        .credentials_provider(Credentials::new(
            store.access_key(),
            secret_key,
            None,
            None,
            "test",
        ))
        .http_client(store.http_client())
        .build();
    Client::from_conf(config)
}

async fn keys(s3: &Client, prefix: &str, page: i32) -> Vec<String> {
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let request = s3
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .max_keys(page)
            .set_continuation_token(token);
        let listed = request.send().await.unwrap();
        assert!(listed.contents().len() <= page as usize);
        assert_eq!(listed.key_count, Some(listed.contents().len() as i32));
        keys.extend(
            listed
                .contents()
                .iter()
                .map(|object| object.key.clone().unwrap()),
        );
        token = listed.next_continuation_token;
        assert_eq!(listed.is_truncated, Some(token.is_some()));
        if token.is_none() {
            return keys;
        }
    }
}

/// The error code of a failed call; where a HEAD has none, the status.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E, HttpResponse>>,
) -> String {
    let error = result.expect_err("the call should fail");
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match &error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => code.to_owned(),
            None => status.unwrap().to_string(),
        },
        _ => panic!("{error:?}"),
    }
}

/// The folders of a store, without the store.
fn disk(dir: &Path, state: &Path, folder_temp: Option<&Path>) -> Disk {
    let part = |name: &str| {
        let path = state.join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let temp = part("temp");
    Disk {
        dir: fs::canonicalize(dir).unwrap(),
        hidden: None,
        objects: part("objects"),
        uploads: part("uploads"),
        sidecars: Sidecars::new(part("records"), temp.clone()),
        locks: part("locks"),
        folder_temp: folder_temp.unwrap_or(&temp).to_owned(),
        temp,
    }
}

fn record(key: &str, received: &Received) -> Record {
    Record {
        key: key.to_owned(),
        stamp: Stamp {
            size: 0,
            modified_ns: 0,
            inode: 0,
        },
        etag: Some(hex::encode(received.md5)),
        crc32: Some(received.crc32),
        composite: false,
        parts: Vec::new(),
        headers: Headers::default(),
    }
}

fn set_age(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
        .unwrap();
}

fn md5_hex(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    hex::encode(Md5::digest(bytes))
}

fn crc32_text(bytes: &[u8]) -> String {
    super::incoming::crc32_text(crc32fast::hash(bytes))
}

/// Bytes that no two offsets share.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
