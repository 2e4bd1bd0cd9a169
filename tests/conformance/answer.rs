//! What sheaf does about what a store lacks: one function for each answer of the table.

use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use sheaf::store::StoreErrorKind;
use sheaf::store::upload::MIN_PART;
use tokio::sync::OnceCell;

use crate::behaviour::multipart;
use crate::support::readers::Reader;
use crate::support::sdk;
use crate::support::server::sheaf;
use crate::support::sheaf::Sheaf;
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::{NOT_EVERYWHERE, Operation, Record};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};
use crate::target::Target;

/// What all commands asked of a store that would have answered anything.
static ASKED: OnceCell<Vec<Record>> = OnceCell::const_new();

/// No request has this header or parameter, whatever sheaf does.
pub async fn does_without(what: &str) {
    assert!(NOT_EVERYWHERE.contains(&what), "{what} is not recorded");
    let asked = ASKED.get_or_init(everything_asked).await;
    let such = asked
        .iter()
        .find(|record| record.not_everywhere.contains(&what));
    assert_eq!(such, None, "{what} is asked for");
}

/// Whatever a listing of many pages guesses, it begins with the prefix.
pub async fn starts_below_the_prefix() {
    let objects = (0..2000).map(|number| SyntheticObject::new(format!("wide/{number:05}"), 7));
    let options = Options {
        page_size: 20,
        ..Options::default()
    };
    let store = Synthetic::start(objects, options).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = sheaf(home.path());
    command.env("S3_ENDPOINT_URL", store.endpoint());
    let arguments = ["manifest", "s3://bench/wide/", "--include", "*"];
    run(command, home.path(), &arguments).await;
    let log = store.requests().log();
    let after: Vec<&str> = log
        .iter()
        .filter_map(|asked| asked.start_after.as_deref())
        .collect();
    assert!(!after.is_empty(), "nothing was guessed");
    assert!(
        after.iter().all(|key| key.starts_with("wide/")),
        "{after:?}"
    );
}

/// A manifest that is uploaded in parts, an archive, and a folder that is seeded.
async fn everything_asked() -> Vec<Record> {
    let wide = (0..1500).map(|number| format!("wide/{number:05}{}.pdf", "年".repeat(330)));
    let objects = wide.map(|key| SyntheticObject::new(key, 7));
    let large = SyntheticObject::new("wide/z.pdf", 3 << 20);
    let store = Synthetic::start(objects.chain([large]), Options::default()).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("seeds")).unwrap();
    std::fs::write(home.path().join("seeds/a.pdf"), "content").unwrap();
    for arguments in [
        &["manifest", "s3://bench/wide/"][..],
        &["zip", "s3://bench/wide/", "-o", "wide.zip"],
        &["seed", "seeds", "s3://bench/seeded/"],
    ] {
        let mut command = sheaf(home.path());
        command.env("S3_ENDPOINT_URL", store.endpoint());
        run(command, home.path(), arguments).await;
    }
    for operation in [
        Operation::UploadPart,
        Operation::PutObject,
        Operation::GetObject,
    ] {
        assert!(store.requests().count(operation) > 0, "no {operation:?}");
    }
    store.requests().log()
}

/// Runs sheaf on the store under test, and wants it to succeed.
async fn run_on(target: &Target, home: &Path, arguments: &[&str]) -> Output {
    let mut command = sheaf(home);
    command
        .env("S3_ENDPOINT_URL", &target.endpoint)
        .env("AWS_ACCESS_KEY_ID", target.credentials.access_key_id())
        .env(
            "AWS_SECRET_ACCESS_KEY",
            target.credentials.secret_access_key(),
        );
    run(command, home, arguments).await
}

async fn run(mut command: Sheaf, folder: &Path, arguments: &[&str]) -> Output {
    command.args(arguments).current_dir(folder);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().expect("sheaf starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {messages}");
    output
}

/// The archive of a behaviour's own prefix, and what is in it.
async fn archive(target: &Target) -> (Vec<u8>, Contents) {
    let home = tempfile::tempdir().unwrap();
    let url = format!("s3://{}/{}", target.bucket, target.prefix());
    run_on(target, home.path(), &["zip", &url, "-o", "all.zip"]).await;
    let path = home.path().join("all.zip");
    let contents = Reader::AsyncZip.read(&path);
    let contents = contents.unwrap_or_else(|error| panic!("{error}"));
    (std::fs::read(&path).unwrap(), contents)
}

/// Where no checksum is announced, a large object has form R: bit 3 is set, and the CRC-32 comes behind the bytes.
/// Source: APPNOTE 4.3.7 and 4.4.4.
pub async fn hashes_itself(target: &Target) {
    let content = vec![b'a'; 2 << 20];
    target.put("large.pdf", content.clone()).await;
    target.put("small.pdf", "content").await;
    let (bytes, contents) = archive(target).await;
    let expected = Contents::from([
        ("large.pdf".to_owned(), Held::bytes(&content)),
        ("small.pdf".to_owned(), Held::bytes(b"content")),
    ]);
    assert_eq!(contents, expected);
    assert_eq!(&bytes[..4], b"PK\x03\x04");
    assert_eq!(bytes[6] & 0x08, 0x08, "the first entry has a descriptor");
}

/// Uploads of any size, as sheaf makes them.
pub async fn sends_whole_bodies(target: &Target) {
    let content = vec![b'a'; 300_000];
    let row = target.row_of("a.pdf", content.clone()).await;
    assert!(target.read(&row).await.unwrap() == content);
    let parts = [vec![1; MIN_PART], vec![2; 300_000]];
    multipart::upload(target, "parts.pdf", &parts).await;
    let row = target.row("parts.pdf").await;
    assert!(target.read(&row).await.unwrap() == parts.concat());
}

pub async fn tells_denial(target: &Target) {
    let stranger = sdk::credentials(target.credentials.access_key_id(), &"00".repeat(32));
    let listed = target.with_keys(stranger).await.list("").await;
    let error = listed.expect_err("it is refused");
    assert!(
        matches!(error.kind, StoreErrorKind::AccessDenied { .. }),
        "{error}"
    );
}

pub async fn tells_refusal_of(target: &Target, name: &str) {
    let key = target.key(name);
    let put = target.store.put(&target.bucket, &key, "x/y", Bytes::new());
    let error = put.await.expect_err("it is refused");
    match &error.kind {
        StoreErrorKind::Unexpected {
            status: 400,
            code: Some(_),
            message,
        } => assert!(!message.is_empty(), "{error}"),
        _ => panic!("{error}"),
    }
}

pub async fn archives_what_is_listed(target: &Target, keys: &[&str]) {
    for key in keys {
        let key = key.replace("{}", target.prefix());
        let put = target
            .store
            .put(&target.bucket, &key, "x/y", "content".into());
        put.await.unwrap_or_else(|error| panic!("{error}"));
    }
    let (_, contents) = archive(target).await;
    let listed = target.names().await;
    assert!(!listed.is_empty());
    let held = Held::bytes(b"content");
    let expected: Contents = listed.into_iter().map(|name| (name, held)).collect();
    assert_eq!(contents, expected);
}

pub async fn signs_urls(target: &Target) {
    target.put("a.pdf", "content").await;
    let stranger = sdk::credentials(target.credentials.access_key_id(), &"00".repeat(32));
    let forger = target.with_keys(stranger).await;
    let good = target
        .fetch("GET", &target.presign("a.pdf").await, &[])
        .await;
    let forged = target
        .fetch("GET", &forger.presign("a.pdf").await, &[])
        .await;
    assert_eq!((good.status, forged.status), (200, 403));
}
