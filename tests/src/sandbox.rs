//! An isolated environment in which the real binaries run: own home, own directories, own programs.
//!
//! Owns a temporary directory with a short path (socket paths are limited to 107 bytes) and every process that
//! carries its marker in the environment. When it is dropped it stops the daemon, kills what is left and fails
//! the test for it. It never touches the user's own configuration and passes on no key.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::proc::{self, Stat};
use crate::run::{self, Finished, Running};
use crate::tools;
use crate::wait::poll;

/// The variable by which a sandbox knows its processes.
pub const MARKER: &str = "LLMCTL_TEST_MARKER";
/// How long an orderly stop of the daemon may take.
const DAEMON_STOP: Duration = Duration::from_secs(15);
/// How long processes may take to vanish after the last signal.
const VANISH: Duration = Duration::from_secs(5);

/// An isolated environment.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
    marker: String,
    env: Vec<(String, String)>,
}

impl Sandbox {
    /// Makes an environment with empty directories.
    ///
    /// # Panics
    /// The temporary directory cannot be made.
    #[track_caller]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("lt-").tempdir_in(short_temp_dir());
        let dir = dir.unwrap_or_else(|error| panic!("cannot make a sandbox: {error}"));
        let marker = format!("{}-{}", std::process::id(), dir.path().display());
        let sandbox = Self { dir, marker, env: Vec::new() };
        for name in ["home", "state", "run", "config", "data", "cache", "bin", "project", "tmp"] {
            make_dir(&sandbox.path(name));
        }
        // Programs refuse a runtime directory that others can read.
        set_mode(&sandbox.path("run"), 0o700);
        sandbox
    }

    /// A path below the sandbox's directory.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// The working directory of everything that runs here.
    pub fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Home.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// `NAME=value` of the marker, as it stands in `/proc/PID/environ`.
    pub fn marker(&self) -> String {
        format!("{MARKER}={}", self.marker)
    }

    /// Adds a variable to everything that is started from now on.
    pub fn set_env(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// Writes a file below the project directory and gives its path.
    ///
    /// # Panics
    /// It cannot be written.
    #[track_caller]
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        put(&self.project().join(relative), content.as_ref())
    }

    /// Writes a file of the user's configuration.
    ///
    /// # Panics
    /// It cannot be written.
    #[track_caller]
    pub fn configure(&self, name: &str, yaml: &str) -> PathBuf {
        let path = self.path("config/llmctl").join(name);
        let written =
            std::fs::create_dir_all(self.path("config/llmctl")).and_then(|()| std::fs::write(&path, yaml));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// A program with this environment, in the project directory.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear().stdin(Stdio::null());
        let dirs = [
            ("HOME", "home"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("TMPDIR", "tmp"),
        ];
        command.envs(dirs.map(|(name, dir)| (name, self.path(dir))));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        let fixed = [("LANG", "C.UTF-8"), ("TERM", "dumb"), ("TZ", "UTC"), ("SHELL", "/bin/bash")];
        command.envs(fixed).env(MARKER, &self.marker);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `llmctl` with arguments.
    ///
    /// # Panics
    /// The binary was not built.
    #[track_caller]
    pub fn llmctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.command(binary("llmctl"));
        command.args(arguments);
        command
    }

    /// `llmctld` with arguments.
    ///
    /// # Panics
    /// The binary was not built.
    #[track_caller]
    pub fn llmctld<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.command(binary("llmctld"));
        command.args(arguments);
        command
    }

    /// Runs `llmctl` to its end, with nothing on its standard input.
    ///
    /// # Panics
    /// As [`run::run`].
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S], deadline: Duration) -> Finished {
        run::run(self.llmctl(arguments), b"", deadline)
    }

    /// Starts `llmctl`, with nothing on its standard input.
    ///
    /// # Panics
    /// As [`run::spawn`].
    #[track_caller]
    pub fn spawn<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        run::spawn(self.llmctl(arguments), b"")
    }

    /// Puts the fake tool on the path under a name (`claude`, `codex`, `gemini`, …). It behaves like the tool of
    /// that name, changed by `options` of `fake-tool`.
    ///
    /// # Panics
    /// The fake tool was not built, or the file cannot be written.
    #[track_caller]
    pub fn fake_tool(&self, name: &str, options: &[&str]) -> PathBuf {
        let fake = binary("fake-tool");
        let words: Vec<String> = options.iter().map(|word| quoted(word)).collect();
        let fake = quoted(&fake.display().to_string());
        self.script(name, &format!("exec {fake} --as {} {} -- \"$@\"", quoted(name), words.join(" ")))
    }

    /// Puts a shell script on the path under a name.
    ///
    /// # Panics
    /// The file cannot be written.
    #[track_caller]
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let source =
            put(&self.path("tmp").join(format!("{name}.sh")), format!("#!/bin/sh\n{text}\n").as_bytes());
        let path = self.path("bin").join(name);
        // Written by another process: if this one held the file open for writing while another thread forks,
        // starting it would fail with "text file busy".
        let copied = Command::new("install").args(["-m", "755"]).args([&source, &path]).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot install {}", path.display());
        path
    }

    /// Puts a real tool on the path.
    ///
    /// # Panics
    /// It is not installed; the message says how to install it.
    #[track_caller]
    pub fn real_tool(&self, name: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        symlink(tools::program(name), &path).unwrap_or_else(|error| panic!("cannot link {name}: {error}"));
        path
    }

    /// Makes the real Claude Code talk to a provider at `url` and run shell commands without asking.
    #[track_caller]
    pub fn claude_at(&mut self, url: &str) {
        self.real_tool("claude");
        let settings = json!({"permissions": {"allow": ["Bash"]}}).to_string();
        put(&self.home().join(".claude/settings.json"), settings.as_bytes());
        self.set_env("ANTHROPIC_BASE_URL", url);
        self.set_env("ANTHROPIC_API_KEY", "test-key-of-the-sandbox");
        for (name, value) in [
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("CLAUDE_CODE_MAX_RETRIES", "2"),
        ] {
            self.set_env(name, value);
        }
    }

    /// Makes the real Codex talk to a provider at `url` and run shell commands without asking.
    #[track_caller]
    pub fn codex_at(&mut self, url: &str) {
        self.real_tool("codex");
        let config = format!(
            "model_provider = \"fixture\"\napproval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\n\
             [analytics]\nenabled = false\n\
             [model_providers.fixture]\nname = \"fixture\"\nbase_url = \"{url}/v1\"\n\
             env_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\nrequest_max_retries = 1\n\
             stream_max_retries = 1\nstream_idle_timeout_ms = 5000\n"
        );
        put(&self.home().join(".codex/config.toml"), config.as_bytes());
        self.set_env("OPENAI_API_KEY", "test-key-of-the-sandbox");
    }

    /// Processes of this sandbox that run.
    pub fn processes(&self) -> Vec<Stat> {
        proc::processes_with_env(&self.marker())
    }

    /// Waits until no process of this sandbox runs any more.
    ///
    /// # Panics
    /// Some still do after the deadline; the message names them.
    #[track_caller]
    pub fn wait_empty(&self, deadline: Duration) {
        let empty = poll(deadline, || self.processes().is_empty().then_some(()));
        assert!(empty.is_some(), "still running after {deadline:?}: {}", describe(&self.processes()));
    }

    /// Stops the daemon if something runs here, kills what is then left, and gives what was killed.
    /// For tests that leave something on purpose; the others leave it to the drop.
    pub fn reap(&self) -> Vec<Stat> {
        if self.processes().is_empty() {
            return Vec::new();
        }
        if let Some(llmctl) = find_binary("llmctl") {
            let mut stop = self.command(llmctl);
            stop.args(["daemon", "stop"]).stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(mut child) = stop.spawn() {
                let ended = poll(DAEMON_STOP, || child.try_wait().ok().flatten());
                if ended.is_none() {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        }
        // What was told to stop may need a moment to leave.
        poll(Duration::from_secs(1), || self.processes().is_empty().then_some(()));
        let mut killed: Vec<Stat> = Vec::new();
        poll(VANISH, || {
            let left = self.processes();
            for process in &left {
                proc::signal(process.identity, Signal::KILL);
                if !killed.iter().any(|k| k.identity == process.identity) {
                    killed.push(process.clone());
                }
            }
            left.is_empty().then_some(())
        });
        killed
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let killed = self.reap();
        if killed.is_empty() {
            return;
        }
        let message = format!("left behind by the test and killed: {}", describe(&killed));
        // A second panic would end the whole test program and hide the first.
        assert!(std::thread::panicking(), "{message}");
        let _ = writeln!(std::io::stderr(), "{message}");
    }
}

/// The file of a binary of this workspace.
///
/// # Panics
/// It was not built; the message says how.
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    find_binary(name).unwrap_or_else(|| {
        panic!("{name} is not built in {}; run `cargo build --workspace` first", target_dir().display())
    })
}

fn find_binary(name: &str) -> Option<PathBuf> {
    let path = target_dir().join(name);
    path.is_file().then_some(path)
}

/// `target/debug` or `target/release`, whichever this test program lies below.
fn target_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let dir = own.parent().unwrap_or(Path::new("."));
    let dir = if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir };
    dir.to_owned()
}

/// The system's temporary directory, unless its path is so long that a socket below it would not fit.
fn short_temp_dir() -> PathBuf {
    let dir = std::env::temp_dir();
    if dir.as_os_str().len() > 30 { PathBuf::from("/tmp") } else { dir }
}

#[track_caller]
fn put(path: &Path, content: &[u8]) -> PathBuf {
    if let Some(parent) = path.parent() {
        make_dir(parent);
    }
    fs::write(path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path.to_owned()
}

#[track_caller]
fn make_dir(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
}

#[track_caller]
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("cannot change the mode of {}: {error}", path.display()));
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn describe(processes: &[Stat]) -> String {
    let each = processes.iter().map(|p| {
        let words = proc::command_line(p.identity.pid).join(" ");
        let short: String = words.chars().take(120).collect();
        format!("{} {} [{}] {short}", p.identity.pid, p.name, p.state)
    });
    each.collect::<Vec<_>>().join("; ")
}
