//! Task files: reading them whatever is in them, saying what changed, and editing one line of one.
//!
//! The files are the truth. All here but `files` (and the search for a tree in `settings`) is pure: no clock, no I/O, no runtime; the daemon and a command
//! line without a daemon share every rule.

mod board;
mod body;
mod brief;
mod card;
mod checks;
mod diff;
mod edit;
pub mod files;
mod layout;
mod mirror;
mod node;
mod order;
mod parse;
mod problem;
mod settings;
mod settle;
mod stamp;
mod status;
mod verbs;
mod view;

pub use board::{Board, FindError, Key};
pub use body::{Body, FileStat, MAX_FILE_BYTES, RawTask, Salvage, hash_of, rev_of};
pub use brief::brief;
pub use card::{Card, MAX_CARD_BYTES};
pub use diff::diff;
pub use edit::{Applied, ChangedLine, Edit, EditError, NewValue, append_section, apply, reapply};
pub use layout::{Layout, Spot, is_agent_dir, is_task_name, stem};
pub use mirror::{Mirror, Shown};
pub use node::{At, Entry, Node, Scalar, Style, Value};
pub use order::by_urgency;
pub use problem::{Problem, ProblemKind};
pub use settings::TaskSettings;
pub use settle::{GRACE_MS, OWN_GRACE_MS, Settle};
pub use stamp::{Stamp, hours_to_minutes, name_stamp, write_stamp};
pub use status::{DEFAULT_RANK, Lane, State, priority_rank};
pub use verbs::{Asked, Goes, NewTask, Plan, Refusal, Verb, may_become, plan};
pub use view::{Dependency, Derived, Hours, MAX_ID_BYTES, Origin, Task, is_id};

#[cfg(test)]
mod tests;
