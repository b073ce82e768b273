//! Tools of the user's own: the `tools` of `tools.yaml` in the configuration directory.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use llmctl_proto::config::{Config, Table, Tool};

use crate::error::CliError;
use crate::tool::{Template, ToolSpec};

/// Largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;
/// This system's key in `platforms`.
const SYSTEM: &str = if cfg!(target_os = "macos") { "macos" } else { "linux" };

/// A program run by a command template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateTool {
    /// Program name or path.
    binary: String,
    /// The command, with placeholders.
    command_template: String,
    /// Models it offers; the first is used when none is named.
    #[serde(default)]
    models: Vec<String>,
    /// Explicit path of the program.
    #[serde(default)]
    binary_path: Option<String>,
    /// Added to the program's environment.
    #[serde(default)]
    env_vars: BTreeMap<String, String>,
    /// Must be set.
    #[serde(default)]
    env_required: Vec<String>,
    /// Last places to look, by system.
    #[serde(default)]
    platforms: BTreeMap<String, String>,
    /// What it can do.
    #[serde(default)]
    capabilities: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    tools: BTreeMap<String, serde_yaml::Value>,
}

/// A configuration that holds nothing but the tools of `tools.yaml`.
///
/// # Errors
/// The file cannot be read or is wrong; the error names it and the place.
pub fn load(config: &Path) -> Result<Config, CliError> {
    let path = config.join("tools.yaml");
    let name = path.display().to_string();
    let nothing = Config { default_policy: "default".to_owned(), ..Config::default() };
    let meta = match std::fs::metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(nothing),
        Err(error) => return Err(CliError::usage(format!("cannot read {name}")).caused_by(error)),
    };
    if meta.len() > MAX_BYTES {
        return Err(CliError::usage(format!("{name} is longer than {} KiB", MAX_BYTES / 1024)));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|e| CliError::usage(format!("cannot read {name}")).caused_by(e))?;
    Ok(Config { tools: parse(&text, &name)?, ..nothing })
}

fn parse(text: &str, name: &str) -> Result<Table<Tool>, CliError> {
    let wrong = |what: String| CliError::usage(format!("{name} is not valid")).caused_by(what);
    if text.trim().is_empty() {
        return Ok(Table::new());
    }
    let file: File = serde_yaml::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let mut tools = Table::new();
    for (tool, value) in file.tools {
        if ToolSpec::find(&tool).is_some() {
            continue;
        }
        let template: TemplateTool =
            serde_yaml::from_value(value).map_err(|e| wrong(format!("tools.{tool}: {e}")))?;
        Template::parse(&template.command_template)
            .map_err(|e| wrong(format!("tools.{tool}.command_template: {e}")))?;
        let configured = Tool {
            binary: template.binary,
            command_template: Some(template.command_template),
            binary_path: template.binary_path,
            models: template.models,
            env_vars: template.env_vars,
            env_required: template.env_required,
            platform_path: template.platforms.get(SYSTEM).cloned(),
            capabilities: template.capabilities,
            ..Tool::default()
        };
        tools.insert(tool, configured);
    }
    Ok(tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_read_and_mistakes_are_named() {
        let text = "tools:\n  claude-code:\n    anything: goes\n  shout:\n    binary: tr\n    command_template: '{binary} a-z A-Z'\n    models: [shout-1]\n";
        let tools = parse(text, "tools.yaml").expect("valid");
        assert_eq!(tools.keys().collect::<Vec<_>>(), ["shout"]);
        for (wrong, part) in [
            ("tools: [", "tools.yaml"),
            ("tools:\n  x:\n    binary: a\n", "command_template"),
            (
                "tools:\n  x:\n    binary: a\n    command_template: '{binary} | sh'\n",
                "tools.x.command_template",
            ),
            ("tools:\n  x:\n    binary: a\n    command_template: '{binary}'\n    colour: red\n", "colour"),
        ] {
            let error = parse(wrong, "tools.yaml").expect_err("wrong").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
