use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// Every route, read from the file that has them.
fn routes_of_the_server() -> BTreeSet<String> {
    let file = include_str!("../routes.rs");
    let bits: Vec<&str> = file.split(".route(").skip(1).collect();
    bits.iter()
        .filter_map(|rest| rest.split('"').nth(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let document = described();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, routes_of_the_server());
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn every_operation_names_groups_that_there_are() {
    let raw: Value = serde_json::from_str(FROM_CODE).unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in raw["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            ids.insert(format!("{id} {method}"));
            for name in operation["x-problems"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                assert!(group(name).is_some(), "{method} {path}: {name}");
            }
        }
    }
    assert!(ids.len() > 18, "{ids:?}");
}

#[test]
fn every_problem_that_is_made_is_described_somewhere_and_the_other_way_round() {
    let made = [
        include_str!("../problem/downloads.rs"),
        include_str!("../problem/jobs.rs"),
        include_str!("../problem/links.rs"),
        include_str!("../problem/requests.rs"),
        include_str!("../problem/store.rs"),
    ];
    let document = described();
    let text = document["paths"].to_string();
    for kind in kinds::ALL.iter().copied().flatten() {
        let quoted = format!("\"{}\"", kind.name);
        assert!(
            made.iter().any(|file| file.contains(&quoted)),
            "{} is described but never made",
            kind.name
        );
        // Of methods that are not described the document speaks in general.
        let general = kinds::METHOD.contains(kind);
        assert!(
            general || text.contains(&format!("`{}`", kind.name)),
            "{}",
            kind.name
        );
    }
}

#[test]
fn references_lead_somewhere_and_ids_are_unique() {
    fn walk(value: &Value, document: &Value, ids: &mut Vec<String>) {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        if let Some(id) = value["operationId"].as_str() {
            ids.push(id.to_owned());
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, document, ids)),
            Value::Object(fields) => fields.values().for_each(|item| walk(item, document, ids)),
            _ => {}
        }
    }
    let document = described();
    let mut ids = Vec::new();
    walk(&document, &document, &mut ids);
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operationId stands twice");
    assert!(!DOCUMENT.contains("x-problems") && !DOCUMENT.contains("# Errors"));
}
