//! What can be wrong with a task file, by name, with its place.

use serde::{Deserialize, Serialize};

use super::node::At;

/// Longest message of a problem, in bytes.
const MAX_MESSAGE: usize = 240;

/// Kinds of problems; the name in JSON is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Not YAML.
    Syntax,
    /// YAML between two `---` lines with Markdown behind it; readable.
    FrontMatter,
    /// A key stands twice; the last one is read.
    DuplicateKey,
    /// The root is a list or a scalar.
    NotAMapping,
    /// Nothing is in it.
    Empty,
    /// Over 1 MiB, or more values than are read.
    TooLarge,
    /// Not UTF-8 text.
    NotUtf8,
    /// Nested too deeply.
    TooDeep,
    /// Aliases of aliases that would fill the memory.
    AliasBomb,
    /// A merge was not finished.
    ConflictMarkers,
    /// It cannot be opened or read.
    UnreadableFile,
    /// Another live file has the same id.
    DuplicateId,
    /// The id is not the file's name.
    IdDiffersFromName,
    /// The agent is not the directory's.
    AgentDiffersFromDirectory,
    /// The status does not fit the directory.
    Drift,
    /// A status outside the list.
    UnknownStatus,
    /// A priority outside the list.
    UnknownPriority,
    /// A time that is not one.
    BadTimestamp,
    /// It depends on something that is no task here.
    DanglingDependency,
    /// No title.
    MissingTitle,
    /// Another task has the same title, agent and origin.
    LikelyCopy,
}

impl ProblemKind {
    /// All kinds, for filters and `lint --fix`.
    pub const ALL: [Self; 21] = [
        Self::Syntax,
        Self::FrontMatter,
        Self::DuplicateKey,
        Self::NotAMapping,
        Self::Empty,
        Self::TooLarge,
        Self::NotUtf8,
        Self::TooDeep,
        Self::AliasBomb,
        Self::ConflictMarkers,
        Self::UnreadableFile,
        Self::DuplicateId,
        Self::IdDiffersFromName,
        Self::AgentDiffersFromDirectory,
        Self::Drift,
        Self::UnknownStatus,
        Self::UnknownPriority,
        Self::BadTimestamp,
        Self::DanglingDependency,
        Self::MissingTitle,
        Self::LikelyCopy,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::FrontMatter => "front_matter",
            Self::DuplicateKey => "duplicate_key",
            Self::NotAMapping => "not_a_mapping",
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::TooDeep => "too_deep",
            Self::AliasBomb => "alias_bomb",
            Self::ConflictMarkers => "conflict_markers",
            Self::UnreadableFile => "unreadable_file",
            Self::DuplicateId => "duplicate_id",
            Self::IdDiffersFromName => "id_differs_from_name",
            Self::AgentDiffersFromDirectory => "agent_differs_from_directory",
            Self::Drift => "drift",
            Self::UnknownStatus => "unknown_status",
            Self::UnknownPriority => "unknown_priority",
            Self::BadTimestamp => "bad_timestamp",
            Self::DanglingDependency => "dangling_dependency",
            Self::MissingTitle => "missing_title",
            Self::LikelyCopy => "likely_copy",
        }
    }

    /// What to do about it, in a sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Syntax => "put quotes around text that holds `: `, `#`, `*` or starts with a quote",
            Self::FrontMatter => "nothing need be done; other readers may want one YAML document",
            Self::DuplicateKey => "remove one of the two lines",
            Self::NotAMapping => "begin with `id: …`, `title: …`, one key a line",
            Self::Empty => "write `id`, `title` and `status`, or remove the file",
            Self::TooLarge => "move long text into a file of its own and name it in `artefacts`",
            Self::NotUtf8 => "save the file as UTF-8",
            Self::TooDeep | Self::AliasBomb => "write the value out, with less nesting and fewer aliases",
            Self::ConflictMarkers => "finish the merge",
            Self::UnreadableFile => "look at the file's type, owner and mode",
            Self::DuplicateId => "remove one of the files, or give one another id",
            Self::IdDiffersFromName => "give the file the id's name, or the id the file's",
            Self::AgentDiffersFromDirectory => "move the file to the agent's directory, or correct `agent`",
            Self::Drift => "finish the move, or correct `status`",
            Self::UnknownStatus => "use one of new, assigned, in_progress, blocked, done, error, cancelled",
            Self::UnknownPriority => "use one of critical, high, medium, low",
            Self::BadTimestamp => "write it as 2026-02-09T20:35:00Z",
            Self::DanglingDependency => "correct the id, or leave it as a remark",
            Self::MissingTitle => "add `title`",
            Self::LikelyCopy => "keep one, if they are the same work",
        }
    }

    /// The file cannot be shown as a task.
    pub fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::Syntax
                | Self::NotAMapping
                | Self::Empty
                | Self::TooLarge
                | Self::NotUtf8
                | Self::TooDeep
                | Self::AliasBomb
                | Self::ConflictMarkers
                | Self::UnreadableFile
        )
    }
}

impl std::fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One problem of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Kind.
    pub kind: ProblemKind,
    /// What is wrong, at most 240 bytes.
    pub message: String,
    /// Line, from 1, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, in characters from 1, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn whole(kind: ProblemKind, message: &str) -> Self {
        Self { kind, message: clip_bytes(message, MAX_MESSAGE), line: None, column: None }
    }

    /// A problem with a place.
    pub fn at(kind: ProblemKind, at: At, message: &str) -> Self {
        Self { line: Some(at.line), column: Some(at.column), ..Self::whole(kind, message) }
    }
}

/// Cuts a text at a number of bytes, on a character, with `…` where something was cut.
pub(super) fn clip_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub('…'.len_utf8());
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
