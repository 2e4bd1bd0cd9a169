//! Downloads from Garage that take minutes, or gigabytes of disk: `.ci/long` runs them.
//!
//! What is downloaded is checked by `sheaf verify`, and by 7-Zip against what was uploaded.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use http_body_util::BodyExt;
use tempfile::TempDir;

use crate::support::client;
use crate::support::pour::pour;
use crate::support::readers::Reader;
use crate::support::server::{Server, sheaf};
use crate::support::stores::{BUCKET, ExternalStore, Software};
use crate::support::walk::{self, Held, difference};

const MIB: usize = 1 << 20;

/// Garage, and a folder for everything else.
struct Place {
    garage: ExternalStore,
    home: TempDir,
}

impl Place {
    async fn find() -> Option<Place> {
        let garage = ExternalStore::start(Software::Garage).await?;
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("files")).unwrap();
        Some(Place { garage, home })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// Lets a command find Garage.
    fn point<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("S3_ENDPOINT_URL", &self.garage.endpoint)
            .env("BUCKET_NAME", BUCKET)
            .env("AWS_ACCESS_KEY_ID", self.garage.credentials.access_key_id())
            .env(
                "AWS_SECRET_ACCESS_KEY",
                self.garage.credentials.secret_access_key(),
            )
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = sheaf(self.home.path());
        self.point(&mut command).args(arguments);
        command.current_dir(self.home.path());
        let output = command.output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {messages}");
    }

    /// Uploads the files, and downloads them through the server as `all.zip`.
    async fn there_and_back(&self) {
        self.run(&["seed", "files", &format!("s3://{BUCKET}/all/")]);
        let server = Server::with(|command, _| {
            self.point(command);
        });
        let url = format!("{}/v1/zip?prefix=all/", server.url);
        let answer = client::open("GET", &url, &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let mut archive = BufWriter::new(File::create(self.path("all.zip")).unwrap());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.expect("a whole archive").into_data() {
                archive.write_all(&data).unwrap();
            }
        }
        archive.flush().unwrap();
        self.run(&["verify", "all.zip"]);
    }
}

#[tokio::test]
#[ignore = "takes minutes: see .ci/long"]
async fn twenty_thousand_files_from_garage() {
    let Some(place) = Place::find().await else {
        return;
    };
    for number in 0..20_000 {
        let folder = place.path(&format!("files/{:02}", number % 100));
        fs::create_dir_all(&folder).unwrap();
        let content = format!("the content of number {number}").repeat(1 + number % 90);
        fs::write(folder.join(format!("{number:05}.pdf")), content).unwrap();
    }
    place.there_and_back().await;
    let expected = walk::folder(&place.path("files")).unwrap();
    let found = Reader::SevenZip.read(&place.path("all.zip")).unwrap();
    assert_eq!(expected.len(), 20_000);
    assert_eq!(difference(&expected, &found), None);
}

#[tokio::test]
#[ignore = "takes minutes, and 15 GiB of disk: see .ci/long"]
async fn five_gibibytes_from_garage() {
    let Some(place) = Place::find().await else {
        return;
    };
    let file = place.path("files/large.pdf");
    write_noise(&file, 5 * 1024 * MIB);
    let expected = Held::read(File::open(&file).unwrap()).unwrap();
    place.there_and_back().await;
    let found = pour(Reader::SevenZip, &place.path("all.zip")).unwrap();
    assert_eq!(found, expected);
}

/// Noise, and no block of 1 MiB twice: a store that compresses, or keeps equal blocks once, gains nothing.
fn write_noise(path: &Path, length: usize) {
    let mut block = vec![0; MIB];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for bytes in block.chunks_exact_mut(8) {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.copy_from_slice(&state.to_le_bytes());
    }
    let mut file = File::create(path).unwrap();
    for number in 0..length / MIB {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
    }
}
