//! The processes below one, found by parent links and by the tag in their environment.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::Identity;
use super::identity::{Stat, boot_id, stat};

/// Variable that marks the children of an operation; its value is the operation's tag.
pub const TAG_VARIABLE: &str = "LLMCTL_TAG";

/// Variable that marks what was started to go on by itself, the daemon or a detached operation: whoever started it,
/// perhaps a tool, takes nothing of it along when it ends.
pub const DETACHED_VARIABLE: &str = "LLMCTL_DETACHED";

/// Variable that marks every MCP server of one daemon; its value names the daemon's directories.
pub const SERVER_VARIABLE: &str = "LLMCTL_MCP_ID";

fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Live direct children of a process.
pub fn children_of(pid: u32) -> Vec<Identity> {
    all_pids()
        .into_iter()
        .filter(|candidate| stat(*candidate).is_some_and(|s| s.parent == pid))
        .filter_map(Identity::of)
        .collect()
}

/// Live direct children of this process, from the kernel's own list where it keeps one.
pub fn own_children() -> Vec<Identity> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => {
                found.extend(list.split_ascii_whitespace().filter_map(|pid| Identity::of(pid.parse().ok()?)));
            }
            // A thread that ended meanwhile has no children; a kernel without the list is asked the long way.
            Err(_) if task.path().exists() => return children_of(std::process::id()),
            Err(_) => {}
        }
    }
    found
}

/// Whether a process was started with a variable of this value.
fn carries(pid: u32, name: &str, value: &str) -> bool {
    let entry = format!("{name}={value}");
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|b| *b == 0).any(|var| var == entry.as_bytes()))
}

/// Whether a process carries `LLMCTL_TAG=tag` in its environment.
pub fn has_tag(pid: u32, tag: &str) -> bool {
    carries(pid, TAG_VARIABLE, tag)
}

/// Whether a process was started to go on by itself.
pub fn goes_on(pid: u32) -> bool {
    carries(pid, DETACHED_VARIABLE, "1")
}

/// Live processes below any of `roots` by parent links, the roots themselves included. What goes on by itself, and
/// everything below it, is left out.
pub fn descendants(roots: &[u32]) -> Vec<Identity> {
    let mut by_parent: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut stats = HashMap::new();
    for pid in all_pids() {
        if let Some(stat) = stat(pid) {
            by_parent.entry(stat.parent).or_default().push(pid);
            stats.insert(pid, stat);
        }
    }
    let mut seen = HashSet::new();
    let mut queue: Vec<u32> = roots.to_vec();
    let mut found = Vec::new();
    while let Some(pid) = queue.pop() {
        if !seen.insert(pid) || goes_on(pid) {
            continue;
        }
        if let Some(stat) = stats.get(&pid)
            && !matches!(stat.state, 'Z' | 'X')
        {
            found.push(Identity { boot_id: boot_id().to_owned(), pid, start_time: stat.start_time });
        }
        queue.extend(by_parent.get(&pid).into_iter().flatten());
    }
    found
}

/// Processor time that a process and everything below it have used so far, in clock ticks. What has ended takes its
/// time along, so the sum may shrink; any change is a sign of life.
pub fn cpu_ticks(root: u32) -> u64 {
    descendants(&[root]).iter().filter_map(|process| stat(process.pid)).map(|stat| stat.cpu).sum()
}

/// Live processes of ours that carry `LLMCTL_TAG=tag` in their environment, this process excepted.
pub fn tagged(tag: &str) -> Vec<Identity> {
    marked(TAG_VARIABLE, tag)
}

/// Live processes of ours whose environment has this variable with this value, this process excepted.
pub fn marked(name: &str, value: &str) -> Vec<Identity> {
    let me = std::process::id();
    let carries = |pid: &u32| *pid != me && carries(*pid, name, value);
    all_pids().into_iter().filter(carries).filter_map(Identity::of).collect()
}

/// Live processes of a session.
pub fn in_session(session: u32) -> Vec<Identity> {
    let member = |pid: &u32| stat(*pid).is_some_and(|stat| stat.session == session);
    all_pids().into_iter().filter(member).filter_map(Identity::of).collect()
}

/// Kills every one of these processes that is still itself; gives those that were.
pub fn kill_all(processes: &[Identity]) -> Vec<Identity> {
    processes.iter().filter(|process| process.signal(Signal::KILL).is_ok()).cloned().collect()
}

/// Collects the exit of re-parented children of this process that have ended, except those in `known`, whose exit
/// somebody else waits for.
pub fn reap(known: &[u32]) {
    reap_if(|pid, _| !known.contains(&pid));
}

/// As `reap`, but only what has left this process's session: what was started in it is waited for by whoever
/// started it.
pub fn reap_strangers(known: &[u32]) {
    let Some(own) = stat(std::process::id()).map(|stat| stat.session) else { return };
    reap_if(|pid, stat| stat.session != own && !known.contains(&pid));
}

fn reap_if(wanted: impl Fn(u32, &Stat) -> bool) {
    let me = std::process::id();
    for pid in all_pids() {
        if !stat(pid).is_some_and(|stat| stat.parent == me && stat.state == 'Z' && wanted(pid, &stat)) {
            continue;
        }
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // Somebody else may have been faster; then there is nothing left to collect.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_tree_is_found_by_links_and_by_tag() {
        let tag = format!("tree-test-{}", std::process::id());
        let mut child = Command::new("sh")
            .args(["-c", "setsid sleep 60 & sleep 60"])
            .env(TAG_VARIABLE, &tag)
            .spawn()
            .expect("spawn");
        while descendants(&[child.id()]).len() < 3 {
            std::thread::yield_now();
        }
        let by_link = descendants(&[child.id()]);
        while tagged(&tag).len() < 3 {
            std::thread::yield_now();
        }
        assert_eq!(kill_all(&by_link).len(), 3);
        child.wait().expect("reaped");
        while by_link.iter().any(Identity::is_alive) {
            std::thread::yield_now();
        }
        assert!(kill_all(&by_link).is_empty());
    }
}
