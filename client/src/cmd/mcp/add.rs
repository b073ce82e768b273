//! `llmctl mcp add`: one server, from the command line.

use llmctl_proto::paths::Paths;

use super::change::{finish, harmless};
use super::files::Files;
use super::kept::Kept;
use crate::cli::mcp_config::McpAdd;
use crate::config::working_dir;
use crate::error::{CliError, Outcome};
use crate::mcp::import::reference::{Dialect, Rewritten, Surroundings, is_name, rewrite};
use crate::mcp::import::{Server, Text, Transport, safe_name, secret};

pub(super) async fn run(paths: &Paths, args: &McpAdd) -> Outcome {
    let safe = safe_name(&args.name);
    if safe != args.name || safe.is_empty() {
        let error = CliError::usage(harmless(&format!("`{}` is no name for a server", args.name)));
        return Err(error.hint("letters, digits, `_`, `-` and `.`, at most 64"));
    }
    let (server, notes) = server(args)?;
    let mut files = Files::read(paths)?;
    if let Some(shown) = files.shown_of(&args.name).filter(|_| !args.replace) {
        return Err(CliError::usage(format!("{} is there already, in {shown}", args.name))
            .hint("--replace puts this one in its place; `llmctl mcp edit` changes single keys"));
    }
    let mut kept = Kept::new(paths);
    let value =
        server.to_value(args.auto_start, &mut |variable, secret| kept.place(&args.name, variable, secret));
    files.put(&args.name, &value)?;
    finish(paths, &files, &kept, &notes, args.dry_run, args.json, &args.name).await
}

/// The server that the words describe, and what a person should know.
fn server(args: &McpAdd) -> Result<(Server, Vec<String>), CliError> {
    let mut notes = Vec::new();
    let transport = match &args.url {
        Some(url) => Transport::Http {
            url: address(url, &mut notes)?,
            headers: pairs(&args.header, "header", crate::mcp::import::is_header, &mut notes)?,
        },
        None => {
            let words: Result<Vec<Rewritten>, CliError> =
                args.command.iter().map(|word| read("the command", word)).collect();
            let (command, said) = secret::command(&args.name, words?);
            notes.extend(said);
            let cwd =
                args.cwd.as_ref().map(|dir| working_dir().map(|cwd| cwd.join(dir).display().to_string()));
            Transport::Stdio {
                command,
                env: pairs(&args.env, "variable", is_name, &mut notes)?,
                cwd: cwd.transpose()?,
            }
        }
    };
    let server = Server {
        transport,
        enabled: true,
        request_timeout_s: None,
        startup_timeout_s: None,
        tools: None,
        note: None,
    };
    Ok((server, notes))
}

/// Our own references, as they stand in files.
pub(super) fn read(what: &str, text: &str) -> Result<Rewritten, CliError> {
    if text.contains('\0') {
        return Err(CliError::usage(format!("{what} holds a NUL")));
    }
    rewrite(text, Dialect::Shell, &Surroundings::default())
        .map_err(|why| CliError::usage(harmless(&format!("{what}: {why}"))))
}

fn address(url: &str, notes: &mut Vec<String>) -> Result<Text, CliError> {
    if !["http://", "https://", "${"].iter().any(|begin| url.starts_with(begin)) {
        return Err(CliError::usage("--url must begin with http:// or https://"));
    }
    judged("--url", "url", url, notes)
}

/// A value of a name, or where it is kept.
pub(super) fn judged(what: &str, name: &str, value: &str, notes: &mut Vec<String>) -> Result<Text, CliError> {
    let done = secret::judged(name, read(what, value)?);
    let (text, said) = done.map_err(|why| CliError::usage(format!("{what}: {why}")))?;
    notes.extend(said.into_iter().map(|note| format!("{what}: {note}")));
    Ok(text)
}

fn pairs(
    given: &[String],
    what: &str,
    good: fn(&str) -> bool,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, Text)>, CliError> {
    let mut all: Vec<(String, Text)> = Vec::new();
    for text in given {
        let Some((name, value)) = pair(text).filter(|(name, _)| good(name)) else {
            // What stands there may be the secret itself, so it is not repeated.
            return Err(CliError::usage(format!(
                "a {what} must be given as NAME=VALUE, with a name it can have"
            )));
        };
        let text = judged(name, name, value, notes)?;
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), text));
    }
    Ok(all)
}

/// `NAME=VALUE`, or `NAME: VALUE` as headers are written.
fn pair(text: &str) -> Option<(&str, &str)> {
    match (text.split_once('='), text.split_once(": ")) {
        (Some((name, value)), Some((other, _))) if name.len() <= other.len() => Some((name, value)),
        (_, Some(header)) => Some(header),
        (pair, None) => pair,
    }
}
