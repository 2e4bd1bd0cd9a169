//! What becomes of names, folders and searches in the page's markup.

use super::*;
use crate::manifest::stored::{Freezer, Row};
use crate::store::Bucket;

fn open(filename: &str, keys: &[&str]) -> Open {
    let bucket = Bucket::new("bucket").unwrap();
    let mut freezer = Freezer::new(&bucket, "");
    for key in keys {
        freezer.push(&Row {
            key: (*key).to_owned(),
            size: 1500,
            etag: "\"e\"".to_owned(),
            modified: 0,
            crc32: None,
            announced: false,
            version: None,
        });
    }
    let frozen = freezer.finish(filename, 0, 0);
    Open::new(uuid::Uuid::nil(), bucket, frozen)
}

fn page(open: &Open, query: &str, language: Language) -> String {
    let asked = Asked::parse(query);
    let view = asked.view(open).expect("a folder that is there");
    let base = "https://h.example/sheaf";
    let page = Page {
        texts: Texts(language),
        language,
        base: Some(base.to_owned()),
        below: below(base),
        token: "TOKEN".to_owned(),
        open,
        asked,
        view,
        packaged: false,
        ends: 86_400 * 3,
        now: 0,
    };
    page.body().into_string()
}

#[test]
fn nothing_of_a_name_becomes_markup() {
    let open = open(
        "<b>\"&'.zip",
        &[
            "\"onclick=alert(1)//<img src=x>",
            "<script>alert(1)</script>.pdf",
            "a\nb\u{202e}fdp.exe",
        ],
    );
    for query in ["", "q=%3Cscript%3E\"'", "q=a"] {
        let page = page(&open, query, Language::English);
        for bad in [
            "<script",
            "<img",
            "<b>",
            "\u{202e}",
            "alert(1)\"",
            "value=\"<",
        ] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
    }
    let page = page(&open, "", Language::English);
    assert!(
        page.contains("<h1><bdi>&lt;b&gt;&quot;&amp;'.zip</bdi></h1>"),
        "{page}"
    );
    assert!(
        page.contains("href=\"/sheaf/d/TOKEN/%3Cb%3E%22%26%27.zip\""),
        "{page}"
    );
    assert!(page.contains("wget -c 'https://h.example/sheaf/d/TOKEN/%3Cb%3E%22%26%27.zip'"));
    assert!(page.contains("datetime=\"1970-01-04T00:00:00Z\""));
    assert!(page.contains("a_b\u{fffd}fdp.exe"), "{page}");
}

#[test]
fn folders_open_and_files_have_links() {
    let open = open(
        "a.zip",
        &["docs/one.pdf", "docs/two.pdf", "top/../dots.pdf", "z.pdf"],
    );
    let whole = page(&open, "", Language::English);
    assert!(whole.contains("<details><summary>"), "{whole}");
    assert!(whole.contains("href=\"/sheaf/d/TOKEN/files/0\""));
    assert!(whole.contains("2 files · 3.0\u{a0}kB"));
    assert!(
        !whole.contains("files/2\""),
        "no browser asks for a key with dots"
    );
    assert!(whole.contains("only in the ZIP file"));
    let folder = page(&open, "folder=docs&utm_source=mail", Language::Portuguese);
    assert!(folder.contains("one.pdf") && !folder.contains("z.pdf"));
    assert!(
        folder.contains("<li aria-current=\"page\"><bdi>docs</bdi></li>"),
        "{folder}"
    );
    assert!(folder.contains("Baixar tudo") && folder.contains("4 arquivos"));
    assert!(Asked::parse("folder=elsewhere").view(&open).is_none());
}

#[test]
fn pages_of_a_search_lead_to_each_other() {
    let keys: Vec<String> = (0..250).map(|file| format!("a&b{file:03}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let open = open("a.zip", &keys);
    let second = page(&open, "q=a%26b&page=2", Language::English);
    assert!(second.contains("250 files found"));
    assert!(second.contains("Page 2 of 3"));
    assert!(
        second.contains("href=\"/sheaf/d/TOKEN?q=a%26b#files\""),
        "{second}"
    );
    assert!(
        second.contains("href=\"/sheaf/d/TOKEN?q=a%26b&amp;page=3#files\""),
        "{second}"
    );
    let none = page(&open, "q=zzz", Language::English);
    assert!(none.contains("No file has all of these words"));
}

#[test]
fn queries_are_taken_as_they_come() {
    assert_eq!(Asked::parse("page=x").page, 1);
    assert_eq!(
        Asked::parse(&format!("q={}", "é".repeat(200))).search.len(),
        LONGEST_SEARCH
    );
    assert_eq!(Asked::parse("folder=a").folder, "a/");
    assert_eq!(Asked::parse("folder=a/").folder, "a/");
}

#[test]
fn the_page_of_a_hundred_thousand_files_is_small() {
    let keys: Vec<String> = (0..100_000)
        .map(|file| {
            format!(
                "{:02}/{:02}/file-{file:06}.pdf",
                file / 10_000,
                file / 500 % 20
            )
        })
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let open = open("a.zip", &keys);
    for (query, shows) in [
        ("", "href=\"/sheaf/d/TOKEN?folder=09%2F\""),
        ("folder=03/04/&page=5", "file-032499.pdf"),
        ("q=file&page=1000", "Page 1,000 of 1,000"),
        ("q=file&page=99999999", "file-099999.pdf"),
    ] {
        let page = page(&open, query, Language::English);
        assert!(page.contains(shows), "{query}: {page}");
        assert!(page.len() < 64 << 10, "{query}: {} bytes", page.len());
    }
}
