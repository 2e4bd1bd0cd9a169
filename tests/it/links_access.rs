//! Links with a passphrase, and links with a number of downloads.

use std::fs;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::links::{create, refused, replica_of};
use crate::support::client::{self, Answered};
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::tools::tool;
use crate::support::wait::eventually;

const MIB: u64 = 1 << 20;
const PASSPHRASE: &str = "größer: als gedacht";

fn basic(password: &str) -> String {
    let pair = BASE64_STANDARD.encode(format!("anybody:{password}"));
    format!("Basic {pair}")
}

fn kind(answered: &Answered) -> (u16, String) {
    let problem: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    let kind = problem["type"].as_str().unwrap_or_default().to_owned();
    (answered.status.as_u16(), kind)
}

#[tokio::test]
async fn nothing_of_a_link_is_had_without_its_passphrase() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "content");
    let link = create(&server, &json!({"prefix": "r/", "passphrase": PASSPHRASE})).await;
    assert_eq!(link.answer["passphrase"], true);
    let page = link.path.rsplit_once('/').unwrap().0.to_owned();
    let paths = [
        link.path.clone(),
        page.clone(),
        format!("{page}/manifest.jsonl"),
        format!("{page}/files/0"),
    ];
    let (right, wrong) = (basic(PASSPHRASE), basic("guessed it"));
    for path in &paths {
        let without = server.get(path).await;
        assert_eq!(
            kind(&without),
            (401, "passphrase-needed".to_owned()),
            "{path}"
        );
        let challenge = without.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        let other = server.send("GET", path, &[("authorization", &wrong)]).await;
        assert_eq!(kind(&other), (401, "wrong-passphrase".to_owned()), "{path}");
        let with = server.send("GET", path, &[("authorization", &right)]).await;
        assert!(with.status.as_u16() < 400, "{path}: {}", with.status);
    }
    let head = server.send("HEAD", &link.path, &[]).await;
    assert_eq!(head.status, 401);
    let open = create(&server, &json!({"prefix": "r/"})).await;
    assert_eq!(
        server.get(&open.path).await.status,
        200,
        "others ask for none"
    );
    assert!(open.answer.get("passphrase").is_none());

    // It stands nowhere.
    let kept = fs::read_dir(server.state()).unwrap();
    assert!(kept.count() > 0);
    let said = server.said();
    for secret in [PASSPHRASE, "gedacht", &right[6..]] {
        assert!(!said.contains(secret));
        let found = Command::new("grep")
            .args(["-rqF", secret])
            .arg(server.state())
            .status();
        assert_eq!(found.unwrap().code(), Some(1), "{secret} is in the state");
    }
    for bad in ["short", "with\nline", &"x".repeat(1025)] {
        let (status, problem) = refused(&server, &json!({"passphrase": bad})).await;
        assert_eq!((status, &problem["type"]), (400, &"malformed-body".into()));
    }
}

#[tokio::test]
async fn wrong_passphrases_run_out_but_those_who_know_go_on() {
    let server = Server::local();
    server.drop_in("a.pdf", "content");
    let link = create(&server, &json!({"passphrase": PASSPHRASE})).await;
    let right = basic(PASSPHRASE);
    let get = async |authorization: &str| {
        let headers = [("authorization", authorization)];
        server.send("GET", &link.path, &headers).await
    };
    assert_eq!(get(&right).await.status, 200);
    let mut throttled = None;
    for n in 0..40 {
        let answer = get(&basic(&format!("guess {n}"))).await;
        if answer.status == 429 {
            throttled = Some(answer);
            break;
        }
        assert_eq!(kind(&answer), (401, "wrong-passphrase".to_owned()));
    }
    let throttled = throttled.expect("tries run out");
    assert_eq!(kind(&throttled).1, "passphrase-throttled");
    let wait: u64 = throttled.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    assert_eq!(
        get(&right).await.status,
        200,
        "what was right is remembered"
    );
    let another = create(&server, &json!({"passphrase": PASSPHRASE})).await;
    let headers = [("authorization", right.as_str())];
    assert_eq!(
        server.send("GET", &another.path, &headers).await.status,
        200
    );
}

#[tokio::test]
async fn programs_send_a_passphrase_as_they_do() {
    let server = Server::local();
    server.drop_in("r/a.pdf", vec![7; 3 << 20]);
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("secret");
    fs::write(&secret, format!("{PASSPHRASE}\n")).unwrap();
    let made = |change: fn(&mut Command)| {
        let mut command = sheaf(home.path());
        command
            .env("SHEAF_STATE_DIR", server.state())
            .arg("link")
            .args(["s3://local/r/", "--local"])
            .arg(server.bucket());
        change(&mut command);
        command
    };
    let mut by_file = made(|_| ());
    by_file.arg("--passphrase-file").arg(&secret);
    let by_variable = made(|command| {
        command.env("SHEAF_LINK_PASSPHRASE", PASSPHRASE);
    });
    for mut command in [by_file, by_variable] {
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let link: Value = serde_json::from_slice(&output.stdout).unwrap();
        let url = link["zip_url"].as_str().unwrap();
        let bytes = link["bytes"].as_u64().unwrap();
        let user = format!("x:{PASSPHRASE}");
        let password = format!("--password={PASSPHRASE}");
        let passwd = format!("--http-passwd={PASSPHRASE}");
        let clients: [(&str, &[&str]); 3] = [
            ("curl", &["-sSf", "-o", "out.zip", "-u", &user]),
            ("wget", &["-q", "-O", "out.zip", "--user=x", &password]),
            (
                "aria2c",
                &[
                    "-q",
                    "--no-conf",
                    "-x4",
                    "-s4",
                    "-k1M",
                    "-o",
                    "out.zip",
                    "--http-user=x",
                    &passwd,
                ],
            ),
        ];
        for (program, arguments) in clients {
            let Some(program) = tool(program) else {
                continue;
            };
            let folder = tempfile::tempdir().unwrap();
            let mut command = Command::new(program);
            command.args(arguments).arg(url).current_dir(folder.path());
            let output = tokio::task::spawn_blocking(move || command.output())
                .await
                .unwrap()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            let had = fs::metadata(folder.path().join("out.zip")).unwrap().len();
            assert_eq!(had, bytes);
        }
        // On to the presigned URL of the embedded store, which is on the same host: curl sends the password there too.
        if let Some(curl) = tool("curl") {
            let page = link["page_url"].as_str().unwrap();
            let mut command = Command::new(curl);
            command
                .args(["-sSfL", "-u", &user])
                .arg(format!("{page}/files/0"));
            let output = tokio::task::spawn_blocking(move || command.output())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                output.stdout.len(),
                3 << 20,
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    let short = home.path().join("short");
    fs::write(&short, "short\n").unwrap();
    let mut command = made(|_| ());
    command.arg("--passphrase-file").arg(short);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

async fn counted(most: u32) -> (Synthetic, Server, crate::links::Link) {
    let objects = (0..4).map(|n| SyntheticObject::new(format!("{n}.pdf"), 3 * MIB + n));
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({"max_downloads": most})).await;
    assert_eq!(link.answer["max_downloads"], most);
    (store, server, link)
}

/// How many complete downloads were written down.
fn written(store: &Synthetic) -> usize {
    let keys = store.keys();
    keys.iter()
        .filter(|key| key.contains(".downloads/"))
        .count()
}

/// So many complete downloads are written down: shortly after their clients have them.
pub async fn written_are(store: &Synthetic, count: usize) {
    eventually("a count", || (written(store) == count).then_some(())).await;
}

#[tokio::test]
async fn complete_downloads_are_counted_and_end_the_link() {
    let (store, server, link) = counted(2).await;
    let whole = server.get(&link.path).await.body;
    written_are(&store, 1).await;
    // What is not a complete download.
    server.send("HEAD", &link.path, &[]).await;
    server
        .send("GET", &link.path, &[("range", "bytes=0-999")])
        .await;
    let etag = [("if-none-match", link.etag.as_str())];
    assert_eq!(server.send("GET", &link.path, &etag).await.status, 304);
    let page = link.path.rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(server.get(&page).await.status, 200);
    let url = format!("{}{}", server.url, link.path);
    let mut cut = client::open("GET", &url, &[]).await.unwrap().into_body();
    cut.frame().await.unwrap().unwrap();
    drop(cut);
    server.logged(|line| line["outcome"] == "client_gone").await;
    assert_eq!(written(&store), 1);
    // One that goes on where it was cut off counts once.
    let half = format!("bytes={}-", whole.len() / 2);
    let rest = server.send("GET", &link.path, &[("range", &half)]).await;
    assert_eq!(rest.body, whole.slice(whole.len() / 2..));
    written_are(&store, 2).await;
    for path in [&link.path, &page, &format!("{page}/manifest.jsonl")] {
        let answer = server.get(path).await;
        assert_eq!(
            kind(&answer),
            (410, "downloads-used-up".to_owned()),
            "{path}"
        );
    }
    // Whoever is in the middle may come to the end.
    let part = server
        .send("GET", &link.path, &[("range", "bytes=5-9")])
        .await;
    assert_eq!((part.status.as_u16(), part.body), (206, whole.slice(5..10)));
    let from_the_start = server
        .send("GET", &link.path, &[("range", "bytes=0-")])
        .await;
    assert_eq!(from_the_start.status, 410);
    // A replica, and the same one after a restart, know it from the bucket.
    let replica = replica_of(&server, &store);
    let answer = replica.get(&link.path).await;
    assert_eq!(kind(&answer), (410, "downloads-used-up".to_owned()));
    // All of it goes with the link.
    let revoked = server
        .send("DELETE", &format!("/v1/links/{}", link.id), &[])
        .await;
    assert_eq!(revoked.status, 204);
    assert!(!store.keys().iter().any(|key| key.contains(&link.id)));
}

#[tokio::test]
async fn a_download_in_segments_counts_once() {
    let Some(aria2) = tool("aria2c") else { return };
    let (store, server, link) = counted(1).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(aria2);
    command
        .args([
            "-q",
            "--no-conf",
            "-x8",
            "-s8",
            "-k1M",
            "-o",
            "out.zip",
            "-d",
        ])
        .arg(folder.path())
        .arg(&link.zip_url);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let had = fs::metadata(folder.path().join("out.zip")).unwrap().len();
    assert_eq!(had, link.bytes);
    written_are(&store, 1).await;
    assert_eq!(server.get(&link.path).await.status, 410);
}
