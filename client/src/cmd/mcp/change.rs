//! What every verb does with its changes: shows them, writes them, and tells the daemon.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use llmctl_proto::event::ConfigReloaded;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::ReloadConfigRequest;
use llmctl_proto::redact::Redactor;
use serde_json::{Value as Json, json};

use super::files::{Files, shown};
use super::kept::{self, Kept};
use super::source;
use crate::cmd::print;
use crate::config::safe;
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, LinkError};
use crate::mcp::import::secret;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Files of the configuration.
    pub(super) files: Vec<PathBuf>,
    /// New files with secrets.
    pub(super) kept: Vec<PathBuf>,
    /// Files with secrets that nothing names any more, taken away.
    pub(super) dropped: Vec<PathBuf>,
    /// What the daemon said.
    pub(super) reload: Reload,
}

/// What the daemon said to the change.
#[derive(Debug, Default)]
pub(super) enum Reload {
    /// There is none; it reads the files when it starts.
    #[default]
    NotRunning,
    /// It has read them.
    Done,
    /// It could not be told, or did not take them.
    Failed(String),
}

impl Written {
    /// For `--json`.
    pub(super) fn to_json(&self) -> Json {
        let reload = match &self.reload {
            Reload::NotRunning => json!({"daemon": "not_running"}),
            Reload::Done => json!({"daemon": "reloaded"}),
            Reload::Failed(why) => json!({"daemon": "failed", "reason": why}),
        };
        json!({"files": self.files, "secrets": self.kept, "removed_secrets": self.dropped, "reload": reload})
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        for path in &self.dropped {
            let _ = writeln!(text, "removed {}, which nothing names any more", shown(path));
        }
        for path in &self.files {
            let gone = path.symlink_metadata().is_err();
            let verb = if gone { "removed the now empty" } else { "wrote" };
            let _ = writeln!(text, "{verb} {}", shown(path));
        }
        match &self.reload {
            Reload::NotRunning => text.push_str("llmctld is not running; it reads this when it starts\n"),
            Reload::Done => text.push_str("llmctld has read it\n"),
            Reload::Failed(why) => {
                let _ = writeln!(text, "note: llmctld was not told: {why}");
            }
        }
        text
    }
}

/// Writes secrets, then files, then takes away what is named no more, and tells the daemon.
pub(super) async fn write(paths: &Paths, files: &Files, kept: &Kept) -> Result<Written, CliError> {
    files.check()?;
    let made = kept.write()?;
    let written = files.write().inspect_err(|_| kept::undo(&made))?;
    let still = files.kept_files(kept.dir(), true);
    let mut dropped = files.kept_files(kept.dir(), false);
    // A file that cannot be read may name it still.
    let sure = files.all_read();
    dropped.retain(|path| sure && !still.contains(path) && path.symlink_metadata().is_ok());
    dropped.sort();
    dropped.dedup();
    let reload = tell(paths).await;
    // A daemon that lives by the old files starts servers with the old secrets.
    if matches!(reload, Reload::Failed(_)) {
        dropped.clear();
    }
    kept::undo(&dropped);
    Ok(Written { files: written, kept: made, dropped, reload })
}

/// Lets a running daemon read its configuration again.
pub(super) async fn tell(paths: &Paths) -> Reload {
    let mut client = match link::connect(paths).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(_)) => return Reload::NotRunning,
        Err(error) => return Reload::Failed(error.to_string()),
    };
    let answer = match client.reload_config(ReloadConfigRequest {}).await {
        Ok(answer) => answer.into_inner().result,
        Err(status) => return Reload::Failed(status.message().to_owned()),
    };
    match serde_json::from_str::<ConfigReloaded>(&answer) {
        Ok(result) if result.applied => Reload::Done,
        Ok(result) => Reload::Failed(result.errors.join("; ")),
        Err(error) => Reload::Failed(error.to_string()),
    }
}

/// Whether a server runs, as far as a running daemon says.
pub(super) async fn runs(paths: &Paths, name: &str) -> bool {
    let Ok((all, true)) = source::servers(paths).await else { return false };
    all.iter().any(|server| server.name == name && (server.pid.is_some() || server.state.is_open()))
}

/// Hides secrets of a line of the configuration: those that are being kept, and what was written there by hand.
pub(super) fn hider(kept: &Kept) -> impl Fn(&str) -> String {
    let redactor = Redactor::new(kept.values());
    move |line| {
        let shown = match line.split_once(':') {
            Some((key, value)) if holds_secret(key, value) => format!("{key}: [redacted]"),
            _ => redactor.redact_str(line).into_owned(),
        };
        harmless(&shown)
    }
}

/// A line `NAME: value` of YAML whose value is a secret by its name or form.
fn holds_secret(key: &str, value: &str) -> bool {
    let name = key.trim().trim_start_matches("- ").trim_matches(['"', '\'']);
    let value = value.trim().trim_matches(['"', '\'']);
    let other = value.is_empty() || value.starts_with(['#', '|', '>', '&', '*']) || value.contains("${");
    let flow = value.starts_with(['{', '[']);
    !name.starts_with('#') && !other && (!flow || secret::secret_name(name)) && secret::is_secret(name, value)
}

/// Text with words of files in it, harmless for a terminal.
pub(super) fn harmless(text: &str) -> String {
    String::from_utf8_lossy(&safe(text)).into_owned()
}

/// Asks on the terminal.
pub(super) fn ask(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(
            CliError::usage("there is no terminal to ask on").hint("add --yes after reading what it does")
        );
    }
    let mut error = std::io::stderr().lock();
    // Nothing can be done when standard error is gone.
    let _ = write!(error, "{question} [y/N] ").and_then(|()| error.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|e| CliError::failed("cannot read the answer").caused_by(e))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// The end of `add`, `remove` and `edit`: shows the diff and the notes, and writes.
pub(super) async fn finish(
    paths: &Paths,
    files: &Files,
    kept: &Kept,
    notes: &[String],
    dry_run: bool,
    as_json: bool,
    name: &str,
) -> Outcome {
    files.check()?;
    let diff = files.diff(&hider(kept));
    let secrets: Vec<String> = kept.paths().map(shown).collect();
    if !as_json {
        let mut text = if diff.is_empty() { "nothing to change\n".to_owned() } else { diff.clone() };
        for path in &secrets {
            let _ = writeln!(text, "a secret is kept in {path}");
        }
        for note in notes {
            let _ = writeln!(text, "note: {note}");
        }
        print(&harmless(&text))?;
    }
    let goes = files.changed() && !dry_run;
    let written = if goes { Some(write(paths, files, kept).await?) } else { None };
    if as_json {
        let value = json!({
            "name": name,
            "diff": diff,
            "notes": notes,
            "secrets": secrets,
            "written": written.as_ref().map(Written::to_json),
        });
        let text = serde_json::to_string_pretty(&value).map_err(|e| CliError::failed(e.to_string()))?;
        print(&(text + "\n"))?;
    } else if let Some(written) = written {
        print(&harmless(&written.to_text()))?;
    }
    Ok(Exit::Ok)
}
