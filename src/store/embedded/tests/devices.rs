//! The served folder and the state folder on different file systems.

use std::path::Path;

use super::super::disk::same_device;
use super::super::incoming;
use super::super::publish::Condition;
use super::*;

/// A folder on another file system than the usual one, if this machine has one.
fn elsewhere() -> Option<TempDir> {
    let other = TempDir::new_in("/dev/shm").ok()?;
    let here = TempDir::new().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap();
    (!same_device(&device(other.path()), &device(here.path()))).then_some(other)
}

#[tokio::test]
async fn unfinished_files_lie_where_a_rename_can_reach_and_leave_no_trace() {
    let Some(state) = elsewhere() else { return };
    let dir = TempDir::new().unwrap();
    let store = EmbeddedStore::open(dir.path(), state.path()).unwrap();
    let s3 = client(&store, store.secret_key());
    for key in ["a/b.pdf", "c//d"] {
        let put = s3.put_object().bucket(BUCKET).key(key);
        put.body(ByteStream::from_static(b"x"))
            .send()
            .await
            .unwrap();
        let got = s3
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .unwrap();
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"x");
    }
    assert_eq!(keys(&s3, "", 1000).await, ["a/b.pdf", "c//d"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_system_mounted_in_the_folder_takes_a_copy() {
    let Some(other) = elsewhere() else { return };
    let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    // As if the folder were on the other file system, and `a` in it a mount.
    let disk = disk(dir.path(), state.path(), Some(other.path()));
    let received = incoming::copy(&b"content"[..], disk.temp_for("a/k").unwrap()).unwrap();
    let record = record("a/k", &received);
    let stamp = disk
        .commit(received.temp, record, &Condition::default())
        .unwrap();
    assert_eq!(fs::read(dir.path().join("a/k")).unwrap(), b"content");
    assert_eq!(disk.find("a/k").unwrap().unwrap().stamp, stamp);
    assert_eq!(disk.etag("a/k", &stamp), md5_hex(b"content"));
    assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
}
