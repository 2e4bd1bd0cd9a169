//! What the URLs give, to whom, and for how long.

use std::process::Command;
use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::primitives::DateTimeFormat;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use super::{fetch, lines, publish, published_lines, text};
use crate::support::server::Server;
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::tools::tool;

/// A parameter of a URL.
fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

/// The name under which a client of today saves a file (RFC 6266): `filename*`, else `filename`.
fn file_name(disposition: &str) -> String {
    assert!(
        disposition.starts_with("attachment; filename=\""),
        "{disposition}"
    );
    match disposition.split_once("; filename*=UTF-8''") {
        Some((_, exact)) => percent_decode_str(exact)
            .decode_utf8()
            .unwrap()
            .into_owned(),
        None => {
            let quoted = disposition.strip_prefix("attachment; filename=\"").unwrap();
            quoted.strip_suffix('"').unwrap().to_owned()
        }
    }
}

#[tokio::test]
async fn every_url_gives_its_file_under_its_own_name() {
    let server = Server::local();
    let names = [
        ("a.pdf", "a.pdf"),
        ("deep/er/b.pdf", "b.pdf"),
        ("報告書 2024年.pdf", "報告書 2024年.pdf"),
        ("Übersicht & Größen.pdf", "Übersicht & Größen.pdf"),
        ("cafe\u{301}.pdf", "cafe\u{301}.pdf"),
        ("two  spaces .pdf", "two  spaces .pdf"),
        ("1+1=2.pdf", "1+1=2.pdf"),
        ("#1?x=%20&y=100%.pdf", "#1?x=%20&y=100%.pdf"),
        ("say \"hi\"; it's ok.pdf", "say \"hi\"; it's ok.pdf"),
        ("tab\tline\nbell\u{7}.pdf", "tab_line_bell_.pdf"),
        ("back\\slash.pdf", "back_slash.pdf"),
        ("<b>*:|~!$'(),@[]^`{}.pdf", "<b>*:|~!$'(),@[]^`{}.pdf"),
        ("%2e%2e%2Fx.pdf", "%2e%2e%2Fx.pdf"),
        ("🦀.pdf", "🦀.pdf"),
    ];
    for (key, _) in names {
        server.drop_in(&format!("f/{key}"), format!("content of {key}"));
    }
    server.drop_in("f/notes.txt", "not a PDF");
    let published = publish(&server, "{\"prefix\":\"f/\"}").await;
    assert_eq!(published["count"], names.len());
    let manifest = fetch(text(&published, "manifest_url")).await;
    assert_eq!(manifest.headers["content-type"], "application/x-ndjson");
    let disposition = manifest.headers["content-disposition"].to_str().unwrap();
    let key = text(&published, "manifest_key");
    assert_eq!(format!("manifests/{}", file_name(disposition)), key);
    let lines = lines(&manifest.body);
    let mut keys: Vec<String> = names.map(|(key, _)| format!("f/{key}")).into();
    keys.sort();
    let listed: Vec<&str> = lines.iter().map(|line| text(line, "key")).collect();
    assert_eq!(listed, keys, "in the order of the keys' bytes");
    let mut bytes = 0;
    for line in &lines {
        let key = text(line, "key").strip_prefix("f/").unwrap();
        let answer = fetch(text(line, "url")).await;
        let content = format!("content of {key}");
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (200, content.as_bytes())
        );
        let (_, name) = names.iter().find(|(known, _)| *known == key).unwrap();
        let disposition = answer.headers["content-disposition"].to_str().unwrap();
        assert_eq!(file_name(disposition), *name);
        assert_eq!(answer.headers["etag"], text(line, "etag"));
        assert_eq!(line["size"], content.len());
        assert_eq!(line["note"], Value::Null);
        bytes += content.len();
    }
    assert_eq!(published["bytes"], bytes);
}

#[tokio::test]
async fn curl_takes_them_as_they_are() {
    let Some(curl) = tool("curl") else { return };
    let server = Server::local();
    server.drop_in("f/a b+c #1.pdf", "content");
    let published = publish(&server, "{\"prefix\":\"f/\"}").await;
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&curl);
        command.current_dir(folder.path()).env_remove("http_proxy");
        let output = command
            .args(["-fsS", "--noproxy", "*"])
            .args(arguments)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let lines = lines(&run(&[text(&published, "manifest_url")]));
    run(&["-OJ", text(&lines[0], "url")]);
    let saved = folder.path().join("a b+c #1.pdf");
    assert_eq!(std::fs::read(saved).unwrap(), b"content");
}

#[tokio::test]
async fn a_url_that_was_changed_opens_nothing() {
    let server = Server::local();
    server.drop_in("a.pdf", "a");
    server.drop_in("b.pdf", "b");
    let published = publish(&server, "{}").await;
    let lines = published_lines(&published).await;
    let good = text(&lines[0], "url");
    assert_eq!(fetch(good).await.status, 200);
    let signature = parameter(good, "X-Amz-Signature");
    let other = if signature.starts_with('0') { "1" } else { "0" };
    let flipped = format!("{other}{}", &signature[1..]);
    let another = parameter(text(&lines[1], "url"), "X-Amz-Signature");
    let date = parameter(good, "X-Amz-Date");
    let changed = [
        good.replace("/a.pdf?", "/b.pdf?"),
        good.replace("/a.pdf?", "/?"),
        good.replace("X-Amz-Expires=900", "X-Amz-Expires=901"),
        good.replace("X-Amz-Expires=900", "X-Amz-Expires=604800"),
        good.replace(&signature, &flipped),
        good.replace(&signature, &another),
        good.replace(&date, "20300101T000000Z"),
        good.replace("a.pdf%22", "x.exe%22"),
        format!("{good}&versionId=1"),
        text(&published, "manifest_url").replace("manifests/", "manifests/x"),
        good.split('?').next().unwrap().to_owned(),
    ];
    for url in changed {
        assert_ne!(url, good, "a change that changes nothing");
        let answer = fetch(&url).await;
        assert_eq!(answer.status, 403, "{url}");
        assert!(answer.body.starts_with(b"<?xml"), "S3's own error");
    }
    let none = format!("X-Amz-Signature={signature}");
    for url in [
        good.replace(&signature, ""),
        good.replace(&none, ""),
        good.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256", ""),
        good.replace("X-Amz-Expires=900", "X-Amz-Expires=604801"),
        good.replace("X-Amz-Expires=900", "X-Amz-Expires=-1"),
    ] {
        assert_ne!(url, good, "a change that changes nothing");
        let status = fetch(&url).await.status;
        assert!(matches!(status.as_u16(), 400 | 403), "{status} {url}");
    }
    let put = crate::support::client::fetch("PUT", good, &[])
        .await
        .unwrap();
    assert_eq!(put.status, 403);
    assert_eq!(fetch(good).await.body, "a");
}

#[tokio::test]
async fn urls_end() {
    let server = Server::local();
    server.drop_in("a.pdf", "a");
    let long = publish(&server, "{}").await;
    let short = publish(&server, "{\"expires_in\":1}").await;
    let url = text(&short, "manifest_url");
    // Time itself is tried here, so there is nothing else to wait for.
    let ended = async {
        while fetch(url).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("an end");
    assert_eq!(fetch(url).await.status, 403);
    assert_eq!(fetch(text(&long, "manifest_url")).await.status, 200);
}

#[tokio::test]
async fn defaults_come_from_the_environment() {
    let objects =
        ["docs/a.pdf", "docs/b.pdf", "other/c.pdf"].map(|key| SyntheticObject::new(key, 7));
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("S3_PUBLIC_ENDPOINT_URL", "https://files.example.org")
            .env("BUCKET_NAME", "bench")
            .env("PREFIX", "docs/")
            .env("URL_EXPIRY_SECONDS", "120");
    });
    let life = |published: &Value| {
        let url = text(published, "manifest_url").to_owned();
        assert!(
            url.starts_with("https://files.example.org/bench/manifests/"),
            "{url}"
        );
        let signed = parameter(&url, "X-Amz-Date");
        let (d, t) = (&signed[..8], &signed[9..15]);
        let signed = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &d[..4],
            &d[4..6],
            &d[6..],
            &t[..2],
            &t[2..4],
            &t[4..]
        );
        let seconds = |text: &str| {
            DateTime::from_str(text, DateTimeFormat::DateTime)
                .unwrap()
                .secs()
        };
        let life = parameter(&url, "X-Amz-Expires").parse::<i64>().unwrap();
        assert_eq!(
            seconds(text(published, "expires_at")),
            seconds(&signed) + life
        );
        life
    };
    let own = publish(&server, "{}").await;
    assert_eq!(
        (&own["bucket"], &own["prefix"]),
        (&"bench".into(), &"docs/".into())
    );
    assert_eq!((&own["count"], &own["bytes"]), (&2.into(), &14.into()));
    assert_eq!(life(&own), 120);
    assert_eq!(own["warning"], Value::Null);
    let manifest = store.object(text(&own, "manifest_key")).unwrap();
    let content = manifest.content.slice(0..manifest.size());
    for line in lines(&content) {
        assert_eq!(parameter(text(&line, "url"), "X-Amz-Expires"), "120");
        assert!(text(&line, "url").starts_with("https://files.example.org/bench/docs/"));
    }
    let asked = publish(&server, "{\"prefix\":\"\",\"expires_in\":604800}").await;
    assert_eq!((&asked["count"], life(&asked)), (&3.into(), 604_800));
    let narrow = publish(&server, "{\"prefix\":\"other/\",\"include\":\"C*\"}").await;
    assert_eq!(narrow["count"], 1);
}

#[tokio::test]
async fn own_manifests_are_never_selected() {
    let server = Server::local();
    server.drop_in("a.pdf", "a");
    server.drop_in("manifests/mine.jsonl", "mine");
    let all = "{\"include\":\"*\"}";
    let first = publish(&server, all).await;
    for _ in 0..2 {
        let again = publish(&server, all).await;
        assert_eq!(again["count"], first["count"]);
        let lines = published_lines(&again).await;
        let keys: Vec<&str> = lines.iter().map(|line| text(line, "key")).collect();
        assert_eq!(keys, ["a.pdf", "manifests/mine.jsonl"]);
    }
    let inside = publish(&server, "{\"prefix\":\"manifests/\",\"include\":[\"*\"]}").await;
    assert_eq!(inside["count"], 1);
    let archive = server.get("/v1/zip?prefix=manifests/&include=*-*").await;
    assert_eq!(archive.status, 404);
}

#[tokio::test]
async fn keys_that_no_url_can_carry_have_a_note() {
    let keys = ["a/../b.pdf", "./c.pdf", "d/..e.pdf", "f//g.pdf"];
    let objects = keys.map(|key| SyntheticObject::new(key, 7));
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let published = publish(&server, "{}").await;
    let lines = published_lines(&published).await;
    let noted = |key: &str| {
        let line = lines.iter().find(|line| line["key"] == key).unwrap();
        line["note"]
            .as_str()
            .is_some_and(|note| note.contains("ZIP"))
    };
    assert_eq!(keys.map(noted), [true, true, false, false]);
}
