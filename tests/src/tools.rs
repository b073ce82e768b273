//! Where the real tools are that `tests/tools/install.sh` installs.
//!
//! Owns the lookup alone. A test that needs a tool which is missing fails with the command that installs it:
//! a test that was skipped in silence proves nothing.

use std::path::{Path, PathBuf};

/// The cache directory: `LLMCTL_TEST_TOOLS`, or `tests/.cache/tools`.
pub fn cache_dir() -> PathBuf {
    match std::env::var_os("LLMCTL_TEST_TOOLS") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/tools"),
    }
}

/// The program file of a real tool (`claude`, `codex`).
///
/// # Panics
/// It is not installed; the message says how to install it.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    required(&cache_dir().join("bin").join(name), name)
}

/// A real MCP server by the last word of its name (`everything`, `time`, …).
///
/// # Panics
/// As [`program`].
#[track_caller]
pub fn mcp_server(name: &str) -> PathBuf {
    required(&cache_dir().join("bin").join(format!("mcp-server-{name}")), "mcp")
}

/// A program of the system, as the test itself would find it.
///
/// # Panics
/// It is not there.
#[track_caller]
pub fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not on the path"))
}

/// The small model's weights.
///
/// # Panics
/// As [`program`].
#[track_caller]
pub fn model() -> PathBuf {
    required(&cache_dir().join("model/SmolLM2-135M-Instruct.Q4_1.gguf"), "model")
}

/// The server for the small model, to be run by node.
///
/// # Panics
/// As [`program`].
#[track_caller]
pub fn model_server() -> PathBuf {
    required(&cache_dir().join("model/smol-server.mjs"), "model")
}

#[track_caller]
fn required(path: &Path, part: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{part} is not installed at {}; run `tests/tools/install.sh {part}` once and try again",
        path.display()
    );
    path.to_owned()
}

/// A captured stream by its path below `tests/fixtures/streams`, such as `claude/text.jsonl`.
pub fn capture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/streams")).join(name)
}
