//! How a verb ends: exit codes, and errors with a cause and a hint.

use std::error::Error;
use std::fmt;

/// How the program ends. The README lists the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: the tool, the provider or llmctl failed.
    Failed,
    /// 2: the call is wrong: flags, a file, an unknown name.
    Usage,
    /// 3: the daemon is needed and cannot be reached.
    Unreachable,
    /// 4: stopped by a person from elsewhere (the page, `llmctl stop`).
    StoppedByUser,
    /// 5: stopped or refused by a cost limit.
    Budget,
    /// 6: refused: no tool or model can take it.
    Refused,
    /// 124: stopped by `--timeout`.
    Timeout,
    /// Dies by this signal after everything is in order, so that the calling shell sees it: 128 + number.
    Signal(i32),
}

impl Exit {
    /// The kind that an exit code stands for; none for codes that are not ours.
    pub fn from_code(code: i32) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::Failed,
            Self::Usage,
            Self::Unreachable,
            Self::StoppedByUser,
            Self::Budget,
            Self::Refused,
            Self::Timeout,
        ];
        all.into_iter().find(|exit| i32::from(exit.code()) == code)
    }

    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::StoppedByUser => 4,
            Self::Budget => 5,
            Self::Refused => 6,
            Self::Timeout => 124,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

/// Why a verb did not do what it was asked, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    /// How the program ends.
    pub exit: Exit,
    /// What failed, with the object's name.
    pub message: String,
    /// Why.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// What to do.
    pub hints: Vec<String>,
}

impl CliError {
    /// An error of a kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), source: None, hints: Vec::new() }
    }

    /// The call is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let mut source = self.source.as_deref().map(|s| s as &dyn Error);
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for CliError {}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        use tonic::Code;
        let exit = match status.code() {
            Code::Unavailable => Exit::Unreachable,
            Code::InvalidArgument | Code::NotFound => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, status.message().to_owned())
    }
}

/// The result of a verb.
pub type Outcome = Result<Exit, CliError>;
