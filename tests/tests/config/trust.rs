//! C8 and C9: what is never stored, and what is inert until it is trusted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::stage::Stage;

use super::llmctl;

/// Names of files below a directory that hold these bytes.
fn holding(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holding(&path, needle));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

const TOOL: &str = "tools:\n  own:\n    binary: own\n    command_template: '{binary} {model}'\n    models: [m]\n    \
                    env_vars: {PAIR: '${PART_A}:${PART_B}', FALLBACK: '${PART_C:kept}'}\n\
                    models:\n  m: {provider: p, context_window: 100000, cost_per_1k_tokens: {input: 0, output: 0}}\n";

const RUN: [&str; 7] = ["execute", "--prompt-text", "hi", "--tool", "own", "--model", "m"];

#[test]
fn c8_references_expand_in_the_child_and_nowhere_else() {
    let mut stage = Stage::new(&[]);
    stage.sandbox.script("own", "cat >/dev/null; printf '%s %s' \"$PAIR\" \"$FALLBACK\" > seen; echo done");
    stage.sandbox.configure("tools.yaml", TOOL);
    stage.sandbox.set_env("PART_A", "value-one-4711");
    let missing = llmctl(&stage.sandbox, &RUN);
    assert_ne!(missing.code, Some(0));
    let said = missing.stderr_text();
    assert!(said.contains("PART_B") && said.contains("PAIR"), "{said}");
    stage.sandbox.set_env("PART_B", "value-two-0815");
    llmctl(&stage.sandbox, &RUN).expect_code(0);
    let seen = fs::read_to_string(stage.sandbox.project().join("seen")).expect("the tool ran");
    assert_eq!(seen, "value-one-4711:value-two-0815 kept");
    let shown = llmctl(&stage.sandbox, &["config", "show"]).expect_code(0).stdout_text();
    let origins = llmctl(&stage.sandbox, &["config", "show", "--origin"]).expect_code(0).stdout_text();
    let listed = llmctl(&stage.sandbox, &["tools", "--json"]).expect_code(0).stdout_text();
    llmctl(&stage.sandbox, &["daemon", "stop"]).expect_code(0);
    for value in ["value-one-4711", "value-two-0815"] {
        for text in [&shown, &origins, &listed] {
            assert!(!text.contains(value), "{text}");
        }
        for dir in ["state", "run", "config", "data", "cache"] {
            assert_eq!(
                holding(&stage.sandbox.path(dir), value.as_bytes()),
                [] as [&str; 0],
                "{value} in {dir}"
            );
        }
    }
    assert!(origins.contains("(hidden)"), "{origins}");
}

/// A project that brings a tool and a server.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("own", "cat >/dev/null; touch ran; echo done");
    sandbox.write(
        ".llmctl/tools.yaml",
        "tools:\n  own: {binary: own, command_template: '{binary}', models: [m]}\n",
    );
    sandbox.write(
        ".llmctl/mcp.yaml",
        "mcp_servers:\n  files: {command: [touch, served], auto_start: true, env: {KEY: '${HOME}'}}\n",
    );
    sandbox.write(
        ".llmctl/models.yaml",
        "models:\n  m: {provider: p, context_window: 100000, cost_per_1k_tokens: {input: 0, output: 0}}\n",
    );
    sandbox
}

#[test]
fn c9_a_project_is_inert_until_it_is_trusted() {
    let sandbox = project();
    let ran = sandbox.project().join("ran");
    let no_daemon = [&RUN[..], &["--no-daemon"]].concat();
    let refused = llmctl(&sandbox, &no_daemon);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr_text());
    assert!(!ran.exists());
    // A command that would run says in one line why nothing of the project is there.
    let listed = llmctl(&sandbox, &["tools"]).expect_code(0);
    assert!(!listed.stdout_text().contains("\nown "), "{}", listed.stdout_text());
    let said = listed.stderr_text();
    assert!(
        said.contains(".llmctl is not used") && said.contains("config trust") && said.lines().count() == 1,
        "{said}"
    );
    let agents = llmctl(&sandbox, &["daemon", "start"]).expect_code(0);
    assert!(!agents.stdout_text().contains("\nown "));

    let asked = llmctl(&sandbox, &["config", "trust"]).expect_code(2);
    let shown = asked.stdout_text();
    for part in ["tool own: own as `{binary}`", "server files: touch served", "server files sets KEY"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(asked.stderr_text().contains("--yes"));
    llmctl(&sandbox, &["config", "trust", "--yes"]).expect_code(0);
    let file = sandbox.path("state/llmctl/trust.json");
    assert_eq!(fs::metadata(&file).expect("kept").permissions().mode() & 0o777, 0o600);
    assert!(
        llmctl(&sandbox, &["config", "trust", "--list"]).expect_code(0).stdout_text().contains(".llmctl")
    );
    llmctl(&sandbox, &RUN).expect_code(0);
    assert!(ran.exists(), "it runs now");
    assert!(!sandbox.project().join("served").exists(), "the daemon reads no project");

    fs::remove_file(&ran).expect("removed");
    let tools = fs::read_to_string(sandbox.project().join(".llmctl/tools.yaml")).expect("read");
    sandbox.write(".llmctl/tools.yaml", format!("{tools} "));
    llmctl(&sandbox, &RUN).expect_code(2);
    assert!(!ran.exists(), "a changed byte makes it inert");
    sandbox.write(".llmctl/tools.yaml", tools.replace("'{binary}'", "'{binary} --more'"));
    let changed = llmctl(&sandbox, &["config", "trust"]).expect_code(2).stdout_text();
    assert!(
        changed.contains("has changed") && changed.contains("+ tool own: own as `{binary} --more`"),
        "{changed}"
    );
    llmctl(&sandbox, &[&["--trust-project"][..], &RUN].concat()).expect_code(0);
    assert!(ran.exists(), "for this run");
    sandbox.write(".llmctl/tools.yaml", tools);
    llmctl(&sandbox, &["tools"]).expect_code(0);
    llmctl(&sandbox, &["config", "trust", "--revoke"]).expect_code(0);
    assert!(!llmctl(&sandbox, &["tools"]).expect_code(0).stdout_text().contains("\nown "));
    llmctl(&sandbox, &["config", "trust", "--revoke"]).expect_code(2);
}

#[test]
fn what_others_can_write_is_never_read() {
    let sandbox = project();
    let dir = sandbox.project().join(".llmctl");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("chmod");
    let refused = llmctl(&sandbox, &["config", "trust", "--yes"]).expect_code(1).stderr_text();
    assert!(refused.contains("written by everybody"), "{refused}");
    let said = llmctl(&sandbox, &["--trust-project", "tools"]).expect_code(0);
    assert!(!said.stdout_text().contains("\nown ") && said.stderr_text().contains("written by everybody"));
    let own =
        sandbox.configure("p.yaml", "policies:\n  default: {daily_budget_usd: 1, limit: {type: hard}}\n");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o666)).expect("chmod");
    sandbox.fake_tool("claude", &[]);
    let refused = llmctl(&sandbox, &["execute", "--prompt-text", "hi", "--no-daemon"]);
    assert_eq!(refused.code, Some(2), "a limit that is not read must not be lifted");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o660)).expect("chmod");
    let text = llmctl(&sandbox, &["config", "validate"]).expect_code(0).stdout_text();
    assert!(text.contains("warning[group_writable]"), "{text}");
}
