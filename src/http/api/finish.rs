//! What all operations have in common, so that no handler says it: which problems there are, that HEAD has the headers of
//! GET, and that every answer names its request.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::group;
use crate::http::problem::kinds::{self, Kind};

/// Where a handler names its groups of problems.
const GROUPS: &str = "x-problems";

/// Makes the document whole.
pub(super) fn finish(document: &mut Value) {
    let mut names: Vec<&str> = kinds::ALL
        .iter()
        .copied()
        .flatten()
        .map(|kind| kind.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    document["components"]["schemas"]["ProblemDetails"]["properties"]["type"]["enum"] =
        json!(names);
    document["components"]["headers"] = json!({
        "RequestId": {
            "description": "The request's own id, or a new one; it stands in the log too.",
            "schema": { "type": "string" },
        },
    });
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                finish_operation(path, method, operation);
            }
        }
    }
}

fn finish_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let groups = operation.remove(GROUPS).unwrap_or_default();
    let named = groups.as_array().into_iter().flatten();
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    let groups = named.filter_map(|name| group(name.as_str()?));
    for kind in std::iter::once(kinds::ANY).chain(groups).flatten() {
        let same = by_status.entry(kind.status).or_default();
        if !same.contains(kind) {
            same.push(*kind);
        }
    }
    // What handlers say to each other about errors is told here by the table.
    let about = operation
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let about = about
        .split("# Errors")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    operation.remove("description");
    if !about.is_empty() {
        operation.insert("description".to_owned(), about.into());
    }
    if method == "head" {
        let id = operation["operationId"].as_str().unwrap_or_default();
        operation["operationId"] = format!("{id}Head").into();
        let summary = operation["summary"].as_str().unwrap_or_default();
        operation["summary"] = format!("{summary}: its headers alone").into();
    }
    // Errors of pages are pages too.
    let has_pages = !path.starts_with("/v1/");
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, kinds) in by_status {
        responses.insert(status.to_string(), problem(status, &kinds, has_pages));
    }
    for response in responses.values_mut().filter_map(Value::as_object_mut) {
        if method == "head" {
            response.remove("content");
        }
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        headers["X-Request-Id"] = json!({ "$ref": "#/components/headers/RequestId" });
    }
}

fn problem(status: u16, kinds: &[Kind], has_pages: bool) -> Value {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}", kind.name, kind.when))
        .collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let value = json!({
                "type": kind.name,
                "title": kind.name.replace('-', " "),
                "status": kind.status,
                "detail": kind.when,
                "request_id": "4f1c0c1e-7a52-4f3e-9c55-0d8f6a1f2b3c",
            });
            (kind.name.to_owned(), json!({ "value": value }))
        })
        .collect();
    let mut problem = json!({
        "description": lines.join("\n\n"),
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/ProblemDetails" },
                "examples": examples,
            },
        },
    });
    if has_pages {
        problem["content"]["text/html"] = json!({ "schema": { "type": "string" } });
    }
    let mut header = |name: &str, about: &str| {
        problem["headers"][name] = json!({ "description": about, "schema": { "type": "string" } });
    };
    match status {
        401 => header("WWW-Authenticate", "What to send: a bearer, or HTTP Basic."),
        416 => header("Content-Range", "`bytes */` and the length of the archive."),
        429 | 503 => header("Retry-After", "After how many seconds to ask again."),
        _ => {}
    }
    problem
}
