//! Listings: order, pages, prefixes, delimiters, freshness.

use std::collections::BTreeSet;

use aws_sdk_s3::types::EncodingType;

use super::*;

#[tokio::test]
async fn pages_of_20000_files_are_in_byte_order() {
    let fixture = Fixture::new();
    let mut expected = Vec::new();
    for number in 0..20_000 {
        // Names whose order by bytes differs from any order by folders: `-` and `.` sort before `/`, letters after.
        let name = match number % 5 {
            0 => format!("d{}/{number}", number % 97),
            1 => format!("d{}-{number}", number % 97),
            2 => format!("d{}.{number}", number % 97),
            3 => format!("d{}/é/{number}", number % 97),
            _ => format!("D{}Ω{number}", number % 97),
        };
        fixture.drop_in(&name, "");
        expected.push(name);
    }
    expected.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    assert!(fixture.keys("").await == expected);
    assert!(keys(&fixture.s3, "", 900).await == expected);
    let below: Vec<_> = expected
        .iter()
        .filter(|key| key.starts_with("d1/"))
        .cloned()
        .collect();
    assert!(!below.is_empty() && fixture.keys("d1/").await == below);
}

#[tokio::test]
async fn later_pages_come_from_the_first_ones_walk() {
    let fixture = Fixture::new();
    for name in ["a", "c", "e"] {
        fixture.drop_in(name, "x");
    }
    let list = || fixture.s3.list_objects_v2().bucket(BUCKET).max_keys(1);
    let first = list().send().await.unwrap();
    let token = first.next_continuation_token.unwrap();
    fixture.drop_in("b", "x");
    let second = list().continuation_token(&token).send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("c"), "no second walk");
    // What is done through the store shows, though.
    fixture.put("d", "x").await;
    fixture
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("c")
        .send()
        .await
        .unwrap();
    let second = list().continuation_token(&token).send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("d"));
    // A new process goes on from the token, with a walk of its own.
    let other = fixture.reopen();
    let second = other
        .list_objects_v2()
        .bucket(BUCKET)
        .continuation_token(&token)
        .send()
        .await
        .unwrap();
    let told: Vec<_> = second
        .contents()
        .iter()
        .map(|object| object.key().unwrap())
        .collect();
    assert_eq!(told, ["b", "d", "e"]);
    assert_eq!(
        code(list().continuation_token("nonsense!").send().await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn a_walk_of_one_prefix_renews_only_that() {
    let fixture = Fixture::new();
    for name in ["p/1", "p/2", "p0", "q/1"] {
        fixture.drop_in(name, "x");
    }
    assert_eq!(fixture.keys("").await.len(), 4);
    fs::remove_file(fixture.dir.path().join("p/1")).unwrap();
    fixture.drop_in("p/3", "x");
    assert_eq!(fixture.keys("p/").await, ["p/2", "p/3"]);
    assert_eq!(fixture.keys("p").await, ["p/2", "p/3", "p0"]);
    assert_eq!(fixture.keys("").await, ["p/2", "p/3", "p0", "q/1"]);
    assert!(fixture.keys("absent/").await.is_empty());
    assert!(fixture.keys("../").await.is_empty());
    assert!(fixture.keys("p0/").await.is_empty(), "a file is no folder");
}

/// What S3's rules give for a set of keys, written down plainly.
fn by_the_book(
    keys: &BTreeSet<String>,
    prefix: &str,
    delimiter: &str,
) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut prefixes) = (Vec::new(), BTreeSet::new());
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        match key[prefix.len()..].split_once(delimiter) {
            Some((name, _)) => drop(prefixes.insert(format!("{prefix}{name}{delimiter}"))),
            None => rows.push(key.clone()),
        }
    }
    (rows, prefixes.into_iter().collect())
}

#[tokio::test]
async fn delimiters_group_by_the_book_on_every_page_size() {
    let fixture = Fixture::new();
    let keys: BTreeSet<String> = [
        "a", "a/b/c", "a/b/d", "a/e", "a-b", "b//c", "b/c", "c/d/e/f", "é/x", "é/y", "z",
    ]
    .map(str::to_owned)
    .into();
    for key in &keys {
        fixture.put(key, "x").await;
    }
    for (prefix, delimiter) in [
        ("", "/"),
        ("a/", "/"),
        ("a", "/"),
        ("b/", "/"),
        ("", "b"),
        ("é", "/"),
        ("", "//"),
    ] {
        let expected = by_the_book(&keys, prefix, delimiter);
        for page in 1..=4 {
            let (mut rows, mut prefixes, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let list = fixture
                    .s3
                    .list_objects_v2()
                    .bucket(BUCKET)
                    .prefix(prefix)
                    .delimiter(delimiter);
                let listed = list
                    .max_keys(page)
                    .set_continuation_token(token)
                    .send()
                    .await
                    .unwrap();
                assert!(listed.key_count.unwrap() <= page);
                rows.extend(
                    listed
                        .contents()
                        .iter()
                        .map(|object| object.key.clone().unwrap()),
                );
                prefixes.extend(
                    listed
                        .common_prefixes()
                        .iter()
                        .map(|common| common.prefix.clone().unwrap()),
                );
                token = listed.next_continuation_token;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(
                (rows, prefixes),
                expected,
                "v2 {prefix:?} {delimiter:?} {page}"
            );

            let (mut rows, mut prefixes, mut marker) = (Vec::new(), Vec::new(), None);
            loop {
                let list = fixture
                    .s3
                    .list_objects()
                    .bucket(BUCKET)
                    .prefix(prefix)
                    .delimiter(delimiter);
                let listed = list.max_keys(page).set_marker(marker).send().await.unwrap();
                rows.extend(
                    listed
                        .contents()
                        .iter()
                        .map(|object| object.key.clone().unwrap()),
                );
                prefixes.extend(
                    listed
                        .common_prefixes()
                        .iter()
                        .map(|common| common.prefix.clone().unwrap()),
                );
                marker = listed.next_marker;
                if listed.is_truncated != Some(true) {
                    break;
                }
            }
            let expected = by_the_book(&keys, prefix, delimiter);
            assert_eq!(
                (rows, prefixes),
                expected,
                "v1 {prefix:?} {delimiter:?} {page}"
            );
        }
    }
}

#[tokio::test]
async fn limits_and_start_after() {
    let fixture = Fixture::new();
    for name in ["a", "b", "c d"] {
        fixture.drop_in(name, "x");
    }
    let list = || fixture.s3.list_objects_v2().bucket(BUCKET);
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count, none.is_truncated), (Some(0), Some(false)));
    assert_eq!(code(list().max_keys(-1).send().await), "InvalidArgument");
    let rest = list().start_after("a").send().await.unwrap();
    assert_eq!(rest.contents().len(), 2);
    fixture.drop_in("bb", "x");
    let rest = list().start_after("a").send().await.unwrap();
    assert_eq!(
        rest.contents().len(),
        3,
        "start-after begins a listing, so it walks"
    );
    let url = list()
        .encoding_type(EncodingType::Url)
        .prefix("c ")
        .delimiter("/")
        .send()
        .await
        .unwrap();
    assert_eq!(url.contents()[0].key(), Some("c%20d"));
    assert_eq!(url.prefix(), Some("c%20"));
    assert_eq!(url.delimiter(), Some("/"));
}

#[tokio::test]
async fn what_is_no_regular_file_is_passed_over() {
    let fixture = Fixture::new();
    fixture.drop_in("a", "x");
    let _socket =
        std::os::unix::net::UnixListener::bind(fixture.dir.path().join("socket")).unwrap();
    std::os::unix::fs::symlink("socket", fixture.dir.path().join("link")).unwrap();
    assert_eq!(fixture.keys("").await, ["a"]);
    assert_eq!(fixture.get_code("socket").await, "NoSuchKey");
    assert_eq!(fixture.get_code("link").await, "NoSuchKey");
}

#[tokio::test]
async fn a_folder_that_is_gone_is_no_empty_bucket() {
    let fixture = Fixture::new();
    fixture.drop_in("a/b", "x");
    fs::remove_dir_all(fixture.dir.path()).unwrap();
    for prefix in ["", "a/"] {
        let list = fixture.s3.list_objects_v2().bucket(BUCKET).prefix(prefix);
        assert_eq!(code(list.send().await), "InternalError");
    }
}
