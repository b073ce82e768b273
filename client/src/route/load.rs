//! The configuration as the client reads it: layers, what comes with the program, what refuses to run.
//!
//! A mistake in an entry only takes that entry out of the choice. A file that cannot be read as a whole and a mistake
//! where limits are set refuse everything: a typing mistake must not lift a limit.

use std::path::Path;

use llmctl_proto::config::{Catalogue, Loaded, Overrides};
use llmctl_proto::paths::Paths;

use crate::error::CliError;
use crate::practice;
use crate::provider::known;
use crate::tool::{Template, ToolSpec};

/// Names of local servers that are looked for.
const LOCAL: [&str; 9] = [
    "ollama",
    "lm-studio",
    "llama.cpp",
    "llama.cpp/localai/llamafile",
    "vllm",
    "jan",
    "gpt4all",
    "koboldcpp",
    "text-generation-webui",
];
/// Mistakes that are named when everything is refused.
const SHOWN: usize = 5;

/// What comes with the program, for the checks of references and templates.
pub fn catalogue() -> Catalogue {
    let providers = known::KNOWN.iter().map(|known| known.name).chain([known::CUSTOM, practice::MODEL]);
    Catalogue {
        adapters: ToolSpec::all().iter().map(|spec| spec.name).collect(),
        providers: providers.chain(LOCAL).collect(),
        template_error: Some(|text| Template::parse(text).err().map(|error| error.to_string())),
        references: true,
    }
}

/// Loads the configuration for a working directory.
///
/// # Errors
/// The flags make no sense, or the configuration refuses to run; the error names file, line and key.
pub fn load(paths: &Paths, cwd: &Path, overrides: &Overrides) -> Result<Loaded, CliError> {
    let loaded = Loaded::load_for_cli(paths, cwd, overrides, catalogue())
        .map_err(|error| CliError::usage(error.to_string()))?;
    if let Some(mistakes) = loaded.refusal() {
        let mut message = "the configuration cannot be used".to_owned();
        for mistake in mistakes.iter().take(SHOWN) {
            message.push('\n');
            message.push_str(mistake.to_string().trim_end());
        }
        return Err(CliError::usage(message).hint("`llmctl config validate` lists everything"));
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_run_without_configuration_may_be_named_in_it() {
        let catalogue = catalogue();
        let servers = crate::provider::local::targets(&|_| None).expect("no variable points elsewhere");
        assert!(servers.iter().all(|server| catalogue.knows_tool(&server.name)));
        assert!(
            ["claude-code", "anthropic", "custom", "practice"].iter().all(|name| catalogue.knows_tool(name))
        );
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
        let read = || load(&paths, dir.path(), &Overrides::default());
        write("tools.yaml", "tools:\n  odd:\n    binary: a\n    colour: red\n");
        let tool = read().expect("a broken tool is only out of the choice").config.tools["odd"].clone();
        assert!(tool.broken.is_some_and(|why| why.contains("tools.odd") && why.contains("tools.yaml")));
        write("policies.yaml", "policies:\n  default:\n    limit: {tpye: hard}\n");
        let error = read().expect_err("a limit may be lifted").to_string();
        assert!(error.contains("tpye") && error.contains("policies.yaml:3"), "{error}");
    }
}
