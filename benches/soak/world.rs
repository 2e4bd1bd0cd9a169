//! What there is: a store over a folder, a pass-through that harms some of its answers, a server, and two selections.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use sheaf::store::embedded::{self, EmbeddedStore};

use super::support::client;
use super::support::random::Random;
use super::support::readers::Reader;
use super::support::sdk;
use super::support::server::Server;
use super::support::walk::{Contents, Held, difference};
use super::support::wire::{Harm, What, Which, Wire};

/// How long the server waits for bytes of its store.
const READ_TIMEOUT: &str = "2s";

/// Failures that wait for an answer which fits.
const FAILURES: u32 = 2;

/// Everything that runs.
#[derive(Debug)]
pub struct World {
    pub server: Server,
    pub selections: Vec<Selection>,
    store: Server,
    wire: Wire,
}

/// A prefix, and what must come of it.
#[derive(Clone, Debug)]
pub struct Selection {
    pub prefix: &'static str,
    /// The keys, and what they hold.
    pub objects: Vec<(String, Bytes)>,
    /// Live, as a link, or as a package.
    pub archive: Bytes,
    pub contents: Contents,
    pub link: Link,
}

/// A link.
#[derive(Clone, Debug)]
pub struct Link {
    pub id: String,
    /// The URLs of its page and its archive.
    pub page: String,
    pub zip: String,
}

impl World {
    /// Two prefixes: a few objects that are read in pieces, and many that are read whole. With it the processes.
    pub async fn set_up() -> Result<(World, [(&'static str, u32); 2])> {
        let mut store = Server::local();
        let keys = EmbeddedStore::open(&store.bucket(), &store.state())?;
        let keys = (keys.access_key().to_owned(), keys.secret_key().to_owned());
        let wire = Wire::start(&store.url).await;
        let s3 = sdk::client_with(
            &store.url,
            sdk::credentials(&keys.0, &keys.1),
            sdk::over_http(),
        );
        let mut server = Server::with(|command, _| {
            command
                .env("S3_ENDPOINT_URL", wire.url())
                .env("BUCKET_NAME", embedded::BUCKET)
                .env("AWS_ACCESS_KEY_ID", &keys.0)
                .env("AWS_SECRET_ACCESS_KEY", &keys.1)
                .args(["--read-timeout", READ_TIMEOUT]);
        });
        let mut random = Random::new(0);
        let few = [9 << 20, 300_000, 2 << 20].map(|size| size + random.below(1000));
        let many: Vec<u64> = (0..60).map(|_| random.below(100_000)).collect();
        let mut selections = Vec::new();
        for (prefix, sizes) in [("few/", &few[..]), ("many/", &many[..])] {
            let mut objects = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                let key = format!("{prefix}{n:02}.pdf");
                let content: Bytes = (0..*size).map(|_| random.below(256) as u8).collect();
                let put = s3.put_object().bucket(embedded::BUCKET).key(&key);
                put.body(content.clone().into()).send().await?;
                objects.push((key, content));
            }
            selections.push(Selection::new(&store, &server, prefix, objects).await?);
        }
        let processes = [
            ("server", server.process().child().id()),
            ("store", store.process().child().id()),
        ];
        let world = World {
            server,
            selections,
            store,
            wire,
        };
        Ok((world, processes))
    }

    /// The next answer that fits fails in one way or another, unless [`FAILURES`] wait already: what fails each time that it
    /// is asked for again is no hiccup.
    pub fn fail(&self, selection: &Selection, random: &mut Random) {
        if self.wire.left() >= FAILURES {
            return;
        }
        let (key, content) = random.of(&selection.objects);
        let at = random.below(content.len() as u64);
        let which = if random.one_in(4) {
            Which::List
        } else {
            Which::Get(key)
        };
        let mut what = random.of(&[
            What::Reset(at),
            What::Close(at),
            What::Stall(at),
            What::Answer(503, "SlowDown"),
            What::Refuse,
            What::Delay(Duration::from_millis(500)),
        ]);
        // Offsets are of objects.
        if which == Which::List && !matches!(what, What::Refuse | What::Delay(_)) {
            what = What::Answer(503, "SlowDown");
        }
        self.wire.add(Harm {
            which,
            what,
            times: 1,
        });
    }

    /// What the store was asked, and how much of it again.
    pub async fn store_requests(&self) -> Result<String> {
        let counted = self.metrics().await?;
        let sum = |name: &str| -> f64 {
            let values = counted.lines().filter(|line| line.starts_with(name));
            values
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        let (asked, again) = (
            sum("sheaf_store_requests_total"),
            sum("sheaf_store_retries_total"),
        );
        Ok(format!(
            "{asked} requests to the store, {again} ({:.1} %) asked again; {} failures are left",
            100.0 * again / asked,
            self.wire.left()
        ))
    }

    /// Fails unless nothing is held any more.
    pub async fn nothing_is_held(&self) -> Result<()> {
        const GAUGES: [&str; 4] = [
            "sheaf_downloads_running",
            "sheaf_memory_shares",
            "sheaf_memory_reserved_bytes",
            "sheaf_jobs_running_here",
        ];
        let held = self.server.held(&GAUGES, 1200).await;
        ensure!(held.is_empty(), "it is held still: {held:?}");
        Ok(())
    }

    /// Removes an object that is compared already.
    pub fn remove(&self, key: &str) -> Result<()> {
        let path = self.store.bucket().join(key);
        fs::remove_file(&path).with_context(|| format!("{key} is not there"))
    }

    async fn metrics(&self) -> Result<String> {
        let answer = self.server.get("/metrics").await;
        ensure!(answer.status == 200, "metrics: {}", answer.status);
        Ok(String::from_utf8(answer.body.to_vec())?)
    }
}

impl Selection {
    async fn new(
        store: &Server,
        server: &Server,
        prefix: &'static str,
        objects: Vec<(String, Bytes)>,
    ) -> Result<Selection> {
        let contents = objects
            .iter()
            .map(|(key, content)| (key[prefix.len()..].to_owned(), Held::bytes(content)))
            .collect();
        // Past the server and the pass-through.
        let archive = store.get(&format!("/v1/zip?prefix={prefix}")).await.body;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("reference.zip");
        fs::write(&path, &archive)?;
        let read = Reader::AsyncZip.read(&path)?;
        if let Some(difference) = difference(&contents, &read) {
            bail!("the reference is wrong:\n{difference}");
        }
        let link = Link::new(server, prefix).await?;
        Ok(Selection {
            prefix,
            objects,
            archive,
            contents,
            link,
        })
    }
}

impl Link {
    /// Makes one.
    pub async fn new(server: &Server, prefix: &str) -> Result<Link> {
        let url = format!("{}/v1/links", server.url);
        let answer = client::post(&url, &json!({"prefix": prefix, "filename": "out"})).await?;
        let made: Value = serde_json::from_slice(&answer.body)?;
        ensure!(answer.status == 201, "no link: {made}");
        let text = |name: &str| made[name].as_str().map(str::to_owned).context("a text");
        Ok(Link {
            id: text("id")?,
            page: text("page_url")?,
            zip: text("zip_url")?,
        })
    }
}
