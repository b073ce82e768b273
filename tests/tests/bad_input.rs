//! What is wrong is said with its name and what to do, with an exit code other than 0, and nothing is lost.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use llmctl_tests::run::{self, Finished};
use llmctl_tests::sandbox::Sandbox;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(90);

fn execute(sandbox: &Sandbox, more: &[&str]) -> Finished {
    let words = [&["execute", "--no-daemon"], more].concat();
    sandbox.run(&words, LONG)
}

/// Fails with this code and says all of these.
#[track_caller]
fn refused(done: &Finished, code: i32, said: &[&str]) {
    let text = done.stderr_text();
    assert_eq!(done.code, Some(code), "{text}");
    for part in said {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

fn template(sandbox: &Sandbox, name: &str, binary: &str) {
    let yaml = format!(
        "tools:\n  {name}:\n    binary: {binary}\n    command_template: '{{binary}}'\n    models: [m]\n"
    );
    sandbox.write("../config/llmctl/tools.yaml", yaml);
}

#[test]
fn prompts() {
    let sandbox = Sandbox::new();
    refused(
        &execute(&sandbox, &["--prompt", "missing.md"]),
        2,
        &["missing.md does not exist", "--prompt-text"],
    );
    refused(&execute(&sandbox, &["--prompt", "@gone"]), 2, &["gone", "No such file"]);
    sandbox.write("empty.md", " \n");
    refused(&execute(&sandbox, &["--prompt", "empty.md"]), 2, &["empty.md is empty"]);
    sandbox.write("binary.bin", b"abc\x00def");
    refused(&execute(&sandbox, &["--prompt", "binary.bin"]), 2, &["binary.bin is not text", "byte 3"]);
    sandbox.write("huge.txt", vec![b'x'; 65 * 1024 * 1024]);
    refused(&execute(&sandbox, &["--prompt", "huge.txt"]), 2, &["huge.txt is longer than 64 MiB"]);
    refused(&execute(&sandbox, &["--prompt-text", "x", "--cwd", "nowhere"]), 2, &["nowhere"]);
    assert!(!sandbox.path("state/llmctl/operations").exists(), "nothing was begun");
}

#[test]
fn a_prompt_of_50_megabytes_arrives_whole() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "0");
    sandbox.write("large.txt", "0123456789abcdef\n".repeat(50 * 1024 * 1024 / 17));
    let yaml = "tools:\n  count:\n    binary: wc\n    command_template: '{binary} -c'\n    models: [m]\n";
    sandbox.write("../config/llmctl/tools.yaml", yaml);
    let size = std::fs::metadata(sandbox.project().join("large.txt")).expect("written").len();
    let done = execute(&sandbox, &["--prompt", "large.txt", "--tool", "count"]).expect_code(0);
    assert_eq!(done.stdout_text().trim(), size.to_string());
    execute(&sandbox, &["--prompt", "large.txt", "--model", "practice"]).expect_code(0);
}

#[test]
fn names() {
    let sandbox = Sandbox::new();
    refused(
        &execute(&sandbox, &["--prompt-text", "x", "--tool", "claude-cod"]),
        2,
        &["unknown tool", "claude-code"],
    );
    refused(
        &execute(&sandbox, &["--prompt-text", "x", "--model", "practise"]),
        2,
        &["unknown model", "practice"],
    );
    let missing = execute(&sandbox, &["--prompt-text", "x", "--tool", "codex"]);
    refused(&missing, 6, &["no candidate", "codex is not in PATH"]);
    refused(&sandbox.run(&["show", "nope"], LONG), 2, &["no operation matches \"nope\"", "llmctl ps"]);
    refused(&sandbox.run(&["emit", "execution.complete", "{}"], LONG), 2, &["execution.", "own"]);
    refused(&sandbox.run(&["emit", "deploy.done", "{"], LONG), 2, &["not valid JSON"]);
    refused(&sandbox.run(&["ps", "--state", "asleep"], LONG), 2, &["unknown state", "running"]);
}

#[test]
fn programs_that_cannot_run() {
    let sandbox = Sandbox::new();
    let plain = sandbox.write("../bin/claude", "not a program");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let done = execute(&sandbox, &["--prompt-text", "x", "--tool", "claude-code"]);
    refused(&done, 6, &[&sandbox.path("bin/claude").display().to_string(), "chmod +x"]);
    let script = sandbox.write("../bin/odd", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    template(&sandbox, "odd", &script.display().to_string());
    refused(
        &execute(&sandbox, &["--prompt-text", "x", "--tool", "odd"]),
        1,
        &["cannot start", "odd", "interpreter"],
    );
    sandbox.write("../config/llmctl/tools.yaml", "tools:\n  odd:\n    binary: a\n    colour: red\n");
    // A mistake in an entry takes it out of the choice, and only that.
    refused(&execute(&sandbox, &["--prompt-text", "x", "--tool", "odd"]), 6, &["tools.yaml", "tools.odd"]);
    execute(&sandbox, &["--prompt-text", "x"]).expect_code(0);
}

#[test]
fn streams_that_are_no_streams() {
    for (options, code) in [
        (&["--garbage", "200"][..], 0),
        (&["--big-line-mb", "17"][..], 0),
        (&["--deltas", "20", "--end-mid-line"][..], 1),
        (&["--deltas", "20", "--exit-after", "5", "--exit-code", "3"][..], 1),
        (&["--exit-before", "7"][..], 1),
    ] {
        let sandbox = Sandbox::new();
        sandbox.fake_tool("claude", options);
        let done =
            execute(&sandbox, &["--prompt-text", "x", "--tool", "claude-code", "--model", "claude-opus-5-5"]);
        assert_eq!(done.code, Some(code), "{options:?}: {}", done.stderr_text());
        let listed = sandbox.run(&["ps", "--json", "--no-daemon"], LONG).expect_code(0).stdout_text();
        let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
        assert_eq!(listed.len(), 1);
        let expected = if code == 0 { "complete" } else { "error" };
        assert_eq!(listed[0]["state"], expected, "{options:?}: {}", listed[0]);
        assert_eq!(listed[0]["stdout_bytes"], done.stdout.len(), "{options:?}");
    }
}

#[test]
fn places_that_cannot_be_used() {
    let mut sandbox = Sandbox::new();
    let long = sandbox.path("r".repeat(110)).display().to_string();
    sandbox.set_env("LLMCTL_RUNTIME_DIR", long.as_str());
    refused(&sandbox.run(&["ps"], LONG), 2, &["socket path", "LLMCTL_SOCKET", &long]);

    let mut sandbox = Sandbox::new();
    let open = sandbox.path("planted");
    std::fs::create_dir(&open).expect("mkdir");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    sandbox.set_env("LLMCTL_RUNTIME_DIR", open.display().to_string());
    refused(&sandbox.run(&["daemon", "start"], LONG), 3, &["planted", "others can reach it"]);
    // The operation runs all the same.
    let done = sandbox.run(&["execute", "--prompt-text", "x", "--model", "practice"], LONG).expect_code(0);
    assert!(done.stderr_text().contains("going on without the daemon"), "{}", done.stderr_text());

    let mut sandbox = Sandbox::new();
    let file = sandbox.write("a-file", "");
    sandbox.set_env("LLMCTL_STATE_DIR", file.join("below").display().to_string());
    refused(&execute(&sandbox, &["--prompt-text", "x"]), 1, &["a-file/below"]);
}

#[test]
fn a_full_disk_ends_no_operation() {
    let mut sandbox = Sandbox::new();
    let disk = sandbox.path("disk");
    std::fs::create_dir(&disk).expect("mkdir");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"])
        .arg(&disk)
        .output()
        .expect("mount can be called");
    assert!(mounted.status.success(), "this test mounts a small tmpfs and needs root: {mounted:?}");
    let _unmount = Unmount(disk.clone());
    sandbox.set_env("LLMCTL_STATE_DIR", disk.display().to_string());
    sandbox.fake_tool("claude", &["--deltas", "4000", "--delta-bytes", "128"]);
    let done =
        execute(&sandbox, &["--prompt-text", "x", "--tool", "claude-code", "--model", "claude-opus-5-5"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr_text());
    assert_eq!(done.stdout.len(), 4000 * 128, "the answer is whole on standard output");
    assert!(done.stderr_text().contains("disk"), "{}", done.stderr_text());
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

#[test]
fn a_damaged_database_is_put_aside_and_rebuilt() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "0");
    for text in ["one", "two"] {
        sandbox.run(&["execute", "-q", "--prompt-text", text, "--model", "practice"], LONG).expect_code(0);
    }
    let facts = |sandbox: &Sandbox| -> Vec<Value> {
        let text = sandbox.run(&["events", "--after", "0"], LONG).expect_code(0).stdout_text();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut facts: Vec<Value> =
            all.filter(|e| e["data"]["operation_id"].is_string()).map(|e| e["data"].clone()).collect();
        facts.sort_by_key(ToString::to_string);
        facts
    };
    let before = facts(&sandbox);
    assert_eq!(before.len(), 10, "routing, model, start, cost and end of two operations");
    sandbox.run(&["daemon", "stop"], LONG).expect_code(0);
    let database = sandbox.path("state/llmctl/telemetry.redb");
    for damage in [b"not a database at all".to_vec(), vec![0u8; 20_000]] {
        std::fs::write(&database, damage).expect("damaged");
        sandbox.run(&["daemon", "start"], LONG).expect_code(0);
        assert_eq!(facts(&sandbox), before, "everything is there again, once");
        sandbox.run(&["daemon", "stop"], LONG).expect_code(0);
    }
    std::fs::remove_file(&database).expect("deleted");
    sandbox.run(&["daemon", "start"], LONG).expect_code(0);
    assert_eq!(facts(&sandbox), before, "a deleted one is rebuilt too");
    let aside = std::fs::read_dir(sandbox.path("state/llmctl")).expect("listed").flatten();
    assert_eq!(aside.filter(|f| f.file_name().to_string_lossy().contains("damaged")).count(), 2);
}

#[test]
fn a_journal_cut_anywhere_is_read_to_the_cut() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "0");
    execute(&sandbox, &["-q", "--prompt-text", "cut me", "--model", "practice"]).expect_code(0);
    let operations = sandbox.path("state/llmctl/operations");
    let dir = std::fs::read_dir(&operations).expect("listed").flatten().next().expect("one").path();
    let id = dir.file_name().expect("named").to_string_lossy().into_owned();
    let whole = std::fs::read(dir.join("journal.jsonl")).expect("journal");
    let ends = |at: usize| whole[..at].split(|b| *b == b'\n').count() - 1;
    for cut in [whole.len() / 3, whole.len() - 40, whole.len() - 1] {
        std::fs::write(dir.join("journal.jsonl"), &whole[..cut]).expect("cut");
        std::fs::write(sandbox.path("state/llmctl/pending").join(&id), "").expect("marked");
        let _ = std::fs::remove_file(sandbox.path("state/llmctl/telemetry.redb"));
        sandbox.run(&["daemon", "start"], LONG).expect_code(0);
        let shown = sandbox.run(&["show", &id, "--json"], LONG).expect_code(0).stdout_text();
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["state"], "lost", "cut at {cut}");
        let text = sandbox.run(&["events", "--after", "0", "--operation", &id], LONG).stdout_text();
        let lines = whole[..cut].split(|b| *b == b'\n').take(ends(cut));
        let facts = lines.filter(|line| !line.starts_with(b"{\"n\":0,")).count();
        assert_eq!(text.lines().count(), facts + 1, "every whole fact and the closing one, cut at {cut}");
        sandbox.run(&["daemon", "stop"], LONG).expect_code(0);
    }
}

#[test]
fn no_home() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.llmctl(&["ps"]);
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    refused(&run::run(command, b"", LONG), 2, &["HOME is not set", "LLMCTL_STATE_DIR"]);
}
