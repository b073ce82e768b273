//! Commands written by the user as one line with placeholders.
//!
//! The line is split into words once, by the quoting rules of POSIX and without expanding anything; values are put
//! inside the words afterwards and never split again, so no value can become a second word or a command. No shell
//! is involved, and what only a shell could do is an error.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::spec::{Launch, OPERATION_ENV, PromptVia};

/// Longest argument: the kernel's limit is 128 KiB with the closing zero.
const MAX_WORD_BYTES: usize = 128 * 1024 - 1;
/// Longest template.
const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// A name that a template may hold in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The program.
    Binary,
    /// The model.
    Model,
    /// A file with the prompt.
    PromptFile,
    /// The prompt's text.
    Prompt,
    /// A file that the program writes its answer to.
    OutputFile,
    /// A file with the MCP configuration.
    McpConfig,
    /// The working directory.
    WorkDir,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 7] = [
        ("binary", Self::Binary),
        ("model", Self::Model),
        ("prompt_file", Self::PromptFile),
        ("prompt", Self::Prompt),
        ("output_file", Self::OutputFile),
        ("mcp_config", Self::McpConfig),
        ("work_dir", Self::WorkDir),
    ];

    /// Its name, as in braces.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, placeholder)| *placeholder == self).map_or("", |(name, _)| name)
    }
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It has no words.
    #[error("the command template is empty")]
    Empty,
    /// It is longer than 64 KiB.
    #[error("the command template is longer than 64 KiB")]
    TooLong,
    /// A quote is opened and not closed.
    #[error("the command template has an open {0} quote")]
    OpenQuote(char),
    /// A name in braces that is no placeholder.
    #[error(
        "unknown placeholder {{{0}}} (known: binary, model, prompt_file, prompt, output_file, mcp_config, work_dir)"
    )]
    Unknown(String),
    /// Only a shell could do this.
    #[error("`{0}` needs a shell, and a command template is run without one")]
    Shell(String),
    /// `<` or `>` elsewhere than at the end, or with something else than its one file.
    #[error("`{0}` may only stand at the end, as `< {{prompt_file}}` or `> {{output_file}}`")]
    Redirection(char),
    /// A value that this run does not have.
    #[error("the command template needs {{{}}}, which this run does not have", .0.name())]
    Missing(Placeholder),
    /// A word that no program could be given.
    #[error("the prompt is {0} bytes, too long for an argument; use {{prompt_file}} in the command template")]
    WordTooLong(usize),
    /// A zero byte cannot be in an argument.
    #[error("a value for the command template has a zero byte in it")]
    ZeroByte,
}

/// What placeholders stand for in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateValues {
    /// The program, found and checked.
    pub binary: Option<PathBuf>,
    /// The model.
    pub model: Option<String>,
    /// A file with the prompt.
    pub prompt_file: Option<PathBuf>,
    /// The prompt's text.
    pub prompt: Option<String>,
    /// Where the answer is to be written.
    pub output_file: Option<PathBuf>,
    /// A file with the MCP configuration.
    pub mcp_config: Option<PathBuf>,
    /// The working directory.
    pub work_dir: PathBuf,
    /// The operation, for the child's environment.
    pub operation_id: String,
}

/// A command template, split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    words: Vec<Word>,
    stdin_from_prompt_file: bool,
    stdout_to_output_file: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Word {
    pieces: Vec<Piece>,
    /// The first and last characters stand outside quotes, so an operator there is meant for a shell.
    bare_start: Option<char>,
    bare_end: Option<char>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

impl Template {
    /// Splits a template.
    ///
    /// # Errors
    /// It is empty, has an open quote, an unknown placeholder, or something only a shell could do.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong);
        }
        let mut template = Self {
            words: Splitter { rest: text, words: Vec::new(), word: None }.split()?,
            stdin_from_prompt_file: false,
            stdout_to_output_file: false,
        };
        template.take_redirections()?;
        template.words.iter().try_for_each(Word::refuse_operators)?;
        if template.words.is_empty() { Err(TemplateError::Empty) } else { Ok(template) }
    }

    /// Whether it needs a value, so that the runner can prepare the file behind it.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        let redirected = match placeholder {
            Placeholder::PromptFile => self.stdin_from_prompt_file,
            Placeholder::OutputFile => self.stdout_to_output_file,
            _ => false,
        };
        redirected || self.in_words(placeholder)
    }

    /// Whether the program itself writes the answer to a file.
    pub fn answers_in_file(&self) -> bool {
        self.in_words(Placeholder::OutputFile)
    }

    /// Puts values into the words.
    ///
    /// # Errors
    /// A value is missing, too long for an argument, or has a zero byte.
    pub fn expand(&self, values: &TemplateValues) -> Result<Launch, TemplateError> {
        let mut warnings = Vec::new();
        let mut argv = Vec::with_capacity(self.words.len());
        for word in &self.words {
            let expanded = word.expand(values)?;
            let by_prompt = word.pieces.first() == Some(&Piece::Value(Placeholder::Prompt));
            if by_prompt && expanded.as_encoded_bytes().starts_with(b"-") {
                warnings.push("the prompt begins with `-`, so the tool may take it for an option".to_owned());
            }
            argv.push(expanded);
        }
        let file = |path: &Option<PathBuf>, name| path.clone().ok_or(TemplateError::Missing(name));
        let prompt = if self.stdin_from_prompt_file {
            PromptVia::StdinFile(file(&values.prompt_file, Placeholder::PromptFile)?)
        } else if self.in_words(Placeholder::Prompt) || self.in_words(Placeholder::PromptFile) {
            PromptVia::Arguments
        } else {
            PromptVia::Stdin
        };
        let output =
            |wanted: bool| wanted.then(|| file(&values.output_file, Placeholder::OutputFile)).transpose();
        Ok(Launch {
            argv,
            env: vec![(OPERATION_ENV.to_owned(), values.operation_id.clone())],
            cwd: values.work_dir.clone(),
            prompt,
            copy_stdout_to: output(self.stdout_to_output_file)?,
            answer_file: output(self.answers_in_file())?,
            warnings,
        })
    }

    fn in_words(&self, placeholder: Placeholder) -> bool {
        self.words.iter().any(|word| word.pieces.contains(&Piece::Value(placeholder)))
    }

    /// Takes `< {prompt_file}` and `> {output_file}` off the end, in either order, each once at most.
    fn take_redirections(&mut self) -> Result<(), TemplateError> {
        while let Some((at, operator)) = self.last_redirection() {
            let wanted = if operator == '<' { Placeholder::PromptFile } else { Placeholder::OutputFile };
            let done = if operator == '<' {
                &mut self.stdin_from_prompt_file
            } else {
                &mut self.stdout_to_output_file
            };
            let tail: Vec<&Piece> = self.words[at..].iter().flat_map(|word| &word.pieces).collect();
            let operator_text = Piece::Text(operator.to_string());
            if *done || tail != [&operator_text, &Piece::Value(wanted)] {
                return Err(TemplateError::Redirection(operator));
            }
            *done = true;
            self.words.truncate(at);
        }
        Ok(())
    }

    /// The last word that begins with a bare `<` or `>`; `>>` is an operator of its own.
    fn last_redirection(&self) -> Option<(usize, char)> {
        let at = self.words.iter().rposition(|word| matches!(word.bare_start, Some('<' | '>')))?;
        let word = &self.words[at];
        let double =
            matches!(word.pieces.first(), Some(Piece::Text(t)) if t.starts_with(">>") || t.starts_with("<<"));
        if double { None } else { word.bare_start.map(|operator| (at, operator)) }
    }
}

impl Word {
    fn push(&mut self, c: char, bare: bool) {
        let mark = bare.then_some(c);
        if self.pieces.is_empty() {
            self.bare_start = mark;
        }
        self.bare_end = mark;
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.pieces.push(Piece::Text(c.to_string())),
        }
    }

    fn push_value(&mut self, placeholder: Placeholder) {
        self.pieces.push(Piece::Value(placeholder));
        self.bare_end = None;
    }

    fn refuse_operators(&self) -> Result<(), TemplateError> {
        let text = match self.pieces.first() {
            Some(Piece::Text(text)) => text.as_str(),
            _ => "",
        };
        let operator = match self.bare_start {
            Some(c @ ('|' | '&' | ';' | '`' | '<' | '>')) => Some(c.to_string()),
            Some('$') if text.starts_with("$(") => Some("$(".to_owned()),
            Some('1' | '2') if text[1..].starts_with('>') => Some(text[..2].to_owned()),
            // `first; second` would hand `first;` to the program, which nobody means.
            _ => self.bare_end.filter(|c| matches!(c, '|' | '&' | ';')).map(|c| c.to_string()),
        };
        operator.map_or(Ok(()), |operator| Err(TemplateError::Shell(operator)))
    }

    fn expand(&self, values: &TemplateValues) -> Result<OsString, TemplateError> {
        let mut word = OsString::new();
        for piece in &self.pieces {
            let value: Option<&OsStr> = match piece {
                Piece::Text(text) => Some(text.as_ref()),
                Piece::Value(Placeholder::Binary) => values.binary.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::Model) => values.model.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::PromptFile) => values.prompt_file.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::Prompt) => values.prompt.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::OutputFile) => values.output_file.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::McpConfig) => values.mcp_config.as_deref().map(AsRef::as_ref),
                Piece::Value(Placeholder::WorkDir) => Some(values.work_dir.as_ref()),
            };
            match (value, piece) {
                (Some(value), _) => word.push(value),
                (None, Piece::Value(name)) => return Err(TemplateError::Missing(*name)),
                (None, Piece::Text(_)) => {}
            }
        }
        if word.len() > MAX_WORD_BYTES {
            return Err(TemplateError::WordTooLong(word.len()));
        }
        if word.as_encoded_bytes().contains(&0) { Err(TemplateError::ZeroByte) } else { Ok(word) }
    }
}

/// Splits into words; a word exists once a character or a pair of quotes belongs to it.
struct Splitter<'a> {
    rest: &'a str,
    words: Vec<Word>,
    word: Option<Word>,
}

impl Splitter<'_> {
    fn split(mut self) -> Result<Vec<Word>, TemplateError> {
        while let Some(c) = self.rest.chars().next() {
            if c == '{' && self.placeholder()? {
                continue;
            }
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                ' ' | '\t' | '\n' | '\r' => self.words.extend(self.word.take()),
                '\'' | '"' => self.quoted(c)?,
                '\\' => match self.next() {
                    // A backslash before the end of a line joins the lines.
                    None | Some('\n') => {}
                    Some(next) => self.word().push(next, false),
                },
                c => self.word().push(c, true),
            }
        }
        self.words.extend(self.word.take());
        Ok(self.words)
    }

    fn quoted(&mut self, quote: char) -> Result<(), TemplateError> {
        self.word();
        loop {
            if self.rest.starts_with('{') && self.placeholder()? {
                continue;
            }
            match self.next() {
                None => return Err(TemplateError::OpenQuote(quote)),
                Some(c) if c == quote => return Ok(()),
                Some('\\') if quote == '"' => match self.next() {
                    None => return Err(TemplateError::OpenQuote(quote)),
                    Some('\n') => {}
                    Some(c) => {
                        if !matches!(c, '"' | '\\' | '$' | '`' | '{') {
                            self.word().push('\\', false);
                        }
                        self.word().push(c, false);
                    }
                },
                Some(c) => self.word().push(c, false),
            }
        }
    }

    /// Takes `{name}` or `{{name}}`, with blanks inside; braces around anything else are left alone.
    fn placeholder(&mut self) -> Result<bool, TemplateError> {
        let found = [("{{", "}}"), ("{", "}")].into_iter().find_map(|(open, close)| {
            let inner = self.rest.strip_prefix(open)?;
            let end = inner.find(close)?;
            let name = inner[..end].trim();
            let first = name.chars().next()?;
            let identifier = (first.is_ascii_alphabetic() || first == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            identifier.then(|| (name, &inner[end + close.len()..]))
        });
        let Some((name, rest)) = found else { return Ok(false) };
        let known = Placeholder::ALL.iter().find(|(known, _)| *known == name);
        let (_, placeholder) = known.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        self.rest = rest;
        self.word().push_value(*placeholder);
        Ok(true)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
