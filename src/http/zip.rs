//! `GET` and `HEAD /v1/zip`: the archive of a prefix as it is now, sent while it is read.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, header};

use super::Problem;
use super::caller::Caller;
use super::frames::frames;
use super::query::Query;
use super::record::Details;
use super::routes::App;
use crate::archive;
use crate::disposition;
use crate::download::{DownloadError, LiveArchive};

/// Answers with a ZIP of the selection.
///
/// The status waits for the first match (and, for GET, for the first frame), so that what fails early fails as a
/// problem. What fails later breaks the connection.
///
/// # Errors
/// 409 `not-resumable` where a range that does not begin at 0 is asked for; see [`Problem`] for the rest.
#[cfg_attr(
    test,
    utoipa::path(
        method(get, head),
        path = "/v1/zip",
        operation_id = "liveArchive",
        tag = "archives",
        summary = "The archive of a prefix as it is now",
        description = "Sent while it is read. It has no length and cannot be resumed.",
        params(
            ("bucket" = Option<String>, Query, description = "The bucket; the server's default one where absent."),
            ("prefix" = Option<String>, Query, description = "Keys begin with this."),
            ("include" = Option<Vec<String>>, Query, style = Form, explode, description = "A glob on the key below the prefix, without regard to case; `*` crosses `/`. Several are alternatives. The default is `*.pdf`.", example = json!(["*.pdf"])),
            ("filename" = Option<String>, Query, description = "The name under which the archive is saved."),
            ("method" = Option<String>, Query, description = "`deflate` deflates text (by the ending of the key: CSV, JSON, XML, SVG, HTML and more) on its way, and stores the rest; `store`, the default, stores everything."),
        ),
        responses((
            status = 200,
            description = "A ZIP of stored entries, or with text deflated, sent while it is read. A failure after the first byte breaks the connection (HTTP/2: the stream).",
            content_type = "application/zip",
            body = Vec<u8>,
            headers(
                ("Content-Disposition" = String, description = "`attachment` with the file name (RFC 6266)."),
                ("Accept-Ranges" = String, description = "`none`."),
            ),
        )),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "QUERY", "SELECTION", "NOTHING", "STORE", "OBJECTS", "LIVE"]))),
    )
)]
pub async fn live(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::parse(
        query.as_deref(),
        &["bucket", "prefix", "include", "filename", "method"],
    )?;
    let packing = packing(query.one("method")?)?;
    let selection = app.selection_of(&caller, &query, &details)?;
    let file_name = disposition::zip_name(
        query.one("filename")?,
        selection.bucket().as_str(),
        selection.prefix(),
    );
    if headers.get_all(header::RANGE).iter().any(skips_the_start) {
        return Err(Problem::not_resumable());
    }
    let (store, memory) = (&app.config.store, &app.config.memory);
    let mut archive = LiveArchive::open(store, memory, &selection, packing).await?;
    let body = if method == Method::HEAD {
        // Not an empty body: that one has a length, which the answer to GET has not.
        Body::from_stream(stream::empty::<Result<Bytes, DownloadError>>())
    } else {
        details.download("live");
        let first = archive.next().await?;
        Body::from_stream(frames(first, archive, details))
    };
    let mut response = Response::new(body);
    let disposition = HeaderValue::try_from(disposition::attachment(&file_name))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// How the entries are to stand in the archive.
fn packing(method: Option<&str>) -> Result<archive::Method, Problem> {
    let Some(name) = method else {
        return Ok(archive::Method::default());
    };
    let known = archive::Method::ALL;
    known
        .into_iter()
        .find(|method| method.name() == name)
        .ok_or_else(|| {
            let names = known.map(archive::Method::name).join(", ");
            Problem::malformed_query(&format!("there is no method {name:?}; there are: {names}"))
        })
}

/// Whether a Range header asks for bytes that do not begin at 0 (RFC 9110, section 14.2). Other units, and what does
/// not parse, are ignored, as the RFC has it.
fn skips_the_start(range: &HeaderValue) -> bool {
    let Some((unit, set)) = range.to_str().ok().and_then(|range| range.split_once('=')) else {
        return false;
    };
    let starts_above_zero = |spec: &str| {
        let Some((first, last)) = spec.trim().split_once('-') else {
            return false;
        };
        match first {
            "" => last.bytes().all(|b| b.is_ascii_digit()) && !last.is_empty(),
            first => first.bytes().all(|b| b.is_ascii_digit()) && first.bytes().any(|b| b != b'0'),
        }
    };
    unit.trim().eq_ignore_ascii_case("bytes") && set.split(',').any(starts_above_zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_skip_the_start_are_told_apart() {
        for skipping in [
            "bytes=1-",
            "bytes=100-200",
            "bytes=-500",
            "Bytes = 7-",
            "bytes=0-1,5-6",
            "bytes=007-",
            "bytes=99999999999999999999999-",
        ] {
            assert!(
                skips_the_start(&HeaderValue::from_static(skipping)),
                "{skipping}"
            );
        }
        for harmless in [
            "bytes=0-",
            "bytes=0-99",
            "bytes=000-",
            "items=5-",
            "bytes=x-",
            "bytes=-",
            "bytes",
            "",
        ] {
            assert!(
                !skips_the_start(&HeaderValue::from_static(harmless)),
                "{harmless}"
            );
        }
    }
}
