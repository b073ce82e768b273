//! What the board, the interfaces and the command line show of a task: a clipped card under 1 KiB.

use serde::{Deserialize, Serialize};

use super::problem::{ProblemKind, clip_bytes};
use super::status::{Lane, State};
use super::view::Task;
use crate::time::UnixMs;

/// Largest card as JSON, in bytes.
pub const MAX_CARD_BYTES: usize = 1024;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;
/// Longest preview, in characters.
const MAX_PREVIEW_CHARS: usize = 280;
/// Dependencies, tags and problems that a card names.
const MAX_NAMED: usize = 6;

/// A task on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Id.
    pub id: String,
    /// Title, clipped.
    pub title: String,
    /// The title is made from the file's name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub title_derived: bool,
    /// Agent, by the file or its directory.
    pub agent: Option<String>,
    /// Lane.
    pub lane: Lane,
    /// State, by lane and status.
    pub state: State,
    /// The status as written.
    pub status: Option<String>,
    /// The priority as written.
    pub priority: Option<String>,
    /// 4 critical to 1 low.
    pub priority_rank: u8,
    /// When it was written down.
    pub created: Option<UnixMs>,
    /// When it was started, for cards in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<UnixMs>,
    /// When the file was changed.
    pub modified: UnixMs,
    /// Version of the file.
    pub rev: String,
    /// Batch, as written.
    pub batch: Option<String>,
    /// Labels, the first six.
    pub tags: Vec<String>,
    /// Why it is blocked, when it is.
    pub blocked_reason: Option<String>,
    /// What it depends on, the first six: an id, or a remark. Whether the id exists is for the board to say.
    pub dependencies: Vec<String>,
    /// How many there are in all.
    #[serde(default)]
    pub dependencies_total: u32,
    /// The status does not fit the directory.
    pub drift: bool,
    /// Kinds of problems, each once.
    pub problems: Vec<ProblemKind>,
    /// Operations that worked on it; counted by who knows operations.
    pub operations: u32,
    /// What they cost; added by who knows costs.
    pub cost_nano_usd: Option<i64>,
    /// The beginning of the description; goes first when the card is too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Card {
    /// The card of a file; `duplicate` says that another live file has its id.
    pub fn of(task: Task<'_>, duplicate: bool) -> Self {
        let (state, drift) = task.state_and_drift();
        let title = task.title();
        let dependencies = task.dependencies();
        let mut problems: Vec<ProblemKind> = task.problems().iter().map(|problem| problem.kind).collect();
        if duplicate {
            problems.push(ProblemKind::DuplicateId);
        }
        problems.sort_unstable();
        problems.dedup();
        let named = dependencies.iter().take(MAX_NAMED);
        let mut card = Self {
            id: task.id().value.to_owned(),
            title: clip_chars(&title.value, MAX_TITLE_CHARS),
            title_derived: matches!(title.from, super::view::Origin::Name),
            agent: task.agent().map(|agent| clip_bytes(agent.value, 100)),
            lane: task.raw().lane,
            state,
            status: task.status().map(|text| clip_bytes(text, 40)),
            priority: task.priority().map(|text| clip_bytes(text, 40)),
            priority_rank: task.priority_rank(),
            created: task.created().map(|stamp| stamp.value.at),
            started: task.started().filter(|_| state == State::InProgress).map(|stamp| stamp.value.at),
            modified: UnixMs(i64::try_from(task.raw().stat.mtime_ns / 1_000_000).unwrap_or(0)),
            rev: task.raw().rev(),
            batch: task.batch().map(|text| clip_bytes(text, 60)),
            tags: task.tags().iter().take(MAX_NAMED).map(|tag| clip_bytes(tag, 40)).collect(),
            blocked_reason: task
                .blocked_reason()
                .filter(|_| state == State::Blocked)
                .map(|text| clip_bytes(text.trim(), 160)),
            dependencies: named.map(|d| clip_bytes(d.id.as_ref().unwrap_or(&d.text), 90)).collect(),
            dependencies_total: u32::try_from(dependencies.len()).unwrap_or(u32::MAX),
            drift,
            problems,
            operations: 0,
            cost_nano_usd: None,
            preview: task.preview().map(|text| clip_chars(&text, MAX_PREVIEW_CHARS)),
        };
        card.shrink();
        card
    }

    /// Bytes of the card as JSON.
    fn json_len(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// Takes away what is least missed until the card fits; an id of 200 bytes with the rest empty always does.
    fn shrink(&mut self) {
        // 24 bytes stay free for the cost that is added later.
        let limit = MAX_CARD_BYTES - 24;
        for step in 0..14 {
            let excess = self.json_len().saturating_sub(limit);
            if excess == 0 {
                return;
            }
            match step {
                0 => self.preview = self.preview.take().and_then(|text| shorter(&text, excess)),
                1 => self.preview = None,
                2 => self.dependencies.truncate(3),
                3 => self.tags.truncate(2),
                4 => self.blocked_reason = self.blocked_reason.take().map(|text| clip_bytes(&text, 60)),
                5 => self.dependencies.truncate(1),
                6 => self.title = clip_bytes(&self.title, 120),
                7 => self.tags.clear(),
                8 => self.dependencies.clear(),
                9 => self.batch = self.batch.take().map(|text| clip_bytes(&text, 20)),
                10 => self.title = clip_bytes(&self.title, 40),
                11 => (self.blocked_reason, self.batch) = (None, None),
                12 => self.agent = self.agent.take().map(|text| clip_bytes(&text, 40)),
                _ => {
                    self.status = self.status.take().map(|text| clip_bytes(&text, 16));
                    self.priority = self.priority.take().map(|text| clip_bytes(&text, 16));
                }
            }
        }
    }
}

/// A text without its last `excess` bytes as JSON counts them; nothing when little would be left.
fn shorter(text: &str, excess: usize) -> Option<String> {
    // Escapes make a byte up to six; cutting as many bytes as there are too many, and some, is enough in most cases.
    let keep = text.len().saturating_sub(excess + 8);
    (keep >= 40).then(|| clip_bytes(text, keep))
}

/// Cuts a text at a number of characters, with `…` where something was cut; line ends become spaces.
pub(super) fn clip_chars(text: &str, max: usize) -> String {
    let mut out: String =
        text.trim().chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(max).is_some() {
        out.pop();
        out.push('…');
    }
    out
}
