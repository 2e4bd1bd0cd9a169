//! ListObjectsV2: order, pages, prefixes, encoding, and what a row says.

use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt, TryStreamExt, stream};
use sheaf::store::{Bucket, StoreErrorKind};

use crate::target::Target;

/// Bytes of UTF-8 decide: not letters' order, not the separator's, and not UTF-16, where U+1D11E goes before U+FF5E.
pub async fn keys_come_in_byte_order(target: &Target) {
    let names = [
        " ",
        "!",
        "A",
        "Z",
        "a",
        "a b",
        "a!",
        "aa",
        "b-",
        "b.pdf",
        "b/c",
        "b/c d",
        "b0",
        "~",
        "é",
        "\u{ff5e}",
        "\u{1d11e}",
    ];
    for name in names.iter().rev() {
        target.put(name, *name).await;
    }
    assert_eq!(target.names().await, names);
}

pub async fn pages_follow_each_other(target: &Target) {
    let names = ["a", "b/1", "b/2", "c", "d"];
    for name in names {
        target.put(name, name).await;
    }
    let (mut found, mut sizes, mut token) = (Vec::new(), Vec::new(), None);
    loop {
        let page = target
            .s3
            .list_objects_v2()
            .bucket(target.bucket.as_str())
            .prefix(target.prefix())
            .max_keys(2)
            .set_continuation_token(token)
            .send()
            .await
            .expect("a page");
        let keys = page.contents().iter().map(|object| object.key().unwrap());
        found.extend(keys.map(str::to_owned));
        sizes.push(page.contents().len());
        assert!(sizes.len() <= 3, "{sizes:?}");
        assert_eq!(
            page.is_truncated(),
            Some(page.next_continuation_token().is_some())
        );
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(found, names.map(|name| target.key(name)));
}

/// Where nobody says how many. Sheaf's own cursor goes on from page to page.
pub async fn a_page_has_a_thousand_keys(target: &Target) {
    stream::iter(0..1001)
        .for_each_concurrent(16, async |number| {
            target.put(&format!("{number:04}"), "x").await;
        })
        .await;
    let pages: Vec<usize> = target
        .store
        .list(&target.bucket, target.prefix())
        .map_ok(|page| page.len())
        .try_collect()
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(pages, [1000, 1]);
}

pub async fn starts_after_a_key(target: &Target) {
    for name in ["a", "b", "c", "d"] {
        target.put(name, name).await;
    }
    for (after, expected) in [
        (target.key("b"), &["c", "d"][..]),
        (target.key("bb"), &["c", "d"]),
        (target.key("d"), &[]),
    ] {
        assert_eq!(after_key(target, &after).await, expected, "after {after}");
    }
}

/// Behind any text, there or not, with keys encoded, and on from page to page: what a listing in many places at once
/// rests on.
pub async fn starts_anywhere(target: &Target) {
    let names = [
        " 1",
        "!",
        "+",
        "0",
        "00",
        "1",
        "10",
        "2",
        "A",
        "a%2F",
        "a+b",
        "b/",
        "b/c",
        "b0",
        "b~",
        "é",
        "書/1",
        "書/2",
        "\u{ff5e}",
        "\u{1d11e}",
    ];
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        target.put(name, *name).await;
    }
    let names: Vec<&str> = names
        .into_iter()
        .filter(|name| !name.ends_with('/'))
        .collect();
    assert!(names.is_sorted());
    for after in [
        "\u{1}",
        " ",
        "!",
        "*",
        "0",
        "0~",
        "1",
        "15",
        "AA",
        "a%",
        "a%2F",
        "a+b",
        "b",
        "b/",
        "b/b~",
        "c",
        "ü",
        "書/1\u{1}",
        "\u{10ffff}",
    ] {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = target
                .s3
                .list_objects_v2()
                .bucket(target.bucket.as_str())
                .prefix(target.prefix())
                .encoding_type(EncodingType::Url)
                .max_keys(7)
                .start_after(target.key(after))
                .set_continuation_token(token)
                .send()
                .await
                .expect("a page");
            let keys = page.contents().iter().filter_map(|row| row.key());
            found.extend(keys.map(|key| {
                let spaced = key.replace('+', " ");
                let key = percent_encoding::percent_decode_str(&spaced)
                    .decode_utf8()
                    .unwrap()
                    .into_owned();
                key[target.prefix().len()..].to_owned()
            }));
            token = page.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        let expected: Vec<&&str> = names.iter().filter(|name| **name > after).collect();
        assert!(
            found.iter().eq(expected.iter().copied()),
            "after {after:?}: {found:?}"
        );
    }
}

pub async fn starts_after_a_key_before_the_prefix(target: &Target) {
    target.put("a", "a").await;
    assert_eq!(after_key(target, "!").await, ["a"]);
}

async fn after_key(target: &Target, after: &str) -> Vec<String> {
    let page = target
        .s3
        .list_objects_v2()
        .bucket(target.bucket.as_str())
        .prefix(target.prefix())
        .start_after(after)
        .send()
        .await
        .expect("a page");
    let keys = page.contents().iter().filter_map(|row| row.key());
    keys.map(|key| key[target.prefix().len()..].to_owned())
        .collect()
}

pub async fn a_prefix_is_taken_literally(target: &Target) {
    let signs = "50%+a b&c=*?#";
    for name in ["50", "50%", &format!("{signs}/1"), &format!("{signs}2")] {
        target.put(name, name.to_owned()).await;
    }
    let listed = target.list(&target.key(signs)).await;
    let keys: Vec<String> = listed.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(
        keys,
        [format!("{signs}/1"), format!("{signs}2")].map(|name| target.key(&name))
    );
}

pub async fn keys_are_url_encoded_on_demand(target: &Target) {
    target.put("a b+c%2F\u{1}ü.pdf", "x").await;
    let page = target
        .s3
        .list_objects_v2()
        .bucket(target.bucket.as_str())
        .prefix(target.prefix())
        .encoding_type(EncodingType::Url)
        .send()
        .await
        .expect("a page");
    assert_eq!(page.encoding_type(), Some(&EncodingType::Url));
    let key = page.contents()[0].key().unwrap();
    let (_, name) = key.rsplit_once('/').unwrap_or(("", key));
    let forms = [
        "a+b%2Bc%252F%01%C3%BC.pdf",
        // Garage and others percent-encode the slash and the space.
        "a%20b%2Bc%252F%01%C3%BC.pdf",
    ];
    assert!(
        forms.iter().any(|form| name.ends_with(form)),
        "{key} is not encoded"
    );
}

pub async fn rows_tell_what_heads_tell(target: &Target) {
    let row = target.row_of("a.pdf", "content").await;
    assert_eq!(row.size, 7);
    assert!(!row.archived);
    let head = target
        .s3
        .head_object()
        .bucket(target.bucket.as_str())
        .key(&row.key)
        .send()
        .await
        .expect("a head");
    assert_eq!(head.content_length(), Some(7));
    assert_eq!(head.e_tag(), Some(row.etag.as_str()));
    assert_eq!(head.last_modified().unwrap().secs(), row.modified);
}

pub async fn writes_and_deletions_are_seen_at_once(target: &Target) {
    let first = target.row_of("a.pdf", "one").await;
    let second = target.row_of("a.pdf", "another").await;
    assert_eq!((first.size, second.size), (3, 7));
    assert_ne!(first.etag, second.etag);
    target
        .s3
        .delete_object()
        .bucket(target.bucket.as_str())
        .key(&second.key)
        .send()
        .await
        .expect("a deletion");
    assert_eq!(target.names().await, Vec::<String>::new());
}

pub async fn nothing_below_a_prefix_is_no_error(target: &Target) {
    assert_eq!(target.names().await, Vec::<String>::new());
}

pub async fn a_missing_bucket_is_told_apart(target: &Target) {
    let missing = Bucket::new("no-such-bucket").unwrap();
    let listed = target.store.list(&missing, "").try_concat().await;
    let error = listed.expect_err("there is none");
    assert!(
        matches!(error.kind, StoreErrorKind::NoSuchBucket),
        "{error}"
    );
    let error = target.store.head_bucket(&missing).await;
    let error = error.expect_err("there is none");
    assert!(
        matches!(error.kind, StoreErrorKind::NoSuchBucket),
        "{error}"
    );
    let there = target.store.head_bucket(&target.bucket).await;
    there.unwrap_or_else(|error| panic!("{error}"));
}
