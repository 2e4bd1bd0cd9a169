//! What handlers and types say of themselves.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::FROM_CODE;
use crate::http::problem::ProblemDetails;
use crate::http::{archive, handout, jobs, links, manifests, owner, page as people, routes, zip};

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
        super::page::show,
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

/// What the code says.
fn said() -> String {
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
    let mut text = Vec::new();
    // One space: it is in the program.
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    let api: Value = serde_json::to_value(api).unwrap();
    api.serialize(&mut serializer).unwrap();
    String::from_utf8(text).unwrap() + "\n"
}

#[test]
fn the_file_says_what_the_code_says() {
    let said = said();
    if FROM_CODE == said {
        return;
    }
    if std::env::var_os("CI").is_none() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api/from_code.json");
        fs::write(file, said).unwrap();
    }
    panic!(
        "src/http/api/from_code.json is not what the code says: `cargo test --lib api` has written it anew, or does where CI is not set"
    );
}
