//! Keys that no file system can hold are kept all the same.

use aws_sdk_s3::types::EncodingType;

use super::*;

fn hostile() -> Vec<String> {
    let long_name = "n".repeat(300);
    let longest = format!("{}é", "k/".repeat(511));
    assert_eq!(longest.len(), 1024);
    let mut keys: Vec<String> = [
        "a",
        "a/b",
        "a/b/c",
        "a/",
        "/",
        "//",
        "/lead",
        "dou//ble",
        "dou///ble",
        ".",
        "..",
        "./x",
        "../x",
        "x/../y",
        "x/./y",
        "x/..",
        "tab\there",
        "one\u{1}",
        "line\nbreak",
        "cr\rlf",
        "nul\0byte",
        "per%2Fcent",
        "pl+us sp ace",
        "<&>\"'",
        "back\\slash",
        "ümläut",
        "😀/emoji",
        ".hidden",
        ".sheaf-tmp-mine",
        ".sheaf-tmp-dir/x",
        "~",
        "a*?b",
        ".sheaf/own",
        "q?x=y",
        "h#ash",
        "\u{10ffff}",
        "\u{fffd}",
    ]
    .map(str::to_owned)
    .into();
    keys.push(long_name.clone());
    keys.push(format!("{long_name}/{long_name}/x"));
    keys.push(longest);
    keys.push("k".repeat(1024));
    keys
}

async fn listed(s3: &Client, page: i32) -> Vec<String> {
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let request = s3
            .list_objects_v2()
            .bucket(BUCKET)
            .encoding_type(EncodingType::Url)
            .max_keys(page);
        let listed = request.set_continuation_token(token).send().await.unwrap();
        for object in listed.contents() {
            let key = percent_encoding::percent_decode_str(object.key().unwrap());
            keys.push(key.decode_utf8().unwrap().into_owned());
        }
        token = listed.next_continuation_token;
        if token.is_none() {
            return keys;
        }
    }
}

async fn round_trip(order: impl Iterator<Item = String>) {
    let fixture = Fixture::new();
    let mut keys: Vec<String> = order.collect();
    for key in &keys {
        fixture.put(key, format!("content of {key}")).await;
    }
    for key in &keys {
        assert_eq!(
            fixture.read(key).await,
            format!("content of {key}").as_bytes(),
            "{key:?}"
        );
        assert!(fixture.crc32(key).await.is_some());
    }
    let reversed: Vec<String> = keys.iter().rev().cloned().collect();
    keys.sort();
    for page in [1000, 7] {
        assert_eq!(listed(&fixture.s3, page).await, keys);
        assert_eq!(
            listed(&fixture.reopen(), page).await,
            keys,
            "a new process sees the same"
        );
    }
    for (at, key) in reversed.iter().enumerate() {
        // A key differs from its neighbours: deleting one leaves the others.
        fixture
            .s3
            .delete_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .unwrap();
        assert_eq!(fixture.get_code(key).await, "NoSuchKey", "{key:?}");
        if let Some(next) = reversed.get(at + 1) {
            assert_eq!(
                fixture.read(next).await,
                format!("content of {next}").as_bytes(),
                "{next:?}"
            );
        }
    }
    assert!(listed(&fixture.s3, 1000).await.is_empty());
    assert_eq!(
        fixture.count_state("objects")
            + fixture.count_state("records")
            + fixture.count_state("temp"),
        0
    );
}

#[tokio::test]
async fn hostile_keys_are_kept() {
    round_trip(hostile().into_iter()).await;
}

#[tokio::test]
async fn hostile_keys_are_kept_in_the_other_order() {
    round_trip(hostile().into_iter().rev()).await;
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused() {
    let fixture = Fixture::new();
    let put = fixture
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("k".repeat(1025))
        .send()
        .await;
    assert_eq!(code(put), "KeyTooLongError");
}

#[tokio::test]
async fn an_object_beside_its_folder_gives_way_to_a_file() {
    let fixture = Fixture::new();
    fixture.put("a/b", "below").await;
    fixture.put("a", "beside").await;
    std::fs::remove_dir_all(fixture.dir.path().join("a")).unwrap();
    fixture.drop_in("a", "dropped in");
    assert_eq!(
        fixture.read("a").await,
        b"dropped in",
        "the file in the folder counts"
    );
    assert_eq!(fixture.keys("").await, ["a"]);
    fixture.put("a", "newest").await;
    std::fs::remove_file(fixture.dir.path().join("a")).unwrap();
    assert_eq!(
        fixture.get_code("a").await,
        "NoSuchKey",
        "what was hidden does not come back"
    );
}
