//! The configuration as the client reads it: layers, what comes with the program, what refuses to run.
//!
//! A mistake in an entry only takes that entry out of the choice. A file that cannot be read as a whole and a mistake
//! where limits are set refuse everything: a typing mistake must not lift a limit.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use llmctl_proto::config::{Catalogue, LoadError, Loaded, Overrides};
use llmctl_proto::paths::Paths;

use crate::cli::config::ConfigFlags;
use crate::error::CliError;
use crate::practice;
use crate::provider::{known, local};
use crate::term::Safe;
use crate::tool::{Template, ToolSpec};

/// What comes with this program, for the checks of references and templates.
pub fn catalogue() -> Catalogue {
    let providers = known::KNOWN.iter().map(|known| known.name).chain([known::CUSTOM, practice::MODEL]);
    Catalogue {
        adapters: ToolSpec::all().iter().map(|spec| spec.name).collect(),
        providers: providers.chain(local::names()).collect(),
        template_error: Some(|text| Template::parse(text).err().map(|error| error.to_string())),
        references: true,
    }
}

/// Loads the configuration for a verb: the user's directory, a trusted project's, variables, flags.
///
/// # Errors
/// The flags make no sense. What is wrong in files is among the diagnostics.
pub fn load(paths: &Paths, flags: &ConfigFlags) -> Result<Loaded, CliError> {
    load_in(paths, &working_dir()?, &Overrides::from(flags))
}

/// As [`load`], for a working directory.
///
/// # Errors
/// As [`load`].
pub fn load_in(paths: &Paths, cwd: &Path, overrides: &Overrides) -> Result<Loaded, CliError> {
    Loaded::load_for_cli(paths, cwd, overrides, catalogue()).map_err(CliError::from)
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
pub(crate) fn working_dir() -> Result<PathBuf, CliError> {
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
    fn everything_that_can_run_without_configuration_may_be_named_in_it() {
        let catalogue = catalogue();
        let servers = local::targets(&|_| None).expect("no variable points elsewhere");
        assert!(servers.iter().all(|server| catalogue.knows_tool(&server.name)));
        assert!(
            ["claude-code", "anthropic", "openai", "custom", "practice"]
                .iter()
                .all(|n| catalogue.knows_tool(n))
        );
        assert!(!catalogue.knows_tool("cursor"));
        let check = catalogue.template_error.expect("a check");
        assert!(check("{binary} | sh").is_some() && check("{binary} {model}").is_none());
    }

    #[test]
    fn a_mistake_where_limits_are_set_refuses_everything_and_others_do_not() {
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = Paths {
            state: dir.path().join("state"),
            runtime: dir.path().join("run"),
            config: dir.path().join("config"),
            socket: dir.path().join("run/socket"),
        };
        std::fs::create_dir(&paths.config).expect("mkdir");
        let write = |name: &str, text: &str| std::fs::write(paths.config.join(name), text).expect("written");
        let read = || load_in(&paths, dir.path(), &Overrides::default()).expect("no flags");
        write("tools.yaml", "tools:\n  odd:\n    binary: a\n    colour: red\n");
        let loaded = read();
        refuse(&loaded).expect("a broken tool is only out of the choice");
        let tool = loaded.config.tools["odd"].clone();
        assert!(tool.broken.is_some_and(|why| why.contains("tools.odd") && why.contains("tools.yaml")));
        write("policies.yaml", "policies:\n  default:\n    limit: {tpye: hard}\n");
        let error = refuse(&read()).expect_err("a limit may be lifted").to_string();
        assert!(error.contains("tpye") && error.contains("policies.yaml:3"), "{error}");
    }
}
