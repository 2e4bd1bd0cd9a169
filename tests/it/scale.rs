//! Archives beyond the limits of 16 and 32 bits: 65,535 entries, and 4 GiB of size or offset.
//!
//! Nothing here needs 4 GiB of memory or disk. The strict reader reads while the bytes come; other people's readers
//! get archives whose large objects are zeros, in files that leave these out.

use std::path::Path;

use futures::TryStreamExt;
use http_body_util::BodyExt;
use tempfile::TempDir;

use crate::support::client;
use crate::support::pour::pour;
use crate::support::readers::{Reader, check};
use crate::support::server::Server;
use crate::support::sparse::SparseFile;
use crate::support::strict::{self, Strict};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Downloads an archive, and reads it strictly while it is stored at `path`, without its zeros. Also tells how much of
/// the disk it takes.
async fn download(server: &Server, target: &str, path: &Path) -> (Strict, u64) {
    let url = format!("{}{target}", server.url);
    let answer = client::open("GET", &url, &[]).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut file = SparseFile::create(path).unwrap();
    let frames = answer.into_body().into_data_stream();
    let frames = frames.inspect_ok(|frame| file.write(frame).unwrap());
    let strict = strict::read(frames).await.unwrap();
    (strict, file.finish().unwrap())
}

/// As [`download`], and nothing is stored.
async fn look(server: &Server, target: &str) -> Strict {
    let url = format!("{}{target}", server.url);
    let answer = client::open("GET", &url, &[]).await.unwrap();
    assert_eq!(answer.status(), 200);
    strict::read(answer.into_body().into_data_stream())
        .await
        .unwrap()
}

fn contents(archive: &Strict) -> Contents {
    let entries = archive.entries.iter();
    entries
        .map(|entry| (entry.name.clone(), entry.held))
        .collect()
}

fn as_named(objects: &[SyntheticObject]) -> Contents {
    let objects = objects.iter();
    objects
        .map(|object| (object.key.clone(), Held::object(object)))
        .collect()
}

/// What all files hold, one after the other.
fn joined(archive: &Strict) -> Held {
    let mut hasher = crc32fast::Hasher::new();
    let mut size = 0;
    for entry in &archive.entries {
        let Held { size: len, crc32 } = entry.held;
        hasher.combine(&crc32fast::Hasher::new_with_initial_len(crc32, len));
        size += len;
    }
    let crc32 = hasher.finalize();
    Held { size, crc32 }
}

/// Reads an archive of more than 4 GiB without extracting it.
fn opens(archive: &Path, strict: &Strict, pouring: &[Reader], printing: &[Reader]) {
    for reader in pouring.iter().filter(|reader| reader.is_installed()) {
        let start = std::time::Instant::now();
        match pour(*reader, archive) {
            Ok(held) => assert_eq!(held, joined(strict), "{reader:?}"),
            Err(error) => panic!("{reader:?} does not read it: {error}"),
        }
        println!("{reader:?}: {:.1} s", start.elapsed().as_secs_f64());
    }
    for reader in printing {
        let start = std::time::Instant::now();
        check(&[*reader], archive, &contents(strict));
        println!("{reader:?}: {:.1} s", start.elapsed().as_secs_f64());
    }
}

#[tokio::test]
async fn seventy_thousand_files() {
    const FILES: u64 = 70_000;
    // An empty object needs no request, which is what would take the time here.
    let objects: Vec<_> = (0..FILES)
        .map(|n| {
            let size = if n % 100 == 0 { 20 } else { 0 };
            SyntheticObject::new(format!("{:02}/{n:08}.pdf", n / 1000), size)
        })
        .collect();
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let mut server = Server::over(&store.endpoint());
    let page = look(&server, "/v1/zip?prefix=00/").await;
    assert_eq!(page.entries.len(), 1000);
    let before = server.process().peak_resident().unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("archive.zip");
    let start = std::time::Instant::now();
    let (strict, _) = download(&server, "/v1/zip", &path).await;
    println!("download: {:.1} s", start.elapsed().as_secs_f64());
    let after = server.process().peak_resident().unwrap();
    println!("resident: {before} {after}");
    assert_eq!(contents(&strict), as_named(&objects));
    assert!(strict.zip64_end);
    for reader in Reader::ALL {
        let start = std::time::Instant::now();
        check(&[reader], &path, &contents(&strict));
        println!("{reader:?}: {:.1} s", start.elapsed().as_secs_f64());
    }
}

#[tokio::test]
async fn a_file_over_4_gib() {
    let objects = [
        SyntheticObject::zeros("1 over.pdf", 4 * GIB + MIB),
        SyntheticObject::new("2 described.pdf", 2 * MIB),
        SyntheticObject::new("3 known.pdf", 2 * MIB).checksum(Checksum::FullObject),
        SyntheticObject::new("4 small.pdf", 1000),
    ];
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let mut server = Server::over(&store.endpoint());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("archive.zip");
    let start = std::time::Instant::now();
    let (strict, disk) = download(&server, "/v1/zip", &path).await;
    println!("download: {:.1} s", start.elapsed().as_secs_f64());
    println!(
        "disk {disk}, resident {}",
        server.process().peak_resident().unwrap()
    );
    assert_eq!(contents(&strict), as_named(&objects));
    let forms: Vec<_> = strict
        .entries
        .iter()
        .map(|entry| (entry.described, entry.local_zip64))
        .collect();
    assert_eq!(
        forms,
        [(true, true), (true, true), (false, false), (false, false)]
    );
    assert!(disk < 8 * MIB, "{disk} bytes of disk");
    let pouring = [
        Reader::InfoZip,
        Reader::SevenZip,
        Reader::BsdtarFile,
        Reader::BsdtarPipe,
        Reader::Busybox,
    ];
    opens(
        &path,
        &strict,
        &pouring,
        &[Reader::Python, Reader::JavaFile, Reader::AsyncZip],
    );
}

#[tokio::test]
async fn offsets_over_4_gib() {
    let mut objects = vec![];
    for n in 0..3 {
        objects.push(SyntheticObject::new(format!("{n}.pdf"), 3 * GIB / 2));
    }
    objects.push(SyntheticObject::new("described.pdf", 2 * MIB));
    objects.push(SyntheticObject::new("known.pdf", 2 * MIB).checksum(Checksum::FullObject));
    objects.push(SyntheticObject::new("small.pdf", 1000));
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let mut server = Server::over(&store.endpoint());
    let start = std::time::Instant::now();
    let strict = look(&server, "/v1/zip").await;
    println!("download: {:.1} s", start.elapsed().as_secs_f64());
    println!("resident {}", server.process().peak_resident().unwrap());
    assert_eq!(contents(&strict), as_named(&objects));
}
