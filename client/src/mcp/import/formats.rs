//! The programs whose servers are read: what each calls things, and where it keeps them.

use std::path::{Path, PathBuf};

use super::reference::Dialect;
use super::tree::Node;

/// A program, or a form that several share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `.mcp.json` and `~/.claude.json`.
    ClaudeCode,
    /// `claude_desktop_config.json`.
    ClaudeDesktop,
    /// `.vscode/mcp.json`.
    VsCode,
    /// `.cursor/mcp.json`.
    Cursor,
    /// `config.toml`.
    Codex,
    /// `settings.json`.
    Gemini,
    /// `mcp_config.json`.
    Windsurf,
    /// `cline_mcp_settings.json`.
    Cline,
    /// `mcpServers` of an unknown program.
    McpJson,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::VsCode,
        Self::Cursor,
        Self::Codex,
        Self::Gemini,
        Self::Windsurf,
        Self::Cline,
        Self::McpJson,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::VsCode => "vscode",
            Self::Cursor => "cursor",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Windsurf => "windsurf",
            Self::Cline => "cline",
            Self::McpJson => "mcp-json",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::VsCode => "VS Code",
            Self::Cursor => "Cursor",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini",
            Self::Windsurf => "Windsurf",
            Self::Cline => "Cline",
            Self::McpJson => "mcp.json",
        }
    }

    /// Which references it knows.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::ClaudeDesktop | Self::Codex => Dialect::Plain,
            Self::ClaudeCode => Dialect::Shell,
            Self::Gemini => Dialect::Dollar,
            Self::VsCode | Self::Cursor | Self::Windsurf | Self::Cline | Self::McpJson => Dialect::Editor,
        }
    }
}

/// Where files are looked for.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// The user's directory.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`.
    pub config: PathBuf,
    /// The working directory.
    pub cwd: PathBuf,
    /// The project: the nearest directory upwards that is a repository, else the working directory.
    pub project: PathBuf,
    /// `$CODEX_HOME`.
    pub codex: PathBuf,
}

/// A file that may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whose it is.
    pub format: Format,
    /// Where it would be.
    pub path: PathBuf,
    /// The project it belongs to; none for what is the user's own.
    pub workspace: Option<PathBuf>,
}

/// Every file that may be there, the nearest of a project's before the user's own.
pub fn candidates(places: &Surveyed) -> Vec<Candidate> {
    let mut all = Vec::new();
    let inside = [
        (Format::ClaudeCode, ".mcp.json"),
        (Format::VsCode, ".vscode/mcp.json"),
        (Format::Cursor, ".cursor/mcp.json"),
        (Format::Codex, ".codex/config.toml"),
        (Format::Gemini, ".gemini/settings.json"),
    ];
    // The home directory is no project: the same names below it are the user's own files.
    let dirs: Vec<&Path> = places
        .cwd
        .ancestors()
        .take_while(|dir| dir.starts_with(&places.project))
        .filter(|dir| *dir != places.home)
        .collect();
    for (format, name) in inside {
        for dir in &dirs {
            let workspace = Some((*dir).to_owned());
            all.push(Candidate { format, path: dir.join(name), workspace });
        }
    }
    let home = |path: &str| places.home.join(path);
    let config = |path: &str| places.config.join(path);
    let cline = "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
    let own = [
        (Format::ClaudeCode, home(".claude.json")),
        (Format::ClaudeDesktop, config("Claude/claude_desktop_config.json")),
        (Format::ClaudeDesktop, home("Library/Application Support/Claude/claude_desktop_config.json")),
        (Format::VsCode, config("Code/User/mcp.json")),
        (Format::VsCode, home("Library/Application Support/Code/User/mcp.json")),
        (Format::VsCode, home(".copilot/mcp-config.json")),
        (Format::Cursor, home(".cursor/mcp.json")),
        (Format::Codex, places.codex.join("config.toml")),
        (Format::Gemini, home(".gemini/settings.json")),
        (Format::Windsurf, home(".codeium/windsurf/mcp_config.json")),
        (Format::Cline, config("Code/User").join(cline)),
        (Format::Cline, home(".cline/data/settings/cline_mcp_settings.json")),
    ];
    all.extend(own.into_iter().map(|(format, path)| Candidate { format, path, workspace: None }));
    let mut seen = std::collections::HashSet::new();
    all.retain(|candidate| seen.insert(candidate.path.clone()));
    all
}

/// Whose file this is, by its name and by what it says.
pub fn recognise(path: &Path, root: &Node) -> Format {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let within = |dir: &str| path.parent().is_some_and(|parent| parent.ends_with(dir));
    match name {
        _ if path.extension().is_some_and(|end| end == "toml") => Format::Codex,
        ".claude.json" => Format::ClaudeCode,
        "claude_desktop_config.json" => Format::ClaudeDesktop,
        "cline_mcp_settings.json" => Format::Cline,
        "mcp_config.json" => Format::Windsurf,
        _ if root.get("servers").is_some() || root.get("inputs").is_some() => Format::VsCode,
        "settings.json" if within(".gemini") => Format::Gemini,
        ".mcp.json" => Format::ClaudeCode,
        "mcp.json" if within(".cursor") => Format::Cursor,
        _ => by_fields(root),
    }
}

/// Fields that only one program has.
fn by_fields(root: &Node) -> Format {
    let servers = root.get("mcpServers").and_then(Node::fields).unwrap_or_default();
    let any =
        |keys: &[&str]| servers.iter().any(|field| keys.iter().any(|key| field.node.get(key).is_some()));
    if root.get("projects").is_some() || any(&["headersHelper", "alwaysLoad", "toolPermissions"]) {
        Format::ClaudeCode
    } else if any(&["httpUrl", "trust", "includeTools", "excludeTools", "authProviderType"]) {
        Format::Gemini
    } else if any(&["serverUrl"]) {
        Format::Windsurf
    } else if any(&["autoApprove"]) {
        Format::Cline
    } else {
        Format::McpJson
    }
}
