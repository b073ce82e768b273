//! Headers that a tool's schema wants made from its arguments (`x-mcp-header`, revision 2026-07-28 over HTTP).
//!
//! Pure. Finds the notes in a schema, judges them as the revision says, and writes values so that none can break
//! out of its header. Follows no reference.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::list::Tool;

/// Largest whole number that every reader of JSON has exactly.
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// An argument and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParamHeader {
    /// Where the argument is.
    path: Vec<String>,
    header: HeaderName,
}

/// The headers of all tools that want some.
#[derive(Debug, Default)]
pub(super) struct ToolHeaders(HashMap<String, Vec<ParamHeader>>);

impl ToolHeaders {
    pub(super) fn of(tools: &[Tool]) -> Self {
        let each = tools.iter().filter_map(|tool| {
            let headers = read(&tool.input_schema).ok().filter(|headers| !headers.is_empty())?;
            Some((tool.name.clone(), headers))
        });
        Self(each.collect())
    }

    /// The headers of a call.
    pub(super) fn for_call(&self, tool: &str, args: &Value) -> Vec<(HeaderName, HeaderValue)> {
        let wanted = self.0.get(tool).map(Vec::as_slice).unwrap_or_default();
        let each = wanted.iter().filter_map(|one| {
            let value = one.path.iter().try_fold(args, |value, key| value.get(key))?;
            Some((one.header.clone(), header_value(&written(value)?)))
        });
        each.collect()
    }
}

/// A note that breaks a rule, which makes its tool unusable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// The headers a schema wants.
pub(super) fn read(schema: &RawValue) -> Result<Vec<ParamHeader>, Invalid> {
    // Most schemas have none, and need not be read.
    if !schema.get().contains("x-mcp-header") {
        return Ok(Vec::new());
    }
    let schema: Value = serde_json::from_str(schema.get()).map_err(|_| Invalid)?;
    let mut found = Found { headers: Vec::new(), names: HashSet::new(), path: Vec::new() };
    found.schema(&schema, true)?;
    Ok(found.headers)
}

struct Found {
    headers: Vec<ParamHeader>,
    names: HashSet<HeaderName>,
    path: Vec<String>,
}

impl Found {
    /// Looks through a schema; `reachable` while only `properties` lead to it.
    fn schema(&mut self, schema: &Value, reachable: bool) -> Result<(), Invalid> {
        match schema {
            Value::Object(map) => {
                if let Some(name) = map.get("x-mcp-header") {
                    self.note(name, map, reachable)?;
                }
                for (key, value) in map {
                    match (key.as_str(), value) {
                        ("properties", Value::Object(properties)) => {
                            self.properties(properties, reachable)?;
                        }
                        // Values that look like schemas and are none.
                        ("x-mcp-header" | "default" | "const" | "enum" | "examples", _) => {}
                        _ => self.schema(value, false)?,
                    }
                }
                Ok(())
            }
            Value::Array(list) => list.iter().try_for_each(|value| self.schema(value, false)),
            _ => Ok(()),
        }
    }

    fn properties(&mut self, properties: &Map<String, Value>, reachable: bool) -> Result<(), Invalid> {
        for (name, schema) in properties {
            self.path.push(name.clone());
            self.schema(schema, reachable)?;
            self.path.pop();
        }
        Ok(())
    }

    fn note(&mut self, name: &Value, schema: &Map<String, Value>, reachable: bool) -> Result<(), Invalid> {
        let kind = schema.get("type").and_then(Value::as_str);
        let primitive = matches!(kind, Some("string" | "integer" | "boolean"));
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or(Invalid)?;
        if !reachable || !primitive || self.path.is_empty() {
            return Err(Invalid);
        }
        // The type allows what the rule allows: letters, digits and the marks of a token.
        let header = HeaderName::try_from(format!("mcp-param-{name}")).map_err(|_| Invalid)?;
        if !self.names.insert(header.clone()) {
            return Err(Invalid);
        }
        self.headers.push(ParamHeader { path: self.path.clone(), header });
        Ok(())
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| {
                let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
                (float.abs() <= MAX_INTEGER as f64).then_some(float as i64)
            })?;
            (whole.abs() <= MAX_INTEGER).then(|| whole.to_string())
        }
        _ => None,
    }
}

/// A text as the value of a header: itself, or in Base64 where it could be misread.
pub(super) fn header_value(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let written = if plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) };
    // Both forms are visible ASCII and spaces only.
    HeaderValue::try_from(written).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(schema: &Value) -> Result<Vec<ParamHeader>, Invalid> {
        read(&RawValue::from_string(schema.to_string()).expect("JSON"))
    }

    fn one(property: &Value) -> Result<Vec<ParamHeader>, Invalid> {
        headers(&json!({"type": "object", "properties": {"value": property}}))
    }

    #[test]
    fn notes_are_found_where_only_properties_lead() {
        let nested = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "Deep-N"}}},
            "x-mcp-header": {"type": "string", "default": {"x-mcp-header": "no"}},
        }});
        let found = headers(&nested).expect("valid");
        let names: Vec<&str> = found.iter().map(|one| one.header.as_str()).collect();
        assert_eq!(names, ["mcp-param-deep-n", "mcp-param-region"]);
        let call = ToolHeaders(HashMap::from([("t".to_owned(), found)]));
        let made = call.for_call("t", &json!({"region": " x", "deep": {"n": -7.0}}));
        let made: Vec<_> =
            made.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect();
        assert_eq!(made, [("mcp-param-deep-n", "-7"), ("mcp-param-region", "=?base64?IHg=?=")]);
        assert!(call.for_call("t", &json!({"region": null, "deep": 1})).is_empty());
        assert!(call.for_call("u", &json!({"region": "x"})).is_empty());
    }

    #[test]
    fn notes_against_the_rules_are_refused() {
        for name in [json!(""), json!("a b"), json!("a:b"), json!("é"), json!("a\tb"), json!(1)] {
            assert_eq!(one(&json!({"type": "string", "x-mcp-header": name})), Err(Invalid), "{name}");
        }
        for kind in ["object", "array", "null", "number"] {
            assert_eq!(one(&json!({"type": kind, "x-mcp-header": "A"})), Err(Invalid), "{kind}");
        }
        let twice = json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "X"}, "b": {"type": "string", "x-mcp-header": "x"},
        }});
        assert_eq!(headers(&twice), Err(Invalid));
        let note = json!({"type": "string", "x-mcp-header": "A"});
        for elsewhere in
            [json!({"items": note}), json!({"anyOf": [note]}), json!({"$defs": {"d": note}}), note]
        {
            assert_eq!(headers(&elsewhere), Err(Invalid), "{elsewhere}");
        }
    }

    #[test]
    fn values_cannot_leave_their_header() {
        let written = |text: &str| header_value(text).to_str().expect("ASCII").to_owned();
        assert_eq!(written("us-west1"), "us-west1");
        assert_eq!(written("us west 1"), "us west 1");
        assert_eq!(written(""), "");
        assert_eq!(written("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
        assert_eq!(written("line1\r\nline2"), "=?base64?bGluZTENCmxpbmUy?=");
        assert_eq!(written("\tindented"), "=?base64?CWluZGVudGVk?=");
        assert_eq!(written("=?base64?literal?="), "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
    }
}
