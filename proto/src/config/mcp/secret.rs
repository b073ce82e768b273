//! A text that may be a secret: kept as it is written, and turned into its value only where it is used.
//!
//! Nothing here keeps a value: it is given to the caller and forgotten. What can be printed of it are names of
//! variables, files and programs.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::fetch;
use super::shown::REDACTOR;
use crate::config::expand::{MissingVar, expand, outline};

/// A text that may hold references to secrets.
///
/// Two of them are equal when they are written alike, whatever a file or a program would give today. The `Debug`
/// form has references, files and programs, and `***` for everything else.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretText {
    /// As written; `${NAME}` and `${NAME:-otherwise}` are read from the daemon's environment at the start.
    Text(String),
    /// The content of a file, without the line breaks at its end.
    File(PathBuf),
    /// What a command writes, without the line breaks at its end.
    Command(Vec<String>),
    /// A token, after `Bearer `: what an `Authorization` header holds.
    Bearer(Box<SecretText>),
}

/// A value that cannot be had. Names what was asked, never what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A variable without default is not set.
    #[error(transparent)]
    Missing(#[from] MissingVar),
    /// A file cannot be read.
    #[error("cannot read {path}: {why}", path = path.display())]
    File {
        /// File.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A program cannot be started, or how it ended cannot be known.
    #[error("cannot run {program}: {why}")]
    Program {
        /// Program.
        program: String,
        /// Why.
        why: String,
    },
    /// A program ended with something else than exit code 0.
    #[error("{program} ended with {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Ended {
        /// Program.
        program: String,
        /// `exit code 1` or `signal 9`.
        status: String,
        /// The first line of its error stream, cleaned, at most 200 characters.
        said: Option<String>,
    },
    /// A program took longer than its 10 s, or left its output open.
    #[error("{0} gave no answer within 10 s")]
    TimedOut(String),
    /// More than 64 KiB; the file or program.
    #[error("{0} gives more than 64 KiB")]
    TooLong(String),
    /// Nothing at all; the file or program.
    #[error("{0} gives nothing")]
    Empty(String),
    /// Not UTF-8, or with a zero byte in it; the file or program.
    #[error("{0} gives something that is no text")]
    NotText(String),
}

impl SecretText {
    /// The value, for use at once. Variables are looked up with `lookup`; one that is empty counts as unset.
    ///
    /// Blocks: a file is read (at most 64 KiB, a regular file), a command is run without a shell and may take 10 s.
    /// Not to be called on a thread that others wait for.
    ///
    /// # Errors
    /// A variable is not set, a file cannot be read, a program fails, or what they give is empty, no text or too
    /// long.
    pub fn expand(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, SecretError> {
        match self {
            Self::Text(text) => Ok(expand(text, lookup)?),
            Self::File(path) => fetch::file(path),
            Self::Command(words) => fetch::command(words, fetch::LIMIT),
            Self::Bearer(token) => Ok(format!("Bearer {}", token.expand(lookup)?)),
        }
    }

    /// What may be shown of it: the references of a text, all literals as `***`; the name of a file; the cleaned
    /// words of a command.
    pub fn shown(&self) -> Value {
        match self {
            Self::Text(text) => json!(masked(text)),
            Self::File(path) => json!({"file": path.display().to_string()}),
            Self::Command(words) => json!({"command": REDACTOR.redact_args(words)}),
            Self::Bearer(token) => match token.shown() {
                Value::String(text) => json!(format!("Bearer {text}")),
                other => json!({"bearer": other}),
            },
        }
    }
}

/// The references of a text, and `***` for what stands between them and for their defaults.
fn masked(text: &str) -> String {
    outline(text, |_| "***".to_owned())
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "A").then(|| "value-of-a".to_owned())
    }

    #[test]
    fn texts_and_tokens_are_expanded() {
        let text = |text: &str| SecretText::Text(text.to_owned());
        assert_eq!(text("x ${A} ${B:-b}").expand(&lookup).as_deref(), Ok("x value-of-a b"));
        let bearer = SecretText::Bearer(Box::new(text("${A}")));
        assert_eq!(bearer.expand(&lookup).as_deref(), Ok("Bearer value-of-a"));
        let missing = text("literal-4711 ${GONE}").expand(&lookup).expect_err("not set");
        assert_eq!(missing.to_string(), "GONE is not set");
    }

    #[test]
    fn only_references_are_shown() {
        let key = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp";
        for (text, shown) in [
            (SecretText::Text("plain".into()), json!("***")),
            (SecretText::Text(String::new()), json!("")),
            (SecretText::Text("Bearer ${A}".into()), json!("***${A}")),
            (SecretText::Text("${A:-plain}".into()), json!("${A:-***}")),
            (SecretText::Text("${A".into()), json!("***")),
            (SecretText::File("/run/key".into()), json!({"file": "/run/key"})),
            (
                SecretText::Command(vec!["pass".into(), "--token".into(), key.into()]),
                json!({"command": ["pass", "--token", "[redacted:argument]"]}),
            ),
            (SecretText::Bearer(Box::new(SecretText::Text("plain".into()))), json!("Bearer ***")),
        ] {
            assert_eq!(text.shown(), shown);
            assert!(!format!("{text:?}").contains("plain") && !format!("{text:?}").contains("AbCdEf"));
        }
    }
}
