//! The tool as a child: its own process group, its pipes always drained, its whole tree gone at the end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use llmctl_proto::process::{
    Identity, Rung, Signal, TAG_VARIABLE, descendants, kill_all, own_children, reap, tagged,
};
use rustix::process::{Pid, kill_process_group, set_child_subreaper};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// One read from a pipe.
const READ: usize = 64 * 1024;
/// Reads that wait for the runner; then the tool waits, as with any pipe.
const READS: usize = 16;
/// How long a pipe that somebody outside the tree holds open is waited for after the tool's exit.
const HELD_PIPE: Duration = Duration::from_secs(1);
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
    pipes_until: Option<Instant>,
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
        if let Some(stdout) = child.stdout.take() {
            drop(tokio::spawn(read(stdout, tx.clone(), Piece::Stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            drop(tokio::spawn(read(stderr, tx, Piece::Stderr)));
        }
        Ok(Self { child, pid, tag: spawn.tag.to_owned(), strangers, pieces, exit: None, pipes_until: None })
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
        loop {
            if self.exit.is_none() {
                tokio::select! {
                    biased;
                    piece = self.pieces.recv() => match piece {
                        Some(piece) => return Some(piece),
                        None => self.wait().await,
                    },
                    status = self.child.wait() => {
                        self.exit = status.ok();
                        self.pipes_until = Some(Instant::now() + HELD_PIPE);
                    }
                }
                continue;
            }
            let until = self.pipes_until.unwrap_or_else(Instant::now);
            return tokio::time::timeout_at(until, self.pieces.recv()).await.ok().flatten();
        }
    }

    async fn wait(&mut self) {
        self.exit = self.child.wait().await.ok();
        self.pipes_until = Some(Instant::now() + HELD_PIPE);
    }

    /// Acts on a rung of the stop ladder.
    pub(super) fn act(&self, rung: Rung) -> u32 {
        match rung {
            Rung::Interrupt => self.signal_group(Signal::INT),
            Rung::Terminate => self.signal_group(Signal::TERM),
            Rung::Kill => {
                let tree = self.tree();
                self.signal_group(Signal::KILL);
                return kill_all(&tree);
            }
        }
        // A suspended process hears nothing until it goes on.
        self.suspend(false);
        0
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
        if self.exit.is_none()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Everything below the tool, whatever group or session it moved to, and whatever carries our tag.
    fn tree(&self) -> Vec<Identity> {
        let mut roots: Vec<u32> =
            own_children().into_iter().filter(|c| !self.strangers.contains(c)).map(|c| c.pid).collect();
        if self.exit.is_none() {
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

    /// Ends whatever the tool left behind, politely first unless `now`; gives the number that had to be killed.
    pub(super) async fn sweep(&mut self, now: bool) -> u32 {
        if self.exit.is_none() && now {
            self.act(Rung::Kill);
            self.wait().await;
        }
        let started = Instant::now();
        let mut killed = 0;
        let mut asked = now;
        loop {
            reap(self.exit.is_none().then_some(self.pid));
            let left = self.tree();
            if left.is_empty() || started.elapsed() > SWEEP + LEFTOVER_GRACE {
                return killed;
            }
            if !asked {
                asked = true;
                for process in &left {
                    let _ = process.signal(Signal::TERM);
                    let _ = process.signal(Signal::CONT);
                }
            } else if now || started.elapsed() > LEFTOVER_GRACE {
                killed += kill_all(&left);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn read(mut pipe: impl AsyncRead + Unpin, tx: mpsc::Sender<Piece>, wrap: fn(Vec<u8>) -> Piece) {
    let mut buffer = vec![0; READ];
    while let Ok(count) = pipe.read(&mut buffer).await {
        if count == 0 || tx.send(wrap(buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}
