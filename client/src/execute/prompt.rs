//! What `--prompt` means: a file, standard input, or the text itself; and what is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use llmctl_proto::event::PromptInfo;
use sha2::{Digest as _, Sha256};

use crate::error::CliError;

/// Longest prompt. More than any model takes; what is longer is a mistake.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A prompt, ready to be handed to a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text: valid UTF-8 without NUL.
    pub text: String,
    /// The file it came from, absolute.
    pub file: Option<PathBuf>,
}

/// Where a prompt is to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`.
    Stdin,
    /// A path, given as such or found to exist.
    File(PathBuf),
    /// The text itself.
    Text(String),
}

impl Source {
    /// Reads the value of `--prompt`: `-`, `@path`, the path of a file that exists, otherwise text.
    ///
    /// # Errors
    /// It looks like the path of a file, and there is none.
    pub fn parse(value: &str) -> Result<Self, CliError> {
        if value == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(path) = value.strip_prefix('@') {
            return Ok(Self::File(PathBuf::from(path)));
        }
        // A path longer than the system allows is text; asking for it would only fail.
        let short = value.len() < 4096 && !value.contains('\n');
        if short && Path::new(value).exists() {
            return Ok(Self::File(PathBuf::from(value)));
        }
        if short && looks_like_path(value) {
            return Err(CliError::usage(format!("prompt file {value} does not exist"))
                .hint("for a prompt that is text, use --prompt-text"));
        }
        Ok(Self::Text(value.to_owned()))
    }

    /// Reads the prompt.
    ///
    /// # Errors
    /// The file cannot be read, or the text is empty, too long or not text.
    pub fn read(self) -> Result<Prompt, CliError> {
        match self {
            Self::Text(text) => check(text.into_bytes(), None, "the prompt"),
            Self::Stdin => {
                let bytes = read_bounded(io::stdin().lock()).map_err(|e| {
                    CliError::failed("cannot read the prompt from standard input").caused_by(e)
                })?;
                check(bytes, None, "the prompt on standard input")
            }
            Self::File(path) => {
                let name = format!("prompt file {}", path.display());
                let bytes = read_file(&path)
                    .map_err(|e| CliError::usage(format!("cannot read {name}")).caused_by(e))?;
                let absolute = std::path::absolute(&path).unwrap_or(path);
                check(bytes, Some(absolute), &name)
            }
        }
    }
}

/// One word with a slash or a file extension is more likely a mistyped path than a prompt.
fn looks_like_path(value: &str) -> bool {
    let extension = Path::new(value).extension().and_then(|e| e.to_str());
    let has_extension =
        extension.is_some_and(|e| (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
    !value.contains(char::is_whitespace) && !value.is_empty() && (value.contains('/') || has_extension)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    read_bounded(File::open(path)?)
}

fn read_bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check(bytes: Vec<u8>, file: Option<PathBuf>, name: &str) -> Result<Prompt, CliError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CliError::usage(format!("{name} is longer than {} MiB", MAX_BYTES / 1024 / 1024))
            .hint("no model takes that much; give the tool a path to read instead"));
    }
    if let Some(at) = memchr::memchr(0, &bytes) {
        return Err(binary(name, at));
    }
    let text = String::from_utf8(bytes).map_err(|e| binary(name, e.utf8_error().valid_up_to()))?;
    if text.trim().is_empty() {
        return Err(CliError::usage(format!("{name} is empty")));
    }
    Ok(Prompt { text, file })
}

fn binary(name: &str, at: usize) -> CliError {
    CliError::usage(format!("{name} is not text: byte {at} is not valid UTF-8 or is NUL"))
        .hint("convert it (iconv -t UTF-8), or give the tool a path to read instead")
}

impl Prompt {
    /// What is recorded of it.
    pub fn info(&self) -> PromptInfo {
        PromptInfo {
            bytes: self.text.len() as u64,
            sha256: sha256(self.text.as_bytes()),
            file: self.file.as_ref().map(|path| path.display().to_string()),
        }
    }
}

/// Lower-case hex of SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("task.md");
        std::fs::write(&path, "hello").expect("written");
        let text = path.display().to_string();
        assert_eq!(Source::parse("-").expect("stdin"), Source::Stdin);
        assert_eq!(Source::parse(&text).expect("file"), Source::File(path.clone()));
        assert_eq!(Source::parse(&format!("@{text}")).expect("file"), Source::File(path));
        assert_eq!(Source::parse("Say hi.").expect("text"), Source::Text("Say hi.".into()));
        assert_eq!(Source::parse("hello").expect("text"), Source::Text("hello".into()));
        for missing in ["missing.md", "./x", "docs/prompt"] {
            let error = Source::parse(missing).expect_err("looks like a path");
            assert!(error.message.contains(missing));
        }
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let read = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).expect("written");
            Source::File(path).read()
        };
        assert!(read("empty", b" \n").expect_err("empty").message.ends_with("is empty"));
        assert!(read("nul", b"a\0b").expect_err("binary").message.contains("byte 1"));
        assert!(read("latin1", b"caf\xe9").expect_err("binary").message.contains("byte 3"));
        assert!(Source::File(dir.path().to_owned()).read().is_err());
        assert_eq!(read("fine", b"hi").expect("text").info().sha256, sha256(b"hi"));
    }
}
