//! The user's editor.

use std::path::Path;
use std::process::Command;

use crate::error::CliError;

/// Opens a file in `$VISUAL`, else `$EDITOR`, else `vi`, and waits for the end.
///
/// # Errors
/// The editor cannot be started, or ends with an error; the file may have been changed.
pub(crate) fn open(path: &Path) -> Result<(), CliError> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // Such variables hold a program and its flags, as `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program)
        .args(words)
        .arg(path)
        .status()
        .map_err(|e| CliError::failed(format!("cannot start the editor {program}")).caused_by(e))?;
    if status.success() {
        return Ok(());
    }
    Err(CliError::failed(format!("the editor {program} ended with {status}")))
}
