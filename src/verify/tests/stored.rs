//! Archives that are objects of a store.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::made::{archive, entries};
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::{Bucket, Store, StoreErrorKind, StoreOptions};
use crate::verify::{Source, SourceError, check};

struct Fixture {
    dir: TempDir,
    _state: TempDir,
    store: Store,
    bucket: Bucket,
}

impl Fixture {
    fn new() -> Fixture {
        let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let embedded = EmbeddedStore::open(dir.path(), state.path()).unwrap();
        Fixture {
            store: Store::embedded(&embedded, &StoreOptions::default()),
            bucket: Bucket::new(BUCKET).unwrap(),
            dir,
            _state: state,
        }
    }

    async fn open(&self, key: &str) -> Result<Source, SourceError> {
        Source::object(&self.store, &self.bucket, key).await
    }
}

#[tokio::test]
async fn an_object_is_verified() {
    let fixture = Fixture::new();
    let bytes = archive(&entries());
    fs::write(fixture.dir.path().join("a.zip"), &bytes).unwrap();
    let source = fixture.open("a.zip").await.unwrap();
    assert_eq!(source.len(), bytes.len() as u64);
    let report = check(source, "s3://local/a.zip", &mut |_| {})
        .await
        .unwrap();
    assert_eq!((report.fault, report.entries), (None, 5));
}

#[tokio::test]
async fn an_object_that_is_replaced_is_never_mixed() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("a.zip");
    fs::write(&path, archive(&entries())).unwrap();
    let source = fixture.open("a.zip").await.unwrap();
    fs::write(&path, archive(&entries()[1..])).unwrap();
    let error = check(source, "", &mut |_| {}).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Store(error) if matches!(error.kind, StoreErrorKind::Changed)),
        "{error}"
    );
}

#[tokio::test]
async fn an_empty_object_is_no_archive_and_a_missing_one_no_object() {
    let fixture = Fixture::new();
    fs::write(fixture.dir.path().join("empty"), b"").unwrap();
    let source = fixture.open("empty").await.unwrap();
    let report = check(source, "", &mut |_| {}).await.unwrap();
    assert_eq!(report.fault.unwrap().kind.code(), "not-a-zip");

    let error = fixture.open("missing").await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Store(error) if matches!(error.kind, StoreErrorKind::NoSuchKey)),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_written_to_meanwhile_is_told() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.zip");
    let bytes = archive(&entries());
    for (content, touched) in [
        (&b"PK"[..], 0),
        (&bytes, 1),
        (&[&bytes[..], b"x"].concat(), 0),
    ] {
        fs::write(&path, &bytes).unwrap();
        let source = Source::file(&path).await.unwrap();
        fs::write(&path, content).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(touched))
            .unwrap();
        let error = check(source, "", &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    }
}

#[tokio::test]
async fn only_regular_files_are_opened() {
    let dir = TempDir::new().unwrap();
    let error = Source::file(dir.path()).await.unwrap_err();
    assert!(matches!(error, SourceError::NotAFile { .. }), "{error}");
    let error = Source::file(&dir.path().join("missing")).await.unwrap_err();
    assert!(matches!(error, SourceError::File { .. }), "{error}");
}
