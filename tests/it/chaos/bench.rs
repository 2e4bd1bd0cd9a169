//! The parts of a run: a real store, two pass-throughs, a server, perhaps an nginx, and how they are looked at afterwards.

use std::fs;
use std::process::Command;

use aws_sdk_s3::config::Credentials;
use bytes::Bytes;
use serde_json::json;

use super::changes;
use super::place::{Place, Shared};
use super::plan::{Event, Kind, Plan, Planned, content};
use crate::links::create;
use crate::support::clients::Ended;
use crate::support::nginx::Nginx;
use crate::support::readers::Reader;
use crate::support::server::Server;
use crate::support::synthetic::faults::Gate;
use crate::support::walk::{Held, difference};
use crate::support::wire::{Harm, What, Which, Wire};

/// What every replica signs its links with.
const LINK_KEYS: &str = "chaos:00112233445566778899aabbccddeeff";

/// After so long an answer of the store stands still: longer than a busy machine takes to give one.
const READ_TIMEOUT: &str = "8s";

/// As the README recommends, so that a link's URL is the one that its client asked for.
const NGINX: &str = "proxy_http_version 1.1; proxy_buffering off;";

/// Everything that runs.
pub struct Bench {
    place: Place,
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
    pub async fn set_up(plan: &Plan, shared: &Shared) -> Bench {
        let home = tempfile::tempdir().expect("a temporary folder");
        let name = format!("downloads-{}", plan.seed);
        let place = Place::new(shared, plan.software, home.path(), &name).await;
        let to_store = Wire::start(place.endpoint()).await;
        for object in &plan.objects {
            place.put(&object.key, object.content.clone()).await;
        }
        let server = Server::with(|command, _| over(command, &to_store, &place));
        let to_server = Wire::start(&server.url).await;
        let nginx = if plan.nginx {
            Nginx::before(&to_server.url(), NGINX)
        } else {
            None
        };
        let path = match plan.kind {
            Kind::Live => "/v1/zip?filename=out.zip".to_owned(),
            Kind::Frozen => create(&server, &json!({"filename": "out"})).await.path,
        };
        let whole = place.archive(plan.kind == Kind::Frozen).await;
        holds(whole.as_ref().expect("an archive"), &plan.objects);
        for harm in &plan.store_side {
            to_store.add(harm.clone());
        }
        for harm in &plan.client_side {
            to_server.add(harm.clone());
        }
        Bench {
            place,
            to_store,
            server,
            to_server,
            nginx,
            path,
            references: whole.into_iter().collect(),
            gone: String::new(),
            _home: home,
        }
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
                let replica = Server::with(|command, _| over(command, &self.to_store, &self.place));
                self.to_server.redirect(&replica.url);
                self.gone.push_str(&self.server.said());
                // Its process is killed.
                self.server = replica;
            }
            Event::RestartStore => {
                self.place.restart();
                self.to_store.redirect(self.place.endpoint());
            }
            Event::Replace => {
                let other = content(plan.seed ^ 0xFFFF, victim.content.len() as u64);
                self.place.put(&victim.key, other).await;
            }
            Event::Delete => self.place.delete(&victim.key).await,
            Event::Truncate => {
                let half = victim.content.len() as u64 / 2;
                self.place.truncate(&victim.key, half);
            }
        }
        if changes(event) {
            let now = self.place.archive(plan.kind == Kind::Frozen).await;
            self.references.extend(now);
        }
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
        gauges_are_at_zero(&self.server).await?;
        self.place.nothing_is_open(&[]).await?;
        // A link, and what it found out about a checksum of the store.
        let ours = |key: &String| match plan.kind {
            Kind::Live => false,
            Kind::Frozen => {
                let mut harms = plan.store_side.iter();
                let flips = harms.any(|harm| matches!(harm.what, What::Flip(_)));
                key.starts_with(".sheaf/links/") || flips && key.starts_with(".sheaf/distrusted/")
            }
        };
        let mut stray = self.place.keys(".sheaf/").await?;
        stray.retain(|key| !ours(key));
        if !stray.is_empty() {
            return Err(format!("state objects are left: {stray:?}"));
        }
        Ok(())
    }

    /// Gives back what others use too.
    pub async fn clear(self) {
        drop(self.server);
        self.place.clear().await;
    }

    /// The logs of all servers.
    pub fn said(&self) -> String {
        format!("{}{}", self.gone, self.server.said())
    }
}

/// The environment of a sheaf over the store of a run, through a pass-through.
pub fn over(command: &mut Command, to_store: &Wire, place: &Place) {
    let keys: &Credentials = &place.credentials;
    command
        .env("S3_ENDPOINT_URL", to_store.url())
        .env("BUCKET_NAME", &place.bucket)
        .env("AWS_ACCESS_KEY_ID", keys.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key())
        .env("SHEAF_LINK_KEYS", LINK_KEYS)
        .env("SHEAF_READ_TIMEOUT", READ_TIMEOUT);
    patient(command);
}

/// On a machine that is busy with something else, nobody is given up for being slow.
pub fn patient(command: &mut Command) {
    for variable in ["SHEAF_HEADER_TIMEOUT", "SHEAF_BODY_TIMEOUT"] {
        command.env(variable, "5m");
    }
}

/// An archive holds the planned objects, as another program reads it.
pub fn holds(archive: &[u8], objects: &[Planned]) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("reference.zip");
    fs::write(&path, archive).expect("a file");
    let read = Reader::AsyncZip.read(&path).expect("an archive");
    let planned = objects
        .iter()
        .map(|object| (object.key.clone(), Held::bytes(&object.content)))
        .collect();
    assert_eq!(difference(&planned, &read), None);
}

/// Nothing is held any more.
pub async fn gauges_are_at_zero(server: &Server) -> Result<(), String> {
    const GAUGES: [&str; 3] = [
        "sheaf_downloads_running",
        "sheaf_memory_shares",
        "sheaf_jobs_running_here",
    ];
    match server.held(&GAUGES, 200).await {
        held if held.is_empty() => Ok(()),
        held => Err(format!("gauges are not at zero: {held:?}")),
    }
}
