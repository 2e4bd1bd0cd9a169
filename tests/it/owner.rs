//! The owner's side: what the page asks for, and the page in a real browser.

use std::fs;

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::links::create;
use crate::support::browser::Browser;
use crate::support::client::{self, Answered};
use crate::support::eyes::LOOKS;
use crate::support::problem::Problem;
use crate::support::server::Server;

const KEY: &str = "owner-key-0123456789";

fn value(answered: &Answered) -> Value {
    assert_eq!(answered.status, 200);
    serde_json::from_slice(&answered.body).unwrap()
}

#[tokio::test]
async fn folders_are_browsed_and_counted() {
    let server = Server::local();
    server.drop_in("a/one.pdf", "1");
    server.drop_in("a/two words ü.pdf", "22");
    server.drop_in("a/note.txt", "333");
    server.drop_in("a/deep/er/three.pdf", "4444");
    for file in 0..250 {
        server.drop_in(&format!("many/{file:03}.pdf"), "x");
    }
    let places = value(&server.get("/v1/places").await);
    assert_eq!(
        places,
        json!({"places": [{"bucket": "local", "prefix": ""}], "any_bucket": false})
    );
    let top = value(&server.get("/v1/folder").await);
    assert_eq!(
        top,
        json!({"folders": ["a/", "many/"], "files": [], "next": null})
    );
    let a = value(&server.get("/v1/folder?prefix=a/").await);
    let file = |key: &str, size: u64| json!({"key": key, "size": size});
    assert_eq!(a["folders"], json!(["a/deep/"]));
    assert_eq!(
        a["files"],
        json!([
            file("a/note.txt", 3),
            file("a/one.pdf", 1),
            file("a/two words ü.pdf", 2)
        ])
    );
    let first = value(&server.get("/v1/folder?prefix=many/").await);
    let from = first["next"].as_str().expect("another page");
    let second = value(
        &server
            .get(&format!("/v1/folder?prefix=many/&from={from}"))
            .await,
    );
    let files = |page: &Value| page["files"].as_array().unwrap().len();
    assert_eq!(
        (files(&first), files(&second), &second["next"]),
        (200, 50, &Value::Null)
    );
    for (query, count, bytes) in [
        ("prefix=a/", 3, 7),
        ("prefix=a/&include=*", 4, 10),
        ("prefix=none/", 0, 0),
    ] {
        let counted = server.get(&format!("/v1/count?{query}")).await;
        assert_eq!(counted.status, 200);
        let text = String::from_utf8(counted.body.to_vec()).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last, json!({"count": count, "bytes": bytes, "done": true}));
    }
    let answer = server.get("/v1/folder?folder=a").await;
    Problem::of(&answer).is(400, "malformed-query", &["folder"]);
}

#[tokio::test]
async fn links_are_listed_with_their_downloads() {
    let server = Server::local();
    server.drop_in("r/a.pdf", vec![1; 3000]);
    let first = create(&server, &json!({"prefix": "r/", "filename": "first.zip"})).await;
    let second = create(&server, &json!({"prefix": "r/", "filename": "second.zip"})).await;
    let gone = create(&server, &json!({"prefix": "r/"})).await;
    let revoked = server
        .send("DELETE", &format!("/v1/links/{}", gone.id), &[])
        .await;
    assert_eq!(revoked.status, 204);
    // Whole, resumed to the end, and two that did not come to the end.
    server.get(&first.path).await;
    for range in ["bytes=100-", "bytes=0-99"] {
        server.send("GET", &first.path, &[("range", range)]).await;
    }
    server.send("HEAD", &first.path, &[]).await;
    let ended = ["complete"; 4];
    let lines = server.outcomes("/d/-/first.zip", &ended).await;
    let to_end = lines.iter().filter(|line| line["to_end"] == true);
    assert_eq!(to_end.count(), 2);
    let listed = value(&server.get("/v1/links").await);
    let links = listed["links"].as_array().unwrap();
    assert_eq!(links.len(), 2, "{listed}");
    let of = |id: &str| links.iter().find(|link| link["id"] == id).unwrap();
    let known = of(&first.id);
    assert_eq!(
        known["page_url"], first.answer["page_url"],
        "the same link again"
    );
    assert_eq!(
        (&known["bytes"], &known["count"]),
        (&json!(first.bytes), &json!(1))
    );
    assert_eq!(
        (&known["filename"], &known["prefix"]),
        (&json!("first.zip"), &json!("r/"))
    );
    assert_eq!(known["downloads"]["count"], 2);
    assert_eq!(known["downloads"]["last"][0]["client"], "127.0.0.1");
    assert_eq!(of(&second.id)["downloads"]["count"], 0);
    let metrics = server.get("/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(
        metrics.contains("sheaf_link_downloads_total 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_page_holds_nothing_and_what_it_asks_for_needs_the_key() {
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS", KEY);
    });
    server.drop_in("secret/a.pdf", "x");
    let page = server.send("GET", "/", &[("accept", "text/html")]).await;
    assert_eq!(page.status, 200);
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("Share files") && !text.contains("secret") && !text.contains("local<"));
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    for path in ["/", "/v1/places", "/v1/folder", "/v1/count", "/v1/links"] {
        let answer = server.get(path).await;
        Problem::of(&answer).is(401, "unauthorized", &[]);
        if path != "/" {
            let answer = server.send("GET", path, &[("accept", "text/html")]).await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_makes_a_link_and_a_recipient_uses_it() {
    let (Some(owner), Some(recipient)) = (Browser::start().await, Browser::start().await) else {
        return;
    };
    let server = Server::with(|command, home| {
        command
            .arg("--local")
            .arg(home.join("bucket"))
            .env("SHEAF_API_KEYS", KEY);
    });
    server.drop_in("reports/2025/a.pdf", vec![5; 100_000]);
    server.drop_in("reports/2025/b.txt", "not a PDF");
    server.drop_in("other/c.pdf", "x");
    owner.open(&server.url).await;
    let enter = async |key: &str| {
        owner.shows("#door button", "Enter").await;
        let field = owner.client.find(Locator::Css("#key")).await.unwrap();
        field.send_keys(&format!("{key}\u{e007}")).await.unwrap();
    };
    enter("a-key-that-nobody-has").await;
    owner.shows("#refused", "not known").await;
    // Each refusal is told in the console as well.
    owner.console().await;
    for look in LOOKS {
        owner.look(look).await;
        owner.approves("owner-door", look).await;
    }
    enter(KEY).await;
    owner.shows("#folder", "reports/").await;
    owner.shows("#count", "2 files").await;
    owner.click("#folder li:nth-child(2) button").await;
    owner.shows("#folder", "2025/").await;
    owner.click("#folder button").await;
    owner.shows("#folder", "a.pdf").await;
    owner.shows("#selected", "s3://local/reports/2025/").await;
    owner.shows("#count", "1 file, 100").await;
    owner.click("#link").await;
    owner.shows("#url", "/d/").await;
    let url = owner.text("#url").await;
    owner.shows("#known", "2025.zip").await;
    for look in LOOKS {
        owner.look(look).await;
        owner.approves("owner", look).await;
    }

    recipient.open(&url).await;
    recipient.click("a.button").await;
    let archive = recipient.downloaded("2025.zip").await;
    assert!(fs::metadata(archive).unwrap().len() > 100_000);
    assert_eq!(recipient.console().await, Vec::<String>::new());
    server.outcomes("/d/-/2025.zip", &["complete"]).await;
    owner.click("#again").await;
    owner.shows("#known .downloads", "1").await;

    owner.click("#known .revoke").await;
    owner.shows("#known .revoke", "Really").await;
    owner.click("#known .revoke").await;
    owner.shows("#known", "no links yet").await;
    recipient.open(&url).await;
    assert_eq!(recipient.text("h1").await, "This link was taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_an_archive_written_and_takes_it() {
    let Some(owner) = Browser::start().await else {
        return;
    };
    let server = Server::local();
    server.drop_in("reports/2025/a.pdf", vec![5; 3_000_000]);
    server.drop_in("reports/2025/b.pdf", vec![6; 100_000]);
    owner.open(&server.url).await;
    owner.shows("#folder", "reports/").await;
    owner.shows("#working", "There are none yet").await;
    owner.click("#folder button").await;
    owner.shows("#folder", "2025/").await;
    owner.click("#folder button").await;
    owner.shows("#count", "2 files").await;
    owner.click("#package").await;
    owner.shows("#working .state", "done").await;
    owner.shows("#working a.url", "2025.zip").await;
    owner.shows("#working .what", "s3://local/").await;
    owner.shows("#known", "2025.zip").await;
    for look in LOOKS {
        owner.look(look).await;
        owner.approves("owner-jobs", look).await;
    }
    let listed = value(&server.get("/v1/jobs").await);
    let zip = listed["jobs"][0]["zip_url"].as_str().unwrap();
    let frozen = client::fetch("GET", zip, &[]).await.unwrap().body;
    owner.click("#working a.url").await;
    let written = owner.downloaded("2025.zip").await;
    assert!(fs::read(written).unwrap() == frozen, "that of its link");
}
