//! `GET /d/{link}`: the page for people, without scripts and without anything from elsewhere.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;

use super::Problem;
use super::record::Details;
use super::routes::App;
use crate::manifest::Open;
use crate::manifest::issue::{at, segment};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}\
h1{font-size:1.5rem;overflow-wrap:anywhere}\
a.download{display:inline-block;padding:.7rem 1.4rem;border-radius:.4rem;background:#0b57d0;color:#fff;text-decoration:none}\
pre{overflow-x:auto;padding:.7rem;border:1px solid #8888;border-radius:.4rem}";

/// Nothing may be loaded, framed or sent anywhere; the one style is named by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Answers with the page of a link.
///
/// # Errors
/// 403 and 410 for links that are of no use; else as the store says.
pub async fn show(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    let open = links.open(grant, &details).await?;
    let base = app.base_url(&headers).unwrap_or_default();
    let page = page(&open, &token, &base, grant.expires);
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    let texts = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
    ];
    for (name, text) in texts {
        headers.extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
    }
    Ok(response)
}

fn page(open: &Open, token: &str, base: &str, expires: u64) -> String {
    let header = open.frozen.header();
    let files = match header.count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let end = at(expires).format(&Rfc3339).unwrap_or_default();
    // A token is made of characters that mean nothing to HTML and to shells, and so is a segment.
    let path = format!("/d/{token}/{}", segment(&header.filename));
    let (href, url) = (
        format!("{}{path}", below(base)),
        escape(&format!("{base}{path}")),
    );
    let (name, size) = (escape(&header.filename), size(header.archive_len));
    let mut page = String::new();
    // Writing into a string has no way to fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"robots\" content=\"noindex\"><title>{name}</title><style>{STYLE}</style></head><body>\n\
<h1>{name}</h1>\n<p>{files}, {size}. This link works until {end}.</p>\n\
<p><a class=\"download\" href=\"{href}\" rel=\"noreferrer\">Download</a></p>\n\
<p>A download that breaks off can be resumed. In a terminal:</p>\n\
<pre>wget -c '{url}'</pre>\n<pre>curl -fLO -C - '{url}'</pre>\n<pre>aria2c -x8 -s8 '{url}'</pre>\n\
</body></html>\n"
    );
    page
}

/// The path of a base URL: links of the page work under whatever name it was reached.
fn below(base: &str) -> String {
    let path = url::Url::parse(base).map(|url| url.path().trim_end_matches('/').to_owned());
    escape(&path.unwrap_or_default())
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.95 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Text as it may stand in HTML, in attributes too.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::stored::Freezer;
    use crate::store::Bucket;

    #[test]
    fn nothing_of_a_name_becomes_markup() {
        let bucket = Bucket::new("bucket").unwrap();
        let frozen = Freezer::new(&bucket, "").finish("<b>\"&'.zip", 0, 0);
        let open = Open::new(uuid::Uuid::nil(), bucket, frozen);
        let page = page(&open, "TOKEN", "https://h.example/sheaf", 0);
        assert!(
            page.contains("<h1>&lt;b&gt;&quot;&amp;&#39;.zip</h1>"),
            "{page}"
        );
        assert!(!page.contains("<b>"));
        assert!(
            page.contains("href=\"/sheaf/d/TOKEN/%3Cb%3E%22%26%27.zip\""),
            "{page}"
        );
        assert!(page.contains("wget -c 'https://h.example/sheaf/d/TOKEN/%3Cb%3E%22%26%27.zip'"));
        assert!(page.contains("until 1970-01-01T00:00:00Z"));
    }

    #[test]
    fn sizes_are_told_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1_234_567_890, "1.2 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
