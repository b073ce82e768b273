//! Whether an installed tool is logged in, as far as files and variables tell without starting it.

use std::path::PathBuf;

use llmctl_proto::event::Reason;

/// Why `auto` should pass a tool by: nothing suggests that it could reach its provider.
pub(super) fn missing(tool: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<Reason> {
    let home = env("HOME").map(PathBuf::from).unwrap_or_default();
    let dir = |variable: &str, default: &str| env(variable).map_or_else(|| home.join(default), PathBuf::from);
    let (variables, files, how): (&[&str], Vec<PathBuf>, &str) = match tool {
        "claude-code" => (
            &[
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_VERTEX",
            ],
            vec![dir("CLAUDE_CONFIG_DIR", ".claude").join(".credentials.json")],
            "run `claude` once and log in, or set ANTHROPIC_API_KEY",
        ),
        "codex" => (
            &["OPENAI_API_KEY", "CODEX_API_KEY"],
            vec![
                dir("CODEX_HOME", ".codex").join("auth.json"),
                dir("CODEX_HOME", ".codex").join("config.toml"),
            ],
            "run `codex login`, or set OPENAI_API_KEY",
        ),
        "gemini" => (
            &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"],
            vec![home.join(".gemini/oauth_creds.json")],
            "run `gemini` once and log in, or set GEMINI_API_KEY",
        ),
        "opencode" => (
            &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"],
            vec![
                dir("XDG_DATA_HOME", ".local/share").join("opencode/auth.json"),
                dir("XDG_CONFIG_HOME", ".config").join("opencode/opencode.json"),
            ],
            "run `opencode auth login`",
        ),
        _ => return None,
    };
    // On macOS logins may be in the keychain, which nobody can look into from outside.
    let known = cfg!(target_os = "macos")
        || variables.iter().any(|name| env(name).is_some())
        || files.iter().any(|file| file.exists());
    (!known).then(|| Reason::new("not_logged_in", format!("installed, but without a login; {how}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_or_a_file_will_do() {
        let dir = tempfile::tempdir().expect("tempdir");
        let home = dir.path().display().to_string();
        let only_home = |name: &str| (name == "HOME").then(|| home.clone());
        assert!(missing("claude-code", &only_home).is_some());
        let key = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "ANTHROPIC_API_KEY" => Some("k".into()),
            _ => None,
        };
        assert!(missing("claude-code", &key).is_none());
        std::fs::create_dir(dir.path().join(".codex")).expect("mkdir");
        std::fs::write(dir.path().join(".codex/auth.json"), "{}").expect("written");
        assert!(missing("codex", &only_home).is_none());
        assert!(missing("my-tool", &only_home).is_none());
    }
}
