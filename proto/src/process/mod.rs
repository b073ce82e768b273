//! Process identity, process trees and the stop ladder.
//!
//! A pid is not an identity: pids are reused. Every signal to a process that was found rather than spawned goes
//! through an `Identity`, checked on a pidfd, so that a stranger is never hit. Linux only, by `/proc`.

mod identity;
mod ladder;
mod tree;

pub use identity::{Identity, boot_id};
pub use ladder::{Ladder, Rung, StopPlan};
pub use tree::{
    DETACHED_VARIABLE, SERVER_VARIABLE, TAG_VARIABLE, children_of, cpu_ticks, descendants, goes_on, has_tag,
    in_session, kill_all, marked, own_children, reap, reap_strangers, tagged,
};

pub use rustix::process::Signal;
