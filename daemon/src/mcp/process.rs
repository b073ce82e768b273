//! The process of a server: started as leader of its own session, ended with everything it has started.
//!
//! Owns signals and the search for what a server leaves behind. Knows nothing of the protocol.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use llmctl_proto::process::{
    Identity, SERVER_VARIABLE, Signal, TAG_VARIABLE, descendants, has_tag, in_session, kill_all,
    own_children, tagged,
};
use rustix::process::{Pid, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::leftovers::Record;

/// Between two looks at what is left of a tree.
const LOOK: Duration = Duration::from_millis(10);
/// How long killed processes may take to be gone: the kernel may have to finish something for them.
const GONE: Duration = Duration::from_secs(2);

/// What is started.
#[derive(Debug)]
pub(super) struct Spawn<'a> {
    /// The program, found.
    pub(super) program: &'a Path,
    /// Its arguments.
    pub(super) args: &'a [String],
    /// Its whole environment.
    pub(super) env: Vec<(String, String)>,
    /// Its working directory.
    pub(super) cwd: &'a Path,
    /// Value that no other start has.
    pub(super) tag: String,
    /// Value that all servers of this daemon have.
    pub(super) instance: &'a str,
    /// Where processes are noted, for a daemon that comes after this one was killed.
    pub(super) records: &'a Path,
}

/// The pipes of a process that was just started.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// How politely a tree is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Its input has ended; it may leave by itself, then it is asked to.
    Polite(Duration),
    /// It does not react; it is asked to leave at once.
    Brisk(Duration),
    /// At once.
    Kill,
}

/// A server's process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: u32,
    tag: String,
    record: Option<Record>,
    exit: Option<ExitStatus>,
    /// Processes of the tree that were seen while it ran: one that has left the session and cleaned its
    /// environment is known only by this.
    seen: HashSet<Identity>,
    swept: bool,
}

impl Process {
    /// Starts a server. What runs first is this program, which makes the session and then becomes the server.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(super) fn spawn(spawn: Spawn<'_>) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(own_program());
        command
            .arg0("llmctld-server")
            .arg(super::trampoline::VERB)
            .arg(std::process::id().to_string())
            .arg(spawn.program)
            .args(spawn.args)
            .env_clear()
            .envs(spawn.env)
            .env(TAG_VARIABLE, &spawn.tag)
            .env(SERVER_VARIABLE, spawn.instance)
            .current_dir(spawn.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the pipes of a new process are missing"));
        };
        let pid = child.id().unwrap_or_default();
        let record = Identity::of(pid).map(|identity| Record::write(spawn.records, identity));
        let process =
            Self { child, pid, tag: spawn.tag, record, exit: None, seen: HashSet::new(), swept: false };
        Ok((process, Pipes { stdin, stdout, stderr }))
    }

    /// Its number, which is also that of its session and group.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, once it has.
    pub(super) fn exit(&self) -> Option<ExitStatus> {
        self.exit
    }

    /// Waits until it has ended. Cancel safe.
    pub(super) async fn ended(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.wait().await.ok();
        }
        self.exit
    }

    /// Remembers processes of the tree.
    pub(super) fn remember(&mut self, tree: impl IntoIterator<Item = Identity>) {
        const MOST: usize = 4_096;
        if self.seen.len() < MOST {
            self.seen.extend(tree);
        }
    }

    /// Ends the whole tree; no process of it is left then, or the kernel cannot end it. The conversation must have
    /// been closed before.
    pub(super) async fn end(&mut self, manner: Manner) {
        if self.swept {
            return;
        }
        let (leave, asked) = match manner {
            Manner::Polite(whole) => (whole / 2, whole / 2),
            Manner::Brisk(whole) => (Duration::ZERO, whole / 2),
            Manner::Kill => (Duration::ZERO, Duration::ZERO),
        };
        if self.exit.is_none() && !leave.is_zero() {
            let _ = timeout(leave, self.ended()).await;
        }
        if manner != Manner::Kill {
            self.ask_to_leave(asked).await;
        }
        self.kill().await;
        if let Some(record) = self.record.take() {
            record.remove();
        }
        self.swept = true;
    }

    /// SIGTERM to whatever is left, then a wait until nothing is.
    async fn ask_to_leave(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        let left = self.left().await;
        if left.is_empty() && self.exit.is_some() {
            return;
        }
        self.signal_group(Signal::TERM);
        // A stopped process hears nothing else.
        self.signal_group(Signal::CONT);
        for process in &left {
            let _ = process.signal(Signal::TERM);
            let _ = process.signal(Signal::CONT);
        }
        let _ = timeout_at(until, self.ended()).await;
        while Instant::now() < until && left.iter().any(Identity::is_alive) {
            sleep(LOOK).await;
        }
    }

    async fn kill(&mut self) {
        let until = Instant::now() + GONE;
        loop {
            self.signal_group(Signal::KILL);
            let left = self.left().await;
            kill_all(&left);
            if self.exit.is_none() {
                // Also before it has made its own session.
                let _ = self.child.start_kill();
                let _ = timeout_at(until, self.ended()).await;
            }
            if left.is_empty() || Instant::now() >= until {
                return;
            }
            while Instant::now() < until && left.iter().any(Identity::is_alive) {
                sleep(LOOK / 2).await;
            }
        }
    }

    fn signal_group(&self, signal: Signal) {
        // The leader is our own child and not yet waited for, so its number is still its own.
        if self.exit.is_none()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// What is left of the tree, by links, session, tag and memory.
    async fn left(&self) -> Vec<Identity> {
        let (pid, tag, ended) = (self.pid, self.tag.clone(), self.exit.is_some());
        let seen: Vec<Identity> = self.seen.iter().cloned().collect();
        tokio::task::spawn_blocking(move || tree(pid, &tag, ended, &seen)).await.unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.swept {
            return;
        }
        // Only where whoever owns it has failed: nothing may be left even then.
        self.signal_group(Signal::KILL);
        let seen: Vec<Identity> = self.seen.iter().cloned().collect();
        kill_all(&tree(self.pid, &self.tag, self.exit.is_some(), &seen));
        if let Some(record) = self.record.take() {
            record.remove();
        }
    }
}

/// Live processes of a server's tree.
pub(super) fn tree(pid: u32, tag: &str, ended: bool, seen: &[Identity]) -> Vec<Identity> {
    let orphans = own_children().into_iter().filter(|child| child.pid != pid && has_tag(child.pid, tag));
    let mut roots: Vec<u32> = orphans.map(|child| child.pid).collect();
    if !ended {
        roots.push(pid);
    }
    let mut found: HashSet<Identity> = descendants(&roots).into_iter().collect();
    found.extend(tagged(tag));
    // Its number cannot be given to another session while one of its members lives.
    found.extend(in_session(pid));
    found.extend(seen.iter().filter(|process| process.is_alive()).cloned());
    found.into_iter().collect()
}

/// This program, also after its file was replaced.
fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
