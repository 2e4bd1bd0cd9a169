//! `GET /v1/count`: how much a selection is, told while it is listed.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use http::{HeaderValue, header};

use crate::http::Problem;
use crate::http::caller::Caller;
use crate::http::query::Query;
use crate::http::record::Details;
use crate::http::routes::App;
use crate::manifest::Selection;
use crate::manifest::jsonl::CONTENT_TYPE;
use crate::store::{Object, StoreError};

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    count: u64,
    bytes: u64,
    done: bool,
}

struct Counting {
    pages: BoxStream<'static, Result<Vec<Object>, StoreError>>,
    selection: Selection,
    count: Count,
}

/// Answers with a line after each page of the listing; the last has `"done": true`. Where the listing fails, the
/// connection breaks.
///
/// # Errors
/// 400 for a malformed query; 403 `out-of-scope`; else as the store says of the first page.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/count",
        operation_id = "countSelection",
        tag = "browsing",
        summary = "How much a selection is, told while it is listed",
        params(
            ("bucket" = Option<String>, Query, description = "The bucket; the server's default one where absent."),
            ("prefix" = Option<String>, Query, description = "Keys begin with this."),
            ("include" = Option<Vec<String>>, Query, style = Form, explode, description = "A glob on the key below the prefix, without regard to case; `*` crosses `/`. Several are alternatives. The default is `*.pdf`.", example = json!(["*.pdf"])),
        ),
        responses((
            status = 200,
            description = "A line after each page of the listing. The last has `\"done\": true`; a failure before it breaks the connection.",
            content_type = "application/x-ndjson",
            body = String,
            example = json!("{\"count\":12,\"bytes\":1010556,\"done\":true}\n"),
        )),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "QUERY", "SELECTION", "STORE"]))),
    )
)]
pub async fn count(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["bucket", "prefix", "include"])?;
    let selection = app.selection_of(&caller, &query, &details)?;
    let pages = app
        .config
        .store
        .list(selection.bucket(), selection.prefix());
    let mut counting = Counting {
        pages: pages.boxed(),
        selection,
        count: Count::default(),
    };
    // What fails at once, fails as a problem.
    let first = counting.next().await?;
    let lines = stream::try_unfold((first, counting), |(first, mut counting)| async move {
        let line = match first {
            Some(line) => Some(line),
            None => counting.next().await?,
        };
        Ok::<_, StoreError>(line.map(|line| (line, (None, counting))))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Counting {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.count.done {
            return Ok(None);
        }
        match self.pages.try_next().await? {
            Some(page) => {
                for object in page.iter().filter(|object| self.selection.takes(object)) {
                    self.count.count += 1;
                    self.count.bytes = self.count.bytes.saturating_add(object.size);
                }
            }
            None => self.count.done = true,
        }
        let Count { count, bytes, done } = self.count;
        let line = format!("{{\"count\":{count},\"bytes\":{bytes},\"done\":{done}}}\n");
        Ok(Some(line.into()))
    }
}
