//! Fetches a value from a file or from a program's output. Blocks, with limits of size and time.
//!
//! A program runs in a process group of its own, without a shell and without an input; what is left of the group is
//! killed when its time is over. Its output is given to the caller alone and stands in no error.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::SecretError;
use crate::redact::Redactor;

/// Time a program has.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Time for the end of the output once the program has ended.
const REST: Duration = Duration::from_secs(1);
/// Most bytes that are taken.
const MAX_BYTES: u64 = 64 * 1024;
/// Longest line of an error stream that is told, in characters.
const MAX_SAID: usize = 200;

/// The content of a regular file, without the line breaks at its end.
pub(super) fn file(path: &Path) -> Result<String, SecretError> {
    let bytes =
        content(path).map_err(|error| SecretError::File { path: path.to_owned(), why: error.to_string() })?;
    text(bytes, &path.display().to_string())
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for a writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a command writes, without the line breaks at its end.
pub(super) fn command(words: &[String], limit: Duration) -> Result<String, SecretError> {
    let program = words.first().cloned().unwrap_or_default();
    let failed = |error: io::Error| SecretError::Program { program: program.clone(), why: error.to_string() };
    if program.is_empty() {
        return Err(failed(io::Error::other("it has no name")));
    }
    let mut command = Command::new(&program);
    command.args(&words[1..]).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let found = watched(&mut child, limit);
    if found.status.is_none() || found.output.is_none() {
        kill(&child);
    }
    // Nobody else reaps it, so its number, and that of its group, was its own until here.
    let status = child.wait().map_err(failed)?;
    let output = match (found.status, found.output) {
        (_, Some(bytes)) if bytes.len() as u64 > MAX_BYTES => return Err(SecretError::TooLong(program)),
        (Some(()), Some(bytes)) => bytes,
        _ => return Err(SecretError::TimedOut(program)),
    };
    if !status.success() {
        let said = found.errors.as_deref().and_then(|errors| first_line(errors, &output));
        return Err(SecretError::Ended { program, status: ended(status), said });
    }
    text(output, &program)
}

/// What is known of a program when its time is over or it has ended.
#[derive(Default)]
struct Found {
    status: Option<()>,
    output: Option<Vec<u8>>,
    errors: Option<Vec<u8>>,
}

enum News {
    Ended,
    Output(Vec<u8>),
    Errors(Vec<u8>),
}

/// Waits until the program has ended and its streams are closed, or its time is over. It is not reaped here, so that
/// its number stays its own while it may still be killed.
fn watched(child: &mut Child, limit: Duration) -> Found {
    let (tell, news) = sync_channel(3);
    reader(child.stdout.take(), tell.clone(), News::Output);
    reader(child.stderr.take(), tell.clone(), News::Errors);
    let pid = pid(child);
    start(move || {
        if let Some(pid) = pid {
            while let Err(rustix::io::Errno::INTR) =
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            {}
        }
        let _ = tell.send(News::Ended);
    });
    let mut found = Found::default();
    let mut deadline = Instant::now() + limit;
    while let Some(event) = next(&news, deadline) {
        match event {
            News::Ended => {
                found.status = Some(());
                // Something that it left behind may hold its streams open for ever.
                deadline = deadline.min(Instant::now() + REST);
            }
            News::Output(bytes) if bytes.len() as u64 > MAX_BYTES => {
                found.output = Some(bytes);
                break;
            }
            News::Output(bytes) => found.output = Some(bytes),
            News::Errors(bytes) => found.errors = Some(bytes),
        }
    }
    found
}

/// The next event before the deadline; none when all have come or the time is over.
fn next(news: &Receiver<News>, deadline: Instant) -> Option<News> {
    news.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Reads a stream on a thread of its own: at most a byte more than is allowed is kept.
fn reader<R: Read + Send + 'static>(stream: Option<R>, tell: SyncSender<News>, news: fn(Vec<u8>) -> News) {
    let Some(mut stream) = stream else { return };
    start(move || {
        let mut bytes = Vec::new();
        // What was read before an error is as good as the end.
        let _ = stream.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        let _ = tell.send(news(bytes));
        // A program that is not read any more would wait for ever, or die of it.
        let _ = io::copy(&mut stream, &mut io::sink());
    });
}

/// Starts a thread. Where there can be no more of them its news never come, which reads as no answer in time.
fn start(work: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name("secret".to_owned()).spawn(work);
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn kill(child: &Child) {
    if let Some(pid) = pid(child) {
        // A group that is gone needs no signal.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// The first line of an error stream that says something, without secrets and without what the program gave out.
fn first_line(errors: &[u8], output: &[u8]) -> Option<String> {
    let errors = String::from_utf8_lossy(errors);
    let line = errors.lines().map(str::trim).find(|line| !line.is_empty())?;
    let known = String::from_utf8_lossy(output).lines().map(str::to_owned).collect::<Vec<_>>();
    let clean = Redactor::new(known).redact_str(line).into_owned();
    Some(clean.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect())
}

fn text(bytes: Vec<u8>, from: &str) -> Result<String, SecretError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::TooLong(from.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(from.to_owned()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text {
        "" => Err(SecretError::Empty(from.to_owned())),
        text if text.contains('\0') => Err(SecretError::NotText(from.to_owned())),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<String, SecretError> {
        command(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], limit)
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().expect("directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("good"), "s3cret value\r\n\n").expect("written");
        std::fs::write(path("full"), vec![b'x'; 64 * 1024]).expect("written");
        std::fs::write(path("long"), vec![b'x'; 64 * 1024 + 1]).expect("written");
        std::fs::write(path("empty"), "\n").expect("written");
        std::fs::write(path("bytes"), [0xff, 0xfe]).expect("written");
        std::fs::write(path("zero"), "a\0b").expect("written");
        assert_eq!(file(&path("good")).as_deref(), Ok("s3cret value"));
        assert_eq!(file(&path("full")).map(|text| text.len()), Ok(64 * 1024));
        for (name, part) in [
            ("long", "more than 64 KiB"),
            ("empty", "gives nothing"),
            ("bytes", "no text"),
            ("zero", "no text"),
            ("none", "cannot read"),
            (".", "regular file"),
        ] {
            let error = file(&path(name)).expect_err(name).to_string();
            assert!(error.contains(part) && error.contains(&dir.path().display().to_string()), "{error}");
        }
        // Nobody writes into it, and nobody waits for it.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("pipe");
        assert!(file(&path("pipe")).expect_err("pipe").to_string().contains("regular file"));
    }

    #[test]
    fn programs() {
        assert_eq!(sh("echo ' a b '", LIMIT).as_deref(), Ok(" a b "));
        assert_eq!(sh("cat; echo x", LIMIT).as_deref(), Ok("x"), "there is no input");
        for (script, expected) in [
            ("echo topsecret; echo no topsecret here >&2; exit 3", "exit code 3: no [redacted:known] here"),
            ("echo; exit 0", "sh gives nothing"),
            ("kill -9 $$", "signal 9"),
            ("head -c 70000 /dev/zero", "more than 64 KiB"),
            ("yes", "more than 64 KiB"),
            ("printf '\\377'", "no text"),
        ] {
            let error = sh(script, LIMIT).expect_err(script).to_string();
            assert!(error.contains(expected), "{script}: {error}");
            assert!(!error.contains("topsecret"), "{error}");
        }
        let none = command(&["/nowhere/at-all".to_owned()], LIMIT).expect_err("none").to_string();
        assert!(none.starts_with("cannot run /nowhere/at-all: "), "{none}");
        assert!(command(&[], LIMIT).is_err());
    }

    /// Whether it is there and no zombie.
    fn runs(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let state = stat.ok().and_then(|stat| stat.rsplit(')').next().map(|rest| rest.trim().to_owned()));
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    }

    #[test]
    fn a_program_has_its_time_and_its_group_goes_with_it() {
        let dir = tempfile::tempdir().expect("directory");
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let error = sh(&script, Duration::from_millis(500)).expect_err("time");
        assert_eq!(error, SecretError::TimedOut("sh".to_owned()));
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw)
        {
            let deadline = Instant::now() + LIMIT;
            while runs(pid) {
                assert!(Instant::now() < deadline, "still running");
                thread::yield_now();
            }
        }
        // One that ended and left something behind that holds its output.
        let error = sh("sleep 600 & echo x", LIMIT).expect_err("held");
        assert_eq!(error, SecretError::TimedOut("sh".to_owned()));
    }
}
