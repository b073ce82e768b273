//! What runs between the daemon and a server: one moment of this program, in which the new process gets a session
//! of its own and the order to die with the daemon, before it becomes the server.
//!
//! A process can only do this to itself. Nothing else happens here, since every server's start waits for it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, setsid};

/// First argument that means this and nothing else.
pub(super) const VERB: &str = "--become-server";

/// Becomes the server if the arguments say so, and gives what to exit with where that fails. `args` are those after
/// the program's name: the verb, the daemon's process id, the program and its arguments.
pub fn become_server(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.next()? != VERB {
        return None;
    }
    let (Some(daemon), Some(program)) = (args.next(), args.next()) else {
        return Some(ExitCode::from(2));
    };
    let daemon: Option<i32> = daemon.to_str().and_then(|text| text.parse().ok());
    let _ = setsid();
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The daemon may have ended before the order was given.
    if getppid().map(Pid::as_raw_pid) != daemon {
        return Some(ExitCode::from(1));
    }
    let error = Command::new(&program).args(args).exec();
    say(&format!("cannot run {}: {error}", program.display()));
    Some(ExitCode::from(127))
}

#[allow(clippy::print_stderr)]
fn say(text: &str) {
    eprintln!("llmctld: {text}");
}
