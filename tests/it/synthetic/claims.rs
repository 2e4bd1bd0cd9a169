//! What the synthetic store says of its objects: checksums, storage classes, restored copies.

use aws_sdk_s3::types::{ChecksumMode, ObjectAttributes, OptionalObjectAttributes};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::start;
use crate::support::sdk;
use crate::support::synthetic::content::{Content, content_crc32};
use crate::support::synthetic::object::{Checksum, LAST_MODIFIED, Restore, SyntheticObject};

#[tokio::test]
async fn checksums_are_announced_and_returned_where_s3_does() {
    let store = start([
        SyntheticObject::new("full", 5000).checksum(Checksum::FullObject),
        SyntheticObject::new("none", 5000),
        SyntheticObject::new("parts", 25_000_000).checksum(Checksum::Composite {
            part_size: 10_000_000,
        }),
        SyntheticObject::new("wrong", 5000).checksum(Checksum::Claimed(1)),
    ])
    .await;
    let s3 = sdk::client(&store.endpoint());
    let page = s3.list_objects_v2().bucket("bench").send().await.unwrap();
    let kinds = page
        .contents()
        .iter()
        .map(|object| object.checksum_type().map(|kind| kind.as_str()));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [
            Some("FULL_OBJECT"),
            None,
            Some("COMPOSITE"),
            Some("FULL_OBJECT")
        ]
    );

    let head = |key| {
        s3.head_object()
            .bucket("bench")
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
    };
    let full = head("full").await.unwrap();
    let expected = BASE64_STANDARD.encode(content_crc32("full", 5000).to_be_bytes());
    assert_eq!(full.checksum_crc32(), Some(expected.as_str()));
    assert_eq!(
        (full.content_length(), full.last_modified().unwrap().secs()),
        (Some(5000), LAST_MODIFIED)
    );
    assert_eq!(head("none").await.unwrap().checksum_crc32(), None);
    assert!(
        head("parts")
            .await
            .unwrap()
            .checksum_crc32()
            .unwrap()
            .ends_with("-3")
    );

    let get = s3
        .get_object()
        .bucket("bench")
        .key("full")
        .checksum_mode(ChecksumMode::Enabled);
    assert_eq!(
        get.clone().send().await.unwrap().checksum_crc32(),
        Some(expected.as_str())
    );
    assert_eq!(
        get.range("bytes=0-4999")
            .send()
            .await
            .unwrap()
            .checksum_crc32(),
        None
    );
    // The SDK itself finds the wrong claim.
    let wrong = s3
        .get_object()
        .bucket("bench")
        .key("wrong")
        .checksum_mode(ChecksumMode::Enabled);
    assert!(wrong.send().await.unwrap().body.collect().await.is_err());

    let parts = s3
        .get_object_attributes()
        .bucket("bench")
        .key("parts")
        .max_parts(2);
    let parts = parts
        .object_attributes(ObjectAttributes::ObjectParts)
        .send()
        .await
        .unwrap();
    let parts = parts.object_parts().unwrap();
    assert_eq!(
        (parts.total_parts_count(), parts.is_truncated()),
        (Some(3), Some(true))
    );
    assert_eq!(parts.parts()[1].size(), Some(10_000_000));
    let second = Content::pattern("parts", 25_000_000, 0).crc32(10_000_000..20_000_000);
    let second = BASE64_STANDARD.encode(second.to_be_bytes());
    assert_eq!(parts.parts()[1].checksum_crc32(), Some(second.as_str()));
}

#[tokio::test]
async fn archived_objects_are_listed_and_refused() {
    let store = start([
        SyntheticObject::new("cold", 10).archived("GLACIER", None),
        SyntheticObject::new("thawed", 10).archived("GLACIER", Some(Restore::Done)),
        SyntheticObject::new("thawing", 10).archived("DEEP_ARCHIVE", Some(Restore::InProgress)),
    ])
    .await;
    let s3 = sdk::client(&store.endpoint());
    let list = s3.list_objects_v2().bucket("bench");
    let page = list
        .clone()
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
    let page = page.send().await.unwrap();
    let restores = page.contents().iter().map(|object| {
        let status = object.restore_status()?;
        Some((
            status.is_restore_in_progress(),
            status.restore_expiry_date().is_some(),
        ))
    });
    let expected = [None, Some((Some(false), true)), Some((Some(true), false))];
    assert_eq!(restores.collect::<Vec<_>>(), expected);
    assert_eq!(
        page.contents()[2].storage_class().unwrap().as_str(),
        "DEEP_ARCHIVE"
    );
    assert!(
        list.send().await.unwrap().contents()[1]
            .restore_status()
            .is_none()
    );

    let get = |key| s3.get_object().bucket("bench").key(key).send();
    for key in ["cold", "thawing"] {
        assert!(
            get(key)
                .await
                .unwrap_err()
                .as_service_error()
                .unwrap()
                .is_invalid_object_state()
        );
    }
    assert!(get("thawed").await.is_ok());
}
