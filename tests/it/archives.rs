//! Archives as the server sends them, opened by other people's readers and compared file by file.

use std::path::Path;

use tempfile::TempDir;
use unicode_normalization::UnicodeNormalization;

use crate::support::readers::{Reader, check};
use crate::support::server::Server;
use crate::support::strict::{self, Strict};
use crate::support::synthetic::content::content_bytes;
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};

/// Readers that look at the directory first, so that data descriptors do not matter to them.
const SEEKING: [Reader; 7] = [
    Reader::InfoZip,
    Reader::SevenZip,
    Reader::BsdtarFile,
    Reader::Busybox,
    Reader::Python,
    Reader::JavaFile,
    Reader::AsyncZip,
];

const MIB: u64 = 1 << 20;

/// Downloads an archive, sees that it follows our own rules, and has each reader read it.
async fn opens(server: &Server, target: &str, readers: &[Reader], expected: &Contents) -> Strict {
    let answer = server.get(target).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("downloaded.zip");
    std::fs::write(&path, &answer.body).unwrap();
    let frames = futures::stream::iter([Ok::<_, std::io::Error>(answer.body)]);
    let strict = strict::read(frames).await.unwrap();
    assert_eq!(&contents(&strict), expected);
    let (composing, exact): (Vec<_>, Vec<_>) = readers
        .iter()
        .partition(|reader| matches!(reader, Reader::BsdtarFile | Reader::BsdtarPipe));
    check(&exact, &path, expected);
    check(&composing, &path, &composed(expected));
    strict
}

/// The names as libarchive writes them, everywhere but on macOS: composed, whatever they are in the archive.
fn composed(contents: &Contents) -> Contents {
    let files = contents.iter();
    files
        .map(|(name, held)| (name.nfc().collect(), *held))
        .collect()
}

fn contents(archive: &Strict) -> Contents {
    let entries = archive.entries.iter();
    entries
        .map(|entry| (entry.name.clone(), entry.held))
        .collect()
}

/// What is expected of objects that keep their keys as names.
fn as_named(objects: &[SyntheticObject]) -> Contents {
    let objects = objects.iter();
    objects
        .map(|object| (object.key.clone(), Held::object(object)))
        .collect()
}

/// Keys that a folder can hold, and the names that they have in an archive.
fn names_in_a_folder() -> Vec<(String, String)> {
    let long = |letter: &str, count: usize, end: &str| letter.repeat(count) + end;
    let pairs = [
        ("a b/c  d.pdf", "a b/c  d.pdf"),
        (" leading.pdf", " leading.pdf"),
        ("-rf.pdf", "-rf.pdf"),
        ("~/$HOME `id` 'q'.pdf", "~/$HOME `id` 'q'.pdf"),
        ("100% #1+2 &=;@!.pdf", "100% #1+2 &=;@!.pdf"),
        ("%41%2F.pdf", "%41%2F.pdf"),
        ("ÄÖÜ ß.pdf", "ÄÖÜ ß.pdf"),
        ("契約書/見積もり.pdf", "契約書/見積もり.pdf"),
        ("👩‍👩‍👧 🗂.pdf", "👩‍👩‍👧 🗂.pdf"),
        ("עברית العربية.pdf", "עברית العربية.pdf"),
        (
            "deep/er/and/deeper/still.pdf",
            "deep/er/and/deeper/still.pdf",
        ),
        // Of two that a file system may not tell apart, the first by bytes keeps its name: decomposed before composed.
        ("Zoe\u{308}.pdf", "Zoe\u{308}.pdf"),
        ("Zo\u{eb}.pdf", "Zo\u{eb} (2).pdf"),
        ("README.pdf", "README.pdf"),
        ("readme.pdf", "readme (2).pdf"),
        ("Same.pdf", "Same.pdf"),
        ("same (2).pdf", "same (2).pdf"),
        ("same.pdf", "same (3).pdf"),
        ("Folder/x.pdf", "Folder/x.pdf"),
        ("folder/X.pdf", "folder/X (2).pdf"),
        // What Windows does not take.
        ("CON.pdf", "CON_.pdf"),
        ("nul", "nul_"),
        ("com1.tar.gz", "com1_.tar.gz"),
        ("lpt9/aux", "lpt9_/aux_"),
        ("a<b>c:d\"e|f?g*h.pdf", "a_b_c_d_e_f_g_h.pdf"),
        ("back\\slash.pdf", "back_slash.pdf"),
        ("dots...", "dots___"),
        ("space ", "space_"),
        ("bell\u{7}line\nend\u{7f}.pdf", "bell_line_end_.pdf"),
    ];
    let mut names: Vec<_> = pairs
        .map(|(key, name)| (key.to_owned(), name.to_owned()))
        .into();
    // Segments of 255 bytes are as long as file systems take; a number takes its room from the stem.
    names.push((long("X", 251, ".pdf"), long("X", 251, ".pdf")));
    names.push((long("x", 251, ".pdf"), long("x", 247, " (2).pdf")));
    names.push((long("é", 125, ".pdf"), long("é", 125, ".pdf")));
    names
}

/// Keys that only a store can hold.
fn names_in_a_store() -> Vec<(String, String)> {
    let pairs = [
        ("/absolute.pdf", "absolute.pdf"),
        ("../../up.pdf", "up.pdf"),
        ("..\\..\\up.pdf", ".._.._up.pdf"),
        ("C:/drive.pdf", "drive.pdf"),
        ("a//b.pdf", "a/b.pdf"),
        ("a/./c.pdf", "a/c.pdf"),
        ("a/../d.pdf", "a/d.pdf"),
        ("nothing\0.pdf", "nothing_.pdf"),
        // One path cannot be a file and a folder.
        ("f.pdf", "f.pdf"),
        ("f.pdf/g.pdf", "f (2).pdf/g.pdf"),
        // No marker, because it holds something.
        ("full/", "full"),
    ];
    let mut names: Vec<_> = pairs
        .map(|(key, name)| (key.to_owned(), name.to_owned()))
        .into();
    let long = |letter: &str, count: usize| letter.repeat(count) + ".pdf";
    names.push((long("x", 300), long("x", 251)));
    names.push((long("日", 100), long("日", 83)));
    // As long as keys are: the last segment is cut, the path is not.
    let deep = "deep folder/".repeat(60);
    names.push((deep.clone() + &long("y", 300), deep + &long("y", 251)));
    names
}

#[tokio::test]
async fn awkward_names_of_a_folder() {
    let server = Server::local();
    let mut expected = Contents::new();
    for (key, name) in names_in_a_folder() {
        server.drop_in(&format!("in/{key}"), &key);
        expected.insert(name, Held::bytes(key.as_bytes()));
    }
    server.drop_in("in/empty.pdf", "");
    expected.insert("empty.pdf".to_owned(), Held::bytes(b""));
    let target = "/v1/zip?prefix=in/&include=*";
    let strict = opens(&server, target, &Reader::ALL, &expected).await;
    assert_eq!(strict.entries.len(), expected.len());
}

#[tokio::test]
async fn awkward_names_of_a_store() {
    let mut objects = vec![SyntheticObject::of("in/marker/", "")];
    let mut expected = Contents::new();
    for (key, name) in names_in_a_store() {
        expected.insert(name, Held::bytes(key.as_bytes()));
        objects.push(SyntheticObject::of(format!("in/{key}"), key));
    }
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let target = "/v1/zip?prefix=in/&include=*";
    let strict = opens(&server, target, &Reader::ALL, &expected).await;
    assert_eq!(strict.entries.len(), expected.len());
}

/// Sizes on both sides of the limit below which the CRC-32 always stands in front.
fn mixed(checksum: Checksum) -> Vec<SyntheticObject> {
    let sizes = [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 3, 9 * MIB, 17];
    let objects = sizes.into_iter().enumerate();
    objects
        .map(|(n, size)| SyntheticObject::new(format!("{n}.pdf"), size).checksum(checksum))
        .collect()
}

#[tokio::test]
async fn large_objects_without_checksums() {
    for checksum in [Checksum::Unknown, Checksum::Composite { part_size: MIB }] {
        let objects = mixed(checksum);
        let store = Synthetic::start(objects.clone(), Options::default()).await;
        let server = Server::over(&store.endpoint());
        let readers = [&SEEKING[..], &[Reader::BsdtarPipe]].concat();
        let strict = opens(&server, "/v1/zip", &readers, &as_named(&objects)).await;
        for entry in strict.entries {
            assert_eq!(entry.described, entry.held.size > MIB, "{entry:?}");
        }
    }
}

#[tokio::test]
async fn large_objects_with_announced_checksums() {
    let objects = mixed(Checksum::FullObject);
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let server = Server::over(&store.endpoint());
    let strict = opens(&server, "/v1/zip", &Reader::ALL, &as_named(&objects)).await;
    assert!(!strict.entries.iter().any(|entry| entry.described));
}

#[tokio::test]
async fn archives_within_archives() {
    // What looks like records of ours is data: with and without a descriptor behind it.
    let inner =
        [("1.pdf", 1000), ("2.pdf", 2 * MIB)].map(|(key, size)| SyntheticObject::new(key, size));
    let store = Synthetic::start(inner, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let archive = server.get("/v1/zip").await.body;
    assert!(archive.len() as u64 > 2 * MIB);
    let small = archive.slice(archive.len() - 1000..);
    let objects = [
        SyntheticObject::of("a.zip", archive.clone()),
        SyntheticObject::of("b.zip", archive).checksum(Checksum::FullObject),
        SyntheticObject::of("c.zip", small),
    ];
    let outer = Synthetic::start(objects.clone(), Options::default()).await;
    let server = Server::over(&outer.endpoint());
    opens(&server, "/v1/zip?include=*", &SEEKING, &as_named(&objects)).await;
}

#[tokio::test]
async fn times_are_those_of_the_objects() {
    const TIMES: [i64; 4] = [1, 951_782_400, 1_714_979_291, 4_102_444_799];
    let objects = TIMES.map(|time| SyntheticObject::new(format!("{time}.pdf"), 5).modified(time));
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let server = Server::over(&store.endpoint());
    let strict = opens(&server, "/v1/zip", &[], &as_named(&objects)).await;
    for entry in &strict.entries {
        // Beyond 2038 the 32 bits of the field are full.
        let time: i64 = entry.name.trim_end_matches(".pdf").parse().unwrap();
        assert_eq!(entry.modified, time.min(i32::MAX.into()), "{entry:?}");
    }
}

#[tokio::test]
async fn extracted_files_have_the_times_of_the_objects() {
    const TIME: i64 = 1_714_979_290;
    let object = SyntheticObject::of("a.pdf", content_bytes("a", 10)).modified(TIME);
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over(&store.endpoint());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, server.get("/v1/zip").await.body).unwrap();
    if Reader::InfoZip.is_installed() {
        assert_eq!(modified_by_unzip(&path, folder.path()), TIME);
    }
}

/// When the file that `unzip` extracts was modified, far from Greenwich.
fn modified_by_unzip(archive: &Path, folder: &Path) -> i64 {
    use std::os::unix::fs::MetadataExt;
    let status = std::process::Command::new("unzip")
        .arg("-q")
        .arg(archive)
        .current_dir(folder)
        .env("TZ", "Pacific/Auckland")
        .status();
    assert!(status.unwrap().success());
    folder.join("a.pdf").metadata().unwrap().mtime()
}
