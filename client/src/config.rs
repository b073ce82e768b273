//! The configuration as the verbs use it: found, loaded, with what this program knows beside the files.

use std::io::Write as _;

use llmctl_proto::config::{Catalogue, LoadError, Loaded, Overrides};
use llmctl_proto::paths::Paths;

use crate::cli_config::ConfigFlags;
use crate::error::CliError;
use crate::practice;
use crate::provider::known;
use crate::term::Safe;
use crate::tool::{Template, ToolSpec};

/// Servers on this machine that may stand for a tool.
const LOCAL: [&str; 9] = [
    "ollama",
    "llama.cpp",
    "lm-studio",
    "vllm",
    "jan",
    "koboldcpp",
    "text-generation-webui",
    "local-server",
    "local",
];

/// What comes with this program: adapters, providers, local servers, the check of templates.
pub fn catalogue() -> Catalogue {
    let none = |_: &str| None;
    let known = known::all(&none).into_iter().map(|(name, _)| name);
    Catalogue {
        adapters: ToolSpec::all().iter().map(|spec| spec.name).collect(),
        providers: known.chain(LOCAL).chain([practice::MODEL]).collect(),
        template_error: Some(|template| Template::parse(template).err().map(|error| error.to_string())),
        references: true,
    }
}

/// Loads the configuration for a verb: the user's directory, a trusted project's, variables, flags.
///
/// # Errors
/// The flags make no sense. What is wrong in files is among the diagnostics.
pub fn load(paths: &Paths, flags: &ConfigFlags) -> Result<Loaded, CliError> {
    let overrides = Overrides::from(flags);
    Loaded::load_for_cli(paths, &working_dir()?, &overrides, catalogue()).map_err(CliError::from)
}

/// Says on standard error, in one line, that a project's configuration is not in force.
pub fn notice(loaded: &Loaded) {
    if let Some(line) = loaded.notice() {
        // Nothing can be done when standard error is gone.
        let _ = std::io::stderr().write_all(&safe(&format!("note: {line}\n")));
    }
}

/// Refuses to run anything while limits cannot be known.
///
/// # Errors
/// A file cannot be parsed, or there is an error where limits are set.
pub fn refuse(loaded: &Loaded) -> Result<(), CliError> {
    let Some(found) = loaded.refusal() else { return Ok(()) };
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    let text = String::from_utf8_lossy(&safe(&list.join("\n"))).into_owned();
    Err(CliError::usage(format!("the configuration cannot be used, so no limit can be kept\n{text}"))
        .hint("correct it; `llmctl config validate` shows everything"))
}

/// The working directory.
///
/// # Errors
/// It is gone.
pub(crate) fn working_dir() -> Result<std::path::PathBuf, CliError> {
    std::env::current_dir().map_err(|e| CliError::failed("cannot use the working directory").caused_by(e))
}

/// Text with words of files in it, harmless for a terminal.
pub(crate) fn safe(text: &str) -> Vec<u8> {
    let (mut filter, mut out) = (Safe::default(), Vec::with_capacity(text.len()));
    filter.push(text.as_bytes(), &mut out);
    filter.finish(&mut out);
    out
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_knows_what_the_program_knows() {
        let catalogue = catalogue();
        assert!(catalogue.knows_tool("claude-code") && catalogue.knows_tool("ollama"));
        assert!(catalogue.knows_tool("openai") && !catalogue.knows_tool("cursor"));
        let check = catalogue.template_error.expect("a check");
        assert!(check("{binary} | sh").is_some() && check("{binary} {model}").is_none());
    }
}
