//! The owner's side: a page to choose and share with, and what it asks for.
//!
//! The page itself holds nothing, so it needs no key; everything that it shows comes through the door.
//!
//! | file | owns |
//! |---|---|
//! | [`page`] | `GET /` in a browser |
//! | [`browse`] | `GET /v1/places` and `GET /v1/folder`: where files are |
//! | [`count`] | `GET /v1/count`: how much a selection is, while it is listed |
//! | [`register`] | `GET /v1/links`: the links that there are, and their downloads |

pub mod browse;
pub mod count;
pub mod page;
pub mod register;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

/// An answer that nobody keeps.
pub(super) fn as_json<T: Serialize>(value: &T) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    match serde_json::to_vec(value) {
        Ok(body) => (headers, body).into_response(),
        // Nothing that is answered here has a form that JSON lacks.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
