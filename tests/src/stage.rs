//! A sandbox with the fake agent CLI in it, and what a test asks of operations and of the daemon.
//!
//! Owns the words of the command lines and the reading of what `llmctl` left on disk. It looks at files and at
//! `/proc` from outside; it never links the product beyond the shared types.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use llmctl_proto::journal::{Entry, Reader};
use rustix::process::Signal;
use serde_json::Value;

use crate::fake;
use crate::proc::{self, Identity};
use crate::run::{self, Finished, Running};
use crate::sandbox::Sandbox;
use crate::wait::{poll, wait_for};

/// How long anything may take that takes no time.
pub const SOON: Duration = Duration::from_secs(30);
/// How long an operation under test may take at most.
pub const LONG: Duration = Duration::from_mins(2);

/// A sandbox whose `claude` is the fake one.
#[derive(Debug)]
pub struct Stage {
    /// The environment.
    pub sandbox: Sandbox,
}

impl Stage {
    /// Makes a stage whose tool behaves as the `fake-tool` options say.
    #[track_caller]
    pub fn new(options: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.fake_tool("claude", options);
        sandbox.write("prompt.txt", "What is the answer?");
        Self { sandbox }
    }

    /// The words that run the fake tool, and further ones.
    pub fn words<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let base =
            ["execute", "--prompt", "prompt.txt", "--tool", "claude-code", "--model", "claude-haiku-4-5"];
        [&base[..], more].concat()
    }

    /// Starts an operation in the foreground.
    #[track_caller]
    pub fn start(&self, more: &[&str]) -> Running {
        self.sandbox.spawn(&self.words(more))
    }

    /// Runs an operation to its end.
    #[track_caller]
    pub fn execute(&self, more: &[&str]) -> Finished {
        self.start(more).wait(LONG)
    }

    /// Runs `llmctl` to its end.
    #[track_caller]
    pub fn llmctl(&self, words: &[&str]) -> Finished {
        self.sandbox.run(words, LONG)
    }

    /// Starts the daemon if it does not run, and gives it.
    #[track_caller]
    pub fn start_daemon(&self) -> Identity {
        self.llmctl(&["daemon", "start"]).expect_code(0);
        self.daemon().expect("the daemon runs")
    }

    /// The daemon, as its lock file names it; none when it does not run.
    pub fn daemon(&self) -> Option<Identity> {
        let lock: Value = read_json(&self.runtime("llmctld.lock"))?;
        let pid = lock["daemon"]["pid"].as_i64()?;
        let daemon = Identity { pid: pid as i32, start_ticks: lock["daemon"]["start_time"].as_u64()? };
        proc::is_alive(daemon).then_some(daemon)
    }

    /// Processes of this sandbox whose program is the daemon.
    pub fn daemons(&self) -> Vec<Identity> {
        let is_daemon = |process: &&proc::Stat| {
            proc::program(process.identity.pid).is_some_and(|program| program.ends_with("llmctld"))
        };
        self.sandbox.processes().iter().filter(is_daemon).map(|process| process.identity).collect()
    }

    /// Kills the daemon without a word and waits for its end; false when none ran.
    #[track_caller]
    pub fn kill_daemon(&self) -> bool {
        let Some(daemon) = self.daemon() else { return false };
        let told = proc::signal(daemon, Signal::KILL);
        wait_for(SOON, "the daemon's end", || (!proc::is_alive(daemon)).then_some(()));
        told
    }

    /// A file of the runtime directory.
    pub fn runtime(&self, name: &str) -> PathBuf {
        self.sandbox.path("run/llmctl").join(name)
    }

    /// A file of the state directory.
    pub fn state(&self, name: &str) -> PathBuf {
        self.sandbox.path("state/llmctl").join(name)
    }

    /// Ids of all operations that have a directory, oldest first.
    pub fn ids(&self) -> Vec<String> {
        names(&self.state("operations"))
    }

    /// Ids of operations that no daemon has stored to their end.
    pub fn pending(&self) -> Vec<String> {
        names(&self.state("pending"))
    }

    /// Waits for the id of the only operation.
    #[track_caller]
    pub fn only_id(&self) -> String {
        wait_for(SOON, "one operation", || {
            let ids = self.ids();
            assert!(ids.len() < 2, "more than one operation: {ids:?}");
            ids.into_iter().next()
        })
    }

    /// A file of an operation.
    pub fn file(&self, id: &str, name: &str) -> PathBuf {
        self.state("operations").join(id).join(name)
    }

    /// The recorded answer.
    pub fn output(&self, id: &str) -> String {
        fs::read_to_string(self.file(id, "output.txt")).unwrap_or_default()
    }

    /// All entries of an operation's journal.
    pub fn journal(&self, id: &str) -> Vec<Entry> {
        Reader::entries(&self.file(id, "journal.jsonl"))
    }

    /// Payloads of one type in an operation's journal.
    pub fn facts(&self, id: &str, kind: &str) -> Vec<Value> {
        let entries = self.journal(id).into_iter().filter(|entry| entry.type_name == kind);
        entries.map(|entry| serde_json::from_str(&entry.data).expect("a payload is JSON")).collect()
    }

    /// The runner of an operation, as its file names it.
    #[track_caller]
    pub fn runner(&self, id: &str) -> Identity {
        let file = wait_for(SOON, "operation.json", || read_json(&self.file(id, "operation.json")));
        identity(&file["runner"]).expect("operation.json names the runner")
    }

    /// The tool's process of an operation, once it is written down.
    #[track_caller]
    pub fn tool(&self, id: &str) -> Identity {
        wait_for(SOON, "the tool's process", || {
            identity(&read_json(&self.file(id, "operation.json"))?["tool"])
        })
    }

    /// An operation as `llmctl show --json` gives it.
    #[track_caller]
    pub fn show(&self, id: &str) -> Value {
        let done = self.llmctl(&["show", id, "--json"]).expect_code(0);
        serde_json::from_slice(&done.stdout).expect("show gives JSON")
    }

    /// The state an operation is in, as `llmctl ps` says; none when it does not list it.
    #[track_caller]
    pub fn state_of(&self, id: &str) -> Option<String> {
        let listed = self.list(&["--limit", "500"]);
        let found = listed.iter().find(|operation| operation["operation_id"] == id)?;
        found["state"].as_str().map(str::to_owned)
    }

    /// Waits until an operation is in a state.
    #[track_caller]
    pub fn wait_state(&self, id: &str, state: &str) {
        let mut last = None;
        let reached = poll(SOON, || {
            last = self.state_of(id);
            (last.as_deref() == Some(state)).then_some(())
        });
        assert!(reached.is_some(), "waited in vain for {id} to be {state}; it is {last:?}");
    }

    /// What `llmctl ps --json` lists.
    #[track_caller]
    pub fn list(&self, more: &[&str]) -> Vec<Value> {
        let done = self.llmctl(&[&["ps", "--json"], more].concat()).expect_code(0);
        serde_json::from_slice(&done.stdout).expect("ps gives JSON")
    }

    /// Events that `llmctl events` prints.
    #[track_caller]
    pub fn events(&self, more: &[&str]) -> Vec<Value> {
        lines(&self.llmctl(&[&["events"], more].concat()).expect_code(0).stdout_text())
    }

    /// Waits until the recorded answer is long enough.
    #[track_caller]
    pub fn wait_output(&self, id: &str, bytes: u64) {
        let long_enough = || fs::metadata(self.file(id, "output.txt")).is_ok_and(|meta| meta.len() >= bytes);
        wait_for(SOON, "recorded output", || long_enough().then_some(()));
    }

    /// Grandchildren that the fake tool noted in a file.
    #[track_caller]
    pub fn noted(&self, file: &Path, count: usize) -> Vec<Identity> {
        let read = || {
            let text = fs::read_to_string(file).ok()?;
            let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
            let known: Vec<Identity> = pids.into_iter().filter_map(proc::stat).map(|s| s.identity).collect();
            (known.len() == count).then_some(known)
        };
        wait_for(SOON, "the noted processes", read)
    }

    /// Waits until nothing runs here but the daemon.
    #[track_caller]
    pub fn wait_only_daemon(&self) {
        let others = || {
            let daemons = self.daemons();
            let mut all = self.sandbox.processes();
            all.retain(|process| !daemons.contains(&process.identity));
            all
        };
        let alone = poll(SOON, || others().is_empty().then_some(()));
        assert!(alone.is_some(), "still running: {:?}", others());
    }

    /// Asserts that each fact of each journal is in the daemon's store exactly once.
    ///
    /// # Panics
    /// One is missing, doubled, or was never journalled.
    #[track_caller]
    pub fn assert_store_is_the_journals(&self) {
        let mut journalled = Facts::new();
        for id in self.ids() {
            for entry in self.journal(&id).into_iter().filter(|entry| entry.client_seq > 0) {
                *journalled.entry((id.clone(), entry.type_name, canonical(&entry.data))).or_default() += 1;
            }
        }
        let mut stored = Facts::new();
        for event in self.events(&["--after", "0"]) {
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            // What the daemon itself says of a link is in no journal.
            let Some(id) = event["data"]["operation_id"].as_str().filter(|_| kind != "execution.detached")
            else {
                continue;
            };
            *stored.entry((id.to_owned(), kind, event["data"].to_string())).or_default() += 1;
        }
        let (missing, surplus) = (differing(&journalled, &stored), differing(&stored, &journalled));
        assert!(missing.is_empty() && surplus.is_empty(), "journalled {missing:#?}\nstored {surplus:#?}");
    }
}

/// Facts by operation, type and payload, with how often each is there.
type Facts = BTreeMap<(String, String, String), u32>;

/// What `one` has and `two` has not as often.
fn differing(one: &Facts, two: &Facts) -> Vec<String> {
    let other = one.iter().filter(|(key, count)| two.get(*key) != Some(*count));
    other.map(|((id, kind, data), count)| format!("{count} × {id} {kind} {data}")).collect()
}

/// The whole text of a fake tool with so many deltas.
pub fn numbered(deltas: u64) -> String {
    fake::text(deltas, fake::DELTA_BYTES)
}

/// JSON lines.
///
/// # Panics
/// A line is no JSON.
#[track_caller]
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

/// Runs a shell line in the sandbox.
#[track_caller]
pub fn shell(sandbox: &Sandbox, line: &str) -> Running {
    let mut command = sandbox.command("/bin/sh");
    command.args(["-c", line]);
    run::spawn(command, b"")
}

fn identity(value: &Value) -> Option<Identity> {
    Some(Identity { pid: value["pid"].as_i64()? as i32, start_ticks: value["start_time"].as_u64()? })
}

fn canonical(json: &str) -> String {
    serde_json::from_str::<Value>(json).expect("a payload is JSON").to_string()
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|n| n.starts_with("exec-"))
        .collect();
    names.sort_unstable();
    names
}
