//! The description of the API (OpenAPI 3.1), made from the code: each handler is described where it stands, and says which
//! groups of [`kinds`] it may be answered with; schemas are those of the types that are read and written.
//!
//! | file | owns |
//! |---|---|
//! | this one | the whole document |
//! | `finish.rs` | what all operations have in common: problems, HEAD, the request's id |
//! | [`page`] | `/docs`: the document to be read |
//!
//! To describe a further route: `#[utoipa::path]` on its handler, `extensions(("x-problems" = json!([…])))` with the names
//! of the groups, and a line in `Api`.

mod finish;
pub mod page;

use std::sync::LazyLock;

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::ProblemDetails;
use super::problem::kinds;
use super::{archive, handout, jobs, links, manifests, owner, page as people, routes, zip};

/// Everything that is described.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "sheaf",
        description = "Streams an S3 prefix as one ZIP archive, and hands out manifests of presigned URLs.\n\nErrors are `application/problem+json` (RFC 9457): `type` is stable, `detail` is for people. What is not described here is answered with 404 `not-found`, or 405 `method-not-allowed` and an Allow header. Outside of `/v1/`, requests whose Accept prefers `text/html` get errors as a page, with the same status.",
    ),
    paths(
        zip::live,
        manifests::create,
        links::create,
        owner::register::list,
        links::revoke,
        owner::browse::places,
        owner::browse::folder,
        owner::count::count,
        archive::download,
        people::link::show,
        handout::manifest,
        handout::file,
        jobs::create,
        jobs::list,
        jobs::show,
        jobs::cancel,
        jobs::events::events,
        jobs::packaged::redirect,
        routes::index,
        page::show,
        routes::openapi,
        people::assets::show,
        routes::health,
        routes::ready,
        routes::metrics_for,
    ),
    components(schemas(ProblemDetails, handout::Style)),
    tags(
        (name = "archives", description = "A prefix as it is now."),
        (name = "manifests", description = "Presigned URLs in a file."),
        (name = "links", description = "What recipients get, for owners."),
        (name = "jobs", description = "Archives that are written into a bucket."),
        (name = "recipients", description = "What a link opens: its token is the credential."),
        (name = "browsing", description = "What the owner's page asks for."),
        (name = "operations", description = "Health, metrics, and this document."),
    ),
)]
struct Api;

/// The document, as it is handed out.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_string_pretty(&described()).unwrap_or_default();
    document.push('\n');
    document
});

/// The document.
pub fn described() -> serde_json::Value {
    let mut api = Api::openapi();
    let components = api.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key. A server without keys listens on loopback only and needs none.",
        ))
        .build();
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "The passphrase of a link as the password, with any user name; only links that were made with one ask.",
        ))
        .build();
    components.add_security_scheme("apiKey", SecurityScheme::Http(bearer));
    components.add_security_scheme("passphrase", SecurityScheme::Http(basic));
    let mut document = serde_json::to_value(api).unwrap_or_default();
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
