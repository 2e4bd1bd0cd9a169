//! Problems as pages, for people who open a link in a browser.

use axum::response::Response;
use http::HeaderMap;
use maud::html;

use super::document;
use super::language::Language;
use super::texts::Texts;
use crate::http::Problem;
use crate::http::accept::prefers_html;

/// Somebody who reads the answer, as their request says.
#[derive(Clone, Copy, Debug)]
pub struct Reader(Language);

impl Reader {
    /// The reader, if the request prefers HTML. Below `/v1/` programs ask, whatever they say.
    pub fn of(path: &str, headers: &HeaderMap) -> Option<Reader> {
        let asks = !path.starts_with("/v1/") && prefers_html(headers);
        asks.then(|| Reader(Language::of(headers)))
    }

    /// The problem as a page, with the same status and headers.
    pub fn told(self, problem: &Problem, below: &str, request_id: &str) -> Response {
        let texts = Texts(self.0);
        let (title, text) = texts.refusal(problem.kind(), problem.status().as_u16());
        let body = html! {
            main.refusal {
                h1 { (title) }
                p { (text) }
                p.fine { (texts.request()) " " code { (request_id) } }
            }
        };
        let mut response = document::answer(problem.status(), self.0, below, title, body);
        response.headers_mut().extend(problem.headers());
        response
    }
}
