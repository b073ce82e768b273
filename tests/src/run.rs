//! Running a program under test: its output is captured while it runs, and every wait has a deadline.
//!
//! Owns the child and two reader threads; at most 64 MiB of each stream are kept (the rest is read and
//! counted). A child that is dropped while it runs is killed, its descendants are the sandbox's business.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::proc::{self, Identity};
use crate::wait::poll;

/// Bytes kept of a stream.
const MAX_CAPTURE: usize = 64 << 20;
/// How long a stream may stay open after its process ended before it counts as held by somebody else.
const HOLD: Duration = Duration::from_secs(1);

/// A stream as far as it was read.
#[derive(Debug, Default)]
struct Captured {
    bytes: Vec<u8>,
    total: u64,
    ended: bool,
}

type Shared = Arc<Mutex<Captured>>;

/// A running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    label: String,
    started: Instant,
    stdout: Shared,
    stderr: Shared,
    identity: Option<Identity>,
}

/// A program that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, at most 64 MiB.
    pub stdout: Vec<u8>,
    /// Error output, at most 64 MiB.
    pub stderr: Vec<u8>,
    /// From start to end.
    pub elapsed: Duration,
    /// A stream stayed open after the end: somebody else holds it.
    pub held_open: bool,
}

/// Starts a program with captured output; its standard input gets `input` and is then closed.
///
/// # Panics
/// The program cannot be started.
#[track_caller]
pub fn spawn(mut command: Command, input: &[u8]) -> Running {
    let label = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {label}: {error}"));
    let identity = proc::stat(child.id() as i32).map(|s| s.identity);
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // Its own thread, since a program that never reads must not hold up the test.
        std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
    let stdout = capture(child.stdout.take());
    let stderr = capture(child.stderr.take());
    Running { child, label, started: Instant::now(), stdout, stderr, identity }
}

/// Runs a program to its end.
///
/// # Panics
/// It cannot be started, or the deadline passes; the message has its output so far.
#[track_caller]
pub fn run(command: Command, input: &[u8], deadline: Duration) -> Finished {
    spawn(command, input).wait(deadline)
}

impl Running {
    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Who it is; none when it had ended before anybody looked.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Standard output so far.
    pub fn stdout(&self) -> Vec<u8> {
        lock(&self.stdout).bytes.clone()
    }

    /// Standard output so far; broken characters are replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout()).into_owned()
    }

    /// Error output so far; broken characters are replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stderr).bytes).into_owned()
    }

    /// Waits until standard output satisfies `enough`.
    ///
    /// # Panics
    /// It does not within the deadline, or the program ended before it did; the message has the output.
    #[track_caller]
    pub fn wait_stdout(&mut self, deadline: Duration, mut enough: impl FnMut(&str) -> bool) {
        let mut ended = false;
        let found = poll(deadline, || {
            if enough(&self.stdout_text()) {
                return Some(true);
            }
            // Looked at once more after the end, since the last bytes may come with it.
            let over = ended && lock(&self.stdout).ended;
            ended = self.try_wait().is_some();
            over.then_some(false)
        });
        assert!(found == Some(true), "{} did not write what was waited for\n{}", self.label, self.so_far());
    }

    /// Sends a signal to the process alone.
    ///
    /// # Panics
    /// The system refuses it.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).unwrap_or(Pid::INIT);
        assert!(!pid.is_init(), "a child is never process 1");
        rustix::process::kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.label));
    }

    /// Sends a signal to the group the process leads, as a terminal does.
    ///
    /// # Panics
    /// The process leads no group, or the system refuses.
    #[track_caller]
    pub fn signal_group(&self, signal: Signal) {
        let leads = proc::stat(self.pid()).is_some_and(|s| s.group == self.pid());
        assert!(leads, "{} leads no process group", self.label);
        let pid = Pid::from_raw(self.pid()).unwrap_or(Pid::INIT);
        rustix::process::kill_process_group(pid, signal)
            .unwrap_or_else(|error| panic!("cannot signal the group of {}: {error}", self.label));
    }

    /// Whether it has ended, without waiting.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end and gives everything it wrote.
    ///
    /// # Panics
    /// It does not end within the deadline; it is killed, and the message has its output so far.
    #[track_caller]
    pub fn wait(mut self, deadline: Duration) -> Finished {
        let Some(status) = poll(deadline, || self.try_wait()) else {
            panic!("{} did not end within {deadline:?}\n{}", self.label, self.so_far());
        };
        let elapsed = self.started.elapsed();
        let ended = poll(HOLD, || (lock(&self.stdout).ended && lock(&self.stderr).ended).then_some(()));
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: std::mem::take(&mut lock(&self.stdout).bytes),
            stderr: std::mem::take(&mut lock(&self.stderr).bytes),
            elapsed,
            held_open: ended.is_none(),
        }
    }

    fn so_far(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", tail(&self.stdout_text()), tail(&self.stderr_text()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Finished {
    /// Standard output as text; broken characters are replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Error output as text; broken characters are replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    /// It was another one, or a signal; the message has the output.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "expected exit code {code}, got {:?} (signal {:?})\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.signal,
            tail(&self.stdout_text()),
            tail(&self.stderr_text()),
        );
        self
    }
}

fn capture(stream: Option<impl Read + Send + 'static>) -> Shared {
    let shared = Shared::default();
    let Some(mut stream) = stream else { return shared };
    let target = Arc::clone(&shared);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    let mut captured = lock(&target);
                    let room = MAX_CAPTURE.saturating_sub(captured.bytes.len()).min(read);
                    captured.bytes.extend_from_slice(&buffer[..room]);
                    captured.total += read as u64;
                }
            }
        }
        lock(&target).ended = true;
    });
    shared
}

fn lock(shared: &Shared) -> MutexGuard<'_, Captured> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last 4 KiB or so of a text, for messages.
fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(4096);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
