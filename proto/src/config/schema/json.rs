//! The schema as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::{Key, Kind, ROOT, SECRET_SOURCE};

/// The JSON Schema (draft 2020-12) of the whole configuration.
pub fn json_schema() -> Value {
    let mut schema = object(ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("llmctl configuration");
    schema
}

fn object(keys: &'static [Key]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    // Which keys must be there depends on others (retired, the catalogue), so that is left to `config validate`.
    json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false})
}

fn property(key: &'static Key) -> Value {
    let mut schema = kind(key.kind);
    schema["description"] = json!(key.doc);
    if let Some(default) = default(key) {
        schema["default"] = default;
    }
    schema
}

fn default(key: &Key) -> Option<Value> {
    match (key.default, key.kind) {
        ("" | "{}", _) => None,
        (text, Kind::Bool) => Some(json!(text == "true")),
        (text, Kind::Integer(..)) => text.parse::<u64>().ok().map(|number| json!(number)),
        (text, Kind::List(_)) => {
            let items = text.trim_matches(['[', ']']).split(',').map(str::trim);
            Some(items.filter(|item| !item.is_empty()).collect())
        }
        (text, Kind::Money) => serde_json::from_str(text).ok(),
        (text, _) => Some(json!(text)),
    }
}

fn kind(kind_of: Kind) -> Value {
    match kind_of {
        Kind::Bool => json!({"type": ["boolean", "null"]}),
        Kind::Text | Kind::EnvText | Kind::Zone | Kind::Moment => {
            json!({"type": ["string", "number", "boolean", "null"]})
        }
        Kind::EnvName => json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Integer(least, most) => json!({"type": ["integer", "null"], "minimum": least, "maximum": most}),
        Kind::Money | Kind::Price(_) | Kind::Factor => json!({"type": ["number", "null"], "minimum": 0}),
        Kind::List(inner) => json!({"type": ["array", "null"], "items": kind(*inner)}),
        Kind::MapOf(inner) => json!({"type": ["object", "null"], "additionalProperties": kind(*inner)}),
        Kind::Table(keys) => json!({"type": ["object", "null"], "additionalProperties": object(keys)}),
        Kind::Object(keys) => object(keys),
        Kind::Words => json!({"type": ["string", "array"], "items": {"type": "string"}}),
        Kind::Secret => json!({"anyOf": [kind(Kind::EnvText), secret_source()]}),
        Kind::Any => json!({}),
    }
}

/// A mapping with exactly one of its keys.
fn secret_source() -> Value {
    let mut source = object(SECRET_SOURCE);
    source["type"] = json!("object");
    source["minProperties"] = json!(1);
    source["maxProperties"] = json!(1);
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_it() {
        let schema = json_schema();
        let policy = &schema["properties"]["policies"]["additionalProperties"]["properties"];
        assert_eq!(policy["limit"]["properties"]["type"]["enum"], json!(["soft", "hard"]));
        assert_eq!(policy["fallback"]["properties"]["on"]["default"][0], "binary_missing");
        assert_eq!(
            schema["properties"]["daemon"]["properties"]["http"]["properties"]["port"]["maximum"],
            65_535
        );
        assert_eq!(schema["additionalProperties"], json!(false));
        let server = &schema["properties"]["mcp_servers"]["additionalProperties"]["properties"];
        for secret in [&server["bearer"], &server["url"], &server["env"]["additionalProperties"]] {
            assert_eq!(secret["anyOf"][0]["type"][0], "string");
            assert_eq!(secret["anyOf"][1]["properties"]["file"]["type"][0], "string");
            assert_eq!(secret["anyOf"][1]["maxProperties"], 1);
        }
        assert_eq!(server["health_check"]["properties"]["method"]["enum"][0], "auto");
    }
}
