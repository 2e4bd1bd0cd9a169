//! `GET /d/{link}/manifest.jsonl` and `GET /d/{link}/files/{row}`: presigned URLs of a link's files, signed when they
//! are asked for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, Stream};
use http::{HeaderValue, StatusCode, header};

use super::Problem;
use super::query::Query;
use super::record::Details;
use super::routes::App;
use crate::disposition;
use crate::link::Grant;
use crate::manifest::Open;
use crate::manifest::issue::unix;
use crate::manifest::jsonl::{CONTENT_TYPE, Line, has_dot_segment};
use crate::manifest::stored::Row;
use crate::store::{Store, StoreError};

/// Rows whose URLs are signed for one frame of the answer.
const ROWS_IN_FRAME: usize = 64;

/// For whom the URLs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(rename_all = "lowercase"))]
pub enum Style {
    /// JSON lines.
    Jsonl,
    /// `wget -i`.
    Urls,
    /// `aria2c -i`.
    Aria2,
    /// `curl -K`.
    Curl,
}

/// Answers with a presigned URL for each row, as JSON lines or (`?as=urls|aria2|curl`) as a program reads them.
///
/// # Errors
/// 403 and 410 for links that are of no use; 400 for another style; see [`Problem`] for the rest.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/d/{link}/manifest.jsonl",
        operation_id = "linkManifest",
        tag = "recipients",
        summary = "Fresh presigned URLs of a link's files",
        params(
            ("link" = String, Path, description = "The token of the link: a credential."),
            ("as" = Option<Style>, Query, description = "`urls` for `wget -i`, `aria2` for `aria2c -i`, `curl` for `curl -K`; JSON lines where absent."),
        ),
        responses((
            status = 200,
            description = "A line for each file: an object with `key` and `url` first, or what the program reads.",
            content(
                (String = "application/x-ndjson", example = json!("{\"key\":\"reports/2025/Q1.pdf\",\"url\":\"https://…\",\"size\":84213,\"etag\":\"\\\"9b2c…\\\"\"}\n")),
                (String = "text/plain"),
            ),
        )),
        security((), ("passphrase" = [])),
        extensions(("x-problems" = json!(["LINK", "QUERY", "FOUND", "STORE"]))),
    )
)]
pub async fn manifest(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    let style = style(query.as_deref())?;
    let open = links.open(grant, &details).await?;
    let mut lines = Lines {
        signer: Signer::new(&app, grant),
        open,
        style,
        at: 0,
    };
    // What fails at once, fails as a problem.
    let first = lines.next().await?;
    let mut response = Response::new(Body::from_stream(frames(first, lines)));
    let content_type = match style {
        Style::Jsonl => CONTENT_TYPE,
        _ => "text/plain; charset=utf-8",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Redirects to a presigned URL of one file.
///
/// # Errors
/// 403 and 410 for links that are of no use; 404 where the link has no such row.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/d/{link}/files/{row}",
        operation_id = "linkFile",
        tag = "recipients",
        summary = "One file of a link",
        params(
            ("link" = String, Path, description = "The token of the link: a credential."),
            ("row" = u64, Path, description = "Its number in the order of the manifest, from 0 on.", example = 0),
        ),
        responses((status = 302, description = "To a fresh presigned URL.", headers(("Location" = String, description = "The presigned URL.")))),
        security((), ("passphrase" = [])),
        extensions(("x-problems" = json!(["LINK", "FOUND", "STORE"]))),
    )
)]
pub async fn file(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path((token, row)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    let open = links.open(grant, &details).await?;
    let index = row.parse::<usize>().ok();
    let row = index.and_then(|index| Some((index, open.frozen.row(index)?)));
    let (index, row) = row.ok_or_else(Problem::no_such_file)?;
    let url = Signer::new(&app, grant).sign(&open, index, &row).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.extend(
        HeaderValue::try_from(url)
            .ok()
            .map(|url| (header::LOCATION, url)),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn style(query: Option<&str>) -> Result<Style, Problem> {
    let query = Query::parse(query, &["as"])?;
    Ok(match query.one("as")? {
        None | Some("jsonl") => Style::Jsonl,
        Some("urls") => Style::Urls,
        Some("aria2") => Style::Aria2,
        Some("curl") => Style::Curl,
        Some(other) => {
            return Err(Problem::malformed_query(&format!(
                "as={other:?} is not known; there are: jsonl, urls, aria2, curl"
            )));
        }
    })
}

/// Signs URLs that end together, and not after the link.
struct Signer {
    store: Store,
    now: SystemTime,
    expires_in: Duration,
}

impl Signer {
    fn new(app: &App, grant: Grant) -> Signer {
        let now = SystemTime::now();
        let rest = Duration::from_secs(grant.expires.saturating_sub(unix(now)).max(1));
        Signer {
            store: app.config.store.clone(),
            now,
            expires_in: app.config.expires_in.min(rest),
        }
    }

    async fn sign(&self, open: &Open, index: usize, row: &Row) -> Result<String, StoreError> {
        let name = disposition::attachment(open.frozen.layout().name(index));
        self.store
            .presign_get(
                &open.bucket,
                &row.key,
                row.version.as_deref(),
                self.now,
                self.expires_in,
                Some(name),
            )
            .await
    }
}

/// The lines of an answer, some rows at a time.
struct Lines {
    signer: Signer,
    open: Arc<Open>,
    style: Style,
    at: usize,
}

impl Lines {
    /// The next lines; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut out = Vec::new();
        // A style may have nothing to say about a whole frame of rows.
        while out.is_empty() {
            let rows: Vec<Row> = self.open.frozen.rows(self.at).take(ROWS_IN_FRAME).collect();
            if rows.is_empty() {
                return Ok(None);
            }
            for row in rows {
                if self.at == 0 {
                    out.extend_from_slice(self.style.start().as_bytes());
                }
                let url = self.signer.sign(&self.open, self.at, &row).await?;
                let name = self.open.frozen.layout().name(self.at).to_owned();
                self.style.write(row, &name, &url, &mut out);
                self.at += 1;
            }
        }
        Ok(Some(out.into()))
    }
}

impl Style {
    /// What comes before all rows.
    fn start(self) -> &'static str {
        match self {
            // For all files, whichever of them is the first to be written.
            Style::Curl => "create-dirs\n",
            Style::Jsonl | Style::Urls | Style::Aria2 => "",
        }
    }

    fn write(self, row: Row, name: &str, url: &str, out: &mut Vec<u8>) {
        if self == Style::Jsonl {
            return Line::new(&row.object(), url).write(out);
        }
        let text = match self {
            // Such a URL means another object to these programs; the archive has it.
            _ if has_dot_segment(&row.key) => String::new(),
            Style::Jsonl | Style::Urls => format!("{url}\n"),
            Style::Aria2 => format!("{url}\n  out={name}\n"),
            // Entry names have neither quotes nor backslashes.
            Style::Curl => format!("url = \"{url}\"\noutput = \"{name}\"\n"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn frames(first: Option<Bytes>, lines: Lines) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold((first, lines), |(first, mut lines)| async move {
        let frame = match first {
            Some(frame) => Some(frame),
            None => lines.next().await?,
        };
        Ok(frame.map(|frame| (frame, (None, lines))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: Style, key: &str) -> String {
        let row = Row {
            key: key.to_owned(),
            size: 7,
            etag: "\"e\"".to_owned(),
            modified: 0,
            crc32: None,
            announced: false,
            version: None,
        };
        let mut out = Vec::new();
        style.write(row, "n/ü.pdf", "https://h/k?a=b&c", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_program_gets_what_it_reads() {
        assert_eq!(written(Style::Urls, "k"), "https://h/k?a=b&c\n");
        assert_eq!(
            written(Style::Aria2, "k"),
            "https://h/k?a=b&c\n  out=n/ü.pdf\n"
        );
        assert_eq!(
            written(Style::Curl, "k"),
            "url = \"https://h/k?a=b&c\"\noutput = \"n/ü.pdf\"\n"
        );
        assert!(
            written(Style::Jsonl, "k").starts_with("{\"key\":\"k\",\"url\":\"https://h/k?a=b&c\",")
        );
        assert_eq!(
            written(Style::Urls, "a/../k"),
            "",
            "clients would ask for another object"
        );
        assert!(written(Style::Jsonl, "a/../k").contains("ZIP"));
    }

    #[test]
    fn other_styles_are_refused() {
        assert_eq!(style(None).unwrap(), Style::Jsonl);
        assert_eq!(style(Some("as=aria2")).unwrap(), Style::Aria2);
        assert!(style(Some("as=metalink")).is_err());
        assert!(style(Some("style=urls")).is_err());
    }
}
