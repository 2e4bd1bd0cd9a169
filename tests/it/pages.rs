//! Pages as a browser asks for them, without a browser: languages, refusals, headers, and what must not be in them.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::links::{Link, create};
use crate::support::client::Answered;
use crate::support::server::Server;
use crate::support::wait::eventually;

const BROWSER: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);

fn page_path(server: &Server, link: &Link) -> String {
    let url = link.answer["page_url"].as_str().unwrap();
    url.strip_prefix(&server.url).unwrap().to_owned()
}

fn text(answered: &Answered) -> &str {
    std::str::from_utf8(&answered.body).unwrap()
}

/// The files that a page loads.
fn assets(page: &str) -> Vec<&str> {
    let marks = ["href=\"/assets/", "src=\"/assets/"];
    marks
        .iter()
        .flat_map(|mark| page.split(mark).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[tokio::test]
async fn a_page_loads_its_own_files_and_no_others() {
    let server = Server::local();
    server.drop_in("r/a/<script>alert(1)<.pdf", "first");
    let link = create(&server, &json!({"prefix": "r/"})).await;
    let page = server
        .send("GET", &page_path(&server, &link), &[BROWSER])
        .await;
    assert_eq!(page.status, 200);
    let html = text(&page);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-store"),
        ("vary", "Accept, Accept-Language"),
        ("content-language", "en"),
    ] {
        assert_eq!(page.headers[name], value, "{name}");
    }
    assert!(!html.contains("<script>") && !html.contains(" onclick") && !html.contains(" style"));
    let files = assets(html);
    assert_eq!(files.len(), 3, "{html}");
    for name in files {
        let file = server.get(&format!("/assets/{name}")).await;
        assert_eq!(file.status, 200, "{name}");
        assert_eq!(
            file.headers["cache-control"],
            "public, max-age=31536000, immutable"
        );
        assert!(!text(&file).contains("//cdn") && !text(&file).contains("@import"));
    }
    assert_eq!(
        server
            .get("/assets/sheaf-0000000000000000.css")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn pages_speak_the_language_of_their_reader() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "first");
    let link = create(&server, &json!({"prefix": "r/"})).await;
    let path = page_path(&server, &link);
    for (asked, tag, button) in [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt", "Baixar tudo"),
        ("de;q=0.9, en;q=0.2, pt;q=0.1", "en", "Download all"),
        ("fr", "en", "Download all"),
    ] {
        let page = server
            .send("GET", &path, &[("accept-language", asked)])
            .await;
        assert_eq!(page.headers["content-language"], tag);
        assert!(text(&page).contains(&format!("<html lang=\"{tag}\">")));
        assert!(text(&page).contains(button));
    }
}

#[tokio::test]
async fn people_are_refused_kindly_and_programs_as_ever() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "first");
    let link = create(&server, &json!({"prefix": "r/"})).await;
    let brief = create(&server, &json!({"prefix": "r/", "expires_in": 1})).await;
    let gone = create(&server, &json!({"prefix": "r/"})).await;
    let revoked = format!("/v1/links/{}", gone.id);
    assert_eq!(server.send("DELETE", &revoked, &[]).await.status, 204);
    let good = page_path(&server, &link);
    let expired = page_path(&server, &brief);
    let cases = [
        (
            good[..good.len() - 1].to_owned(),
            403,
            "invalid-link",
            "not complete",
        ),
        (expired.clone(), 410, "link-expired", "This link has ended"),
        (
            format!("{expired}/r.zip"),
            410,
            "link-expired",
            "This link has ended",
        ),
        (page_path(&server, &gone), 410, "link-revoked", "taken back"),
        (
            format!("{good}?folder=none"),
            404,
            "not-found",
            "nothing here",
        ),
        (format!("{good}/files/7"), 404, "not-found", "nothing here"),
        ("/elsewhere".to_owned(), 404, "not-found", "nothing here"),
    ];
    let ends = brief.answer["expires_at"].as_str().unwrap();
    let ends = OffsetDateTime::parse(ends, &Rfc3339).unwrap();
    eventually("the end of the link", || {
        (OffsetDateTime::now_utc() >= ends).then_some(())
    })
    .await;
    for (path, status, kind, words) in cases {
        let people = server.send("GET", &path, &[BROWSER]).await;
        assert_eq!(people.status, status, "{path}");
        let html = text(&people);
        assert_eq!(people.headers["content-type"], "text/html; charset=utf-8");
        assert!(html.contains(words), "{path}: {html}");
        assert!(html.contains(people.headers["x-request-id"].to_str().unwrap()));
        assert!(!html.contains(kind), "no words of programs: {html}");
        let programs = server.get(&path).await;
        assert_eq!(programs.status, status, "{path}");
        assert_eq!(programs.headers["content-type"], "application/problem+json");
        assert!(text(&programs).contains(kind), "{path}");
    }
    // The API is for programs, whatever they say.
    let api = server.send("GET", "/v1/zip?prefix=none/", &[BROWSER]).await;
    assert_eq!(api.headers["content-type"], "application/problem+json");
}
