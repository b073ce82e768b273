//! Reads TOML into the tree.

use toml::de::{DeTable, DeValue};

use super::tree::{Field, Node, Places, SyntaxError, Value};

/// Reads a text.
///
/// # Errors
/// It is no TOML; says where.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let places = Places::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let byte = error.span().map_or(0, |span| span.start);
        // The parser's own words name what it expected and never repeat the file.
        SyntaxError::new(places.at(byte), error.message())
    })?;
    Ok(Node { value: map(&places, table.get_ref()), at: places.at(0) })
}

fn map(places: &Places<'_>, table: &DeTable<'_>) -> Value {
    let field = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| Field {
        key: key.get_ref().to_string(),
        at: places.at(key.span().start),
        node: node(places, value),
    };
    Value::Map(table.iter().map(field).collect())
}

fn node(places: &Places<'_>, spanned: &toml::Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(words) => Value::Text(words.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Number(number.as_str().replace('_', "")),
        DeValue::Integer(number) => Value::Number(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
        ),
        DeValue::Float(number) => Value::Number(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(places, item)).collect()),
        DeValue::Table(table) => map(places, table),
    };
    Node { value, at: places.at(spanned.span().start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::import::tree::At;

    #[test]
    fn tables_keep_order_and_place() {
        let node = parse("model = \"x\"\n[mcp_servers.\"a.b\"]\ncommand = 'npx'\nargs = [\n 'ü', 'y']\nn = 0x1F\nt = 1_0.5\n")
            .expect("TOML");
        let server = node.get("mcp_servers").and_then(|n| n.get("a.b")).expect("there");
        let keys: Vec<_> = server.fields().expect("a table").iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["command", "args", "n", "t"]);
        assert_eq!(server.get("command").expect("there").at, At { line: 3, column: 11 });
        let Some(Value::List(items)) = server.get("args").map(|n| &n.value) else { panic!("a list") };
        assert_eq!(items[1].at, At { line: 5, column: 7 });
        assert_eq!(server.get("n").and_then(Node::word).as_deref(), Some("31"));
        assert_eq!(server.get("t").and_then(Node::word).as_deref(), Some("10.5"));
    }

    #[test]
    fn mistakes_have_a_place() {
        let error = parse("[a]\nb = \nc = 1\n").map(|_| ()).expect_err("no value");
        assert_eq!(error.at.line, 2, "{error}");
        assert!(parse("a = 1\na = 2\n").is_err(), "a key twice");
    }
}
