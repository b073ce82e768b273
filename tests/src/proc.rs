//! Reading `/proc`: who runs, whose child, in which state, with how much memory and time.
//!
//! A process is named by its pid and start time, since pids are used again. It reads and signals, and it never
//! signals a pid whose start time is not the one that was seen.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal};

/// A process that cannot be mistaken for a later one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start in clock ticks since boot.
    pub start_ticks: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Who it is.
    pub identity: Identity,
    /// Name of the program, at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `D`, `T` (stopped), `Z` (ended, not waited for) and so on.
    pub state: char,
    /// Parent.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Processor time in clock ticks, user and system.
    pub cpu_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// Reads a process; none when there is none.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets, so the fields begin after the last bracket.
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok());
    let signed = |index: usize| fields.get(index).and_then(|f| f.parse::<i32>().ok());
    Some(Stat {
        identity: Identity { pid, start_ticks: number(19)? },
        name,
        state: fields.first()?.chars().next()?,
        parent: signed(1)?,
        group: signed(2)?,
        session: signed(3)?,
        cpu_ticks: number(11)? + number(12)?,
        threads: number(17)?,
        rss_bytes: number(21)? * rustix::param::page_size() as u64,
    })
}

/// Every process there is.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(stat).collect()
}

/// Direct children, those that ended and were not waited for included.
pub fn children(pid: i32) -> Vec<Stat> {
    all().into_iter().filter(|p| p.parent == pid).collect()
}

/// Children, their children and so on; who was re-parented is not among them.
pub fn descendants(pid: i32) -> Vec<Stat> {
    let everyone = all();
    let mut found: Vec<Stat> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for process in everyone.iter().filter(|p| p.parent == parent) {
            parents.push(process.identity.pid);
            found.push(process.clone());
        }
    }
    found
}

/// Whether this very process runs; one that ended and was not waited for does not.
pub fn is_alive(identity: Identity) -> bool {
    stat(identity.pid).is_some_and(|s| s.identity == identity && s.state != 'Z')
}

/// Resident memory of a process in bytes.
pub fn rss_bytes(pid: i32) -> Option<u64> {
    stat(pid).map(|s| s.rss_bytes)
}

/// The most resident memory a process ever had, in bytes.
pub fn peak_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Processor time of a process in milliseconds.
pub fn cpu_ms(pid: i32) -> Option<u64> {
    stat(pid).map(|s| s.cpu_ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Open descriptors of a process.
pub fn open_files(pid: i32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Words of a process's command line.
pub fn command_line(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|b| *b == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The program file of a process.
pub fn program(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Every process other than this one that was started with `NAME=value` in its environment.
pub fn processes_with_env(marker: &str) -> Vec<Stat> {
    let own = std::process::id() as i32;
    let has_marker = |process: &Stat| {
        let environment = fs::read(format!("/proc/{}/environ", process.identity.pid)).unwrap_or_default();
        environment.split(|b| *b == 0).any(|variable| variable == marker.as_bytes())
    };
    all().into_iter().filter(|p| p.identity.pid != own && p.state != 'Z' && has_marker(p)).collect()
}

/// Sends a signal to this very process; false when it is gone.
pub fn signal(identity: Identity, signal: Signal) -> bool {
    match Pid::from_raw(identity.pid) {
        Some(pid) if is_alive(identity) => rustix::process::kill_process(pid, signal).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        let pid = std::process::id() as i32;
        let me = stat(pid).expect("this process has a stat");
        assert!(me.rss_bytes > 100_000 && me.threads >= 1);
        assert!(is_alive(me.identity));
        assert!(!is_alive(Identity { start_ticks: me.identity.start_ticks + 1, ..me.identity }));
        assert_eq!(stat(0), None);
        assert!(children(me.parent).iter().any(|p| p.identity == me.identity));
        assert!(descendants(me.parent).iter().any(|p| p.identity == me.identity));
        assert!(open_files(pid) > Some(2));
        assert!(!command_line(pid).is_empty());
        assert!(peak_bytes(pid) >= rss_bytes(pid));
        assert!(cpu_ms(pid).is_some() && rss_bytes(pid).is_some() && program(pid).is_some());
    }
}
