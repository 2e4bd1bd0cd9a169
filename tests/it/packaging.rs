//! `sheaf package`: killed, interrupted, called off, refused. Whatever happens, one archive or none, and no upload left.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use http_body_util::BodyExt;
use serde_json::Value;

use crate::support::client;
use crate::support::random::Random;
use crate::support::server::sheaf;
use crate::support::sheaf::Sheaf;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wait::eventually;

mod trouble;

const MIB: usize = 1 << 20;

/// Where links are said to be.
const SITE: &str = "https://files.example";

/// How often the package is killed; `SHEAF_KILL_ROUNDS=n` makes it another number.
const ROUNDS: u64 = 10;

/// Bytes of the folder in a normal run; `SHEAF_PACKAGE_MIB=n` makes it another number of mebibytes.
const BYTES: usize = 160 * MIB;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().expect("a number"))
}

/// A folder that is served, with the state beside it.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    /// With so many bytes in files of all sizes.
    fn of(bytes: usize) -> Place {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("files/in");
        std::fs::create_dir_all(&folder).expect("a folder");
        let (mut left, mut index) = (bytes, 0u64);
        let mut random = Random::new(7);
        let mut block: Vec<u8> = (0..MIB).map(|_| random.below(256) as u8).collect();
        while left > 0 {
            let size = match index % 4 {
                0 => 100_000,
                1 => 23 * MIB + index as usize,
                2 => 700_000,
                _ => 5 * MIB,
            };
            let size = size.min(left);
            let mut content = Vec::with_capacity(size);
            while content.len() < size {
                block[index as usize % MIB] ^= 1;
                content.extend_from_slice(&block[..MIB.min(size - content.len())]);
            }
            std::fs::write(folder.join(format!("{index:05}.pdf")), content).expect("a file");
            (left, index) = (left - size, index + 1);
        }
        Place { home }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn command(&self, arguments: &[&str]) -> Sheaf {
        let mut command = sheaf(self.path());
        command
            .args(arguments)
            .arg("--local")
            .arg(self.path().join("files"));
        command
    }

    /// Packages into `out.zip`. A dead process's job is free after a second.
    fn package(&self, arguments: &[&str]) -> Sheaf {
        let mut all = vec![
            "package",
            "s3://local/in/",
            "--to",
            "s3://local/out.zip",
            "--job-lease",
            "1s",
        ];
        all.extend(arguments);
        self.command(&all)
    }

    /// Files below the state folder, in folders of this name.
    fn found(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path().to_owned()];
        while let Some(dir) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&dir) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                match path.is_dir() {
                    true => open.push(path),
                    false if dir.to_string_lossy().contains(folder) => found.push(path),
                    false => {}
                }
            }
        }
        found
    }

    /// Parts that stand in the store's uploads.
    fn parts(&self) -> usize {
        let files = self.found("/uploads/");
        let is_part = |path: &&PathBuf| path.file_name().is_some_and(|name| name != "upload.json");
        files.iter().filter(is_part).count()
    }

    /// The package is byte for byte the archive of its link.
    async fn is_what_its_link_streams(&self, told: &Value) {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let server = command.start(&self.path().join("log")).expect("a server");
        let line: Value = serde_json::from_str(&server.line).expect("a line of JSON");
        let path = told["zip_url"]
            .as_str()
            .and_then(|url| url.strip_prefix(SITE));
        let url = format!("{}{}", line["listening"].as_str().unwrap(), path.unwrap());
        let answer = client::open("GET", &url, &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut package = BufReader::new(File::open(self.path().join("files/out.zip")).unwrap());
        let (mut body, mut here, mut at) = (answer.into_body(), Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let data = frame.expect("all of it").into_data().expect("bytes");
            here.resize(data.len(), 0);
            package.read_exact(&mut here).expect("as many bytes");
            assert!(here == data, "they differ behind {at}");
            at += data.len() as u64;
        }
        assert_eq!(told["bytes"], at);
        assert_eq!(package.read(&mut [0]).unwrap(), 0, "no more bytes");
    }

    fn nothing_is_left(&self) {
        assert_eq!(self.found("/uploads/"), Vec::<PathBuf>::new());
        assert_eq!(self.found("/packaging"), Vec::<PathBuf>::new());
    }
}

fn answer(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

/// Waits until a running command has as many parts in the store, or has ended.
async fn until_parts(place: &Place, child: &mut Child, enough: usize) {
    eventually("parts", || {
        let ended = child.try_wait().expect("a child").is_some();
        (ended || place.parts() >= enough).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_is_killed_again_and_again_is_one_archive() {
    let bytes = number("SHEAF_PACKAGE_MIB", (BYTES / MIB) as u64) as usize * MIB;
    let place = Place::of(bytes);
    let mut random = Random::new(number("SHEAF_SEED", 1));
    let mut kills = 0;
    for _ in 0..number("SHEAF_KILL_ROUNDS", ROUNDS) {
        let mut child = place.package(&[]).spawn().expect("a process");
        let whole = bytes / (10 * MIB);
        let most = (whole / ROUNDS as usize).max(2) as u64;
        let enough = place.parts() + random.below(most) as usize;
        until_parts(&place, &mut child, enough).await;
        kills += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("killed, or ended");
        child.wait().expect("an end");
    }
    assert!(kills > 0, "it was too fast for all of them");
    let site = ["--public-url", SITE];
    let output = place.package(&site).output().expect("a process");
    let told = answer(&output);
    assert_eq!(told["method"], "stream", "{told}");
    place.nothing_is_left();
    place.is_what_its_link_streams(&told).await;
    let link = place
        .command(&["verify", "s3://local/out.zip"])
        .output()
        .expect("a process");
    let verified = answer(&link);
    assert_eq!(
        (&verified["ok"], &verified["entries"]),
        (&true.into(), &told["entries"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_package_goes_on_or_is_called_off() {
    let place = Place::of(BYTES);
    let mut child = place.package(&[]).spawn().expect("a process");
    until_parts(&place, &mut child, 2).await;
    interrupt(&child);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, job) = told
        .split_once("goes on with the job ")
        .expect("the job's id");
    let job = job.split_whitespace().next().expect("an id").to_owned();
    assert!(place.parts() > 0, "they are kept");
    let cancelled = place
        .command(&["package", "s3://local/in/", "--cancel", &job])
        .output();
    let cancelled = answer(&cancelled.expect("a process"));
    assert_eq!(cancelled["state"], "cancelled");
    place.nothing_is_left();
    assert!(!place.path().join("files/out.zip").exists());
    let told = answer(&place.package(&[]).output().expect("a process"));
    assert_ne!(told["job"], job.as_str());
    let again = answer(&place.package(&[]).output().expect("a process"));
    assert_eq!(
        again["etag"], told["etag"],
        "it stands, and is only verified"
    );
    std::fs::write(place.path().join("files/in/new.pdf"), "new").expect("a file");
    let refused = place.package(&[]).output().expect("a process");
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("exists already"), "{told}");
    answer(
        &place
            .package(&["--replace", "--verify", "full"])
            .output()
            .expect("a process"),
    );
    place.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_runs_its_own_job_and_none_of_before() {
    let place = Place::of(40 * MIB);
    let mut first = place.package(&[]).spawn().expect("a process");
    until_parts(&place, &mut first, 1).await;
    interrupt(&first);
    let left = first.wait_with_output().expect("an end");
    assert_eq!(left.status.code(), Some(1));
    let other = ["package", "s3://local/in/00000", "--to", "s3://local/b.zip"];
    let told = answer(&place.command(&other).output().expect("a process"));
    assert_eq!(told["entries"], 1);
    assert!(place.path().join("files/b.zip").exists());
    assert!(
        !place.path().join("files/out.zip").exists(),
        "it was nobody's turn"
    );
    assert!(place.parts() > 0, "and what there is of it is kept");
    let told = answer(&place.package(&[]).output().expect("a process"));
    assert_eq!(told["to"], "s3://local/out.zip");
    place.nothing_is_left();
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.expect("kill").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_refuses_ends_the_job_with_its_reason() {
    let objects = (0..3).map(|n| SyntheticObject::new(format!("in/{n}.pdf"), 12 * MIB as u64));
    for (operation, named) in [
        (Operation::CreateUpload, "s3:PutObject"),
        (Operation::UploadPart, "s3:PutObject"),
        (Operation::GetObject, "s3:GetObject"),
    ] {
        let store = Synthetic::start(objects.clone(), Options::default()).await;
        let home = tempfile::tempdir().expect("a temporary folder");
        let denied = Fault::Answer(Failure::ACCESS_DENIED);
        store
            .faults()
            .add(Rule::new(Target::Every(operation), denied));
        let mut command = sheaf(home.path());
        command.env("S3_ENDPOINT_URL", store.endpoint()).args([
            "package",
            "s3://bench/in/",
            "--to",
            "s3://bench/out.zip",
        ]);
        let output = command.output().expect("a process");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(named), "{operation:?}: {told}");
        assert_eq!(store.open_uploads(), Vec::<String>::new(), "{operation:?}");
    }
}
