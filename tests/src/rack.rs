//! Supervised MCP servers in a sandbox: their configuration, the verbs on them, and who of them runs.
//!
//! Owns the words of `llmctl mcp` and the reading of its JSON. Each server gets the sandbox's marker in its
//! environment, and every process that was ever seen below the daemon is remembered with its session, so that a
//! test can prove by both that nothing is left.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llmctl_proto::time::UnixMs;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::proc::{self, Identity, Stat};
use crate::run::{Finished, Running};
use crate::sandbox::{MARKER, binary};
use crate::stage::{SOON, Stage};
use crate::wait::{poll, wait_for};

/// How long no process of a server may take to be gone after its verb has returned.
const GONE: Duration = Duration::from_secs(5);

/// A sandbox with configured servers.
#[derive(Debug)]
pub struct Rack {
    /// The sandbox and the daemon in it.
    pub stage: Stage,
    seen: RefCell<BTreeMap<Identity, Stat>>,
}

/// A server that is the fake one, with its options.
pub fn fake(options: &[&str]) -> Value {
    let program = binary("fake-mcp").display().to_string();
    let words: Vec<&str> = std::iter::once(program.as_str()).chain(options.iter().copied()).collect();
    server(&words)
}

/// A server by its command line.
pub fn server(words: &[&str]) -> Value {
    json!({"command": words})
}

/// The same server with further keys.
pub fn with(mut server: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        server[key] = value.clone();
    }
    server
}

/// A health check each second that may take one.
pub fn each_second() -> Value {
    json!({"health_check": {"interval_seconds": 1, "timeout_seconds": 1}})
}

/// The environment by which the sandbox knows a server: the daemon's own value, since it passes on nothing unasked.
pub fn marker() -> Value {
    json!({MARKER: format!("${{{MARKER}}}")})
}

impl Rack {
    /// Makes a sandbox with these servers; the daemon is not started.
    #[track_caller]
    pub fn new(servers: &[(&str, Value)]) -> Self {
        let rack = Self { stage: Stage::new(&[]), seen: RefCell::default() };
        rack.configure(servers, &json!({}));
        rack
    }

    /// A rack with one server, called `one`.
    #[track_caller]
    pub fn one(server: Value) -> Self {
        Self::new(&[("one", server)])
    }

    /// Writes the configuration of all servers anew.
    #[track_caller]
    pub fn configure(&self, servers: &[(&str, Value)], settings: &Value) {
        let mut table = serde_json::Map::new();
        for (name, server) in servers {
            let mut server = server.clone();
            if server["command"].is_array() {
                for (name, value) in marker().as_object().into_iter().flatten() {
                    server["env"][name] = value.clone();
                }
            }
            table.insert((*name).to_owned(), server);
        }
        // JSON is YAML too.
        let all = json!({"mcp_settings": settings, "mcp_servers": table});
        self.stage.sandbox.configure("mcp.yaml", &format!("{all:#}\n"));
    }

    /// A path in the sandbox that no server has yet, as text.
    pub fn note(&self, name: &str) -> (PathBuf, String) {
        let path = self.stage.sandbox.path("tmp").join(name);
        let text = path.display().to_string();
        (path, text)
    }

    /// Runs `llmctl mcp` to its end.
    #[track_caller]
    pub fn mcp(&self, words: &[&str]) -> Finished {
        let done = self.stage.llmctl(&[&["mcp"], words].concat());
        self.look();
        done
    }

    /// Starts `llmctl mcp`.
    #[track_caller]
    pub fn spawn(&self, words: &[&str]) -> Running {
        self.stage.sandbox.spawn(&[&["mcp"], words].concat())
    }

    /// Starts a server and gives it as it then is.
    #[track_caller]
    pub fn start(&self, name: &str) -> Value {
        self.mcp(&["start", name]).expect_code(0);
        self.show(name)
    }

    /// Stops a server and waits for no process of it: there must be none when the verb returns.
    #[track_caller]
    pub fn stop(&self, name: &str) {
        self.look();
        self.mcp(&["stop", name]).expect_code(0);
    }

    /// Calls a tool and gives the answer's text.
    #[track_caller]
    pub fn call(&self, name: &str, tool: &str, arguments: &Value) -> String {
        self.mcp(&["call", name, tool, &arguments.to_string()]).expect_code(0).stdout_text()
    }

    /// All servers in short.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        let text = self.mcp(&["list", "--json"]).expect_code(0).stdout_text();
        let listed: Value = serde_json::from_str(&text).expect("the list is JSON");
        let servers = if listed.is_array() { &listed } else { &listed["servers"] };
        servers.as_array().expect("a list of servers").clone()
    }

    /// A server in full.
    #[track_caller]
    pub fn show(&self, name: &str) -> Value {
        let done = self.mcp(&["show", name, "--json"]).expect_code(0);
        serde_json::from_slice(&done.stdout).expect("a server is JSON")
    }

    /// Waits until a server is in a state, and gives it.
    #[track_caller]
    pub fn wait_state(&self, name: &str, states: &[&str]) -> Value {
        self.wait_state_for(SOON, name, states)
    }

    /// Waits so long until a server is in a state, and gives it.
    #[track_caller]
    pub fn wait_state_for(&self, deadline: Duration, name: &str, states: &[&str]) -> Value {
        let mut last = Value::Null;
        let reached = poll(deadline, || {
            last = self.show(name);
            states.iter().any(|state| last["state"] == *state).then(|| last.clone())
        });
        reached.unwrap_or_else(|| panic!("waited in vain for {name} to be one of {states:?}: {last:#}"))
    }

    /// The process of a server, once it runs.
    #[track_caller]
    pub fn process(&self, name: &str) -> Identity {
        wait_for(SOON, "the server's process", || {
            let shown = self.show(name);
            let pid = shown["pid"].as_i64()?;
            let ready = ["running", "degraded", "unhealthy"].iter().any(|state| shown["state"] == *state);
            proc::stat(pid as i32).filter(|_| ready).map(|stat| stat.identity)
        })
    }

    /// Stored events of a server whose type begins so, as envelopes, oldest first.
    #[track_caller]
    pub fn events(&self, name: &str, kind: &str) -> Vec<Value> {
        let mut all = self.stage.events(&["--after", "0", "--type", kind]);
        all.retain(|event| event["data"]["server_name"] == name);
        all
    }

    /// Waits for the first event of a type after those that were there.
    #[track_caller]
    pub fn wait_event(&self, name: &str, kind: &str, before: usize) -> Value {
        wait_for(SOON, kind, || self.events(name, kind).into_iter().nth(before))
    }

    /// How often each server process was started, by the file of `--starts`: nanoseconds of the shared clock.
    pub fn starts(&self, file: &Path) -> Vec<(u64, i32)> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let pair = |line: &str| {
            let (at, pid) = line.split_once(' ')?;
            Some((at.parse().ok()?, pid.parse().ok()?))
        };
        text.lines().filter_map(pair).collect()
    }

    /// Looks who runs below the daemon and remembers it.
    pub fn look(&self) -> Vec<Stat> {
        let Some(daemon) = self.stage.daemon() else { return Vec::new() };
        let below = proc::descendants(daemon.pid);
        let mut seen = self.seen.borrow_mut();
        for process in &below {
            seen.insert(process.identity, process.clone());
        }
        below
    }

    /// Processes that are left of servers: by marker, and by identity, session or group of any that was ever seen.
    pub fn left(&self) -> Vec<Stat> {
        let (seen, daemons) = (self.seen.borrow(), self.stage.daemons());
        // Where this program itself lives, a session tells nothing.
        let (session, group) = proc::stat(std::process::id() as i32).map_or((0, 0), |s| (s.session, s.group));
        let known = |process: &Stat| {
            seen.values().any(|other| {
                other.identity == process.identity
                    || (other.session == process.session && process.session != session)
                    || (other.group == process.group && process.group != group)
            })
        };
        let remembered = proc::all().into_iter().filter(|process| process.state != 'Z' && known(process));
        let mut all: Vec<Stat> = self.stage.sandbox.processes().into_iter().chain(remembered).collect();
        all.retain(|process| !daemons.contains(&process.identity) && !is_client(process.identity.pid));
        all.sort_by_key(|process| process.identity);
        all.dedup_by_key(|process| process.identity);
        all
    }

    /// Asserts that no process of any server is left, ended ones that nobody waited for included.
    #[track_caller]
    pub fn assert_none_left(&self) {
        let none = poll(GONE, || self.left().is_empty().then_some(()));
        assert!(none.is_some(), "still running: {:?}", self.left());
        let zombies = || {
            let daemon = self.stage.daemon()?;
            let ended: Vec<Stat> =
                proc::children(daemon.pid).into_iter().filter(|p| p.state == 'Z').collect();
            (!ended.is_empty()).then_some(ended)
        };
        let waited = poll(GONE, || zombies().is_none().then_some(()));
        assert!(waited.is_some(), "nobody waited for {:?}", zombies());
    }

    /// Kills a process without a word; gives the wall clock in milliseconds and the shared clock in nanoseconds.
    #[track_caller]
    pub fn kill(&self, process: Identity) -> (f64, u64) {
        let stamps = (wall_ms(), crate::mcp::monotonic_ns());
        assert!(proc::signal(process, Signal::KILL), "{process:?} was gone already");
        stamps
    }
}

/// Whether it is a program of a test itself.
fn is_client(pid: i32) -> bool {
    proc::program(pid).is_some_and(|program| program.ends_with("llmctl"))
}

/// The wall clock in milliseconds.
pub fn wall_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// When an event happened, in milliseconds of the wall clock.
///
/// # Panics
/// It does not say.
#[track_caller]
pub fn at_ms(event: &Value) -> f64 {
    serde_json::from_value::<UnixMs>(event["at"].clone()).expect("an event has a time").0 as f64
}

/// Says a measured figure beside the test's result, also when the test passes.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "figure: {text}");
}

/// Median of some figures; 0 for none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
