//! The folder as other programs see and change it.

use std::os::unix::fs::PermissionsExt;

use aws_sdk_s3::primitives::ByteStream;

use super::*;

#[tokio::test]
async fn a_file_that_is_dropped_in_changed_and_removed_is_seen_at_once() {
    let fixture = Fixture::new();
    assert!(fixture.keys("").await.is_empty());
    let path = fixture.drop_in("in/report.pdf", "one");
    let first = fixture.get("in/report.pdf").await;
    assert_eq!(first.content_type.as_deref(), Some("application/pdf"));
    assert_eq!(fixture.keys("").await, ["in/report.pdf"]);
    assert_eq!(fixture.read("in/report.pdf").await, b"one");
    let tag = first.e_tag.unwrap();
    assert!(
        tag.trim_matches('"')
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit()),
        "{tag}"
    );
    assert_ne!(tag.len(), 34, "it must not look like an MD5");

    fs::write(&path, "two!").unwrap();
    let second = fixture.get("in/report.pdf").await;
    assert_ne!(second.e_tag.unwrap(), tag);
    assert_eq!(second.content_length, Some(4));
    let pinned = fixture
        .s3
        .get_object()
        .bucket(BUCKET)
        .key("in/report.pdf")
        .if_match(tag);
    assert_eq!(code(pinned.send().await), "PreconditionFailed");

    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.get_code("in/report.pdf").await, "NoSuchKey");
    assert!(fixture.keys("").await.is_empty());
}

#[tokio::test]
async fn the_listing_and_head_tell_the_same_etag() {
    let fixture = Fixture::new();
    fixture.drop_in("dropped.pdf", "x");
    fixture.put("put.pdf", "y").await;
    let listed = fixture
        .s3
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.contents().len(), 2);
    for object in listed.contents() {
        let head = fixture
            .s3
            .head_object()
            .bucket(BUCKET)
            .key(object.key().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(object.e_tag(), head.e_tag());
        assert_eq!(object.last_modified(), head.last_modified());
        assert_eq!(object.size(), head.content_length());
    }
}

#[tokio::test]
async fn what_was_recorded_of_an_object_ends_with_its_file() {
    let fixture = Fixture::new();
    let put = fixture
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("k.pdf")
        .body(ByteStream::from_static(b"by S3"));
    put.content_type("text/x-test").send().await.unwrap();
    assert_eq!(fixture.crc32("k.pdf").await, Some(crc32_text(b"by S3")));
    fixture.drop_in("k.pdf", "other");
    let head = fixture
        .s3
        .head_object()
        .bucket(BUCKET)
        .key("k.pdf")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type.as_deref(), Some("application/pdf"));
    assert_ne!(head.e_tag.unwrap(), format!("\"{}\"", md5_hex(b"by S3")));
    assert_eq!(fixture.crc32("k.pdf").await, None);
}

#[tokio::test]
async fn the_crc32_is_learned_from_the_first_whole_read() {
    let fixture = Fixture::new();
    let content = noise(1_000_000, 4);
    set_age(&fixture.drop_in("old.pdf", &content), 60);
    fixture.drop_in("young.pdf", &content);
    for key in ["old.pdf", "young.pdf"] {
        let part = fixture
            .s3
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .range("bytes=0-999998")
            .send()
            .await
            .unwrap();
        part.body.collect().await.unwrap();
        assert_eq!(
            fixture.crc32(key).await,
            None,
            "only part of {key} was read"
        );
        assert!(fixture.read(key).await == content);
    }
    let etag = fixture.get("old.pdf").await.e_tag;
    assert_eq!(fixture.crc32("old.pdf").await, Some(crc32_text(&content)));
    // Another write within the clock's tick would not show.
    assert_eq!(fixture.crc32("young.pdf").await, None);
    let listed = fixture
        .s3
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    let [old, young] = listed.contents() else {
        panic!()
    };
    assert!(
        old.checksum_algorithm().is_empty(),
        "a listing does not change because somebody read an object"
    );
    assert_eq!(old.e_tag, etag, "learning does not change the ETag");
    assert!(young.checksum_algorithm().is_empty());
}

#[tokio::test]
async fn a_body_in_flight_survives_replacement_but_not_truncation() {
    let fixture = Fixture::new();
    let content = noise(4_000_000, 5);
    let path = fixture.drop_in("big.pdf", &content);
    let deleted = fixture.get("big.pdf").await;
    fs::remove_file(&path).unwrap();
    assert!(deleted.body.collect().await.unwrap().to_vec() == content);

    fixture.drop_in("big.pdf", &content);
    let replaced = fixture.get("big.pdf").await;
    fixture.put("big.pdf", "new").await;
    assert!(replaced.body.collect().await.unwrap().to_vec() == content);

    fixture.drop_in("big.pdf", &content);
    let truncated = fixture.get("big.pdf").await;
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(3_000_000)
        .unwrap();
    truncated.body.collect().await.unwrap_err();

    fixture.drop_in("big.pdf", &content);
    let rewritten = fixture.get("big.pdf").await;
    fs::write(&path, noise(4_000_000, 6)).unwrap();
    rewritten.body.collect().await.unwrap_err();
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_is_an_error() {
    let state = TempDir::new().unwrap();
    let file = state.path().join("file");
    fs::write(&file, "x").unwrap();
    let open = |dir: &std::path::Path| EmbeddedStore::open(dir, state.path()).unwrap_err();
    assert!(matches!(
        open(&state.path().join("absent")),
        super::super::EmbeddedError::Folder { .. }
    ));
    assert!(matches!(
        open(&file),
        super::super::EmbeddedError::NotAFolder { .. }
    ));
}

#[test]
fn credentials_are_made_once_and_kept_private() {
    let fixture = Fixture::new();
    let again = EmbeddedStore::open(fixture.dir.path(), fixture.state.path()).unwrap();
    assert_eq!(again.access_key(), fixture.store.access_key());
    assert_eq!(again.secret_key(), fixture.store.secret_key());
    assert_ne!(
        Fixture::new().store.secret_key(),
        fixture.store.secret_key()
    );
    let file = fixture.state.path().join("embedded/credentials.json");
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!format!("{:?}", fixture.store).contains(fixture.store.secret_key()));
}
