//! `GET /docs`: the description of the API, to be read. Made from the same document, once; nothing is loaded from
//! elsewhere.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::described;
use crate::http::app::App;
use crate::http::page::below;
use crate::http::page::document;
use crate::http::page::language::Language;

/// What the references of the document begin with.
const SCHEMAS: &str = "#/components/schemas/";

/// All but the frame, which depends on where this server is.
static BODY: LazyLock<String> = LazyLock::new(|| body(&described()).into_string());

/// Answers with the page.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/docs",
        operation_id = "docs",
        tag = "operations",
        summary = "This document, to be read",
        responses((status = 200, description = "A page in English.", content_type = "text/html", body = String)),
        security(()),
    )
)]
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let base = app.base_url(&headers).unwrap_or_default();
    document::answer(
        StatusCode::OK,
        Language::English,
        &below(&base),
        "sheaf: HTTP API",
        PreEscaped(BODY.clone()),
    )
}

fn body(api: &Value) -> Markup {
    let tags = list(&api["tags"]);
    html! {
        a.skip href="#content" { "Skip to the content" }
        main.docs #content {
            header.top {
                h1 { "sheaf: HTTP API" }
                p.fine { "Version " (text(&api["info"]["version"])) ", as OpenAPI 3.1: " a href="openapi.json" { "openapi.json" } }
            }
            section.card { (prose(text(&api["info"]["description"]))) }
            nav.card aria-label="Contents" {
                @for tag in tags {
                    h2 { (text(&tag["name"])) }
                    p.fine { (text(&tag["description"])) }
                    ul { @for (path, method, operation) in operations(api, tag) {
                        li { a href={ "#" (text(&operation["operationId"])) } { (method) " " code { (path) } } " " (text(&operation["summary"])) }
                    } }
                }
            }
            @for tag in tags {
                @for (path, method, operation) in operations(api, tag) { (described_operation(path, &method, operation)) }
            }
            section.card aria-labelledby="schemas" {
                h2 #schemas { "Schemas" }
                @for (name, schema) in entries(&api["components"]["schemas"]) {
                    h3 id={ "schema-" (name) } { (name) }
                    (prose(text(&schema["description"])))
                    (fields(schema))
                }
            }
        }
    }
}

fn operations<'a>(api: &'a Value, tag: &Value) -> Vec<(&'a str, String, &'a Value)> {
    let all = entries(&api["paths"]).flat_map(|(path, item)| {
        entries(item).map(move |(method, operation)| (path, method.to_uppercase(), operation))
    });
    all.filter(|(_, _, operation)| operation["tags"][0] == tag["name"])
        .collect()
}

fn described_operation(path: &str, method: &str, operation: &Value) -> Markup {
    let id = text(&operation["operationId"]);
    let (parameters, body) = (list(&operation["parameters"]), &operation["requestBody"]);
    let (failures, answers): (Vec<_>, Vec<_>) = entries(&operation["responses"])
        .partition(|(_, answer)| answer["content"]["application/problem+json"].is_object());
    html! {
        section.card aria-labelledby=(id) {
            h2 id=(id) { (method) " " code { (path) } }
            p { strong { (text(&operation["summary"])) } }
            (prose(text(&operation["description"])))
            @if !parameters.is_empty() {
                h3 { "Parameters" }
                dl { @for parameter in parameters {
                    dt {
                        code { (text(&parameter["name"])) } " in " (text(&parameter["in"])) ", " (kind(&parameter["schema"]))
                        @if parameter["required"] == true { ", required" }
                    }
                    dd { (prose(text(&parameter["description"]))) }
                } }
            }
            @if body.is_object() {
                h3 { "Body" }
                (prose(text(&body["description"])))
                (contents(body))
            }
            h3 { "Answers" }
            dl { @for (status, answer) in answers {
                dt { strong { (status) } }
                dd { (prose(text(&answer["description"]))) (contents(answer)) (headers(answer)) }
            } }
            @if !failures.is_empty() {
                details {
                    summary { "Errors" }
                    dl { @for (status, answer) in failures {
                        dt { strong { (status) } }
                        dd { (prose(text(&answer["description"]))) }
                    } }
                }
            }
        }
    }
}

fn contents(of: &Value) -> Markup {
    html! {
        @for (media, content) in entries(&of["content"]) {
            p.fine { code { (media) } ": " (kind(&content["schema"])) }
            @if !content["example"].is_null() {
                pre tabindex="0" { code { (example(&content["example"])) } }
            }
        }
    }
}

fn headers(of: &Value) -> Markup {
    html! {
        @for (name, header) in entries(&of["headers"]).filter(|(_, header)| header["$ref"].is_null()) {
            p.fine { code { (name) } ": " (prose_inline(text(&header["description"]))) }
        }
    }
}

fn fields(schema: &Value) -> Markup {
    let required = list(&schema["required"]);
    html! {
        dl { @for (name, field) in entries(&schema["properties"]) {
            dt {
                code { (name) } ": " (kind(field))
                @if required.iter().any(|required| required == name) { ", always there" }
            }
            dd { (prose(text(&field["description"]))) }
        } }
        @if !schema["oneOf"].is_null() { p { (kind(schema)) } }
    }
}

/// What values of a schema are, in a few words.
fn kind(schema: &Value) -> Markup {
    let named = text(&schema["$ref"]).strip_prefix(SCHEMAS);
    let alternatives = ["oneOf", "anyOf", "allOf"].map(|name| list(&schema[name]));
    let alternatives: Vec<&Value> = alternatives.into_iter().flatten().collect();
    let types = match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .map(text)
            .filter(|name| *name != "null")
            .collect(),
        other => text(other).to_owned(),
    };
    html! {
        @if let Some(name) = named {
            a href={ "#schema-" (name) } { (name) }
        } @else if !alternatives.is_empty() {
            @for (at, schema) in alternatives.iter().filter(|schema| schema["type"] != "null").enumerate() {
                @if at > 0 { " or " }
                (kind(schema))
            }
        } @else if types == "array" {
            "list of " (kind(&schema["items"]))
        } @else if schema["enum"].is_array() {
            @for (at, value) in list(&schema["enum"]).iter().enumerate() {
                @if at > 0 { ", " }
                code { (text(value)) }
            }
        } @else if types == "object" && schema["properties"].is_object() {
            "object with " @for (at, (name, _)) in entries(&schema["properties"]).enumerate() {
                @if at > 0 { ", " }
                code { (name) }
            }
        } @else if types.is_empty() {
            "anything"
        } @else {
            (types)
        }
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
    }
}

fn example(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// Paragraphs, in which what stands between backticks is code.
fn prose(text: &str) -> Markup {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    html! { @for paragraph in paragraphs { p { (prose_inline(paragraph)) } } }
}

fn prose_inline(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value))
}
