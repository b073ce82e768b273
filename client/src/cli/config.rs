//! The command line of the configuration and of what is known by it: flags of every verb, `config`, `tools`,
//! `models`, `agents`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use llmctl_proto::config::Overrides;

/// Flags that every verb takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFlags {
    /// Directory of the project's configuration, instead of the nearest `.llmctl/` or `config/`.
    #[arg(long, global = true, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Sets a key for this run: daemon.http.port=9090. May be given more than once.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_set)]
    pub set: Vec<String>,
    /// Trusts the project's configuration for this run.
    #[arg(long, global = true)]
    pub trust_project: bool,
}

impl From<&ConfigFlags> for Overrides {
    fn from(flags: &ConfigFlags) -> Self {
        Self {
            config_dir: flags.config_dir.clone(),
            set: flags.set.clone(),
            trust_project: flags.trust_project,
        }
    }
}

fn parse_set(text: &str) -> Result<String, String> {
    llmctl_proto::config::split_setting(text).map(|_| text.to_owned())
}

/// `llmctl config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// Verbs on the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Writes a first configuration; files that are there are never replaced.
    Init {
        /// What to begin with.
        #[arg(long, value_enum, default_value_t = Template::Minimal)]
        template: Template,
        /// Where to; by default your own directory, for `team` the project's `.llmctl`.
        dir: Option<PathBuf>,
    },
    /// Says everything that is wrong, in one run.
    Validate {
        /// Only this directory, instead of yours and the project's.
        dir: Option<PathBuf>,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
        /// Warnings fail too.
        #[arg(long)]
        strict: bool,
    },
    /// Prints the configuration in force, or the values at paths such as `agents.architect`.
    Show {
        /// Key paths; names with dots in quotes: models."claude-3.5".provider.
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
        /// Each value with where it comes from, and what it overrides.
        #[arg(long)]
        origin: bool,
        /// JSON, with origins.
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of the configuration, for editors.
    Schema,
    /// Shows what a project's configuration would add, and trusts it if you say so.
    Trust {
        /// The project, or its directory of configuration; by default the nearest.
        dir: Option<PathBuf>,
        /// Lists what is trusted.
        #[arg(long, conflicts_with_all = ["revoke", "yes", "dir"])]
        list: bool,
        /// Trusts it no longer.
        #[arg(long, conflicts_with = "yes")]
        revoke: bool,
        /// Asks nothing.
        #[arg(short, long)]
        yes: bool,
    },
    /// Opens a file of your configuration in $VISUAL or $EDITOR and checks it afterwards.
    Edit {
        /// A name in your directory, or a path; by default `llmctl.yaml`.
        file: Option<PathBuf>,
    },
    /// Lets the running daemon read its configuration again.
    Reload {
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// What `config init` begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// A budget, and agents to be filled in.
    Minimal,
    /// Every section, with what may be set.
    Full,
    /// A project's agents and budgets, to be shared in its repository.
    Team,
    /// Models on this machine.
    Local,
}

/// `llmctl tools` and `llmctl agents`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do instead of listing.
    #[command(subcommand)]
    pub verb: Option<ModelsVerb>,
    /// Only models with this in their name or provider; looks at every model with a known price.
    pub filter: Option<String>,
    /// Every model with a known price.
    #[arg(long)]
    pub all: bool,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Verbs on models.
#[derive(Debug, Subcommand)]
pub enum ModelsVerb {
    /// Takes a newer table of prices from a file in the format of genai-prices.
    Update {
        /// The file.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
}
