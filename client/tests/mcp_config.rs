//! `llmctl mcp import|add|remove|edit` on the real program: what is written, what is shown, what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("tempdir"));
        fs::create_dir_all(home.path("project/.git")).expect("mkdir");
        home
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        fs::write(path, text).expect("written");
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llmctl"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.0.path())
            .env("LLMCTL_CONFIG_DIR", self.path("config"))
            .env("LLMCTL_STATE_DIR", self.path("state"))
            .env("LLMCTL_RUNTIME_DIR", self.path("run"))
            .current_dir(self.path("project"))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, words: &[&str], code: i32) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(words).output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (out, err) = (text(stdout), text(stderr));
        assert_eq!(status.code(), Some(code), "{words:?}\n{out}\n{err}");
        for secret in [TOKEN, "hunter2-of-mine"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{words:?} tells a secret\n{out}\n{err}");
        }
        (out, err)
    }

    #[track_caller]
    fn valid(&self) {
        let (out, _) = self.run(&["config", "validate"], 0);
        assert!(out.contains("0 errors"), "{out}");
    }

    fn secrets(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("config/secrets")).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mcp").join(name);
    fs::read_to_string(path).expect(name)
}

const TWO: &str = r#"{"mcpServers": {
  "plain": {"command": "npx", "args": ["-y", "pkg@1.2.3"]},
  "other": {"url": "https://h.example.com/mcp", "type": "http"}
}}"#;

#[test]
fn an_import_is_shown_first_and_written_when_somebody_says_so() {
    let home = Home::new();
    home.write("project/.mcp.json", TWO);
    let (out, err) = home.run(&["mcp", "import"], 2);
    assert!(
        out.contains("Claude Code  ~/project/.mcp.json") && out.contains("+++ ~/config/mcp.yaml"),
        "{out}"
    );
    assert!(out.contains("+  plain:") && err.contains("--yes"), "{out}{err}");
    assert!(!home.path("config/mcp.yaml").exists());
    home.run(&["mcp", "import", "--dry-run"], 0);
    assert!(!home.path("config/mcp.yaml").exists());
    let (out, _) = home.run(&["mcp", "import", "--yes"], 0);
    assert!(out.contains("wrote ~/config/mcp.yaml") && out.contains("not running"), "{out}");
    assert_eq!(mode(&home.path("config/mcp.yaml")), 0o600);
    assert!(home.read("config/mcp.yaml").contains("auto_start: false"));
    home.valid();
    let (out, _) = home.run(&["mcp", "import"], 0);
    assert!(out.contains("already there") && out.contains("nothing to write"), "{out}");
}

#[test]
fn another_of_the_same_name_stays_unless_it_is_to_be_replaced() {
    let home = Home::new();
    home.write(
        "config/all.yaml",
        "# mine\nmcp_servers:\n  # keep this\n  plain:\n    command: [mine]\n    note: x # y\n\n# after\n",
    );
    home.write("project/.mcp.json", TWO);
    let (out, _) = home.run(&["mcp", "import", "--yes"], 0);
    assert!(out.contains("--replace") && out.contains("other  new"), "{out}");
    let text = home.read("config/all.yaml");
    assert!(
        text.starts_with(
            "# mine\nmcp_servers:\n  # keep this\n  plain:\n    command: [mine]\n    note: x # y\n  other:\n"
        ),
        "{text}"
    );
    assert!(text.ends_with("\n\n# after\n"), "{text}");
    home.run(&["mcp", "import", "--yes", "--replace"], 0);
    let text = home.read("config/all.yaml");
    assert!(
        text.starts_with("# mine\nmcp_servers:\n  # keep this\n  plain:\n    command:\n      - npx\n"),
        "{text}"
    );
    assert!(!text.contains("[mine]") && text.ends_with("\n\n# after\n"), "{text}");
    home.valid();
}

#[test]
fn sources_are_joined_and_doubles_numbered() {
    let home = Home::new();
    home.write("project/.mcp.json", TWO);
    home.write(".cursor/mcp.json", r#"{"mcpServers": {"plain": {"command": "other"}, "other": {"url": "https://h.example.com/mcp", "type": "http"}}}"#);
    home.write(".codex/config.toml", "[mcp_servers.plain\n");
    let (out, _) =
        home.run(&["mcp", "import", "--yes", "--only", "plain,other", "--as", "x-", "--auto-start"], 0);
    assert!(out.contains("plain as x-plain-2") && out.contains("the same as above"), "{out}");
    assert!(out.contains("Codex  ~/.codex/config.toml\n  not read, ~/.codex/config.toml:1:"), "{out}");
    let text = home.read("config/mcp.yaml");
    assert_eq!(text.matches("url: https://h.example.com/mcp").count(), 1);
    // What a project's file names does not start by itself; the user's own does.
    assert_eq!(
        (text.matches("auto_start: true").count(), text.matches("auto_start: false").count()),
        (1, 2),
        "{text}"
    );
    let (_, err) = home.run(&["mcp", "import", "--only", "nobody"], 2);
    assert!(err.contains("no server `nobody`") && err.contains("plain"), "{err}");
    home.run(&["mcp", "import", "--from", "windsurf"], 2);
    home.valid();
}

#[test]
fn mistakes_and_sizes_are_refused_with_their_place() {
    let home = Home::new();
    home.write("project/bad.json", "{\n  \"mcpServers\": {\n    \"a\": {\"command\": }\n  }\n}\n");
    let (_, err) = home.run(&["mcp", "import", "--file", "bad.json"], 2);
    assert!(err.contains("bad.json: 3:22:"), "{err}");
    home.write("project/latin.json", b"{\"a\":\n \"\xe9\"}");
    let (_, err) = home.run(&["mcp", "import", "--file", "latin.json"], 2);
    assert!(err.contains("2:3: it is not UTF-8"), "{err}");
    home.write("project/large.json", vec![b' '; 5 * 1024 * 1024]);
    let (_, err) = home.run(&["mcp", "import", "--file", "large.json"], 2);
    assert!(err.contains("longer than 4 MiB"), "{err}");
    home.write("project/.mcp.json", vec![b' '; 5 * 1024 * 1024]);
    let (out, _) = home.run(&["mcp", "import"], 0);
    assert!(out.contains("longer than 4 MiB"), "{out}");
    home.run(&["mcp", "import", "--file", "/dev/zero"], 2);
    home.run(&["mcp", "import", "--file", "gone.json"], 2);
    assert!(!home.path("config").exists());
}

#[test]
fn secrets_go_into_files_of_their_own() {
    let home = Home::new();
    let text = format!(
        r#"{{"mcpServers": {{"git hub": {{"command": "x", "args": ["--token", "hunter2-of-mine"],
          "env": {{"GITHUB_TOKEN": "{TOKEN}", "DB_PASSWORD": "hunter2-of-mine", "LEVEL": "debug"}}}},
          "web": {{"type": "http", "url": "https://h/mcp", "headers": {{"Authorization": "Bearer {TOKEN}"}}}}}}}}"#
    );
    home.write("project/.mcp.json", text);
    let (out, _) = home.run(&["mcp", "import", "--yes"], 0);
    assert!(
        out.contains("secret     GITHUB_TOKEN is kept in ~/config/secrets/git-hub-GITHUB_TOKEN"),
        "{out}"
    );
    assert_eq!(home.secrets(), ["git-hub-DB_PASSWORD", "git-hub-GITHUB_TOKEN", "web-Authorization"]);
    assert_eq!(home.read("config/secrets/git-hub-GITHUB_TOKEN"), format!("{TOKEN}\n"));
    assert_eq!(mode(&home.path("config/secrets")), 0o700);
    assert_eq!(mode(&home.path("config/secrets/web-Authorization")), 0o600);
    let yaml = home.read("config/mcp.yaml");
    assert!(!yaml.contains(TOKEN) && !yaml.contains("hunter2") && yaml.contains("LEVEL: debug"), "{yaml}");
    home.valid();
    let (out, _) = home.run(&["mcp", "import", "--json", "--dry-run"], 0);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["servers"][0]["result"], "already_there", "{out}");
    home.run(&["mcp", "remove", "git-hub"], 0);
    assert_eq!(home.secrets(), ["web-Authorization"]);
    home.run(&["mcp", "edit", "web", &format!("headers.X-Key={TOKEN}"), "headers.Authorization=null"], 0);
    assert_eq!(home.secrets(), ["web-X-Key"]);
    home.run(&["mcp", "remove", "web"], 0);
    assert!(home.secrets().is_empty() && !home.path("config/mcp.yaml").exists());
}

#[test]
fn a_secret_of_another_value_gets_a_file_of_its_own() {
    let home = Home::new();
    home.write("config/secrets/a-API_KEY", "somebody else's");
    home.run(&["mcp", "add", "a", "--env", "API_KEY=hunter2-of-mine", "--", "x"], 0);
    assert_eq!(home.read("config/secrets/a-API_KEY"), "somebody else's");
    assert_eq!(home.read("config/secrets/a-API_KEY-2"), "hunter2-of-mine\n");
    home.run(&["mcp", "remove", "a"], 0);
    assert_eq!(home.secrets(), ["a-API_KEY"], "what we did not write stays");
}

#[test]
fn added_and_removed_leaves_the_same_bytes() {
    for text in [
        "# top\ndaemon: {log_level: warn}\n\nmcp_servers:\n  a:\n    command: [x]  # why\n    # deep\n\n# end\n",
        "mcp_settings:\n  parallel_starts: 2",
        "# only a comment\n",
        "policies:\r\n  default: {}\r\n",
    ] {
        let home = Home::new();
        let text = text.replace("parallel_starts: 2", "auto_start_default: false");
        home.write("config/mcp.yaml", &text);
        let add =
            ["mcp", "add", "new", "--env", "LEVEL=a b: c", "--auto-start", "--", "npx", "-y", "p", "", "- x"];
        let (out, _) = home.run(&add, 0);
        assert!(out.contains("+  new:"), "{out}");
        assert_ne!(home.read("config/mcp.yaml"), text);
        home.valid();
        home.run(&add, 2);
        let (out, _) = home.run(&["mcp", "remove", "new"], 0);
        assert!(out.contains("-  new:"), "{out}");
        assert_eq!(home.read("config/mcp.yaml"), text);
    }
}

#[test]
fn one_key_is_set_and_checked() {
    let home = Home::new();
    home.run(&["mcp", "add", "a", "--", "x", "-y"], 0);
    home.run(&["mcp", "edit", "a", "auto_start=true", "env.LEVEL=debug", "args=[--v, 'a: b']"], 0);
    home.valid();
    let text = home.read("config/mcp.yaml");
    assert!(
        text.contains("auto_start: true") && text.contains("LEVEL: debug") && text.contains("'--v'"),
        "{text}"
    );
    let (_, err) = home.run(&["mcp", "edit", "a", "auto_strat=true"], 2);
    assert!(err.contains("did you mean `auto_start`?"), "{err}");
    let (_, err) = home.run(&["mcp", "edit", "a", "auto_start=perhaps"], 2);
    assert!(err.contains("auto_start") && err.contains("mcp.yaml:"), "{err}");
    let (_, err) = home.run(&["mcp", "edit", "b", "auto_start=true"], 2);
    assert!(err.contains("no server `b`"), "{err}");
    assert_eq!(home.read("config/mcp.yaml"), text, "what is refused changes nothing");
    home.run(&["mcp", "edit", "a", "env.LEVEL=null", "args=null"], 0);
    let text = home.read("config/mcp.yaml");
    assert!(!text.contains("env") && !text.contains("args"), "{text}");
}

#[test]
fn hostile_words_and_files_are_refused() {
    let home = Home::new();
    for name in ["../x", "a b", "", "a\nb: c", "-x:", "ü"] {
        home.run(&["mcp", "add", "--", name, "x"], 2);
    }
    home.run(&["mcp", "add", "a"], 2);
    home.run(&["mcp", "add", "a", "--url", "file:///etc/passwd"], 2);
    home.run(&["mcp", "add", "a", "--env", TOKEN, "--", "x"], 2);
    home.run(&["mcp", "remove", "a"], 2);
    assert!(!home.path("config/mcp.yaml").exists());
    home.write("config/mcp.yaml", "mcp_servers: {a: {command: [x]}}\n");
    let (_, err) = home.run(&["mcp", "remove", "a"], 2);
    assert!(err.contains("braces") && err.contains("config edit"), "{err}");
    home.write("config/mcp.yaml", "mcp_servers:\n  a: [\n");
    let (_, err) = home.run(&["mcp", "add", "b", "--", "x"], 2);
    assert!(err.contains("~/config/mcp.yaml:3:1"), "{err}");
    assert_eq!(home.read("config/mcp.yaml"), "mcp_servers:\n  a: [\n");
}

#[test]
fn a_file_that_is_linked_stays_where_it_is() {
    let home = Home::new();
    home.write("dotfiles/mcp.yaml", "# mine\n");
    fs::create_dir_all(home.path("config")).expect("mkdir");
    std::os::unix::fs::symlink(home.path("dotfiles/mcp.yaml"), home.path("config/mcp.yaml")).expect("linked");
    home.run(&["mcp", "add", "a", "--", "x"], 0);
    assert!(home.path("config/mcp.yaml").is_symlink());
    assert!(home.read("dotfiles/mcp.yaml").starts_with("# mine\n\nmcp_servers:\n  a:\n"));
}

#[test]
fn the_editor_gets_the_file_of_the_server() {
    let home = Home::new();
    home.run(&["mcp", "add", "a", "--", "x"], 0);
    let mut command = home.command(&["mcp", "edit", "a"]);
    let done = command.env("EDITOR", "/bin/ls").output().expect("runs");
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && out.contains("config/mcp.yaml"), "{out}");
}

#[test]
fn files_of_every_program_are_found_and_load() {
    let home = Home::new();
    for (name, to) in [
        (".mcp.json", "project/.mcp.json"),
        (".claude.json", ".claude.json"),
        ("claude_desktop_config.json", ".config/Claude/claude_desktop_config.json"),
        ("vscode/mcp.json", "project/.vscode/mcp.json"),
        ("cursor/mcp.json", ".cursor/mcp.json"),
        ("config.toml", ".codex/config.toml"),
        ("gemini/settings.json", ".gemini/settings.json"),
        ("mcp_config.json", ".codeium/windsurf/mcp_config.json"),
        ("cline_mcp_settings.json", ".cline/data/settings/cline_mcp_settings.json"),
    ] {
        home.write(to, fixture(name));
    }
    let (out, _) = home.run(&["mcp", "import", "--yes", "--json"], 0);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["sources"].as_array().map(Vec::len), Some(9), "{out}");
    for server in json["servers"].as_array().expect("servers") {
        let reason = server["reason"].as_str().unwrap_or_default();
        assert!(!reason.contains("would not be valid"), "{server}");
    }
    home.valid();
    let yaml = home.read("config/mcp.yaml");
    for secret in ["BSAabc", "s3cr3t-of-mine", "hunter22", "lin_api_", "ctx7sk-", "correct horse", "abc123"] {
        assert!(!yaml.contains(secret) && !out.contains(secret), "{secret}");
    }
}
