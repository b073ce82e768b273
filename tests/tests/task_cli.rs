//! `llmctl task` on the real program, without a daemon.
//!
//! Names of tests begin with the number of the acceptance criterion they hold.

use std::fs;
use std::path::{Path, PathBuf};

use llmctl_tests::run::Finished;
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::stage::LONG;
use serde_json::Value;

const ROOT: &str = "work/collaboration";

fn task(sandbox: &Sandbox, words: &[&str]) -> Finished {
    sandbox.run(&[&["task"], words].concat(), LONG)
}

#[track_caller]
fn good(sandbox: &Sandbox, words: &[&str]) -> String {
    let done = task(sandbox, words);
    assert_eq!(done.code, Some(0), "{words:?}: {}", done.stderr_text());
    done.stdout_text()
}

#[track_caller]
fn refused(sandbox: &Sandbox, words: &[&str], code: i32, said: &str) {
    let done = task(sandbox, words);
    assert_eq!(done.code, Some(code), "{words:?}: {} {}", done.stdout_text(), done.stderr_text());
    assert!(done.stderr_text().contains(said), "{words:?}: {}", done.stderr_text());
}

fn put(sandbox: &Sandbox, path: &str, text: &str) {
    let full = sandbox.project().join(ROOT).join(path);
    fs::create_dir_all(full.parent().expect("a directory")).expect("made");
    fs::write(full, text).expect("written");
}

fn get(sandbox: &Sandbox, path: &str) -> String {
    let full = sandbox.project().join(ROOT).join(path);
    fs::read_to_string(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()))
}

fn plain(id: &str, more: &str) -> String {
    format!("id: {id}\nagent: dev\nstatus: new\npriority: high\ntitle: Title of {id}\n{more}")
}

/// Copies the provided tree below the project; false where it is not beside the repository.
fn provided(sandbox: &Sandbox) -> bool {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/tasks");
    let from = std::env::var_os("LLMCTL_TEST_TASKS").map_or(beside, PathBuf::from);
    if !from.join("inbox").is_dir() {
        return false;
    }
    copy(&from, &sandbox.project().join(ROOT));
    true
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).expect("read")).expect("written");
        }
    }
}

fn hidden(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(hidden(&entry.path()));
        } else if name.starts_with('.') && name != ".gitkeep" {
            found.push(name);
        }
    }
    found
}

#[test]
fn t1_the_provided_tree_counts_as_it_should() {
    let sandbox = Sandbox::new();
    if !provided(&sandbox) {
        return;
    }
    let all: Vec<Value> = serde_json::from_str(&good(&sandbox, &["list", "--all", "--json"])).expect("JSON");
    let count = |key: &str, value: &str| all.iter().filter(|card| card[key] == value).count();
    assert_eq!(all.len(), 118);
    assert_eq!((count("lane", "inbox"), count("lane", "assigned"), count("lane", "done")), (5, 47, 66));
    assert_eq!(
        (count("state", "in_progress"), count("state", "blocked"), count("state", "assigned")),
        (1, 1, 45)
    );
    assert_eq!(all.iter().filter(|card| card["drift"] == true).count(), 31);
    let broken: Vec<_> = all.iter().filter(|card| card["problem"].is_object()).collect();
    assert_eq!(
        (broken.len(), &broken[0]["problem"]["line"], &broken[0]["problem"]["column"]),
        (1, &33.into(), &9.into())
    );
    let open: Vec<Value> =
        serde_json::from_str(&good(&sandbox, &["list", "--format", "json"])).expect("JSON");
    assert_eq!(open.len(), 52);
    let lint = task(&sandbox, &["lint", "--json"]);
    assert_eq!(lint.code, Some(1), "a file cannot be read");
    let found: Vec<Value> = serde_json::from_str(&lint.stdout_text()).expect("JSON");
    let kinds = |kind: &str| found.iter().filter(|problem| problem["kind"] == kind).count();
    assert_eq!(
        (kinds("syntax"), kinds("drift"), kinds("duplicate_id"), kinds("id_differs_from_name")),
        (1, 31, 0, 6)
    );
}

#[test]
fn t12_a_priority_is_one_line_of_diff() {
    let sandbox = Sandbox::new();
    if !provided(&sandbox) {
        return;
    }
    let all: Vec<Value> = serde_json::from_str(&good(&sandbox, &["list", "--all", "--json"])).expect("JSON");
    // Every sixth that may be changed, since each is a process; the library does all of them.
    let free = |card: &&Value| ["new", "assigned", "blocked"].iter().any(|state| card["state"] == *state);
    let readable = all.iter().filter(|card| card["problem"].is_null()).filter(free);
    for card in readable.step_by(6) {
        let path = card["path"].as_str().expect("a path");
        let before = get(&sandbox, path);
        // `critical` is what some of them have already.
        good(&sandbox, &["priority", path, "normal"]);
        good(&sandbox, &["priority", path, "critical"]);
        let after = get(&sandbox, path);
        let others = |text: &str| -> Vec<String> {
            let of_key = |line: &&str| !line.starts_with("priority:");
            text.split('\n').filter(of_key).map(str::to_owned).collect()
        };
        assert_eq!(others(&before), others(&after), "{path}");
        assert!(after.to_ascii_lowercase().contains("critical"), "{path}");
        assert_eq!(before.ends_with('\n'), after.ends_with('\n'), "{path}");
    }
    assert_eq!(hidden(&sandbox.project().join(ROOT)), Vec::<String>::new());
}

#[test]
fn t19_a_life_without_a_daemon() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.project().join(ROOT).join("inbox")).expect("made");
    let path = good(&sandbox, &["new", "-t", "Fix: the thing", "-a", "dev", "-p", "HIGH"]).trim().to_owned();
    let id = path.trim_start_matches("inbox/").trim_end_matches(".yaml").to_owned();
    assert!(get(&sandbox, &path).contains("title: 'Fix: the thing'\n"), "{}", get(&sandbox, &path));
    let card: Value = serde_json::from_str(&good(&sandbox, &["claim", "-a", "dev", "--json"])).expect("JSON");
    assert_eq!(
        (&card["id"], &card["state"], &card["lane"]),
        (&id.as_str().into(), &"assigned".into(), &"assigned".into())
    );
    good(&sandbox, &["start", &id[..20]]);
    refused(&sandbox, &["priority", &id, "low"], 1, "cannot be changed");
    good(&sandbox, &["block", &id, "--reason", "no key: yet"]);
    good(&sandbox, &["unblock", &id]);
    good(&sandbox, &["note", &id, "halfway"]);
    refused(&sandbox, &["complete", &id], 1, "no result");
    good(&sandbox, &["complete", &id, "-s", "It works.", "-a", "src/x.rs", "-a", "src/y.rs"]);
    let text = get(&sandbox, &format!("done/dev/{id}.yaml"));
    for part in [
        "status: done\n",
        "summary: It works.\n",
        "- src/x.rs\n",
        "blocked_reason: 'no key: yet'\n",
        "halfway\n",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    refused(&sandbox, &["start", &id], 1, "cannot be started");
    good(&sandbox, &["reopen", &id]);
    good(&sandbox, &["fail", &id, "-m", "no luck"]);
    assert!(good(&sandbox, &["list"]).contains("error"));
    good(&sandbox, &["reopen", &id, "--inbox"]);
    good(&sandbox, &["freeze", &id, "--reason", "later"]);
    assert!(!good(&sandbox, &["list"]).contains(&id));
    assert!(good(&sandbox, &["list", "--lane", "fridge"]).contains(&id));
    good(&sandbox, &["thaw", &id]);
    good(&sandbox, &["set", &id, "estimated_hours=3"]);
    assert!(get(&sandbox, &path).contains("estimated_hours: 3\n"));
    good(&sandbox, &["cancel", &id, "--reason", "not needed"]);
    assert!(good(&sandbox, &["show", &id]).contains("cancelled"));
    assert_eq!(good(&sandbox, &["list"]).lines().count(), 1, "only the head is left");
    assert_eq!(hidden(&sandbox.project().join(ROOT)), Vec::<String>::new());
}

#[test]
fn t10_each_card_is_claimed_once_by_twelve_processes() {
    let sandbox = Sandbox::new();
    for n in 0..36 {
        put(&sandbox, &format!("inbox/t{n:02}.yaml"), &plain(&format!("t{n:02}"), ""));
    }
    let mut claimed = Vec::new();
    for round in 0..3 {
        let agents: Vec<String> = (0..12).map(|n| format!("agent-{round}-{n}")).collect();
        let running: Vec<_> = agents
            .iter()
            .map(|agent| sandbox.spawn(&["task", "claim", "--any", "--agent", agent, "--json"]))
            .collect();
        for (run, agent) in running.into_iter().zip(&agents) {
            let done = run.wait(LONG);
            assert_eq!(done.code, Some(0), "{}", done.stderr_text());
            let card: Value = serde_json::from_str(&done.stdout_text()).expect("JSON");
            assert_eq!(card["agent"], agent.as_str());
            claimed.push(card["id"].as_str().expect("an id").to_owned());
        }
    }
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 36);
    refused(&sandbox, &["claim", "--any", "--agent", "late"], 1, "nothing in the inbox");
}

#[test]
fn t9_twelve_processes_change_twelve_keys_of_one_file() {
    let sandbox = Sandbox::new();
    put(&sandbox, "inbox/a.yaml", &plain("a", ""));
    for round in 0..4 {
        let running: Vec<_> =
            (0..12).map(|n| sandbox.spawn(&["task", "set", "a", &format!("k{n}={round}")])).collect();
        for run in running {
            let done = run.wait(LONG);
            assert_eq!(done.code, Some(0), "{}", done.stderr_text());
        }
    }
    let text = get(&sandbox, "inbox/a.yaml");
    assert!((0..12).all(|n| text.contains(&format!("\nk{n}: 3\n"))), "{text}");
    assert_eq!(hidden(&sandbox.project().join(ROOT)), Vec::<String>::new());
}

#[test]
fn t13_an_edit_that_has_not_seen_the_newest_is_refused() {
    let sandbox = Sandbox::new();
    put(&sandbox, "inbox/a.yaml", &plain("a", ""));
    let card: Value =
        serde_json::from_str::<Vec<Value>>(&good(&sandbox, &["list", "--json"])).expect("JSON").remove(0);
    let rev = card["rev"].as_str().expect("a rev").to_owned();
    good(&sandbox, &["priority", "a", "low", "--rev", &rev]);
    let before = get(&sandbox, "inbox/a.yaml");
    refused(&sandbox, &["priority", "a", "critical", "--rev", &rev], 1, "has changed");
    assert_eq!(get(&sandbox, "inbox/a.yaml"), before);
}

#[test]
fn exit_codes_tell_refusals_from_mistakes() {
    let sandbox = Sandbox::new();
    refused(&sandbox, &["list"], 2, "no task files here");
    put(&sandbox, "inbox/aa.yaml", &plain("aa", ""));
    put(&sandbox, "inbox/ab.yaml", &plain("ab", ""));
    put(&sandbox, "inbox/bad.yaml", "id: bad\ntitle: \"x\" y\n");
    put(&sandbox, "inbox/twice.yaml", "id: twice\nstatus: new\nstatus: new\n");
    for (words, code, said) in [
        (&["show", "nothing"][..], 2, "no task matches"),
        (&["show", "a"], 2, "matches 2 tasks"),
        (&["list", "--status", "odd"], 2, "is no status"),
        (&["list", "--lane", "odd"], 2, "is no lane"),
        (&["lint", "--kind", "odd"], 2, "is no kind"),
        (&["set", "aa", "novalue"], 2, "KEY=VALUE"),
        (&["set", "aa", "id=x"], 2, "cannot be changed"),
        (&["assign", "aa", "../x"], 2, "directory of an agent"),
        (&["start", "aa"], 1, "cannot be started"),
        (&["complete", "aa", "-s", "x"], 1, "cannot become done"),
        (&["complete", "aa", "--force", "-s", "x"], 1, "cannot become done"),
        (&["priority", "bad", "low"], 1, "cannot be read"),
        (&["assign", "twice", "dev"], 1, "more than once"),
        (&["release", "aa", "--force"], 2, "needs a --reason"),
    ] {
        refused(&sandbox, words, code, said);
    }
    good(&sandbox, &["complete", "aa", "--force", "--reason", "did it by hand", "-s", "x"]);
    assert!(get(&sandbox, "done/dev/aa.yaml").contains("forced: did it by hand"));
}

#[test]
fn nothing_in_a_file_drives_the_terminal() {
    let sandbox = Sandbox::new();
    let evil = "\"\\e]52;c;aGk=\\a\\e[31m<script>\"";
    put(
        &sandbox,
        "inbox/a.yaml",
        &format!(
            "id: a\ntitle: {evil}\nagent: {evil}\nstatus: {evil}\npriority: {evil}\nnotes: {evil}\nk{evil}: 1\n"
        ),
    );
    put(&sandbox, "inbox/b.yaml", &plain("b", &format!("dependencies: [a, {evil}]\n")));
    for words in [
        &["list"][..],
        &["show", "a"],
        &["show", "a", "--raw"],
        &["lint"],
        &["graph"],
        &["graph", "--format", "dot"],
        &["next"],
    ] {
        let done = task(&sandbox, words);
        assert!(
            !done.stdout.contains(&0x1b) && !done.stderr.contains(&0x1b) && !done.stdout.contains(&7),
            "{words:?}"
        );
    }
}

#[test]
fn graph_and_next_know_what_waits() {
    let sandbox = Sandbox::new();
    put(&sandbox, "inbox/a.yaml", &plain("a", "dependencies:\n- b\n- nobody\n"));
    put(&sandbox, "inbox/b.yaml", &plain("b", "dependencies: [c]\n"));
    put(&sandbox, "inbox/c.yaml", &plain("c", "dependencies: [b]\n"));
    put(&sandbox, "inbox/d.yaml", &plain("d", "").replace("high", "low"));
    assert_eq!(
        good(&sandbox, &["graph", "a"]),
        "a [new]\n  b [new]\n    c [new]\n      b [new, a circle]\n  nobody [no task here]\n"
    );
    let next: Vec<Value> = serde_json::from_str(&good(&sandbox, &["next", "--json"])).expect("JSON");
    assert_eq!(next[0]["id"], "d");
    let graph: Value = serde_json::from_str(&good(&sandbox, &["graph", "--format", "json"])).expect("JSON");
    assert_eq!(
        (graph["nodes"].as_array().map(Vec::len), graph["edges"].as_array().map(Vec::len)),
        (Some(4), Some(4))
    );
}

#[test]
fn a_new_task_begins_with_a_template_or_in_the_editor() {
    let sandbox = Sandbox::new();
    put(
        &sandbox,
        "templates/review.yaml",
        "# how we review\nid: x\ntitle: Review\nagent: reviewer # the usual one\npriority: high\ncontext:\n  - read the diff\n",
    );
    put(&sandbox, "inbox/one.yaml", &plain("one", ""));
    let path = good(&sandbox, &["new", "-T", "review", "-t", "Review the parser"]).trim().to_owned();
    let text = get(&sandbox, &path);
    for line in [
        "# how we review",
        "title: Review the parser",
        "# the usual one",
        "priority: high",
        "  - read the diff",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(path.starts_with("inbox/") && path.contains("reviewer-review-the-parser"), "{path}");
    let again = good(&sandbox, &["new", "-T", "review", "-p", "low", "--json"]);
    let card: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!((card["title"].as_str(), card["priority"].as_str()), (Some("Review"), Some("low")), "{again}");
    refused(&sandbox, &["new", "-T", "reveiw"], 2, "review");
    refused(&sandbox, &["new"], 2, "--title");
    // The editor changes the text, and what it leaves is what is written.
    let editor = sandbox.script("editor", "sed -i 's/^title:.*/title: From the editor/' \"$1\"");
    let mut command = sandbox.llmctl(&["task", "new", "--edit", "-t", "Draft"]);
    command.env("VISUAL", &editor);
    let done = llmctl_tests::run::run(command, b"", LONG).expect_code(0);
    assert!(get(&sandbox, done.stdout_text().trim()).contains("title: From the editor"));
    // What cannot be written is kept for another try.
    let breaks = sandbox.script("breaks", "echo 'title: [' > \"$1\"");
    let mut command = sandbox.llmctl(&["task", "new", "--edit", "-t", "Draft"]);
    command.env("VISUAL", &breaks);
    let done = llmctl_tests::run::run(command, b"", LONG).expect_code(2);
    let said = done.stderr_text();
    let kept = said.split("--template ").nth(1).and_then(|rest| rest.split(' ').next()).expect("where it is");
    assert_eq!(fs::read_to_string(kept).expect("kept").trim(), "title: [");
}
