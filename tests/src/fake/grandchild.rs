//! Processes that a fake tool leaves in its tree: plain, in their own session, or nobody's child.
//!
//! Owns the second start of the program under the word [`WORD`]. A grandchild sleeps for five minutes at most,
//! so that a test that fails leaves nothing for ever.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::options::GrandchildKind;
use crate::wait::poll;

/// First argument of a grandchild.
pub const WORD: &str = "__grandchild";
const LIFE: Duration = Duration::from_mins(5);
const START: Duration = Duration::from_secs(10);

/// Which processes a fake starts.
#[derive(Debug, Clone, Copy)]
pub struct Grandchildren<'a> {
    /// One process each.
    pub kinds: &'a [GrandchildKind],
    /// They ignore the signals that ask for an end.
    pub stubborn: bool,
    /// The file they write their process ids to.
    pub pids: Option<&'a Path>,
    /// They keep standard output open.
    pub holds_stdout: bool,
}

/// Starts grandchildren, and waits until each has noted its process id.
///
/// # Errors
/// One cannot be started, or does not note its id.
pub fn start(wanted: &Grandchildren<'_>) -> io::Result<()> {
    for (index, kind) in wanted.kinds.iter().enumerate() {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD);
        command.arg(match kind {
            GrandchildKind::Plain => "plain",
            GrandchildKind::Setsid => "setsid",
            GrandchildKind::Double => "double",
        });
        command.arg(if wanted.stubborn { "stubborn" } else { "polite" });
        command.arg(wanted.pids.unwrap_or(Path::new("")));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        if !wanted.holds_stdout {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn()?;
        if *kind == GrandchildKind::Double {
            child.wait()?;
        }
        if let Some(file) = wanted.pids {
            let noted = || std::fs::read_to_string(file).is_ok_and(|text| text.lines().count() > index);
            poll(START, || noted().then_some(())).ok_or(io::ErrorKind::TimedOut)?;
        }
    }
    Ok(())
}

/// What a grandchild does; `arguments` follow [`WORD`].
///
/// # Errors
/// The session, the second start or the note of the process id failed.
pub fn main(arguments: &[String]) -> io::Result<()> {
    let [kind, manners, pid_file] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    if kind == "double" {
        // The middle process ends at once, so the last one has no parent any more.
        let mut command = Command::new(std::env::current_exe()?);
        command.args([WORD, "setsid", manners, pid_file]).spawn()?;
        return Ok(());
    }
    if kind == "setsid" {
        rustix::process::setsid()?;
    }
    let (sender, forever) = mpsc::sync_channel::<()>(1);
    if manners == "stubborn" {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        std::thread::spawn(move || signals.forever().for_each(drop));
    }
    if !pid_file.is_empty() {
        let mut file = OpenOptions::new().create(true).append(true).open(pid_file)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    }
    let _ = forever.recv_timeout(LIFE);
    drop(sender);
    Ok(())
}
