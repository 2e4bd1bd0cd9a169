//! Archives beyond the limits of 16 and 32 bits: 65,535 entries, and 4 GiB of size or offset.
//!
//! Nothing here needs 4 GiB of memory or disk. The strict reader reads while the bytes come; other people's readers
//! get archives whose large objects are zeros, in files that leave these out, and extract into a pipe.

use std::path::{Path, PathBuf};
use std::thread;

use futures::TryStreamExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tempfile::TempDir;

use crate::support::client;
use crate::support::pour::pour;
use crate::support::readers::{ReadError, Reader, check};
use crate::support::server::Server;
use crate::support::sparse::SparseFile;
use crate::support::strict::{self, Strict};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The most that the server may have resident while gigabytes pass: an unoptimised binary has some 30 MiB of itself in
/// memory before the first request, and what passes is a few buffers of sockets.
const RESIDENT: u64 = 64 * MIB;

async fn body(server: &Server, target: &str) -> Incoming {
    let url = format!("{}{target}", server.url);
    let answer = client::open("GET", &url, &[]).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

/// An archive that was downloaded, without its zeros, and read strictly while it came.
struct Downloaded {
    path: PathBuf,
    strict: Strict,
    /// What it takes of the disk, in bytes.
    disk: u64,
    _folder: TempDir,
}

async fn download(server: &Server, target: &str) -> Downloaded {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("downloaded.zip");
    let mut file = SparseFile::create(&path).unwrap();
    let frames = body(server, target).await.into_data_stream();
    let frames = frames.inspect_ok(|frame| file.write(frame).unwrap());
    Downloaded {
        strict: strict::read(frames).await.unwrap(),
        disk: file.finish().unwrap(),
        path,
        _folder: folder,
    }
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

/// Whether each entry has a descriptor, and whether it has Zip64 in front.
fn forms(archive: &Strict) -> Vec<(bool, bool)> {
    let entries = archive.entries.iter();
    entries
        .map(|entry| (entry.described, entry.local_zip64))
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

/// Has readers read an archive, without extracting a file of it to a disk.
fn opens(archive: &Path, strict: &Strict, readers: &[Reader]) {
    for reader in readers.iter().filter(|reader| reader.is_installed()) {
        match pour(*reader, archive) {
            Ok(held) => assert_eq!(held, joined(strict), "{reader:?}"),
            Err(ReadError::NoPipe { .. }) => check(&[*reader], archive, &contents(strict)),
            Err(error) => panic!("{reader:?} does not read it: {error}"),
        }
    }
}

#[tokio::test]
async fn seventy_thousand_files() {
    const FILES: u64 = 70_000;
    const NAME: u64 = "00/00000000.pdf".len() as u64;
    // An empty object takes no request of its own, and requests are what would take the time here.
    let objects: Vec<_> = (0..FILES)
        .map(|n| {
            let size = if n % 100 == 0 { 20 } else { 0 };
            SyntheticObject::new(format!("{:02}/{n:08}.pdf", n / 1000), size)
        })
        .collect();
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let mut server = Server::over_with(&store.endpoint(), &["--memory-budget", "16MiB"]);
    let page = body(&server, "/v1/zip?prefix=00/").await.into_data_stream();
    assert_eq!(strict::read(page).await.unwrap().entries.len(), 1000);
    let before = server.process().peak_resident().unwrap();
    let archive = download(&server, "/v1/zip").await;
    let grown = server.process().peak_resident().unwrap() - before;
    // What an entry may cost is 100 bytes and its name. A page of the listing was there before; the rest is for what an
    // allocator does not give back.
    let bound = FILES * (100 + NAME) + 4 * MIB;
    assert!(grown < bound, "{grown} bytes more, {bound} allowed");

    let expected = as_named(&objects);
    assert!(contents(&archive.strict) == expected);
    assert!(archive.strict.zip64_end);
    assert!(archive.strict.len < 0xFFFF_FFFF, "only the count is large");
    let path = &archive.path;
    let extracting = [Reader::InfoZip, Reader::SevenZip, Reader::BsdtarFile];
    thread::scope(|scope| {
        scope.spawn(|| check(&extracting, path, &expected));
        let printing = [Reader::Python, Reader::JavaFile, Reader::AsyncZip];
        check(&printing, path, &expected);
    });
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
    let mut server = Server::over_with(&store.endpoint(), &["--memory-budget", "16MiB"]);
    let archive = download(&server, "/v1/zip").await;
    let resident = server.process().peak_resident().unwrap();
    assert!(resident < RESIDENT, "{resident} bytes resident");
    assert!(archive.disk < 8 * MIB, "{} bytes of disk", archive.disk);

    let strict = &archive.strict;
    assert_eq!(contents(strict), as_named(&objects));
    let both = (true, true);
    assert_eq!(forms(strict), [both, both, (false, false), (false, false)]);
    thread::scope(|scope| {
        // It takes longer than all of the others together.
        scope.spawn(|| opens(&archive.path, strict, &[Reader::InfoZip]));
        let others = [
            Reader::SevenZip,
            Reader::BsdtarFile,
            Reader::Python,
            Reader::JavaFile,
        ];
        opens(&archive.path, strict, &others);
    });
}

#[tokio::test]
async fn a_file_over_4_gib_with_an_announced_checksum() {
    let objects = [
        SyntheticObject::zeros("1 over.pdf", 4 * GIB + MIB).checksum(Checksum::FullObject),
        SyntheticObject::new("2 known.pdf", 2 * MIB).checksum(Checksum::FullObject),
    ];
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let server = Server::over_with(&store.endpoint(), &["--memory-budget", "16MiB"]);
    let archive = download(&server, "/v1/zip").await;
    let strict = &archive.strict;
    assert_eq!(contents(strict), as_named(&objects));
    assert_eq!(forms(strict), [(false, true), (false, false)]);
    // Nothing stands behind the data, so those that never seek can read it too.
    opens(
        &archive.path,
        strict,
        &[Reader::BsdtarPipe, Reader::JavaStream],
    );
}

#[tokio::test]
async fn offsets_over_4_gib() {
    // Unlike zeros, these show where bytes are lost, repeated or swapped.
    let large = ["1.pdf", "2.pdf", "3.pdf"].map(|key| SyntheticObject::new(key, 3 * GIB / 2));
    let behind = [
        SyntheticObject::new("4 described.pdf", 2 * MIB),
        SyntheticObject::new("5 known.pdf", 2 * MIB).checksum(Checksum::FullObject),
        SyntheticObject::new("6 small.pdf", 1000),
    ];
    let objects = [large, behind].concat();
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let mut server = Server::over_with(&store.endpoint(), &["--memory-budget", "16MiB"]);
    let frames = body(&server, "/v1/zip").await.into_data_stream();
    let strict = strict::read(frames).await.unwrap();
    let resident = server.process().peak_resident().unwrap();
    assert!(resident < RESIDENT, "{resident} bytes resident");
    assert_eq!(contents(&strict), as_named(&objects));
    // The third begins before 4 GiB and ends behind it: Zip64 follows where an entry begins.
    assert!(strict.entries[2].offset < 0xFFFF_FFFF);
    let short = [(true, false); 3];
    let behind = [(true, true), (false, false), (false, false)];
    assert_eq!(forms(&strict), [short, behind].concat());
    assert!(strict.zip64_end);
}
