//! Multipart uploads, as sheaf makes them.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use sheaf::store::StoreErrorKind;
use sheaf::store::upload::MIN_PART;

use crate::target::{Target, refusal};

fn parts() -> [Vec<u8>; 3] {
    [vec![1; MIN_PART], vec![2; MIN_PART + 1], vec![3; 10]]
}

/// An object written in these parts, as sheaf does.
pub async fn upload(target: &Target, name: &str, parts: &[Vec<u8>]) {
    let key = target.key(name);
    let upload = target.store.begin_upload(&target.bucket, &key, "x/y").await;
    let mut upload = upload.unwrap_or_else(|error| panic!("{error}"));
    let mut sent = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let part = upload.part(number, Bytes::from(part.clone())).await;
        sent.push(part.unwrap_or_else(|error| panic!("{error}")));
    }
    let completed = upload.complete(sent).await;
    completed.unwrap_or_else(|error| panic!("{error}"));
}

/// How many uploads of this key are neither completed nor aborted.
async fn open_uploads(target: &Target, name: &str) -> usize {
    let key = target.key(name);
    let keys = uploads_below(target, &key).await;
    keys.into_iter().filter(|upload| *upload == key).count()
}

/// The keys of the uploads below a prefix that are neither completed nor aborted.
async fn uploads_below(target: &Target, prefix: &str) -> Vec<String> {
    let listed = target
        .s3
        .list_multipart_uploads()
        .bucket(target.bucket.as_str())
        .prefix(prefix)
        .send()
        .await
        .expect("a list of uploads");
    let keys = listed.uploads().iter().filter_map(|upload| upload.key());
    keys.map(str::to_owned).collect()
}

pub async fn parts_become_an_object(target: &Target) {
    let parts = parts();
    upload(target, "a.pdf", &parts).await;
    let row = target.row("a.pdf").await;
    assert!(target.read(&row).await.unwrap() == parts.concat());
    let edge = MIN_PART as u64;
    let over_the_edge = target.read_range(&row, edge - 1..edge + 1).await;
    assert_eq!(over_the_edge.unwrap(), [1, 2]);
    assert_eq!(open_uploads(target, "a.pdf").await, 0);
}

pub async fn parts_may_come_in_any_order(target: &Target) {
    let parts = parts();
    let key = target.key("a.pdf");
    let upload = target.store.begin_upload(&target.bucket, &key, "x/y").await;
    let mut upload = upload.unwrap();
    let mut sent = Vec::new();
    for number in [3, 1, 2] {
        let part = Bytes::from(parts[number - 1].clone());
        sent.push(upload.part(number, part).await.unwrap());
    }
    upload.complete(sent).await.unwrap();
    let row = target.row("a.pdf").await;
    assert!(target.read(&row).await.unwrap() == parts.concat());
}

pub async fn nothing_is_seen_before_completion(target: &Target) {
    let key = target.key("a.pdf");
    let upload = target.store.begin_upload(&target.bucket, &key, "x/y").await;
    let mut upload = upload.unwrap();
    let part = upload.part(1, Bytes::from_static(b"part")).await.unwrap();
    assert!(target.names().await.is_empty());
    assert_eq!(open_uploads(target, "a.pdf").await, 1);
    upload.complete(vec![part]).await.unwrap();
    assert_eq!(target.names().await, ["a.pdf"]);
}

/// What a sweep of forgotten uploads asks for.
pub async fn uploads_are_listed_by_prefix(target: &Target) {
    let key = target.key("a.pdf");
    let upload = target.store.begin_upload(&target.bucket, &key, "x/y").await;
    let upload = upload.unwrap();
    assert_eq!(uploads_below(target, target.prefix()).await, [key]);
    upload.abort().await;
}

pub async fn an_aborted_upload_leaves_nothing(target: &Target) {
    let key = target.key("a.pdf");
    let upload = target.store.begin_upload(&target.bucket, &key, "x/y").await;
    let upload = upload.unwrap();
    upload
        .part(1, Bytes::from(vec![1; MIN_PART]))
        .await
        .unwrap();
    let late = upload.part(2, Bytes::from_static(b"late"));
    upload.abort().await;
    assert_eq!(open_uploads(target, "a.pdf").await, 0);
    assert!(target.names().await.is_empty());
    let error = late.await.expect_err("the upload is gone");
    assert!(
        matches!(error.kind, StoreErrorKind::NoSuchUpload),
        "{error}"
    );
}

pub async fn a_part_for_no_upload_is_refused(target: &Target) {
    let sent = target
        .s3
        .upload_part()
        .bucket(target.bucket.as_str())
        .key(target.key("a.pdf"))
        // The form of Garage's and MinIO's ids would be told apart from no id at all.
        .upload_id("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
        .part_number(1)
        .body(crate::target::body("part"))
        .send()
        .await;
    assert_eq!(refusal(sent), (404, "NoSuchUpload".to_owned()));
}

/// A completion that names a part which never came makes no object.
pub async fn a_missing_part_is_noticed(target: &Target) {
    let key = target.key("a.pdf");
    let bucket = target.bucket.as_str();
    let begun = target.s3.create_multipart_upload().bucket(bucket).key(&key);
    let id = begun.send().await.expect("an upload").upload_id.unwrap();
    let part = target.s3.upload_part().bucket(bucket).key(&key);
    let part = part.upload_id(&id).part_number(1);
    let sent = part.body(crate::target::body("part")).send().await;
    let etag = sent.expect("a part").e_tag.unwrap();
    let named = [1, 2].map(|number| {
        let part = CompletedPart::builder().part_number(number).e_tag(&etag);
        part.build()
    });
    let named = CompletedMultipartUpload::builder().set_parts(Some(named.into()));
    let complete = target.s3.complete_multipart_upload().bucket(bucket);
    let complete = complete.key(&key).upload_id(&id);
    let completed = complete.multipart_upload(named.build()).send().await;
    assert_eq!(refusal(completed).0, 400);
    assert!(target.names().await.is_empty());
    let abort = target.s3.abort_multipart_upload().bucket(bucket).key(&key);
    abort.upload_id(&id).send().await.expect("an end");
}
