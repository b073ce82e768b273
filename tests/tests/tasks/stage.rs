//! A copy of the provided tree under the real daemon, with a follower of its events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use llmctl_proto::event::{Envelope, TaskEvent};
use llmctl_tests::gateway::Gateway;
use llmctl_tests::http::Answer;
use llmctl_tests::proc;
use llmctl_tests::run::Running;
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::Value;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The provided tree: where `LLMCTL_TEST_TASKS` says, else in `shared` beside the repository; nothing without it.
pub(crate) fn provided() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/tasks");
    let root = std::env::var_os("LLMCTL_TEST_TASKS").map_or(beside, PathBuf::from);
    if root.join("inbox").is_dir() {
        return Some(root);
    }
    skipped(&format!("there is no tree of task files at {}", root.display()));
    None
}

/// Says why a test did nothing.
#[allow(clippy::print_stdout)]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) root: PathBuf,
    gateway: Gateway,
}

impl Stage {
    /// A daemon that watches a copy of the provided tree; nothing without the tree.
    pub(crate) fn provided() -> Option<Self> {
        let from = provided()?;
        Some(Self::with(|root| copy(&from, root), Gateway::open))
    }

    /// A daemon that watches what `fill` makes. `begin` starts the gateway.
    pub(crate) fn with(fill: impl FnOnce(&Path), begin: impl FnOnce(&Sandbox) -> Gateway) -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.project().join("work/collaboration");
        fs::create_dir_all(&root).expect("made");
        fill(&root);
        sandbox.configure("tasks.yaml", &format!("tasks:\n  roots: ['{}']\n", root.display()));
        let gateway = begin(&sandbox);
        Self { sandbox, root, gateway }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{relative}: {error}"));
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().expect("below the root")).expect("made");
        fs::rename(self.path(from), self.path(to)).unwrap_or_else(|error| panic!("{from} → {to}: {error}"));
    }

    pub(crate) fn remove(&self, relative: &str) {
        fs::remove_file(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"));
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.gateway.request(method, path, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.gateway.get(path)
    }

    pub(crate) fn patch_priority(&self, id: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("PATCH", &format!("/api/tasks/{}/priority", encoded(id)), headers, body)
    }

    pub(crate) fn daemon(&self) -> i32 {
        let daemons = self.sandbox.processes();
        let daemon = daemons.iter().find(|process| process.name == "llmctld");
        daemon.expect("the daemon runs").identity.pid
    }

    pub(crate) fn memory(&self) -> u64 {
        proc::rss_bytes(self.daemon()).unwrap_or_default()
    }

    /// Follows task events from here on.
    pub(crate) fn follow(&self) -> Follower {
        let cursor = self.get("/api/tasks?fields=card&include_done=false")["cursor"].clone();
        let cursor = cursor.as_str().expect("a cursor").to_owned();
        let running = self.sandbox.spawn(&["events", "-f", "--after", &cursor]);
        let follower = Follower { running };
        // What happens from now on is seen whether it is connected yet or not; being connected, its clock is right.
        self.sandbox.run(&["emit", "test.ready"], SOON).expect_code(0);
        wait_until(SOON, "the follower", || follower.running.stdout_text().contains("test.ready"));
        follower
    }

    /// Everything the board shows, by project and path.
    pub(crate) fn board(&self) -> BTreeMap<String, Value> {
        let board = self.get("/api/tasks?fields=card");
        let mut cards = BTreeMap::new();
        let mut add = |list: &Value| {
            for card in list.as_array().into_iter().flatten() {
                let path = card["path"].as_str().expect("a path").to_owned();
                assert!(cards.insert(path.clone(), card.clone()).is_none(), "{path} twice");
            }
        };
        add(&board["inbox"]);
        add(&board["invalid"]);
        for section in ["assigned", "done", "error"] {
            for list in board[section].as_object().expect("by agent").values() {
                add(list);
            }
        }
        cards
    }
}

/// Task events as they were published.
pub(crate) struct Follower {
    running: Running,
}

impl Follower {
    /// All task events so far, as name and payload.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        self.lines()
            .into_iter()
            .filter(|event| event["type"].as_str().is_some_and(|name| name.starts_with("task.")))
            .map(|event| (event["type"].as_str().unwrap_or_default().to_owned(), event["data"].clone()))
            .collect()
    }

    /// All events so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.running.stdout_text();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    /// The same, typed.
    pub(crate) fn typed(&self) -> Vec<TaskEvent> {
        let text = self.running.stdout_text();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| Envelope::from_json(line).expect("an event"))
            .filter_map(|envelope| TaskEvent::from_event(&envelope.event))
            .collect()
    }

    /// Waits for the number of events of one task, and gives their names.
    #[track_caller]
    pub(crate) fn names_of(&self, id: &str, count: usize) -> Vec<String> {
        let names = || -> Vec<String> {
            let all = self.events().into_iter();
            all.filter(|(_, data)| data["task_id"] == id).map(|(name, _)| name).collect()
        };
        wait_for(SOON, &format!("{count} events of {id}, there are {:?}", names()), || {
            let names = names();
            (names.len() >= count).then_some(names)
        })
    }
}

/// Pauses as a writer of the real world does: the pause is what is tested.
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

pub(crate) fn encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Copies a tree of plain files, and makes them writable.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).expect("readable")).expect("written");
        }
    }
}

/// A small task file.
pub(crate) fn task(id: &str, status: &str) -> String {
    format!(
        "id: {id}\nagent: x\nstatus: {status}\npriority: high\ntitle: Task {id}\ncreated_at: '2026-02-01T10:00:00Z'\n"
    )
}
