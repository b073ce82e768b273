//! The configuration on the real programs: reading, checking, trust, secrets, the daemon's part.
//!
//! Names of tests begin with the number of the acceptance criterion they hold.

#[path = "config/daemon.rs"]
mod daemon;
#[path = "config/known.rs"]
mod known;
#[path = "config/reading.rs"]
mod reading;
#[path = "config/trust.rs"]
mod trust;
#[path = "config/write.rs"]
mod write;

use std::fs;
use std::path::Path;

use llmctl_tests::run::Finished;
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::stage::LONG;

/// Puts a set of real files below a directory of the project.
#[track_caller]
fn real(sandbox: &Sandbox, set: &str, dir: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/llm-service-config").join(set);
    for entry in fs::read_dir(&from).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        sandbox.write(&format!("{dir}/{name}"), fs::read(&path).expect("a file"));
    }
}

/// Runs `llmctl` to its end.
#[track_caller]
fn llmctl(sandbox: &Sandbox, words: &[&str]) -> Finished {
    sandbox.run(words, LONG)
}

/// What is said of a directory by `config validate`, whatever its exit code.
#[track_caller]
fn validated(sandbox: &Sandbox, dir: &str) -> (Option<i32>, String) {
    let done = llmctl(sandbox, &["config", "validate", dir]);
    (done.code, done.stdout_text())
}
