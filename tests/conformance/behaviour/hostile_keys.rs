//! Keys that break clients and stores: each is written, listed as it is, read, and followed by a presigned URL.

use bytes::Bytes;

use crate::target::Target;

/// Everything that is done with a key, for each of these.
async fn hold(target: &Target, names: &[&str]) {
    for name in names {
        target.put(name, content(name)).await;
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(target.names().await, sorted);
    for name in names {
        let row = target.row(name).await;
        assert_eq!(target.read(&row).await.unwrap(), content(name), "{name:?}");
        let answer = target.fetch("GET", &target.presign(name).await, &[]).await;
        assert_eq!(
            (answer.status, answer.body),
            (200, content(name)),
            "{name:?}"
        );
    }
}

fn content(name: &str) -> Bytes {
    Bytes::from(format!("the content of {name}"))
}

pub async fn spaces_and_signs(target: &Target) {
    let names = [
        " a ",
        "a  b",
        "a+b",
        "a%2Fb",
        "a%b",
        "%",
        "a&b=c?d#e",
        ";:@,$!'()*[]{}^`|~",
    ];
    hold(target, &names).await;
}

pub async fn control_characters(target: &Target) {
    hold(
        target,
        &["a\u{1}b", "a\tb", "a\nb", "a\rb", "a\u{7f}b", "a\u{85}b"],
    )
    .await;
}

/// The same letter in two forms is two keys.
pub async fn unicode_forms(target: &Target) {
    let names = [
        "\u{fc}.pdf",
        "u\u{308}.pdf",
        "👩‍👩‍👧.pdf",
        "\u{202e}fdp.exe",
        "\u{feff}a",
        "年度報告.pdf",
        "\u{10ffff}",
    ];
    hold(target, &names).await;
}

pub async fn dot_segments(target: &Target) {
    hold(
        target,
        &["./a", "../a", "a/./b", "a/../b", "a/..", "...", "b/.a"],
    )
    .await;
}

pub async fn empty_segments(target: &Target) {
    hold(target, &["/a", "a//b", "a///", "//"]).await;
}

/// Of the whole key.
pub async fn a_leading_slash(target: &Target) {
    let name = target.prefix().trim_end_matches('/');
    let key = format!("/{name}.pdf");
    let put = target.store.put(&target.bucket, &key, "x/y", "x".into());
    put.await.unwrap_or_else(|error| panic!("{error}"));
    let keys = |prefix: String| async move {
        let listed = target.list(&prefix).await.unwrap();
        listed.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(format!("/{name}")).await, [key]);
    assert!(keys(format!("{name}.pdf")).await.is_empty());
}

pub async fn a_key_beside_its_folder(target: &Target) {
    hold(target, &["a", "a/b", "a/b/c", "b.pdf", "b.pdf/c.pdf"]).await;
}

pub async fn folder_markers(target: &Target) {
    target.put("a/", "").await;
    target.put("a/b.pdf", "x").await;
    target.put("b/", "").await;
    let rows = target.list(target.prefix()).await.unwrap();
    let found: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| (&row.key[target.prefix().len()..], row.size))
        .collect();
    assert_eq!(found, [("a/", 0), ("a/b.pdf", 1), ("b/", 0)]);
}

/// S3 takes 1024 bytes, and minds no segment's length.
pub async fn long_keys(target: &Target) {
    let left = 1024 - target.prefix().len();
    let one_segment = "s".repeat(left);
    let wide = "年".repeat(left / 3);
    let deep = "d/".repeat(left / 2 - 1) + "e";
    hold(target, &[&one_segment, &wide, &deep]).await;
}

pub async fn backslashes(target: &Target) {
    hold(target, &["a\\b", "..\\a", "\\", "C:\\a"]).await;
}

pub async fn letter_case(target: &Target) {
    hold(target, &["A.pdf", "a.PDF", "a.pdf"]).await;
}

/// XML's own.
pub async fn markup(target: &Target) {
    hold(target, &["<Key>a</Key>", "a&amp;b", "]]>", "\"'", "&#x41;"]).await;
}
