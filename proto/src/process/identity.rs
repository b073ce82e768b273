//! Who a process is: boot id, pid and start time.

use std::fs;
use std::io;
use std::sync::OnceLock;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process beyond doubt. The same pid after a reboot or a reuse is another identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks from boot to start.
    pub start_time: u64,
}

/// This boot's id; empty where the kernel has none.
pub fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
    })
}

/// What `/proc/PID/stat` says that matters here.
pub(super) struct Stat {
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) session: u32,
    pub(super) start_time: u64,
    /// Processor time of the process itself, in clock ticks.
    pub(super) cpu: u64,
}

pub(super) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses; the fields begin after the last one.
    let after = text.iter().rposition(|b| *b == b')')? + 1;
    let rest = std::str::from_utf8(&text[after..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let user: u64 = fields.nth(7)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let start_time = fields.nth(6)?.parse().ok()?;
    Some(Stat { state, parent, session, start_time, cpu: user.saturating_add(system) })
}

impl Identity {
    /// The identity of a pid, if it exists and has not ended.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = stat(pid)?;
        if matches!(stat.state, 'Z' | 'X') {
            return None;
        }
        Some(Self { boot_id: boot_id().to_owned(), pid, start_time: stat.start_time })
    }

    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { boot_id: boot_id().to_owned(), pid, start_time: 0 })
    }

    /// Whether exactly this process still runs; a zombie has ended.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && stat(self.pid)
                .is_some_and(|s| s.start_time == self.start_time && !matches!(s.state, 'Z' | 'X'))
    }

    /// A pidfd of exactly this process: readable once it has ended.
    ///
    /// # Errors
    /// It has ended, or the kernel refuses.
    pub fn open(&self) -> io::Result<std::os::fd::OwnedFd> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let fd = pidfd_open(pid, PidfdFlags::empty())?;
        // The descriptor pins the process it was opened on; checking after opening leaves no gap.
        if self.is_alive() { Ok(fd) } else { Err(io::Error::from(io::ErrorKind::NotFound)) }
    }

    /// Sends a signal to exactly this process.
    ///
    /// # Errors
    /// It has ended, or it is not ours to signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(self.open()?, signal)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_reused_pid_is_not() {
        let me = Identity::current();
        assert!(me.is_alive());
        let other_life = Identity { start_time: me.start_time + 1, ..me.clone() };
        assert!(!other_life.is_alive());
        assert!(other_life.signal(Signal::CONT).is_err());
        let other_boot = Identity { boot_id: "elsewhere".into(), ..me };
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn an_ended_child_is_not_alive() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("spawn");
        let identity = Identity::of(child.id()).expect("alive");
        identity.signal(Signal::KILL).expect("ours");
        // Before `wait` it is a zombie, which counts as ended.
        while identity.is_alive() {
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
        assert!(identity.open().is_err());
    }
}
