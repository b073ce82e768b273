//! Files that mean harm, or nothing: names, sizes, kinds, and text that is no file of anybody.

use std::path::Path;

use llmctl_proto::task::append_section;
use proptest::prelude::*;
use serde_json::json;

use crate::mcp::import::server::to_json;
use crate::mcp::import::{Belongs, Choice, Format, Found, choose, parse, servers};

fn read(text: &str, format: Format) -> Vec<Found> {
    let root = parse(text, Some(format), Path::new("x.json")).expect("JSON");
    servers(&root, format, Belongs::default()).expect("servers")
}

#[test]
fn hostile_names_become_harmless_and_stay_apart() {
    let text = json!({"mcpServers": {
        "../../../etc/passwd": {"command": "a"},
        "x\n  evil:\n    command": {"command": "b"},
        "x: {command: rm}": {"command": "c"},
        "\u{1b}[31mred\u{202e}": {"command": "d"},
        "": {"command": "e"},
        "....": {"command": "f"},
        "&anchor": {"command": "g"},
        "true": {"command": "h"},
        "12": {"command": "i"},
        "<<": {"command": "j"},
    }});
    let found = read(&text.to_string(), Format::McpJson);
    let offered: Vec<_> = found.into_iter().map(|found| (0, found)).collect();
    let (chosen, _) = choose(&offered, Choice::default());
    assert_eq!(chosen.len(), 10);
    let mut yaml = String::new();
    for server in &chosen {
        assert!(
            server.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)),
            "{}",
            server.name
        );
        assert!(!server.name.starts_with(['.', '-']), "{}", server.name);
        {
            let value = server.server.to_value(false, &mut |_, _| unreachable!("no secret"));
            let path = ["s".to_owned(), server.name.clone()];
            let one = append_section("", &path, &value).expect("YAML");
            let tree: serde_json::Value = serde_yaml::from_str(&one).expect("YAML");
            assert_eq!(tree["s"].as_object().map(serde_json::Map::len), Some(1), "{one}");
            assert_eq!(tree["s"][&server.name], to_json(&value), "{one}");
            yaml.push_str(&one);
        }
    }
    assert!(!yaml.contains("evil:") && !yaml.contains('\u{1b}'), "{yaml}");
}

#[test]
fn kinds_that_do_not_fit_are_said_with_their_place() {
    let found = read(
        r#"{"mcpServers": {
  "a": {"command": ["npx", "-y"], "args": [1, true, "x"]},
  "b": {"command": "x", "args": "y"},
  "c": {"command": "x", "args": [["y"]]},
  "d": {"command": "x", "env": ["A=b"], "timeout": "soon", "disabled": "no", "cwd": 5},
  "e": {"command": ""},
  "f": {"url": 5},
  "g": {"url": "file:///etc/passwd"},
  "h": null,
  "i": {"command": "x\u0000y"},
  "j": {"type": "carrier-pigeon", "command": "x"}
}}"#,
        Format::ClaudeCode,
    );
    let says = |name: &str| -> String {
        let found = found.iter().find(|found| found.name == name).expect(name);
        match &found.server {
            Err(refused) => format!("{}:{} {}", refused.at.line, refused.at.column, refused.why),
            Ok(_) => {
                let notes = found.notes.iter();
                notes.map(|n| format!("{}:{} {}", n.at.line, n.field, n.text)).collect::<Vec<_>>().join("; ")
            }
        }
    };
    assert_eq!(says("a"), "");
    assert_eq!(says("b"), "3:33 `args` must be a list");
    assert_eq!(says("c"), "4:34 an argument is a list");
    for part in
        ["5:env it is a list", "5:timeout it is no number", "5:disabled it is a text", "5:cwd it is a number"]
    {
        assert!(says("d").contains(part), "{}", says("d"));
    }
    for name in ["e", "f", "g", "h", "i", "j"] {
        assert!(says(name).contains(':'), "{name}: {}", says(name));
        assert!(found.iter().any(|found| found.name == name && found.server.is_err()), "{name}");
    }
}

#[test]
fn files_of_something_else_are_errors_with_a_place() {
    for (text, format) in
        [("[]", Format::McpJson), ("{\"mcpServers\": []}", Format::McpJson), ("5", Format::VsCode)]
    {
        let root = parse(text, Some(format), Path::new("x.json")).expect("JSON");
        let error = servers(&root, format, Belongs::default()).expect_err(text);
        assert!(error.to_string().starts_with("1:"), "{error}");
    }
    let many: serde_json::Map<_, _> = (0..201).map(|n| (format!("s{n}"), json!({"command": "x"}))).collect();
    let root =
        parse(&json!({"mcpServers": many}).to_string(), Some(Format::McpJson), Path::new("x")).expect("JSON");
    assert!(servers(&root, Format::McpJson, Belongs::default()).is_err());
    assert!(read("{\"theme\": 1}", Format::Gemini).is_empty());
}

proptest! {
    #[test]
    fn a_secret_is_never_part_of_what_is_written_or_said(
        name in "[A-Z]{1,6}_(TOKEN|KEY|SECRET|PASSWORD)",
        // Long enough not to be a word of the file by chance.
        value in "[a-zA-Z0-9!#:{} '\"\\\\-]{12,40}",
        header in any::<bool>(),
    ) {
        prop_assume!(!value.trim().is_empty() && value.trim().len() >= 12);
        let server = if header {
            json!({"url": "https://h/", "headers": {"Authorization": value, "X-Plain": "1"}})
        } else {
            json!({"command": "x", "args": ["--token", value], "env": {name: value}})
        };
        for format in [Format::ClaudeCode, Format::VsCode, Format::Gemini, Format::ClaudeDesktop] {
            let key = if format == Format::VsCode { "servers" } else { "mcpServers" };
            let found = read(&json!({key: {"a": server}}).to_string(), format);
            let debug = format!("{found:?}");
            prop_assert!(!debug.contains(value.trim()), "{debug}");
            if let Ok(server) = &found[0].server {
                let value_tree = server.to_value(false, &mut |_, _| "/kept".into());
                let yaml = append_section("", &["s".to_owned(), "a".to_owned()], &value_tree)
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert!(!yaml.contains(value.trim()), "{yaml}");
            }
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        for format in Format::ALL {
            if let Ok(root) = parse(&text, Some(format), Path::new("x")) {
                let _ = servers(&root, format, Belongs::default());
            }
        }
    }
}
