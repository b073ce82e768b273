//! Anchors: the smallest programs that do one step and nothing else.
//!
//! Some have to be processes of their own, so this program plays them when its first word says so.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::wire;

const HELLO: &str = "__hello";
const LISTEN: &str = "__listen";
const SUPERVISE: &str = "__supervise";

/// Plays an anchor if this process was started as one.
pub(crate) fn main() -> Option<ExitCode> {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1)? == SUPERVISE {
        let [count, child @ ..] = words.get(2..)? else { return None };
        let result = supervise(count.parse().ok()?, child);
        return Some(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let socket = Path::new(words.get(2)?);
    let result = match words.get(1)?.as_str() {
        HELLO => one_call(socket),
        LISTEN => listen(socket),
        _ => return None,
    };
    Some(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Connects, shakes hands, ends.
fn one_call(socket: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { wire::hello(&mut wire::connect(socket).await?).await }).map(drop)
}

/// A runtime with two workers that waits on a socket.
fn listen(socket: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(socket)?;
        loop {
            drop(listener.accept().await?);
        }
    })
}

/// The least that is a supervisor: starts so many, waits for each, starts it again at once.
fn supervise(count: usize, child: &[String]) -> io::Result<()> {
    let [program, arguments @ ..] = child else { return Err(io::ErrorKind::InvalidInput.into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let mut command = tokio::process::Command::new(program);
            command.args(arguments).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            tasks.spawn(async move {
                while let Ok(mut running) = command.spawn() {
                    let _ = running.wait().await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    })
}

fn own() -> Command {
    Command::new(std::env::current_exe().unwrap_or_default())
}

/// A process that makes one call over tonic and ends.
pub(crate) fn hello_process(socket: &Path) -> Command {
    let mut command = own();
    command.arg(HELLO).arg(socket);
    command
}

/// A process that waits on a socket.
pub(crate) fn listening_process(socket: &Path) -> Command {
    let mut command = own();
    command.arg(LISTEN).arg(socket);
    command
}

/// A process that supervises so many children and does nothing else.
pub(crate) fn supervising_process(count: usize, child: &[String]) -> Command {
    let mut command = own();
    command.arg(SUPERVISE).arg(count.to_string()).args(child);
    command
}

/// Runs a program to its end without output; milliseconds from before its start to after its end.
pub(crate) fn run_ms(mut command: Command) -> Result<f64, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    let elapsed = millis(begun.elapsed());
    if status.success() { Ok(elapsed) } else { Err(format!("{command:?} ended with {status}")) }
}

/// The bare start and end of a process.
pub(crate) fn bare_process() -> Command {
    Command::new("/bin/true")
}

/// Appends to a file and waits until it is on disk.
#[derive(Debug)]
pub(crate) struct SyncProbe {
    file: File,
}

impl SyncProbe {
    /// A file on the file system that is to be measured.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)? })
    }

    /// 256 bytes and one `fdatasync`; milliseconds.
    pub(crate) fn once(&mut self) -> io::Result<f64> {
        let begun = Instant::now();
        self.file.write_all(&[b'x'; 256])?;
        self.file.sync_data()?;
        Ok(millis(begun.elapsed()))
    }
}

impl SyncProbe {
    /// What a commit in two phases writes at the least: ten pages here and there, a header, each on disk before
    /// the next step; milliseconds.
    pub(crate) fn two_phases(&mut self) -> io::Result<f64> {
        let begun = Instant::now();
        for page in 1..=10 {
            self.file.write_all_at(&[b'p'; 4096], page * 3 * 4096)?;
        }
        self.file.sync_data()?;
        self.file.write_all_at(&[b'h'; 320], 0)?;
        self.file.sync_data()?;
        Ok(millis(begun.elapsed()))
    }
}

/// A duration in milliseconds, with its fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
