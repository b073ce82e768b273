//! Each file beside its `.expected`: what is written for it and what is said of it. `BLESS=1` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use llmctl_proto::task::{NewValue, append_section};

use crate::mcp::import::{Belongs, Format, Found, parse, recognise, safe_name, servers};

/// What stands in the files, and may stand nowhere else.
const SECRETS: [&str; 13] = [
    "BSAabcdefghij",
    "s3cr3t-of-mine",
    "hunter22",
    "fallback-token-value",
    "abcdefghijkl",
    "lin_api_",
    "ctx7sk-",
    "abc123",
    "correct horse",
    "\"abc\"",
    "two words",
    "mint-token",
    "Bearer lin",
];

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mcp")
}

fn describe(found: &[Found]) -> String {
    let mut out = String::new();
    for found in found {
        let scope = found.scope.map(|scope| format!(" ({scope})")).unwrap_or_default();
        writeln!(out, "## {}{scope} at {}:{}", found.name, found.at.line, found.at.column).expect("a string");
        match &found.server {
            Err(refused) => {
                writeln!(out, "refused: {} ({}:{})", refused.why, refused.at.line, refused.at.column)
                    .expect("a string");
            }
            Ok(server) => {
                let name = safe_name(&found.name);
                let value: NewValue = server.to_value(server.enabled, &mut |variable, secret| {
                    assert!(!secret.reveal().is_empty());
                    PathBuf::from(format!("/c/secrets/{name}-{variable}"))
                });
                let path = ["mcp_servers".to_owned(), name.clone()];
                out.push_str(&append_section("", &path, &value).expect("YAML"));
            }
        }
        for note in &found.notes {
            let word = if note.lost { "lost" } else { "note" };
            writeln!(out, "{word}: {}: {} ({}:{})", note.field, note.text, note.at.line, note.at.column)
                .expect("a string");
        }
    }
    out
}

fn check(name: &str, format: Format, workspace: bool) {
    let path = dir().join(name);
    let text = std::fs::read_to_string(&path).expect(name);
    let root = parse(&text, None, &path).expect("readable");
    assert_eq!(recognise(Path::new("/x").join(name).as_path(), &root), format, "{name}");
    let shop = Path::new("/home/u/shop");
    let belongs = Belongs { workspace: workspace.then_some(shop), cwd: Some(shop) };
    let found = servers(&root, format, belongs).expect("servers");
    let told = describe(&found);
    for secret in SECRETS {
        assert!(!told.contains(secret), "{name} tells {secret}\n{told}");
        assert!(!format!("{found:?}").contains(secret), "{name}: the debug form tells {secret}");
    }
    let expected =
        path.with_file_name(format!("{}.expected", path.file_name().expect("a name").to_string_lossy()));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &told).expect("written");
    }
    let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(told, wanted, "{name}");
}

#[test]
fn claude_desktop() {
    check("claude_desktop_config.json", Format::ClaudeDesktop, false);
}

#[test]
fn claude_code_of_a_project() {
    check(".mcp.json", Format::ClaudeCode, true);
}

#[test]
fn claude_code_of_the_user() {
    check(".claude.json", Format::ClaudeCode, false);
}

#[test]
fn vs_code() {
    check("vscode/mcp.json", Format::VsCode, true);
}

#[test]
fn cursor() {
    check("cursor/mcp.json", Format::Cline, false);
}

#[test]
fn codex() {
    check("config.toml", Format::Codex, false);
}

#[test]
fn gemini() {
    check("gemini/settings.json", Format::Gemini, true);
}

#[test]
fn windsurf() {
    check("mcp_config.json", Format::Windsurf, false);
}

#[test]
fn cline() {
    check("cline_mcp_settings.json", Format::Cline, false);
}
