//! Whether what the program prints is what `docs/result.schema.json` says.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

/// Whether an object has what docs/result.schema.json requires, and nothing that it does not know.
#[track_caller]
pub fn matches_schema(value: &Value, definition: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/result.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    check(value, &schema["$defs"][definition], &schema["$defs"], definition);
}

#[track_caller]
fn check(value: &Value, schema: &Value, definitions: &Value, place: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &definitions[name.rsplit('/').next().unwrap()],
        None => schema,
    };
    if let Some(fields) = value.as_object() {
        let known: BTreeSet<&str> = schema["properties"]
            .as_object()
            .map(|known| known.keys().map(String::as_str).collect())
            .unwrap_or_default();
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(required.as_str().unwrap()), "{place} lacks {required}");
        }
        for (name, field) in fields {
            assert!(known.is_empty() || known.contains(name.as_str()), "{place} has an unknown {name}");
            check(field, &schema["properties"][name], definitions, &format!("{place}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(item, &schema["items"], definitions, &format!("{place}[]"));
    }
}
