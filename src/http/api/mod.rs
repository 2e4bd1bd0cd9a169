//! The description of the API (OpenAPI 3.1), made from the code: each handler is described where it stands, and says which
//! groups of [`kinds`] it may be answered with; schemas are those of the types that are read and written.
//!
//! | file | owns |
//! |---|---|
//! | this one | the whole document |
//! | `from_code.json` | what handlers and types say, written down by a test: the program need not know how to |
//! | `from_code.rs` | that test |
//! | `finish.rs` | what all operations have in common: problems, HEAD, the request's id |
//! | [`page`] | `/docs`: the document to be read |
//!
//! To describe a further route: `#[utoipa::path]` on its handler, for tests alone, with the names of the groups in
//! `extensions(("x-problems" = json!([…])))`; a line in `Api`; and `cargo test --lib api`, which writes the file.

mod finish;
#[cfg(test)]
mod from_code;
pub mod page;

use std::sync::LazyLock;

use super::problem::kinds;

/// What the code says.
const FROM_CODE: &str = include_str!("from_code.json");

/// The document, as it is handed out.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_string_pretty(&described()).unwrap_or_default();
    document.push('\n');
    document
});

/// The document.
pub fn described() -> serde_json::Value {
    // A test reads it.
    let mut document = serde_json::from_str(FROM_CODE).unwrap_or_default();
    finish::finish(&mut document);
    document
}

/// The group of problems of this name, as handlers write it.
fn group(name: &str) -> Option<&'static [kinds::Kind]> {
    Some(match name {
        "KEY" => kinds::KEY,
        "SCOPE" => kinds::SCOPE,
        "SELECTION" => kinds::SELECTION,
        "QUERY" => kinds::QUERY,
        "BODY" => kinds::BODY,
        "STORE" => kinds::STORE,
        "OBJECTS" => kinds::OBJECTS,
        "NOTHING" => kinds::NOTHING,
        "LIVE" => kinds::LIVE,
        "BOUNDS" => kinds::BOUNDS,
        "MANIFEST" => kinds::MANIFEST,
        "KEYS" => kinds::KEYS,
        "LINKS" => kinds::LINKS,
        "NAME" => kinds::NAME,
        "LINK" => kinds::LINK,
        "RANGE" => kinds::RANGE,
        "FOUND" => kinds::FOUND,
        "JOBS" => kinds::JOBS,
        "JOB" => kinds::JOB,
        "ENTER" => kinds::ENTER,
        "PACKAGED" => kinds::PACKAGED,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
