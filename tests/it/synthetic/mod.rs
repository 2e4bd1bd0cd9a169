//! The synthetic store keeps its promises, seen through the S3 SDK.

mod claims;
mod faults;
mod writes;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::EncodingType;

use crate::support::client;
use crate::support::sdk;
use crate::support::synthetic::content::{Content, content_bytes, content_crc32};
use crate::support::synthetic::faults::{Mishap, Rule};
use crate::support::synthetic::object::{LAST_MODIFIED, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

async fn start(objects: impl IntoIterator<Item = SyntheticObject>) -> Synthetic {
    Synthetic::start(objects, Options::default()).await
}

#[test]
fn the_combined_crc_is_that_of_the_bytes() {
    for size in [0, 1, 65_536, 1_048_583, 1_048_584, 2 * 1_048_583, 9_999_999] {
        let bytes = content_bytes("a/b.pdf", size);
        assert_eq!(bytes.len() as u64, size);
        assert_eq!(
            content_crc32("a/b.pdf", size),
            crc32fast::hash(&bytes),
            "of {size} bytes"
        );
    }
    let (bytes, content) = (
        content_bytes("k", 5_000_000),
        Content::pattern("k", 5_000_000, 0),
    );
    assert_eq!(
        content.crc32(123..4_999_000),
        crc32fast::hash(&bytes[123..4_999_000])
    );
}

#[test]
fn zeros_are_zeros_of_any_size() {
    let content = Content::Zeros { size: 3_000_000 };
    let bytes = vec![0; 3_000_000];
    assert_eq!(content.crc32(0..3_000_000), crc32fast::hash(&bytes));
    assert_eq!(content.slice(2_999_990..3_000_000), bytes[..10]);
    assert_eq!(content.slice(0..3_000_000).len(), 65_536);
}

#[test]
fn pieces_at_powers_of_two_differ() {
    let content = Content::pattern("k", 1 << 40, 0);
    let first = content.slice(0..4096);
    for power in 12..40 {
        assert_ne!(
            first,
            content.slice(1 << power..(1 << power) + 4096),
            "at 2^{power}"
        );
    }
}

#[tokio::test]
async fn ranges_are_slices_of_the_whole() {
    let store = start([SyntheticObject::new("a b/ü+%.pdf", 3_000_000)]).await;
    let s3 = sdk::client(&store.endpoint());
    let whole = content_bytes("a b/ü+%.pdf", 3_000_000);
    let ranges = [
        ("bytes=0-0", 0..1),
        ("bytes=1048000-2100000", 1_048_000..2_100_001),
        ("bytes=2999999-", 2_999_999..3_000_000),
        ("bytes=-5", 2_999_995..3_000_000),
        ("bytes=5-99999999", 5..3_000_000),
    ];
    for (header, range) in ranges {
        let got = s3
            .get_object()
            .bucket("bench")
            .key("a b/ü+%.pdf")
            .range(header);
        let got = got.send().await.unwrap();
        let content_range = format!("bytes {}-{}/3000000", range.start, range.end - 1);
        assert_eq!(got.content_range(), Some(content_range.as_str()));
        assert_eq!(
            got.body.collect().await.unwrap().into_bytes(),
            whole[range],
            "{header}"
        );
    }
    let beyond = s3
        .get_object()
        .bucket("bench")
        .key("a b/ü+%.pdf")
        .range("bytes=3000000-");
    assert_eq!(
        beyond.send().await.unwrap_err().code(),
        Some("InvalidRange")
    );
    assert_eq!(store.requests().count(Operation::GetObject), 6);
    assert_eq!(
        store.requests().log()[0].range.as_deref(),
        Some("bytes=0-0")
    );
    assert_eq!(store.requests().open(), 0);
}

#[tokio::test]
async fn the_listing_has_every_key_once_in_byte_order() {
    let mut keys = [
        "p/a",
        "p/a/b",
        "p/a+b c",
        "p/Z",
        "p/ä",
        "p/\u{7}bell",
        "p/&<>",
        "p0",
    ]
    .map(String::from)
    .to_vec();
    keys.extend((0..20).map(|n| format!("p/n{n}")));
    keys.push("o".to_owned());
    let options = Options {
        page_size: 3,
        ..Options::default()
    };
    let store =
        Synthetic::start(keys.iter().map(|key| SyntheticObject::new(key, 7)), options).await;
    let s3 = sdk::client(&store.endpoint());
    let pages = s3
        .list_objects_v2()
        .bucket("bench")
        .prefix("p/")
        .encoding_type(EncodingType::Url);
    let mut pages = pages.into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let key = object.key().unwrap().replace('+', " ");
            let key = percent_encoding::percent_decode_str(&key)
                .decode_utf8()
                .unwrap()
                .into_owned();
            assert_eq!(
                (object.size(), object.last_modified().unwrap().secs()),
                (Some(7), LAST_MODIFIED)
            );
            assert_eq!(
                object.e_tag().unwrap().trim_matches('"'),
                store.object(&key).unwrap().etag
            );
            listed.push(key);
        }
    }
    keys.retain(|key| key.starts_with("p/"));
    keys.sort();
    assert_eq!(listed, keys);
    assert_eq!(
        store.requests().count(Operation::List),
        keys.len().div_ceil(3)
    );

    let after = s3
        .list_objects_v2()
        .bucket("bench")
        .prefix("p/n")
        .start_after("p/n7")
        .max_keys(1);
    let page = after.send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("p/n8"));
    assert_eq!(page.is_truncated(), Some(true));
}

#[tokio::test]
async fn errors_and_preconditions_are_those_of_s3() {
    let store = start([SyntheticObject::new("a", 10)]).await;
    let s3 = sdk::client(&store.endpoint());
    let get = |key| s3.get_object().bucket("bench").key(key);
    assert!(
        get("b")
            .send()
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_no_such_key()
    );
    let elsewhere = s3
        .list_objects_v2()
        .bucket("other")
        .send()
        .await
        .unwrap_err();
    assert!(elsewhere.as_service_error().unwrap().is_no_such_bucket());
    assert!(
        s3.head_bucket()
            .bucket("other")
            .send()
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_not_found()
    );
    s3.head_bucket().bucket("bench").send().await.unwrap();

    let etag = get("a").send().await.unwrap().e_tag().unwrap().to_owned();
    assert!(get("a").if_match(&etag).send().await.is_ok());
    let same = get("a").if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(same.raw_response().unwrap().status().as_u16(), 304);
    store.put(SyntheticObject::version("a", 10, 1));
    let changed = get("a").if_match(&etag).send().await.unwrap_err();
    assert_eq!(changed.code(), Some("PreconditionFailed"));
    store.remove("a");
    assert!(
        get("a")
            .if_match(&etag)
            .send()
            .await
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_no_such_key()
    );
}

#[tokio::test]
async fn the_store_ends_with_its_value() {
    let store = start([SyntheticObject::new("a", 100)]).await;
    store.faults().add(Rule::body("a", 50, Mishap::Stall));
    let endpoint = store.endpoint();
    let answer = client::open("GET", &format!("{endpoint}/bench/a"), &[])
        .await
        .unwrap();
    drop(store);
    use http_body_util::BodyExt;
    assert!(answer.into_body().collect().await.is_err());
}
