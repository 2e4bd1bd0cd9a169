//! The store beneath a run: one of its own, or one that all runs of a process share, with a bucket for each.
//!
//! Which it is follows from the plan, where that store runs (`SHEAF_TEST_STORES`), and is our own everywhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::Client as S3;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use serde_json::json;
use sheaf::store::embedded::{self, EmbeddedStore};

use super::bench::patient;
use crate::links::create;
use crate::support::client;
use crate::support::sdk;
use crate::support::server::Server;
use crate::support::stores::{self, ExternalStore, Software};

/// The stores that runs share.
#[derive(Debug, Default)]
pub struct Shared {
    stores: Vec<(Software, Arc<Other>)>,
}

/// Somebody else's store.
#[derive(Debug)]
struct Other {
    store: ExternalStore,
    /// A sheaf over it with nothing in between, which keeps its own objects in a bucket of its own.
    straight: Server,
}

/// The store of a run, with its bucket.
#[derive(Debug)]
pub struct Place {
    kind: Kind,
    /// Past all harm.
    pub s3: S3,
    pub bucket: String,
    pub credentials: Credentials,
}

#[derive(Debug)]
enum Kind {
    /// Our own, over a folder and with its state in another, which both outlive its process.
    Own(Server, PathBuf, PathBuf),
    Other(Arc<Other>),
}

impl Shared {
    /// Those that can be asked for here, each started once.
    pub async fn start() -> Shared {
        let mut stores = Vec::new();
        for software in [Software::Garage, Software::Minio] {
            let Some(store) = ExternalStore::start(software).await else {
                continue;
            };
            let straight = Server::with(|command, _| {
                patient(command);
                command
                    .env("S3_ENDPOINT_URL", &store.endpoint)
                    .env("AWS_ACCESS_KEY_ID", store.credentials.access_key_id())
                    .env(
                        "AWS_SECRET_ACCESS_KEY",
                        store.credentials.secret_access_key(),
                    )
                    .args(["--state-bucket", stores::BUCKET]);
            });
            stores.push((software, Arc::new(Other { store, straight })));
        }
        Shared { stores }
    }

    /// The names of those that run, as `SHEAF_TEST_STORES` has them.
    pub fn names(&self) -> String {
        let names = self.stores.iter().map(|(software, _)| software.program());
        names.collect::<Vec<_>>().join(",")
    }

    fn of(&self, wanted: Option<Software>) -> Option<Arc<Other>> {
        let mut stores = self.stores.iter();
        let (_, found) = stores.find(|(software, _)| Some(*software) == wanted)?;
        Some(found.clone())
    }
}

impl Place {
    /// An empty bucket of the store that is wanted, or of one below `home`.
    pub async fn new(shared: &Shared, wanted: Option<Software>, home: &Path, name: &str) -> Place {
        let Some(other) = shared.of(wanted) else {
            return Place::own(home.join("bucket"), home.join("state"));
        };
        let credentials = other.store.credentials.clone();
        let s3 = bare(&other.store.endpoint, &credentials);
        let made = s3.create_bucket().bucket(name).send().await;
        made.expect("a bucket");
        Place {
            kind: Kind::Other(other),
            s3,
            bucket: name.to_owned(),
            credentials,
        }
    }

    fn own(folder: PathBuf, state: PathBuf) -> Place {
        fs::create_dir(&folder).expect("a folder for the bucket");
        let server = serve(&folder, &state);
        let embedded = EmbeddedStore::open(&folder, &state).expect("the server's store");
        let credentials = sdk::credentials(embedded.access_key(), embedded.secret_key());
        Place {
            s3: bare(&server.url, &credentials),
            kind: Kind::Own(server, folder, state),
            bucket: embedded::BUCKET.to_owned(),
            credentials,
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &str {
        match &self.kind {
            Kind::Own(server, ..) => &server.url,
            Kind::Other(other) => &other.store.endpoint,
        }
    }

    /// Its own folders, where it is ours: the bucket and the state.
    pub fn folders(&self) -> Option<(&Path, &Path)> {
        match &self.kind {
            Kind::Own(_, folder, state) => Some((folder, state)),
            Kind::Other(_) => None,
        }
    }

    /// Kills it and starts it again, somewhere else.
    pub fn restart(&mut self) {
        let Kind::Own(server, folder, state) = &mut self.kind else {
            panic!("others need it")
        };
        server.signal("KILL");
        server.ended();
        *server = serve(folder, state);
        self.s3 = bare(&server.url, &self.credentials);
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, content: Bytes) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        put.body(content.into()).send().await.expect("an upload");
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) {
        let delete = self.s3.delete_object().bucket(&self.bucket).key(key);
        delete.send().await.expect("a deletion");
    }

    /// Cuts a file in the store's folder to so many bytes.
    pub fn truncate(&self, key: &str, bytes: u64) {
        let (folder, _) = self.folders().expect("a folder of ours");
        let file = fs::File::options().write(true).open(folder.join(key));
        file.and_then(|file| file.set_len(bytes))
            .expect("a shorter file");
    }

    /// What an object has; `None` where it is not there.
    pub async fn get(&self, key: &str) -> Option<Bytes> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        let found = match get.send().await {
            Ok(found) => found,
            Err(error) => {
                let error = error.into_service_error();
                assert!(error.is_no_such_key(), "{error:?}");
                return None;
            }
        };
        Some(
            found
                .body
                .collect()
                .await
                .expect("a whole body")
                .into_bytes(),
        )
    }

    /// What the bucket's archive is now, straight from the store; `None` where it cannot be read.
    ///
    /// Ours tells each checksum in its listings, so that a live archive is that of a link too.
    pub async fn archive(&self, frozen: bool) -> Option<Bytes> {
        let (server, link) = match &self.kind {
            Kind::Own(server, ..) => (server, None),
            Kind::Other(other) => {
                let wish = json!({"bucket": self.bucket, "filename": "out"});
                (&other.straight, frozen.then_some(wish))
            }
        };
        let path = match &link {
            Some(wish) => create(server, wish).await.path,
            None => format!("/v1/zip?bucket={}", self.bucket),
        };
        let url = format!("{}{path}", server.url);
        let answer = client::fetch("GET", &url, &[]).await.ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// All keys that begin so.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, String> {
        let pages = self.s3.list_objects_v2().bucket(&self.bucket);
        let mut pages = pages.prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| format!("{error:?}"))?;
            let found = page.contents().iter().filter_map(|object| object.key());
            keys.extend(found.map(str::to_owned));
        }
        Ok(keys)
    }

    /// No upload is under way, be it for one of these keys, and no temporary file is there.
    pub async fn nothing_is_open(&self, keys: &[&str]) -> Result<(), String> {
        // MinIO tells of uploads only where their key is asked for.
        for prefix in keys.iter().copied().chain([""]) {
            let uploads = self.s3.list_multipart_uploads().bucket(&self.bucket);
            let uploads = uploads.prefix(prefix).send().await;
            let uploads = uploads.map_err(|error| format!("{error:?}"))?;
            if !uploads.uploads().is_empty() {
                return Err(format!("uploads are left: {:?}", uploads.uploads()));
            }
        }
        let mut temporary = Vec::new();
        if let Some((folder, state)) = self.folders() {
            walk(folder, &mut temporary);
            walk(state, &mut temporary);
        }
        if !temporary.is_empty() {
            return Err(format!("temporary files are left: {temporary:?}"));
        }
        Ok(())
    }

    /// Makes room in a store that others use too.
    pub async fn clear(self) {
        if let Kind::Other(_) = self.kind {
            for key in self.keys("").await.expect("a listing") {
                self.delete(&key).await;
            }
            // What a killed process has left keeps it, and goes with the store.
            let _ = self.s3.delete_bucket().bucket(&self.bucket).send().await;
        }
    }
}

/// It asks again where a connection was closed meanwhile.
fn bare(endpoint: &str, credentials: &Credentials) -> S3 {
    let once = sdk::client_with(endpoint, credentials.clone(), sdk::over_http());
    let retries = RetryConfig::standard().with_max_attempts(5);
    S3::from_conf(once.config().to_builder().retry_config(retries).build())
}

/// The real binary as a store over a folder.
fn serve(folder: &Path, state: &Path) -> Server {
    Server::with(|command, _| {
        patient(command);
        command
            .arg("--local")
            .arg(folder)
            .env("SHEAF_STATE_DIR", state);
    })
}

/// The temporary files below a folder, and parts of uploads.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            walk(&path, found);
        } else if name.to_string_lossy().starts_with(".sheaf-tmp-")
            || folder.to_string_lossy().contains("/uploads/")
        {
            found.push(path);
        }
    }
}
