//! The readers can be trusted as oracles: they read what is right, and refuse what is not.

use std::fs;
use std::path::Path;

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder, ZipString};
use tempfile::TempDir;

use crate::support::pour::pour;
use crate::support::readers::{ReadError, Reader, check};
use crate::support::synthetic::content::content_bytes;
use crate::support::walk::{self, Contents, Held, difference};

/// Files with names of every kind that our archives have.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "a.pdf",
        "b/c d.pdf",
        "b/déjà vu – 契約書.pdf",
        "b/empty.pdf",
        "z/🗂.pdf",
    ];
    let sizes = [1000, 70_000, 3, 0, 1];
    names
        .into_iter()
        .zip(sizes)
        .map(|(name, size)| (name, content_bytes(name, size)))
        .collect()
}

fn expected() -> Contents {
    files()
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Held::bytes(bytes)))
        .collect()
}

/// A stored archive of the files, without descriptors, written by another hand than ours.
async fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    let mut writer = ZipFileWriter::new(futures::io::Cursor::new(&mut archive)).force_no_zip64();
    for (name, bytes) in files() {
        let name = ZipString::from(name.to_owned());
        let entry = ZipEntryBuilder::new(name, Compression::Stored).unix_permissions(0o644);
        writer.write_entry_whole(entry, &bytes).await.unwrap();
    }
    writer.close().await.unwrap();
    archive
}

fn store(folder: &TempDir, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join("archive.zip");
    fs::write(&path, bytes).unwrap();
    path
}

fn refused_by(readers: &[Reader], archive: &Path) {
    for reader in readers.iter().filter(|reader| reader.is_installed()) {
        let outcome = reader.read(archive);
        let wrong =
            outcome.is_err() || difference(&expected(), outcome.as_ref().unwrap()).is_some();
        assert!(wrong, "{reader:?} took it for whole");
    }
}

#[tokio::test]
async fn every_reader_reads_a_good_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = store(&folder, &archive().await);
    check(&Reader::ALL, &path, &expected());
}

#[tokio::test]
async fn every_reader_sees_a_flipped_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = archive().await;
    let content = content_bytes("b/c d.pdf", 70_000);
    let at = bytes
        .windows(64)
        .position(|window| *window == content[..64])
        .unwrap();
    bytes[at + 40_000] ^= 1;
    refused_by(&Reader::ALL, &store(&folder, &bytes));
}

#[tokio::test]
async fn every_reader_sees_a_stump() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = archive().await;
    refused_by(&Reader::ALL, &store(&folder, &bytes[..50_000]));
}

#[tokio::test]
async fn what_readers_pour_is_what_they_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = archive().await;
    let path = store(&folder, &bytes);
    let joined: Vec<u8> = files().into_iter().flat_map(|(_, bytes)| bytes).collect();
    let joined = Held::bytes(&joined);
    let mut pouring = Vec::new();
    for reader in Reader::ALL
        .into_iter()
        .filter(|reader| reader.is_installed())
    {
        match pour(reader, &path) {
            Err(ReadError::NoPipe { .. }) => {}
            poured => {
                assert_eq!(poured.unwrap(), joined, "{reader:?}");
                pouring.push(reader);
            }
        }
    }
    let content = content_bytes("b/c d.pdf", 70_000);
    let at = bytes
        .windows(64)
        .position(|window| *window == content[..64])
        .unwrap();
    bytes[at + 40_000] ^= 1;
    let path = store(&folder, &bytes);
    for reader in pouring {
        let whole = pour(reader, &path).is_ok_and(|held| held == joined);
        assert!(!whole, "{reader:?} took it for whole");
    }
}

#[test]
fn a_difference_names_what_differs() {
    let mut found = expected();
    assert_eq!(difference(&expected(), &found), None);
    found.remove("a.pdf");
    found.insert("x".to_owned(), Held::bytes(b"x"));
    found.insert("b/empty.pdf".to_owned(), Held::bytes(b"not empty"));
    let difference = difference(&expected(), &found).unwrap();
    for part in [
        "missing: \"a.pdf\"",
        "not expected: \"x\"",
        "\"b/empty.pdf\": expected",
    ] {
        assert!(difference.contains(part), "{difference}");
    }
}

#[test]
fn a_walk_finds_files_by_their_whole_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(walk::folder(folder.path()).unwrap(), expected());
    std::os::unix::fs::symlink("a.pdf", folder.path().join("link")).unwrap();
    assert!(walk::folder(folder.path()).is_err());
}
