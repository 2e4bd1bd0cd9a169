//! What clients do: download with the programs that people use, read parts, go away, read slowly, unpack, ask for
//! manifests, look at pages, and have archives packaged.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::support::client::{self, Answered};
use super::support::clients::Client;
use super::support::random::Random;
use super::support::readers::Reader;
use super::support::server::sheaf;
use super::support::walk::difference;
use super::world::{Link, Selection, World};

/// Bytes a second of somebody with a slow line.
const SLOW: u64 = 2_000_000;

/// How often, and how long, somebody asks the store for a file. What fails there is not sheaf's to mend.
const TRIES: u64 = 5;
const TRY: Duration = Duration::from_secs(10);

/// One of them.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// The archive of the prefix as it is now.
    Live(Client),
    /// The archive of the link.
    Frozen(Client),
    /// Some bytes of the link's archive.
    Part,
    /// The beginning of an archive; then the client goes away.
    GoAway,
    /// The archive, read slowly.
    Slowly,
    /// The archive, unpacked.
    Unpack(Reader),
    /// `sheaf verify` of the link.
    Verify,
    /// A manifest in the bucket, and a file that it names.
    Manifest,
    /// The link's manifest, and a file that it names.
    Handout,
    /// The link's page.
    Page,
    /// A link of its own, an archive packaged of it, and the link taken back.
    Package,
}

/// How one ended.
#[derive(Debug)]
pub enum Ended {
    /// So many bytes came, and were compared.
    Whole(u64),
    /// It was left off on purpose.
    Left,
    /// It failed, and the client knows it.
    Failed(String),
    /// Its program is not here.
    NotInstalled,
}

impl Deed {
    /// All of them; those that stand here twice are done twice as often.
    pub const ALL: [Deed; 28] = [
        Deed::Live(Client::Curl),
        Deed::Frozen(Client::Curl),
        Deed::Live(Client::Wget),
        Deed::Frozen(Client::Wget),
        Deed::Live(Client::Aria2),
        Deed::Frozen(Client::Aria2),
        Deed::Live(Client::Urlopen),
        Deed::Frozen(Client::Urlretrieve),
        Deed::Live(Client::Once),
        Deed::Frozen(Client::Once),
        Deed::Frozen(Client::CurlContinue),
        Deed::Frozen(Client::WgetContinue),
        Deed::Frozen(Client::Ranges),
        Deed::Part,
        Deed::Part,
        Deed::GoAway,
        Deed::GoAway,
        Deed::Slowly,
        Deed::Slowly,
        Deed::Unpack(Reader::InfoZip),
        Deed::Unpack(Reader::SevenZip),
        Deed::Unpack(Reader::BsdtarPipe),
        Deed::Unpack(Reader::Python),
        Deed::Verify,
        Deed::Manifest,
        Deed::Handout,
        Deed::Page,
        Deed::Package,
    ];

    /// As the table has it.
    pub fn name(self) -> String {
        match self {
            Deed::Live(client) => format!("live, {client:?}"),
            Deed::Frozen(client) => format!("frozen, {client:?}"),
            Deed::Unpack(reader) => format!("unpacked, {reader:?}"),
            Deed::Part => "a range".to_owned(),
            Deed::GoAway => "cancelled".to_owned(),
            Deed::Slowly => "slowly".to_owned(),
            Deed::Verify => "sheaf verify".to_owned(),
            Deed::Manifest => "a manifest".to_owned(),
            Deed::Handout => "a link's manifest".to_owned(),
            Deed::Page => "a page".to_owned(),
            Deed::Package => "a package".to_owned(),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Where something came that is not what it must be, and the client could not know.
    pub async fn run(
        self,
        world: &World,
        selection: &Selection,
        random: &mut Random,
    ) -> Result<Ended> {
        let live = live(world, selection);
        match self {
            Deed::Live(client) => download(client, &live, selection).await,
            Deed::Frozen(client) => download(client, &selection.link.zip, selection).await,
            Deed::Part => part(selection, random).await,
            Deed::GoAway => go_away(&live, selection, random).await,
            Deed::Slowly => {
                let url = random.of(&[live, selection.link.zip.clone()]);
                slowly(&url, selection).await
            }
            Deed::Unpack(reader) => {
                let url = random.of(&[live, selection.link.zip.clone()]);
                unpack(reader, &url, selection).await
            }
            Deed::Verify => verify(selection).await,
            Deed::Manifest => manifest(world, selection, random).await,
            Deed::Handout => handout(selection, random).await,
            Deed::Page => page(selection).await,
            Deed::Package => package(world, selection, random).await,
        }
    }
}

fn live(world: &World, selection: &Selection) -> String {
    format!(
        "{}/v1/zip?prefix={}&filename=out.zip",
        world.server.url, selection.prefix
    )
}

/// Fails unless it is the archive.
fn compare(came: &[u8], selection: &Selection) -> Result<Ended> {
    ensure!(
        came == selection.archive,
        "{} bytes came that are not the archive of {}",
        came.len(),
        selection.prefix
    );
    Ok(Ended::Whole(came.len() as u64))
}

async fn download(client: Client, url: &str, selection: &Selection) -> Result<Ended> {
    let Some(ended) = client.run(url).await else {
        return Ok(Ended::NotInstalled);
    };
    if !ended.success {
        return Ok(Ended::Failed(ended.said));
    }
    compare(&ended.file, selection)
}

async fn part(selection: &Selection, random: &mut Random) -> Result<Ended> {
    let length = selection.archive.len() as u64;
    let first = random.below(length);
    let last = (first + random.below(1 << 20)).min(length - 1);
    let range = format!("bytes={first}-{last}");
    let answer = match client::fetch("GET", &selection.link.zip, &[("range", &range)]).await {
        Ok(answer) if answer.status == 206 => answer,
        Ok(answer) => return Ok(refused(&answer)),
        Err(error) => return Ok(Ended::Failed(error.to_string())),
    };
    ensure!(
        answer.body == selection.archive[first as usize..=last as usize],
        "{range} of {} is not what it must be",
        selection.prefix
    );
    Ok(Ended::Whole(answer.body.len() as u64))
}

async fn go_away(live: &str, selection: &Selection, random: &mut Random) -> Result<Ended> {
    let url = random.of(&[live, &selection.link.zip]);
    let enough = random.below(selection.archive.len() as u64);
    let Ok(answer) = client::open("GET", url, &[]).await else {
        return Ok(Ended::Failed("no answer".to_owned()));
    };
    let (mut body, mut came) = (answer.into_body(), 0);
    while came < enough {
        let Some(Ok(frame)) = body.frame().await else {
            return Ok(Ended::Failed("it ended before it was left".to_owned()));
        };
        came += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(Ended::Left)
}

async fn slowly(url: &str, selection: &Selection) -> Result<Ended> {
    let answer = match client::open("GET", url, &[]).await {
        Ok(answer) if answer.status() == 200 => answer,
        Ok(answer) => return Ok(Ended::Failed(answer.status().to_string())),
        Err(error) => return Ok(Ended::Failed(error.to_string())),
    };
    let (mut body, mut came) = (answer.into_body(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let data = match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) => data,
            Ok(Err(_)) => continue,
            Err(error) => return Ok(Ended::Failed(error.to_string())),
        };
        came.extend_from_slice(&data);
        sleep(Duration::from_micros(data.len() as u64 * 1_000_000 / SLOW)).await;
    }
    compare(&came, selection)
}

async fn unpack(reader: Reader, url: &str, selection: &Selection) -> Result<Ended> {
    if !reader.is_installed() {
        return Ok(Ended::NotInstalled);
    }
    let answer = match client::fetch("GET", url, &[]).await {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => return Ok(refused(&answer)),
        Err(error) => return Ok(Ended::Failed(error.to_string())),
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("out.zip");
    fs::write(&path, &answer.body)?;
    let read = tokio::task::spawn_blocking(move || reader.read(&path)).await?;
    let difference = difference(&selection.contents, &read?);
    ensure!(
        difference.is_none(),
        "{reader:?} reads something else: {difference:?}"
    );
    compare(&answer.body, selection)
}

async fn verify(selection: &Selection) -> Result<Ended> {
    let (home, url) = (Arc::new(tempfile::tempdir()?), selection.link.zip.clone());
    let output =
        tokio::task::spawn_blocking(move || sheaf(home.path()).args(["verify", &url]).output());
    let output = output.await??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Ok(Ended::Failed(said.into_owned()));
    }
    Ok(Ended::Whole(selection.archive.len() as u64))
}

async fn manifest(world: &World, selection: &Selection, random: &mut Random) -> Result<Ended> {
    let url = format!("{}/v1/manifests", world.server.url);
    let made = client::post(&url, &json!({"prefix": selection.prefix})).await?;
    let told: Value = serde_json::from_slice(&made.body)?;
    if made.status != 201 {
        return Ok(Ended::Failed(told.to_string()));
    }
    let url = told["manifest_url"].as_str().context("a URL")?;
    match get(url).await {
        Ok(lines) => file_of(&lines, selection, random).await,
        Err(why) => Ok(Ended::Failed(why)),
    }
}

async fn handout(selection: &Selection, random: &mut Random) -> Result<Ended> {
    match get(&format!("{}/manifest.jsonl", selection.link.page)).await {
        Ok(lines) => file_of(&lines, selection, random).await,
        Err(why) => Ok(Ended::Failed(why)),
    }
}

/// Downloads one of the files of a manifest, straight from the store.
async fn file_of(lines: &[u8], selection: &Selection, random: &mut Random) -> Result<Ended> {
    let text = std::str::from_utf8(lines)?;
    let lines: Vec<&str> = text.lines().collect();
    ensure!(
        lines.len() == selection.objects.len(),
        "{} lines",
        lines.len()
    );
    let row = random.below(lines.len() as u64) as usize;
    let line: Value = serde_json::from_str(lines[row])?;
    let (key, content) = &selection.objects[row];
    ensure!(
        line["key"] == key.as_str(),
        "{} instead of {key}",
        line["key"]
    );
    match get(line["url"].as_str().context("a URL")?).await {
        Ok(came) => {
            ensure!(came == content, "{key} is not what it must be");
            Ok(Ended::Whole(came.len() as u64))
        }
        Err(why) => Ok(Ended::Failed(why)),
    }
}

async fn page(selection: &Selection) -> Result<Ended> {
    match get(&selection.link.page).await {
        Ok(page) => {
            let text = String::from_utf8_lossy(&page);
            ensure!(text.contains("00.pdf"), "the page names no file");
            Ok(Ended::Whole(page.len() as u64))
        }
        Err(why) => Ok(Ended::Failed(why)),
    }
}

async fn package(world: &World, selection: &Selection, random: &mut Random) -> Result<Ended> {
    let link = Link::new(&world.server, selection.prefix).await?;
    let key = format!("out/{:016x}.zip", random.below(u64::MAX));
    let body = json!({"link": link.id, "to": format!("s3://local/{key}")});
    let entered = client::post(&format!("{}/v1/jobs", world.server.url), &body).await?;
    let job: Value = serde_json::from_slice(&entered.body)?;
    let id = job["id"].as_str();
    let id = id.with_context(|| format!("no job: {job}"))?;
    let done = loop {
        let answer = world.server.get(&format!("/v1/jobs/{id}")).await;
        let job: Value = serde_json::from_slice(&answer.body)?;
        match job["state"].as_str() {
            Some("done") => break job,
            Some("queued" | "running" | "waiting") => sleep(Duration::from_millis(500)).await,
            _ => return Ok(Ended::Failed(job.to_string())),
        }
    };
    let came = get(done["url"].as_str().context("a URL")?).await;
    world.remove(&key)?;
    let revoke = format!("/v1/links/{}", link.id);
    let revoked = world.server.send("DELETE", &revoke, &[]).await;
    if revoked.status != 204 {
        return Ok(refused(&revoked));
    }
    match came {
        Ok(came) => compare(&came, selection),
        Err(why) => Ok(Ended::Failed(why)),
    }
}

/// The answer is an error, and says why.
fn refused(answer: &Answered) -> Ended {
    Ended::Failed(format!(
        "{} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    ))
}

/// Asks until it has a whole answer.
async fn get(url: &str) -> Result<Bytes, String> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match timeout(TRY, client::fetch("GET", url, &[])).await {
            Ok(Ok(answer)) if answer.status == 200 => return Ok(answer.body),
            Ok(Ok(answer)) => why = answer.status.to_string(),
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = "nothing came".to_owned(),
        }
    }
    Err(why)
}
