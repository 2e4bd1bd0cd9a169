//! What people do with the pages, in a real browser.

use std::fs;
use std::path::Path;

use fantoccini::Locator;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::links::{Link, create};
use crate::support::browser::Browser;
use crate::support::eyes::LOOKS;
use crate::support::readers::Reader;
use crate::support::server::Server;
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{difference, folder};

/// A server with files of all kinds, and a link to them.
async fn shared() -> (Server, Link, String) {
    let server = Server::local();
    for month in 1..=12 {
        server.drop_in(
            &format!("r/2025/{month:02}/Invoice-{month:02}.pdf"),
            vec![month; 30_000],
        );
    }
    server.drop_in("r/Relatório anual.pdf", vec![7; 2 << 20]);
    server.drop_in(
        "r/<script>alert(1)<img src=x onerror=alert(2)>.pdf",
        "harmless",
    );
    server.drop_in("r/turned \u{202e}fdp.exe.pdf", "harmless too");
    for page in 0..320 {
        server.drop_in(&format!("r/scans/{page:04}.pdf"), format!("page {page}"));
    }
    let link = create(
        &server,
        &json!({"prefix": "r/", "filename": "Year 2025.zip"}),
    )
    .await;
    let page = link.answer["page_url"].as_str().unwrap().to_owned();
    (server, link, page)
}

/// The archive holds what is in the folder, under names that are safe everywhere.
fn holds_the_folder(archive: &Path, source: &Path) {
    let read = Reader::AsyncZip.read(archive).unwrap();
    let safe = |(name, held): (String, _)| (name.replace(['<', '>'], "_"), held);
    let source = folder(source).unwrap().into_iter().map(safe).collect();
    assert_eq!(difference(&source, &read), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_downloads_all_and_one_and_searches() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (server, link, page) = shared().await;
    browser.open(&page).await;
    assert_eq!(browser.text("h1").await, "Year 2025.zip");
    assert!(browser.text(".facts").await.starts_with("335 files · 2."));
    assert!(browser.text("#left").await.contains("in 6 days"));

    browser.click("a.button").await;
    let archive = browser.downloaded("Year 2025.zip").await;
    assert!(fs::read(&archive).unwrap() == server.get(&link.path).await.body);
    holds_the_folder(&archive, &server.bucket().join("r"));

    // A folder opens in its place; a large one is a page of its own.
    browser.click(".folder summary").await;
    browser.shows(".folder .items", "12").await;
    browser.click(".folder > a").await;
    browser.shows(".way", "scans").await;
    assert_eq!(browser.text(".pages [aria-current]").await, "Page 1 of 4");
    browser.click(".pages [rel=next]").await;
    browser.shows(".items", "0100.pdf").await;
    browser.click(".way a").await;

    let field = browser
        .client
        .find(Locator::Css("#search input"))
        .await
        .unwrap();
    field.send_keys("relatorio").await.unwrap();
    browser.shows("#found", "1 file found").await;
    assert!(browser.text(".items").await.contains("Relatório anual.pdf"));
    assert!(
        browser
            .client
            .current_url()
            .await
            .unwrap()
            .query()
            .unwrap()
            .contains("q=relatorio")
    );
    browser.click(".items a").await;
    let file = browser.downloaded("Relatório anual.pdf").await;
    assert!(fs::read(file).unwrap() == vec![7; 2 << 20]);
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_without_scripts_and_with_the_keyboard() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (server, link, page) = shared().await;
    let off = json!({"value": true});
    browser
        .devtools("Emulation.setScriptExecutionDisabled", off)
        .await
        .unwrap();
    browser.open(&page).await;
    let ends = link.answer["expires_at"].as_str().unwrap();
    let ends = OffsetDateTime::parse(ends, &Rfc3339).unwrap();
    let told = format!("{:02}:{:02} UTC", ends.hour(), ends.minute());
    assert!(browser.text("#ends").await.ends_with(&told));
    browser.click(".programs summary").await;
    browser.shows(".programs dd", "wget -c 'http").await;
    let field = browser
        .client
        .find(Locator::Css("#search input"))
        .await
        .unwrap();
    field.send_keys("0007 scans\u{e007}").await.unwrap();
    browser.shows("#found", "1 file found").await;
    browser.shows(".items", "scans/0007.pdf").await;

    browser.open(&page).await;
    // Past the way to the files, to the button.
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    body.send_keys("\u{e004}\u{e004}").await.unwrap();
    let focused = browser.client.active_element().await.unwrap();
    assert!(focused.text().await.unwrap().starts_with("Download all"));
    focused.send_keys("\u{e007}").await.unwrap();
    let archive = browser.downloaded("Year 2025.zip").await;
    assert!(fs::read(&archive).unwrap() == server.get(&link.path).await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_the_readers_and_so_is_the_language() {
    let Some(browser) = Browser::start_with(&["--lang=pt-BR", "--accept-lang=pt-BR"]).await else {
        return;
    };
    let (_server, link, page) = shared().await;
    let tokyo = json!({"timezoneId": "Asia/Tokyo"});
    browser
        .devtools("Emulation.setTimezoneOverride", tokyo)
        .await
        .unwrap();
    browser.open(&page).await;
    let ends = link.answer["expires_at"].as_str().unwrap();
    let ends = OffsetDateTime::parse(ends, &Rfc3339).unwrap();
    let there = ends.to_offset(UtcOffset::from_hms(9, 0, 0).unwrap());
    let shown = browser.text("#ends").await;
    assert!(
        shown.contains(&format!("{:02}:{:02}", there.hour(), there.minute())),
        "{shown}"
    );
    assert!(shown.contains(&format!("{} de ", there.day())), "{shown}");
    assert!(browser.text("a.button").await.starts_with("Baixar tudo"));
    assert_eq!(browser.text("#left").await, "em 6 dias");
    browser.approves("link-pt", LOOKS[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_fit_for_everybody() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let (server, _, page) = shared().await;
    let gone = create(&server, &json!({"prefix": "r/"})).await;
    let gone_page = gone.answer["page_url"].as_str().unwrap();
    let revoke = format!("/v1/links/{}", gone.id);
    assert_eq!(server.send("DELETE", &revoke, &[]).await.status, 204);
    for look in LOOKS {
        browser.look(look).await;
        browser.open(&page).await;
        browser.approves("link", look).await;
        browser.click(".folder summary").await;
        browser.click(".folder .folder summary").await;
        browser.click(".programs summary").await;
        browser.approves("link-open", look).await;
        browser.open(&format!("{page}?folder=scans&page=2")).await;
        browser.approves("folder", look).await;
        browser.open(&format!("{page}?q=invoice")).await;
        browser.approves("search", look).await;
        browser.open(&format!("{page}?q=nothing")).await;
        browser.approves("nothing", look).await;
        browser.open(&format!("{}/docs", server.url)).await;
        browser.click(".docs details summary").await;
        browser.approves("docs", look).await;
        browser.open(gone_page).await;
        // The status of the page itself is told in the console as well.
        browser.console().await;
        browser.approves("revoked", look).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_the_page_and_the_archive() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let server = Server::local();
    server.drop_in("a.pdf", "content");
    let asked = json!({"filename": "kept.zip", "passphrase": "long enough"});
    let link = create(&server, &asked).await;
    let page = link.answer["page_url"].as_str().unwrap();
    // What is entered in the prompt is sent as what stands in front of the host, and kept for what lies below.
    let right = page.replace("http://", "http://x:long%20enough@");
    browser.open(&right).await;
    assert_eq!(browser.text("h1").await, "kept.zip");
    browser.click(".programs summary").await;
    let lines = browser.text(".programs").await;
    for line in [
        "wget -c --user=x --ask-password '",
        "curl -fLO -C - -u x '",
        "--http-passwd=",
    ] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    browser.click("a.button").await;
    let archive = browser.downloaded("kept.zip").await;
    let given = [("authorization", "Basic eDpsb25nIGVub3VnaA==")];
    let whole = server.send("GET", &link.path, &given).await.body;
    assert!(fs::read(archive).unwrap() == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_files_are_pages_and_no_giant_one() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let objects = (0..100_000).map(|n| SyntheticObject::new(format!("{n:06}.pdf"), 10));
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({"filename": "many.zip"})).await;
    let page = link.answer["page_url"].as_str().unwrap();
    for (query, shows) in [
        ("", "000000.pdf"),
        ("?page=1000", "099999.pdf"),
        ("?q=054321", "054321.pdf"),
    ] {
        browser.open(&format!("{page}{query}")).await;
        browser.shows(".items", shows).await;
        let count = browser
            .finds("return document.querySelectorAll('.items .file').length")
            .await;
        assert!(count.as_u64().unwrap() <= 100, "{count}");
        let size = browser
            .finds("return document.documentElement.outerHTML.length")
            .await;
        assert!(size.as_u64().unwrap() < 100_000, "{size} characters");
    }
}
