//! From bytes to what a file says, or to the reason why it says nothing.
//!
//! Every input has an answer: a mapping, a mapping with Markdown behind it, or one fatal problem with what could be
//! recognised of the task before it. Bounded in time and memory.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::node::{At, Node, Style, Value};
use super::parse::parse;
use super::problem::{Problem, ProblemKind, clip_bytes};
use super::status::Lane;

/// Longest file that is parsed, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A mapping.
    Parsed(Node),
    /// A mapping between two `---` lines, and Markdown.
    FrontMatter {
        /// The mapping.
        meta: Node,
        /// What follows the second `---`.
        markdown: String,
    },
    /// Nothing that can be shown as a task.
    Unreadable {
        /// Why.
        problem: Problem,
        /// What could be recognised.
        salvage: Salvage,
    },
}

/// What could be recognised of an unreadable file; for display only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvage {
    /// `id`.
    pub id: Option<String>,
    /// `title`.
    pub title: Option<String>,
    /// `agent`.
    pub agent: Option<String>,
    /// `status`.
    pub status: Option<String>,
    /// `priority`.
    pub priority: Option<String>,
}

/// Identity and time of a file, as `stat` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStat {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Bytes.
    pub len: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Last change of anything, nanoseconds since 1970.
    pub ctime_ns: i128,
    /// Hard links.
    pub links: u64,
}

/// A file with everything that was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTask {
    /// Path below the root, with `/`.
    pub path: String,
    /// Lane.
    pub lane: Lane,
    /// First directory below `assigned` or `done`.
    pub agent_dir: Option<String>,
    /// Identity and time.
    pub stat: FileStat,
    /// SHA-256 of the content.
    pub hash: [u8; 32],
    /// Content.
    pub body: Body,
}

impl RawTask {
    /// The version of the content: the first 16 hex digits of its SHA-256.
    pub fn rev(&self) -> String {
        rev_of(&self.hash)
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The mapping, if it could be read.
    pub fn node(&self) -> Option<&Node> {
        match &self.body {
            Body::Parsed(node) | Body::FrontMatter { meta: node, .. } => Some(node),
            Body::Unreadable { .. } => None,
        }
    }

    /// It can be shown as a task.
    pub fn is_readable(&self) -> bool {
        self.node().is_some()
    }
}

/// SHA-256 of a content.
pub fn hash_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first 16 hex digits of a hash.
pub fn rev_of(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash[..8].iter().fold(String::with_capacity(16), |mut out, byte| {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Body {
    /// Reads a file's bytes.
    pub fn read(bytes: &[u8]) -> Self {
        if bytes.len() > MAX_FILE_BYTES {
            let problem = Problem::whole(ProblemKind::TooLarge, "the file is longer than 1 MiB");
            // What is recognised is at the top; a bounded part is enough.
            return Self::unreadable(problem, &String::from_utf8_lossy(&bytes[..64 * 1024]));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let problem = Problem::at(ProblemKind::NotUtf8, end_of(&good), "the file is not UTF-8 text");
                return Self::unreadable(problem, &good);
            }
        };
        match read_text(text) {
            Ok(body) => body,
            Err(problem) => Self::unreadable(problem, text),
        }
    }

    /// A file that could not be read at all.
    pub fn not_read(message: &str) -> Self {
        Self::unreadable(Problem::whole(ProblemKind::UnreadableFile, message), "")
    }

    fn unreadable(problem: Problem, text: &str) -> Self {
        let salvage = salvage(text, problem.line);
        Self::Unreadable { problem, salvage }
    }

    /// Problems of the content itself: the fatal one, or what a reader should know.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Unreadable { problem, .. } => vec![problem.clone()],
            Self::Parsed(node) => duplicates(node),
            Self::FrontMatter { meta, .. } => {
                let mut all = vec![Problem::whole(
                    ProblemKind::FrontMatter,
                    "YAML between two `---` lines, and Markdown",
                )];
                all.extend(duplicates(meta));
                all
            }
        }
    }
}

/// The part of a text that is its YAML, in bytes, and whether Markdown follows it.
///
/// A byte order mark is left out. A first line `---`, blank lines and comments aside, with a second one further
/// down makes it front matter: the YAML ends there.
pub(super) fn yaml_range(text: &str) -> (usize, usize, Option<usize>) {
    let from = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = from;
    let mut opened = false;
    for line in text[from..].split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == "---" {
            if opened {
                return (from, at, Some(at + line.len()));
            }
            opened = true;
        } else if !opened && !bare.is_empty() && !bare.starts_with('#') {
            break;
        }
        at += line.len();
    }
    (from, text.len(), None)
}

fn read_text(text: &str) -> Result<Body, Problem> {
    if let Some(problem) = conflict(text) {
        return Err(problem);
    }
    let (from, to, rest) = yaml_range(text);
    let Some(node) = parse(text, from, to)? else {
        return Err(Problem::whole(ProblemKind::Empty, "there is nothing in the file"));
    };
    match &node.value {
        Value::Map { .. } => {}
        Value::Scalar { .. } if node.is_null() => {
            return Err(Problem::whole(ProblemKind::Empty, "there is nothing in the file"));
        }
        Value::Scalar { .. } => {
            return Err(Problem::at(ProblemKind::NotAMapping, node.at, "the file is one text"));
        }
        Value::List { .. } => {
            return Err(Problem::at(ProblemKind::NotAMapping, node.at, "the file is a list"));
        }
    }
    Ok(match rest {
        None => Body::Parsed(node),
        Some(rest) => Body::FrontMatter { meta: node, markdown: text[rest..].trim().to_owned() },
    })
}

/// Lines that a merge leaves behind, all three of them in their order.
fn conflict(text: &str) -> Option<Problem> {
    let mut first = None;
    let mut step = 0;
    for (number, line) in text.lines().enumerate() {
        let wanted = ["<<<<<<< ", "=======", ">>>>>>> "][step];
        if line.starts_with(wanted) {
            if step == 0 {
                first = Some(number);
            }
            step += 1;
            if step == 3 {
                break;
            }
        }
    }
    let line = u32::try_from(first.filter(|_| step == 3)? + 1).unwrap_or(u32::MAX);
    Some(Problem::at(
        ProblemKind::ConflictMarkers,
        At { line, column: 1, ..At::default() },
        "a merge was not finished",
    ))
}

fn end_of(text: &str) -> At {
    let line = memchr::memchr_iter(b'\n', text.as_bytes()).count();
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count());
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX - 1) + 1;
    At { line: small(line), column: small(column), ..At::default() }
}

/// Most problems of one kind that a file lists.
const MAX_DUPLICATES: usize = 20;

fn duplicates(root: &Node) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        if let Some(items) = node.items() {
            waiting.extend(items);
        }
        let Some(entries) = node.entries() else { continue };
        let mut seen = std::collections::HashMap::new();
        for entry in entries {
            waiting.push(&entry.value);
            let key = entry.key.key_text();
            if let Some(first) = seen.insert(key.clone(), entry.key.at.line) {
                let key = clip_bytes(&key, 60);
                let message = format!("the key `{key}` is also in line {first}; the last one is read");
                found.push(Problem::at(ProblemKind::DuplicateKey, entry.key.at, &message));
            }
        }
        if found.len() >= MAX_DUPLICATES {
            break;
        }
    }
    found.truncate(MAX_DUPLICATES);
    found.sort_by_key(|problem| problem.line);
    found
}

/// Longest value that is salvaged, in bytes.
const MAX_SALVAGE: usize = 200;

fn salvage(text: &str, before_line: Option<u32>) -> Salvage {
    let mut found = Salvage::default();
    let lines = before_line.map_or(usize::MAX, |line| line.saturating_sub(1) as usize).min(2000);
    for line in text.trim_start_matches('\u{feff}').lines().take(lines) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let slot = match key {
            "id" | "task_id" => &mut found.id,
            "title" => &mut found.title,
            "agent" => &mut found.agent,
            "status" => &mut found.status,
            "priority" => &mut found.priority,
            _ => continue,
        };
        if slot.is_none() {
            *slot = salvage_value(value);
        }
    }
    found
}

fn salvage_value(value: &str) -> Option<String> {
    let value = value.trim();
    // A value that is well formed by itself is read as YAML, so that quotes and comments go.
    let short = clip_bytes(value, MAX_SALVAGE);
    let text = match parse(&short, 0, short.len()) {
        Ok(Some(Node {
            value: Value::Scalar { text, style: Style::Plain | Style::Single | Style::Double },
            ..
        })) => text.to_string(),
        _ => short,
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty() && text != "|" && text != ">").then_some(text)
}
