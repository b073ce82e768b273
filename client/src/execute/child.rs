//! The tool as a child: its own process group, its pipes always drained, its whole tree gone at the end.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use llmctl_proto::process::{
    DETACHED_VARIABLE, Identity, Rung, Signal, TAG_VARIABLE, descendants, has_tag, kill_all, own_children,
    reap, tagged,
};
use rustix::process::{Pid, kill_process_group, set_child_subreaper};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// One read from a pipe.
const READ: usize = 64 * 1024;
/// Reads that wait for the runner; then the tool waits, as with any pipe.
const READS: usize = 16;
/// How long a pipe that somebody else holds open is waited for after the tool's exit. Time in which a slow reader of
/// ours holds everything up does not count.
const HELD_PIPE: Duration = Duration::from_secs(1);
/// What the tool itself can have left in a pipe; what comes after its exit beyond that is somebody else's.
const LEFT_IN_PIPE: usize = 1024 * 1024;
/// What the tool left running gets to end by itself.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);
/// Everything has to be gone by then.
const SWEEP: Duration = Duration::from_secs(2);
/// Between two looks at a tree that is being ended.
const LOOK: Duration = Duration::from_millis(5);

/// What a child delivers.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
}

/// A command, ready to be spawned.
#[derive(Debug)]
pub(super) struct Spawn<'a> {
    /// Program and arguments; never a shell.
    pub argv: &'a [OsString],
    /// Added to the environment.
    pub env: &'a [(String, String)],
    /// Working directory.
    pub cwd: &'a Path,
    /// Value of `LLMCTL_TAG`.
    pub tag: &'a str,
    /// What standard input is.
    pub stdin: Stdin,
}

/// A tool's standard input.
#[derive(Debug)]
pub(super) enum Stdin {
    /// This text, then its end.
    Text(String),
    /// This file.
    File(File),
    /// Nothing.
    Empty,
}

/// A running tool.
#[derive(Debug)]
pub(super) struct ChildRun {
    child: Child,
    pid: u32,
    tag: String,
    /// Children this process had before: whoever ran us by `exec` may have left some that are none of our business.
    strangers: Vec<Identity>,
    pieces: mpsc::Receiver<Piece>,
    exit: Option<ExitStatus>,
    /// Whether the tool was waited for; its pipes may hold more.
    ended: watch::Sender<bool>,
    killed: HashSet<Identity>,
}

impl ChildRun {
    /// Starts the tool. This process becomes the reaper of everything the tool leaves behind.
    ///
    /// # Errors
    /// Not found, not executable, no such working directory.
    pub(super) fn spawn(spawn: Spawn<'_>) -> io::Result<Self> {
        let Some((program, args)) = spawn.argv.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
        };
        // Where the kernel has no subreapers, the tag still finds what is left.
        let _ = set_child_subreaper(Pid::from_raw(1));
        let mut command = Command::new(program);
        command
            .args(args)
            .envs(spawn.env.iter().map(|(name, value)| (name, value)))
            .env(TAG_VARIABLE, spawn.tag)
            .env_remove(DETACHED_VARIABLE)
            .current_dir(spawn.cwd)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let text = match spawn.stdin {
            Stdin::Text(text) => {
                command.stdin(Stdio::piped());
                Some(text)
            }
            Stdin::File(file) => {
                command.stdin(file);
                None
            }
            Stdin::Empty => {
                command.stdin(Stdio::null());
                None
            }
        };
        let strangers = own_children();
        let mut child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        if let (Some(text), Some(mut stdin)) = (text, child.stdin.take()) {
            drop(tokio::spawn(async move {
                // A tool that does not read its input to the end may still answer.
                let _ = stdin.write_all(text.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }));
        }
        let (tx, pieces) = mpsc::channel(READS);
        let (ended, end) = watch::channel(false);
        if let Some(stdout) = child.stdout.take() {
            drop(tokio::spawn(read(stdout, tx.clone(), Piece::Stdout, end.clone())));
        }
        if let Some(stderr) = child.stderr.take() {
            drop(tokio::spawn(read(stderr, tx, Piece::Stderr, end)));
        }
        Ok(Self {
            child,
            pid,
            tag: spawn.tag.to_owned(),
            strangers,
            pieces,
            exit: None,
            ended,
            killed: HashSet::new(),
        })
    }

    /// Process of the tool, which is also the id of its group.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Who the tool is, for the operation's file.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of(self.pid)
    }

    /// How the tool ended, once it has.
    pub(super) fn exit(&self) -> Option<ExitStatus> {
        self.exit
    }

    /// The next piece; none when the tool has ended and its pipes are empty, or held by a stranger. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        while !self.has_ended() {
            tokio::select! {
                biased;
                piece = self.pieces.recv() => match piece {
                    Some(piece) => return Some(piece),
                    None => self.wait().await,
                },
                status = self.child.wait() => self.note_end(status),
            }
        }
        self.pieces.recv().await
    }

    async fn wait(&mut self) {
        let status = self.child.wait().await;
        self.note_end(status);
    }

    fn note_end(&mut self, status: io::Result<ExitStatus>) {
        self.exit = status.ok();
        self.ended.send_replace(true);
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Processes of its tree that had to be killed so far, each counted once.
    pub(super) fn killed(&self) -> u32 {
        u32::try_from(self.killed.len()).unwrap_or(u32::MAX)
    }

    /// Acts on a rung of the stop ladder.
    pub(super) fn act(&mut self, rung: Rung) {
        match rung {
            Rung::Interrupt => self.signal_group(Signal::INT),
            Rung::Terminate => self.signal_group(Signal::TERM),
            Rung::Kill => {
                // One by one first, so that they are counted; then whatever the group has become meanwhile.
                self.killed.extend(kill_all(&self.tree()));
                return self.signal_group(Signal::KILL);
            }
        }
        // A suspended process hears nothing until it goes on.
        self.suspend(false);
    }

    /// Suspends or resumes the tool and everything below it.
    pub(super) fn suspend(&self, suspend: bool) {
        let signal = if suspend { Signal::STOP } else { Signal::CONT };
        self.signal_group(signal);
        for process in self.tree() {
            // One that has just ended needs no signal.
            let _ = process.signal(signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        // The leader is our own child and not yet waited for, so its number is still its own.
        if !self.has_ended()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Everything below the tool, whatever group or session it moved to, and whatever carries our tag.
    fn tree(&self) -> Vec<Identity> {
        // What a stranger leaves behind becomes our child too: where there are any, only the tag tells it apart.
        let ours = |child: &Identity| {
            self.strangers.is_empty() || child.pid == self.pid || has_tag(child.pid, &self.tag)
        };
        let mut roots: Vec<u32> = own_children().into_iter().filter(ours).map(|child| child.pid).collect();
        if !self.has_ended() {
            roots.push(self.pid);
        }
        let mut found = descendants(&roots);
        for process in tagged(&self.tag) {
            if !found.contains(&process) {
                found.push(process);
            }
        }
        found
    }

    /// Ends whatever the tool left behind, politely first unless `now`.
    pub(super) async fn sweep(&mut self, now: bool) {
        if !self.has_ended() && now {
            self.act(Rung::Kill);
            self.wait().await;
        }
        let started = Instant::now();
        let mut asked = now;
        loop {
            reap(if self.has_ended() { &[] } else { std::slice::from_ref(&self.pid) });
            let left = self.tree();
            if left.is_empty() || started.elapsed() > SWEEP + LEFTOVER_GRACE {
                return;
            }
            if !asked {
                asked = true;
                for process in &left {
                    let _ = process.signal(Signal::TERM);
                    let _ = process.signal(Signal::CONT);
                }
            } else if now || started.elapsed() > LEFTOVER_GRACE {
                self.killed.extend(kill_all(&left));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Reads a pipe to its end. After the tool's exit that is what the tool left in it: a process that goes on may hold it
/// open, and even write.
async fn read(
    mut pipe: impl AsyncRead + Unpin,
    tx: mpsc::Sender<Piece>,
    wrap: fn(Vec<u8>) -> Piece,
    mut end: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; READ];
    let (mut patience, mut left) = (HELD_PIPE, LEFT_IN_PIPE);
    while left > 0 {
        let (after_end, begun) = (*end.borrow(), Instant::now());
        let held = async {
            let _ = end.wait_for(|ended| *ended).await;
            tokio::time::sleep(patience).await;
        };
        let count = tokio::select! {
            biased;
            read = pipe.read(&mut buffer) => read.unwrap_or(0),
            () = held => 0,
        };
        if after_end {
            patience = patience.saturating_sub(begun.elapsed());
            left = left.saturating_sub(count);
        }
        if count == 0 || tx.send(wrap(buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}
