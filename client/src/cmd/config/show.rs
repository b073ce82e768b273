//! `llmctl config show`: the configuration in force, with where each value comes from.

use std::fmt::Write as _;

use llmctl_proto::config::{KeyPath, Layer, Loaded, Origin, Shown, schema, to_yaml};
use llmctl_proto::paths::Paths;

use super::print;
use crate::cli::config::ConfigFlags;
use crate::config::{self, safe};
use crate::error::{CliError, Exit, Outcome};

pub(super) fn run(paths: &Paths, flags: &ConfigFlags, keys: &[String], origin: bool, json: bool) -> Outcome {
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let keys =
        keys.iter().map(|key| KeyPath::parse(key).map_err(CliError::usage)).collect::<Result<Vec<_>, _>>()?;
    let text = if json || origin {
        let shown = shown(&loaded, &keys)?;
        if json { as_json(&shown)? } else { as_lines(&shown) }
    } else {
        as_yaml(&loaded, &keys)?
    };
    print(&String::from_utf8_lossy(&safe(&text)))?;
    Ok(Exit::Ok)
}

fn shown(loaded: &Loaded, keys: &[KeyPath]) -> Result<Vec<Shown>, CliError> {
    if keys.is_empty() {
        return Ok(loaded.show(&KeyPath::default()).unwrap_or_default());
    }
    let mut all = Vec::new();
    for key in keys {
        all.extend(loaded.show(key).ok_or_else(|| unknown(loaded, key))?);
    }
    Ok(all)
}

fn unknown(loaded: &Loaded, key: &KeyPath) -> CliError {
    let (last, above) =
        key.0.split_last().map_or((String::new(), &[][..]), |(last, above)| (last.clone(), above));
    let here = loaded.tree.at_path(above).and_then(|node| node.map());
    let mut known: Vec<&str> = here.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if let Some(schema::Kind::Object(keys)) = schema::kind_at(above) {
        known.extend(keys.iter().map(|key| key.name));
    }
    known.sort_unstable();
    known.dedup();
    let error = CliError::usage(format!("there is no {key} in the configuration"));
    let error = match llmctl_proto::config::nearest(&last, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {}?", KeyPath(above.to_vec()).with(near))),
        None if known.is_empty() => error,
        None => error.hint(format!("known there: {}", known.join(", "))),
    };
    error.hint("names with dots stand in quotes: 'models.\"claude-3.5\".provider'")
}

/// Columns: path, value, layer, place; what is overridden stands below.
fn as_lines(shown: &[Shown]) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for value in shown {
        let layer = |origin: &Origin| origin.layer.word().to_owned();
        rows.push([value.path.clone(), value.value.clone(), layer(&value.origin), place(&value.origin)]);
        for old in &value.overridden {
            let note = if old.value == value.value { "overridden: same" } else { "overridden" };
            let place = format!("{}  ({note})", place(&old.origin));
            rows.push([String::new(), old.value.clone(), layer(&old.origin), place]);
        }
    }
    // A long value must not push the others off the screen.
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(60);
    let (path, value) = (width(0), width(1));
    rows.iter().fold(String::new(), |mut text, row| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:path$}  {:value$}  {:9}  {}", row[0], row[1], row[2], row[3]);
        text
    })
}

fn place(origin: &Origin) -> String {
    origin.short()
}

fn as_json(shown: &[Shown]) -> Result<String, CliError> {
    let origin = |origin: &Origin| {
        let file = matches!(origin.layer, Layer::User | Layer::Project);
        if file {
            serde_json::json!({"layer": origin.layer, "file": origin.name, "line": origin.line, "column": origin.column})
        } else {
            serde_json::json!({"layer": origin.layer, "name": origin.name})
        }
    };
    let values: Vec<serde_json::Value> = shown
        .iter()
        .map(|value| {
            let old = value.overridden.iter();
            let old = old.map(|old| serde_json::json!({"value": old.value, "origin": origin(&old.origin)}));
            serde_json::json!({
                "path": value.path,
                "value": value.value,
                "origin": origin(&value.origin),
                "overridden": old.collect::<Vec<_>>(),
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&values).map_err(|e| CliError::failed(e.to_string()))?;
    Ok(text + "\n")
}

fn as_yaml(loaded: &Loaded, keys: &[KeyPath]) -> Result<String, CliError> {
    if keys.is_empty() {
        return Ok(to_yaml(&loaded.tree, &KeyPath::default()));
    }
    let mut text = String::new();
    for key in keys {
        match loaded.tree.at_path(&key.0) {
            Some(node) => text.push_str(&to_yaml(node, key)),
            None => {
                let shown = loaded.show(key).ok_or_else(|| unknown(loaded, key))?;
                text.extend(shown.iter().map(|value| format!("{}\n", value.value)));
            }
        }
    }
    Ok(text)
}
