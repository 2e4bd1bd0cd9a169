//! What of the folder is served and written, and what never is.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use aws_sdk_s3::primitives::ByteStream;

use super::*;

#[tokio::test]
async fn symbolic_links_stay_inside() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.pdf"), "secret").unwrap();
    let fixture = Fixture::new();
    fixture.drop_in("a/x.pdf", "inside");
    let link = |target: &std::path::Path, name: &str| {
        symlink(target, fixture.dir.path().join(name)).unwrap()
    };
    let here = fixture.dir.path();
    link(outside.path(), "out");
    link(&outside.path().join("secret.pdf"), "secret.pdf");
    link(&here.join("a/x.pdf"), "linked.pdf");
    link(&here.join("a"), "b");
    link(here, "a/round");
    link(std::path::Path::new("self"), "self");
    link(&here.join("absent"), "dangling");
    link(fixture.state.path(), "state");
    assert_eq!(fixture.keys("").await, ["a/x.pdf", "b/x.pdf", "linked.pdf"]);
    assert_eq!(fixture.keys("b/").await, ["b/x.pdf"]);
    assert!(fixture.keys("out/").await.is_empty());
    assert_eq!(fixture.read("b/x.pdf").await, b"inside");
    assert_eq!(fixture.read("linked.pdf").await, b"inside");
    for key in [
        "out/secret.pdf",
        "secret.pdf",
        "self",
        "dangling",
        "state/embedded/credentials.json",
        "a",
    ] {
        assert_eq!(fixture.get_code(key).await, "NoSuchKey", "{key}");
    }
    // Such keys can be written nevertheless, and nothing outside changes.
    fixture.put("out/new.pdf", "n").await;
    fixture.put("secret.pdf", "p").await;
    fixture.put("linked.pdf", "q").await;
    assert_eq!(fixture.read("out/new.pdf").await, b"n");
    assert_eq!(fixture.read("secret.pdf").await, b"p");
    assert_eq!(fixture.read("linked.pdf").await, b"q");
    assert_eq!(
        fixture.read("a/x.pdf").await,
        b"inside",
        "the link was replaced, not its target"
    );
    assert_eq!(
        fs::read(outside.path().join("secret.pdf")).unwrap(),
        b"secret"
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    fixture
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("b/x.pdf")
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_state_folder_inside_the_folder_is_not_served() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    let store = EmbeddedStore::open(dir.path(), &state).unwrap();
    let s3 = client(&store, store.secret_key());
    s3.put_object()
        .bucket(BUCKET)
        .key("a//b")
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    fs::write(dir.path().join("a.pdf"), "x").unwrap();
    assert_eq!(keys(&s3, "", 1000).await, ["a.pdf", "a//b"]);
    let secret = s3
        .get_object()
        .bucket(BUCKET)
        .key("state/embedded/credentials.json");
    assert_eq!(code(secret.send().await), "NoSuchKey");
    assert!(EmbeddedStore::open(dir.path(), dir.path()).is_err());
}

#[tokio::test]
async fn temporary_files_and_odd_names_are_not_listed() {
    let fixture = Fixture::new();
    fixture.drop_in("ok.pdf", "x");
    let fresh = fixture.drop_in(".sheaf-tmp-fresh", "x");
    let stale = fixture.drop_in(".sheaf-tmp-stale", "x");
    set_age(&stale, 48 * 3600);
    fs::write(
        fixture
            .dir
            .path()
            .join(std::ffi::OsStr::from_bytes(b"\xff.pdf")),
        "x",
    )
    .unwrap();
    fixture.drop_in(".sheaf/fake", "x");
    fixture.drop_in("manifests/7f8a5a0e-2b2c-4f7c-9a55-0c2c8a1f0d11.jsonl", "x");
    assert_eq!(fixture.keys("").await, ["ok.pdf"]);
    assert_eq!(fixture.get_code(".sheaf/fake").await, "NoSuchKey");
    assert!(
        fresh.exists(),
        "it may belong to an upload of another process"
    );
    assert!(!stale.exists());
    let root = fs::read_dir(fixture.state.path().join("embedded"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir());
    let left = root.unwrap().join("temp/left");
    fs::write(&left, "x").unwrap();
    fixture.reopen();
    assert!(left.exists());
    set_age(&left, 48 * 3600);
    fixture.reopen();
    assert!(!left.exists());
}

#[tokio::test]
async fn a_read_only_folder_takes_sheafs_own_objects_only() {
    let fixture = Fixture::new();
    fixture.drop_in("a.pdf", "x");
    let own = [
        "manifests/7f8a5a0e-2b2c-4f7c-9a55-0c2c8a1f0d11.jsonl",
        ".sheaf/links/one",
    ];
    fs::set_permissions(fixture.dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let put = |key: &str| {
        fixture
            .s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(ByteStream::from_static(b"y"))
    };
    assert_eq!(code(put("b.pdf").send().await), "AccessDenied");
    assert_eq!(
        code(
            fixture
                .s3
                .create_multipart_upload()
                .bucket(BUCKET)
                .key("b.pdf")
                .send()
                .await
        ),
        "AccessDenied"
    );
    assert_eq!(
        code(
            fixture
                .s3
                .delete_object()
                .bucket(BUCKET)
                .key("a.pdf")
                .send()
                .await
        ),
        "AccessDenied"
    );
    for key in own {
        put(key).send().await.unwrap();
        assert_eq!(fixture.read(key).await, b"y");
    }
    assert_eq!(fixture.keys("").await, [own[1], "a.pdf", own[0]]);
    assert_eq!(fs::read_dir(fixture.dir.path()).unwrap().count(), 1);
    fs::set_permissions(fixture.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
