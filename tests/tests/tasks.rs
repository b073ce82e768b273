//! The board on the real binaries, on a copy of the provided tree. Numbers in names are those of the acceptance list.
//!
//! Without the provided tree (`LLMCTL_TEST_TASKS`, or `shared/data/tasks` beside the repository) the tests that need
//! it say so and pass.

#[path = "tasks/changes.rs"]
mod changes;
#[path = "tasks/crowd.rs"]
mod crowd;
#[path = "tasks/edits.rs"]
mod edits;
#[path = "tasks/hostile.rs"]
mod hostile;
#[path = "tasks/projects.rs"]
mod projects;
#[path = "parity/random.rs"]
mod random;
#[path = "tasks/rpc.rs"]
mod rpc;
#[path = "tasks/stage.rs"]
mod stage;
#[path = "tasks/storms.rs"]
mod storms;
