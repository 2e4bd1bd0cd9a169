//! `GET` and `HEAD /d/{link}/{filename}.zip`: the archive of a link, whole or any range of it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::Problem;
use super::conditional::{Decision, Validators};
use super::exact::Exact;
use super::frames::frames;
use super::range::{self, Asked};
use super::record::Details;
use super::routes::App;
use crate::disposition;
use crate::download::FrozenArchive;
use crate::manifest::Open;
use crate::read_ahead::BucketReads;

/// Answers with the archive, exact in length, or with what conditions and ranges make of it.
///
/// Like the live archive it waits for the first frame, so that what fails early fails as a problem.
///
/// # Errors
/// 403 and 410 for links that are of no use; 412, 416; 503 `checksums-pending` where objects are still being hashed for
/// a range; see [`Problem`] for the rest.
#[cfg_attr(
    test,
    utoipa::path(
        method(get, head),
        path = "/d/{link}/{filename}",
        operation_id = "linkArchive",
        tag = "recipients",
        summary = "The archive of a link, whole or a range of it",
        params(
            ("link" = String, Path, description = "The token of the link: a credential."),
            ("filename" = String, Path, description = "A name that ends in `.zip`.", example = "reports.zip"),
            ("Range" = Option<String>, Header, description = "One range; several are answered with the whole.", example = "bytes=0-1023"),
            ("If-Range" = Option<String>, Header, description = "RFC 9110 §13.1.5."),
            ("If-Match" = Option<String>, Header, description = "RFC 9110 §13.1.1."),
            ("If-None-Match" = Option<String>, Header, description = "RFC 9110 §13.1.2."),
            ("If-Modified-Since" = Option<String>, Header, description = "RFC 9110 §13.1.3."),
            ("If-Unmodified-Since" = Option<String>, Header, description = "RFC 9110 §13.1.4."),
        ),
        responses(
            (
                status = 200,
                description = "The whole archive.",
                content_type = "application/zip",
                body = Vec<u8>,
            headers(
                ("ETag" = String, description = "Strong; the same on every replica."),
                ("Last-Modified" = String, description = "Of the newest object."),
                ("Accept-Ranges" = String, description = "`bytes`."),
                ("Content-Disposition" = String, description = "`attachment` with the file name (RFC 6266)."),
                ("Content-Length" = String, description = "Exact."),
            ),
            ),
            (
                status = 206,
                description = "A range of it.",
                content_type = "application/zip",
                body = Vec<u8>,
            headers(
                ("ETag" = String, description = "Strong; the same on every replica."),
                ("Last-Modified" = String, description = "Of the newest object."),
                ("Accept-Ranges" = String, description = "`bytes`."),
                ("Content-Disposition" = String, description = "`attachment` with the file name (RFC 6266)."),
                ("Content-Length" = String, description = "Exact."),
                ("Content-Range" = String, description = "Which bytes of how many."),
            ),
            ),
            (status = 304, description = "The client has it already."),
        ),
        security((), ("passphrase" = [])),
        extensions(("x-problems" = json!(["LINK", "FOUND", "STORE", "OBJECTS", "RANGE"]))),
    )
)]
pub async fn download(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    method: Method,
    Path((token, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    if !file.to_ascii_lowercase().ends_with(".zip") {
        return Err(Problem::not_found(&format!("/d/-/{file}")));
    }
    let open = links.open(grant, &details).await?;
    let length = open.frozen.layout().len();
    let validators = validators(&open);
    let ranges = match validators.decide(&headers) {
        Decision::Failed => return Err(Problem::precondition_failed()),
        Decision::NotModified => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(&mut response, &open, &validators);
            return Ok(response);
        }
        Decision::Proceed { ranges } => ranges,
    };
    // Only GET has ranges (RFC 9110 §14.2).
    let asked = match method == Method::GET && ranges {
        true => range::asked(&headers, length),
        false => Asked::Whole,
    };
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..length),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Beyond => return Err(Problem::range_not_satisfiable(length)),
    };
    let part_len = part.end - part.start;
    let body = if method == Method::HEAD {
        Exact::new(stream::empty(), length)
    } else {
        let reads = BucketReads::new(&app.config.store, &open.bucket);
        let mut archive = FrozenArchive::begin(reads, &links.scanner, &open, part.clone()).await?;
        let first = archive.next().await?;
        // What fails before this is no download.
        details.download("frozen");
        Exact::new(frames(first, archive, details), part_len)
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    describe(&mut response, &open, &validators);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, part_len.into());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        headers.extend(
            HeaderValue::try_from(range)
                .ok()
                .map(|value| (header::CONTENT_RANGE, value)),
        );
    }
    Ok(response)
}

/// What a 304 has in common with the whole (RFC 9110 §15.4.5), and what keeps proxies from touching it.
fn describe(response: &mut Response, open: &Open, validators: &Validators) {
    let headers = response.headers_mut();
    let disposition = disposition::attachment(&open.frozen.header().filename);
    let texts = [
        (header::ETAG, validators.etag.as_str()),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::CACHE_CONTROL, "private, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, text) in texts {
        headers.extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
    }
    headers.insert(header::LAST_MODIFIED, validators.last_modified());
}

fn validators(open: &Open) -> Validators {
    Validators {
        etag: open.frozen.header().etag.clone(),
        modified: open.frozen.modified(),
    }
}
