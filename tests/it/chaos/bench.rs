//! The parts of a run: a real store, two pass-throughs, a server, perhaps an nginx, and how they are looked at afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::Client as S3;
use bytes::Bytes;
use serde_json::json;
use sheaf::store::embedded::{self, EmbeddedStore};

use super::plan::{Event, Kind, Plan, content};
use super::{changes, target};
use crate::links::create;
use crate::support::client;
use crate::support::clients::Ended;
use crate::support::nginx::Nginx;
use crate::support::readers::Reader;
use crate::support::sdk;
use crate::support::server::Server;
use crate::support::synthetic::faults::Gate;
use crate::support::walk::{Held, difference};
use crate::support::wire::{Harm, What, Which, Wire};

/// What every replica signs its links with.
const LINK_KEYS: &str = "chaos:00112233445566778899aabbccddeeff";

/// As the README recommends, so that a link's URL is the one that its client asked for.
const NGINX: &str = "proxy_http_version 1.1; proxy_buffering off;";

/// Everything that runs.
pub struct Bench {
    store: Server,
    /// Past the pass-through.
    s3: S3,
    keys: (String, String),
    /// The store's folder and its state, which outlive its process.
    folder: (PathBuf, PathBuf),
    to_store: Wire,
    server: Server,
    to_server: Wire,
    nginx: Option<Nginx>,
    /// The path of the archive.
    path: String,
    /// The archives of the states that the bucket has had.
    references: Vec<Bytes>,
    /// What servers that are gone have said.
    gone: String,
    _home: tempfile::TempDir,
}

impl Bench {
    /// A bucket with the plan's objects, everything running, and the harms in place.
    pub async fn set_up(plan: &Plan) -> Bench {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = (home.path().join("bucket"), home.path().join("state"));
        fs::create_dir(&folder.0).expect("a folder for the bucket");
        let store = store_over(&folder);
        let embedded = EmbeddedStore::open(&folder.0, &folder.1).expect("the server's store");
        let keys = (
            embedded.access_key().to_owned(),
            embedded.secret_key().to_owned(),
        );
        drop(embedded);
        let to_store = Wire::start(&store.url).await;
        let credentials = sdk::credentials(&keys.0, &keys.1);
        let s3 = sdk::client_with(&store.url, credentials, sdk::over_http());
        for object in &plan.objects {
            put(&s3, &object.key, object.content.clone()).await;
        }
        let server = replica(&to_store, &keys);
        let to_server = Wire::start(&server.url).await;
        let nginx = if plan.nginx {
            Nginx::before(&to_server.url(), NGINX)
        } else {
            None
        };
        let path = match plan.kind {
            Kind::Live => target(Kind::Live).to_owned(),
            Kind::Frozen => create(&server, &json!({"filename": "out"})).await.path,
        };
        let mut bench = Bench {
            store,
            s3,
            keys,
            folder,
            to_store,
            server,
            to_server,
            nginx,
            path,
            references: Vec::new(),
            gone: String::new(),
            _home: home,
        };
        let whole = bench.archive().await;
        bench.references.extend(whole);
        bench.check_reference(plan);
        for harm in &plan.store_side {
            bench.to_store.add(harm.clone());
        }
        for harm in &plan.client_side {
            bench.to_server.add(harm.clone());
        }
        bench
    }

    /// Runs the plan's client, and lets happen meanwhile what is to happen. `None` where the client is not installed.
    pub async fn download(&mut self, plan: &Plan) -> Option<Ended> {
        let front = self.nginx.as_ref().map(|nginx| nginx.url.clone());
        let url = front.unwrap_or_else(|| self.to_server.url()) + &self.path;
        let run = plan.client.run(&url);
        let Some((event, object, at)) = plan.event else {
            return run.await;
        };
        let gate = Gate::new();
        self.to_store.add(Harm {
            which: Which::Get(plan.objects[object].key.clone()),
            what: What::Hold(at, gate.clone()),
            times: 1,
        });
        tokio::pin!(run);
        tokio::select! {
            ended = &mut run => return ended,
            () = gate.reached(1) => {}
        }
        self.happen(event, plan).await;
        gate.open();
        run.await
    }

    async fn happen(&mut self, event: Event, plan: &Plan) {
        let victim = &plan.objects[plan.victim];
        match event {
            Event::KillServer => {
                let replica = replica(&self.to_store, &self.keys);
                self.to_server.redirect(&replica.url);
                self.gone.push_str(&self.server.said());
                // Its process is killed.
                self.server = replica;
            }
            Event::RestartStore => {
                self.store.signal("KILL");
                self.store.ended();
                self.store = store_over(&self.folder);
                self.to_store.redirect(&self.store.url);
                let credentials = sdk::credentials(&self.keys.0, &self.keys.1);
                self.s3 = sdk::client_with(&self.store.url, credentials, sdk::over_http());
            }
            Event::Replace => {
                let other = content(plan.seed ^ 0xFFFF, victim.content.len() as u64);
                put(&self.s3, &victim.key, other).await;
            }
            Event::Delete => {
                let delete = self.s3.delete_object().bucket(embedded::BUCKET);
                delete.key(&victim.key).send().await.expect("a deletion");
            }
            Event::Truncate => {
                let path = self.folder.0.join(&victim.key);
                let file = fs::File::options().write(true).open(path).expect("a file");
                file.set_len(victim.content.len() as u64 / 2)
                    .expect("a shorter file");
            }
        }
        if changes(event) {
            let now = self.archive().await;
            self.references.extend(now);
        }
    }

    /// What the bucket's archive is now, straight from the store; `None` where it cannot be read.
    async fn archive(&self) -> Option<Bytes> {
        let url = format!("{}{}", self.store.url, target(Kind::Live));
        let answer = client::fetch("GET", &url, &[]).await.ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// The first reference holds the plan's objects, as another program reads them.
    fn check_reference(&self, plan: &Plan) {
        let path = self._home.path().join("reference.zip");
        fs::write(&path, &self.references[0]).expect("a file");
        let read = Reader::AsyncZip.read(&path).expect("an archive");
        let planned = plan
            .objects
            .iter()
            .map(|object| (object.key.clone(), Held::bytes(&object.content)))
            .collect();
        assert_eq!(difference(&planned, &read), None);
        fs::remove_file(path).expect("a file of ours");
    }

    /// Whether this is the archive of a state that the bucket has had.
    pub async fn is_reference(&self, file: &[u8]) -> bool {
        self.references.iter().any(|reference| reference == file)
    }

    /// Where one request decides, and nothing lies between: the log knows what the client knows.
    pub async fn log_agrees(&self, plan: &Plan, ended: &Ended) -> Result<(), String> {
        let killed = matches!(plan.event, Some((Event::KillServer, ..)));
        if !plan.client.asks_once() || plan.nginx || !plan.client_side.is_empty() || killed {
            return Ok(());
        }
        let route = match plan.kind {
            Kind::Live => "/v1/zip",
            Kind::Frozen => "/d/",
        };
        let line = self
            .server
            .logged(|line| {
                line["message"] == "request"
                    && line["method"] == "GET"
                    && line["path"]
                        .as_str()
                        .is_some_and(|path| path.starts_with(route))
            })
            .await;
        let whole = line["status"] == 200 && line["outcome"] == "complete";
        if whole != ended.success {
            return Err(format!("the log says otherwise: {line}"));
        }
        Ok(())
    }

    /// Nothing is held, and nothing lies around.
    pub async fn nothing_is_left(&self, plan: &Plan) -> Result<(), String> {
        self.gauges_are_at_zero().await?;
        let uploads = self.s3.list_multipart_uploads().bucket(embedded::BUCKET);
        let uploads = uploads.send().await.map_err(|error| format!("{error:?}"))?;
        if !uploads.uploads().is_empty() {
            return Err(format!("uploads are left: {:?}", uploads.uploads()));
        }
        let listing = self.s3.list_objects_v2().bucket(embedded::BUCKET);
        let listing = listing.prefix(".sheaf/").send().await;
        let listing = listing.map_err(|error| format!("{error:?}"))?;
        // A link, and what it found out about a checksum of the store.
        let ours = |key: &&str| match plan.kind {
            Kind::Live => false,
            Kind::Frozen => {
                let flips = plan
                    .store_side
                    .iter()
                    .any(|h| matches!(h.what, What::Flip(_)));
                key.starts_with(".sheaf/links/") || flips && key.starts_with(".sheaf/distrusted/")
            }
        };
        let stray: Vec<&str> = listing
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .filter(|key| !ours(key))
            .collect();
        if !stray.is_empty() {
            return Err(format!("state objects are left: {stray:?}"));
        }
        let mut temporary = Vec::new();
        walk(&self.folder.0, &mut temporary);
        walk(&self.folder.1, &mut temporary);
        if !temporary.is_empty() {
            return Err(format!("temporary files are left: {temporary:?}"));
        }
        Ok(())
    }

    /// Connections end a little after their clients.
    async fn gauges_are_at_zero(&self) -> Result<(), String> {
        const GAUGES: [&str; 2] = ["sheaf_downloads_running", "sheaf_memory_shares"];
        let mut held = Vec::new();
        for _ in 0..200 {
            let answer = self.server.get("/metrics").await;
            let exposition = String::from_utf8_lossy(&answer.body).into_owned();
            held = exposition
                .lines()
                .filter(|line| GAUGES.iter().any(|gauge| line.starts_with(gauge)))
                .filter(|line| !line.ends_with(" 0"))
                .map(str::to_owned)
                .collect();
            if held.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("gauges are not at zero: {held:?}"))
    }

    /// The logs of all servers.
    pub fn said(&self) -> String {
        format!("{}{}", self.gone, self.server.said())
    }
}

/// The real binary as a store over a folder.
fn store_over((bucket, state): &(PathBuf, PathBuf)) -> Server {
    Server::with(|command, _| {
        command
            .arg("--local")
            .arg(bucket)
            .env("SHEAF_STATE_DIR", state);
    })
}

fn replica(store: &Wire, (access_key, secret_key): &(String, String)) -> Server {
    Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", store.url())
            .env("BUCKET_NAME", embedded::BUCKET)
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key)
            .env("SHEAF_LINK_KEYS", LINK_KEYS)
            .args(["--read-timeout", "2s"]);
    })
}

async fn put(s3: &S3, key: &str, content: Bytes) {
    let put = s3.put_object().bucket(embedded::BUCKET).key(key);
    put.body(content.into()).send().await.expect("an upload");
}

/// The temporary files below a folder.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if entry
            .file_name()
            .to_string_lossy()
            .starts_with(".sheaf-tmp-")
        {
            found.push(path);
        }
    }
}
