//! The command line of `llmctl mcp` as far as it changes the configuration: `import`, `add`, `remove`, `edit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::mcp::import::Format;

/// Verbs that change which MCP servers are configured.
#[derive(Debug, Subcommand)]
pub enum McpConfigVerb {
    /// Takes over servers that other programs have configured: Claude Code, Claude Desktop, VS Code, Cursor, Codex,
    /// Gemini, Windsurf, Cline.
    Import(McpImport),
    /// Configures a server: a command after `--`, or an address.
    Add(McpAdd),
    /// Takes a server out of the configuration.
    Remove(McpRemove),
    /// Sets keys of a server, or opens its file in $VISUAL or $EDITOR.
    Edit(McpEdit),
}

/// `llmctl mcp import`.
#[derive(Debug, Clone, Default, Args)]
pub struct McpImport {
    /// Only what this program has; with `--file`, the form of the file.
    #[arg(long, value_enum, value_name = "PROGRAM")]
    pub from: Option<ImportFrom>,
    /// Only this file; its form is recognised.
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// Only servers of these names. May be given more than once, or with commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Put before each name.
    #[arg(long = "as", value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Servers that are there already and differ are replaced.
    #[arg(long)]
    pub replace: bool,
    /// Servers start with the daemon, unless they are disabled where they come from.
    #[arg(long)]
    pub auto_start: bool,
    /// Shows what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Asks nothing.
    #[arg(short, long)]
    pub yes: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl mcp add`.
#[derive(Debug, Clone, Default, Args)]
#[command(
    override_usage = "llmctl mcp add [OPTIONS] NAME -- COMMAND [ARGS]...\n       llmctl mcp add [OPTIONS] NAME --url URL"
)]
pub struct McpAdd {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// For its environment; a secret goes into a file of its own. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// A header of each request; a secret goes into a file of its own. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", requires = "url")]
    pub header: Vec<String>,
    /// Address of a server that is reached over HTTP.
    #[arg(long, conflicts_with_all = ["command", "env", "cwd"], required_unless_present = "command")]
    pub url: Option<String>,
    /// Its working directory.
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// It starts with the daemon.
    #[arg(long)]
    pub auto_start: bool,
    /// A server of this name is replaced.
    #[arg(long)]
    pub replace: bool,
    /// Shows what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Program and arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `llmctl mcp remove`.
#[derive(Debug, Clone, Default, Args)]
pub struct McpRemove {
    /// Its name.
    pub name: String,
    /// Shows what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `llmctl mcp edit`.
#[derive(Debug, Clone, Default, Args)]
pub struct McpEdit {
    /// Its name.
    pub name: String,
    /// Keys to be set, such as `auto_start=true`, `env.LEVEL=debug` or `args=[-v]`; `null` takes a key away. Without
    /// any, the file is opened in the editor.
    #[arg(value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Shows what would be done, and does nothing.
    #[arg(long, requires = "settings")]
    pub dry_run: bool,
    /// JSON instead of text.
    #[arg(long, requires = "settings")]
    pub json: bool,
}

/// Programs that `--from` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFrom {
    /// Claude Code: `.mcp.json`, `~/.claude.json`.
    ClaudeCode,
    /// Claude Desktop.
    ClaudeDesktop,
    /// VS Code and Copilot.
    #[value(name = "vscode")]
    VsCode,
    /// Cursor.
    Cursor,
    /// Codex.
    Codex,
    /// Gemini.
    Gemini,
    /// Windsurf.
    Windsurf,
    /// Cline.
    Cline,
    /// Any file with `mcpServers`.
    McpJson,
}

impl From<ImportFrom> for Format {
    fn from(from: ImportFrom) -> Self {
        match from {
            ImportFrom::ClaudeCode => Self::ClaudeCode,
            ImportFrom::ClaudeDesktop => Self::ClaudeDesktop,
            ImportFrom::VsCode => Self::VsCode,
            ImportFrom::Cursor => Self::Cursor,
            ImportFrom::Codex => Self::Codex,
            ImportFrom::Gemini => Self::Gemini,
            ImportFrom::Windsurf => Self::Windsurf,
            ImportFrom::Cline => Self::Cline,
            ImportFrom::McpJson => Self::McpJson,
        }
    }
}
