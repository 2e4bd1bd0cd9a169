//! Answers held against the description of the API: status, content type, headers and schema must stand there.
//!
//! It knows the part of JSON Schema that the description uses; a word that it does not know fails.

use std::sync::LazyLock;

use http::HeaderMap;
use serde_json::Value;

use super::client::Answered;

/// The description, as the server hands it out.
pub static API: LazyLock<Value> = LazyLock::new(sheaf::http::api::described);

/// Words of a schema that say nothing about a value, or what is not checked here.
const SILENT: [&str; 5] = ["description", "format", "example", "default", "title"];

/// Must be described for this operation. Returns what of it is not.
pub fn fault(method: &str, path: &str, answer: &Answered) -> Option<String> {
    let operation = &API["paths"][path][method.to_lowercase()];
    if operation.is_null() {
        return Some(format!("{method} {path} is not described"));
    }
    let status = answer.status.as_u16();
    let described = &operation["responses"][status.to_string()];
    if described.is_null() {
        return Some(format!("{status} is not described"));
    }
    header_fault(described, &answer.headers).or_else(|| body_fault(described, answer))
}

fn header_fault(described: &Value, headers: &HeaderMap) -> Option<String> {
    let names = described["headers"].as_object()?.keys();
    let mut missing = names.filter(|name| !headers.contains_key(name.as_str()));
    // A 503 of a store that is out of reach has it, one of `readyz` without a store too.
    missing.next().map(|name| format!("there is no {name}"))
}

fn body_fault(described: &Value, answer: &Answered) -> Option<String> {
    let content = described["content"].as_object();
    let Some(content) = content else {
        return (!answer.body.is_empty()).then(|| "a body is not described".to_owned());
    };
    let given = answer.headers.get("content-type")?.to_str().ok()?;
    let media = given.split(';').next()?.trim();
    let Some(described) = content.get(media) else {
        return Some(format!("{media} is not described"));
    };
    if media != "application/json" && media != "application/problem+json" {
        return None;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return Some("that is no JSON".to_owned());
    };
    if media == "application/problem+json" {
        let kind = body["type"].as_str().unwrap_or_default();
        if described["examples"][kind].is_null() {
            return Some(format!("the problem {kind} is not described here"));
        }
    }
    schema_fault(&described["schema"], &body, "")
}

/// What of a value is not as the schema says.
pub fn schema_fault(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let words = schema.as_object()?;
    words.iter().find_map(|(word, says)| {
        let holds = match word.as_str() {
            "$ref" => {
                let pointer = says.as_str()?.trim_start_matches('#');
                return schema_fault(API.pointer(pointer)?, value, at);
            }
            "properties" => {
                return says.as_object()?.iter().find_map(|(name, schema)| {
                    let value = value.get(name)?;
                    schema_fault(schema, value, &format!("{at}/{name}"))
                });
            }
            "items" => {
                return value
                    .as_array()?
                    .iter()
                    .find_map(|value| schema_fault(says, value, &format!("{at}/-")));
            }
            "type" => match says {
                Value::Array(types) => types.iter().any(|name| is(value, name)),
                name => is(value, name),
            },
            "enum" => says.as_array()?.contains(value),
            "required" => {
                let mut names = says.as_array()?.iter().filter_map(Value::as_str);
                names.all(|name| value.get(name).is_some())
            }
            "oneOf" => says
                .as_array()?
                .iter()
                .any(|schema| schema_fault(schema, value, at).is_none()),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| Some(number) >= says.as_f64()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| Some(number) <= says.as_f64()),
            "additionalProperties" if says == false => {
                let known = &schema["properties"];
                let mut names = value.as_object()?.keys();
                names.all(|name| known.get(name).is_some())
            }
            word => SILENT.contains(&word),
        };
        (!holds).then(|| format!("{at}: {value} against {word} {says}"))
    })
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("null") => value.is_null(),
        _ => false,
    }
}
