//! Status words, lanes, states, and which of them goes before which: the directory wins, the status refines.

use serde::{Deserialize, Serialize};

/// A top directory of the tree, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Nobody has it.
    Inbox,
    /// An agent has it.
    Assigned,
    /// Finished.
    Done,
    /// Finished long ago; not on the board.
    Archive,
    /// Frozen; not on the board.
    Fridge,
}

impl Lane {
    /// The lanes of the board.
    pub const BOARD: [Self; 3] = [Self::Inbox, Self::Assigned, Self::Done];
    /// All lanes.
    pub const ALL: [Self; 5] = [Self::Inbox, Self::Assigned, Self::Done, Self::Archive, Self::Fridge];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Assigned => "assigned",
            Self::Done => "done",
            Self::Archive => "archive",
            Self::Fridge => "fridge",
        }
    }

    /// Cards of this lane are on the board.
    pub fn on_board(self) -> bool {
        matches!(self, Self::Inbox | Self::Assigned | Self::Done)
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has it.
    New,
    /// Waits at its agent.
    Assigned,
    /// Is worked on.
    InProgress,
    /// Cannot go on.
    Blocked,
    /// Finished.
    Done,
    /// Failed.
    Error,
    /// Given up.
    Cancelled,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Assigned,
        Self::InProgress,
        Self::Blocked,
        Self::Done,
        Self::Error,
        Self::Cancelled,
    ];

    /// The word we write, and the name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Assigned => "assigned",
            Self::InProgress => "in_progress",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a status word stands for; case, `-` and `_` do not matter.
    pub fn from_alias(word: &str) -> Option<Self> {
        let plain: String = word.trim().chars().filter(|c| !matches!(c, '-' | '_')).collect();
        Some(match plain.to_ascii_lowercase().as_str() {
            "new" | "inbox" | "pending" | "todo" | "open" => Self::New,
            "assigned" => Self::Assigned,
            "inprogress" | "active" | "started" | "working" => Self::InProgress,
            "blocked" | "waiting" | "onhold" => Self::Blocked,
            "done" | "complete" | "completed" | "finished" | "closed" => Self::Done,
            "error" | "failed" | "failure" => Self::Error,
            "cancelled" | "canceled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// The state of a file in a lane whose status means `status`, and whether the two disagree.
    pub fn in_lane(lane: Lane, status: Option<Self>) -> (Self, bool) {
        match (lane, status) {
            (Lane::Inbox, status) => (Self::New, status != Some(Self::New)),
            (Lane::Assigned, Some(s @ (Self::Assigned | Self::InProgress | Self::Blocked | Self::Error)))
            | (Lane::Done, Some(s @ (Self::Done | Self::Cancelled | Self::Error))) => (s, false),
            (Lane::Assigned, _) => (Self::Assigned, true),
            (Lane::Done, _) => (Self::Done, true),
            // Freezing and archiving keep the state, so any word is right there.
            (Lane::Archive, status) => (status.unwrap_or(Self::Done), false),
            (Lane::Fridge, status) => (status.unwrap_or(Self::New), false),
        }
    }

    /// Nothing more is to be done.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Error | Self::Cancelled)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Rank of an absent or unknown priority, which is that of `medium`.
pub const DEFAULT_RANK: u8 = 2;

/// Rank of a priority word, 4 the highest; none for words outside the list.
pub fn priority_rank(word: &str) -> Option<u8> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" => 4,
        "high" => 3,
        "medium" | "normal" => 2,
        "low" => 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_states() {
        for (words, state) in [
            (&["new", "inbox", "pending", "TODO", "open"][..], State::New),
            (&["assigned", "Assigned"], State::Assigned),
            (
                &["in_progress", "in-progress", "InProgress", "active", "started", "working"],
                State::InProgress,
            ),
            (&["blocked", "waiting", "on_hold", "on-hold"], State::Blocked),
            (&["done", "COMPLETE", "completed", "finished", "closed"], State::Done),
            (&["error", "failed", "failure"], State::Error),
            (&["cancelled", "canceled"], State::Cancelled),
        ] {
            for word in words {
                assert_eq!(State::from_alias(word), Some(state), "{word}");
            }
        }
        for word in ["", "review", "in progress", "x"] {
            assert_eq!(State::from_alias(word), None, "{word}");
        }
    }

    #[test]
    fn the_directory_wins() {
        use State::{Assigned, Blocked, Cancelled, Done, Error, InProgress, New};
        let mut table = Vec::new();
        for lane in Lane::BOARD {
            for status in State::ALL.map(Some).into_iter().chain([None]) {
                let (state, drift) = State::in_lane(lane, status);
                table.push((lane, status, state, drift));
            }
        }
        for (lane, status, state, drift) in table {
            let want = match (lane, status) {
                (Lane::Inbox, s) => (New, s != Some(New)),
                (Lane::Assigned, Some(s)) if [Assigned, InProgress, Blocked, Error].contains(&s) => {
                    (s, false)
                }
                (Lane::Assigned, _) => (Assigned, true),
                (_, Some(s)) if [Done, Cancelled, Error].contains(&s) => (s, false),
                _ => (Done, true),
            };
            assert_eq!((state, drift), want, "{lane} {status:?}");
        }
    }

    #[test]
    fn priorities_rank_without_case() {
        assert_eq!(
            ["CRITICAL", "High", "medium", "normal", "LOW"].map(priority_rank),
            [4, 3, 2, 2, 1].map(Some)
        );
        assert_eq!(priority_rank("medium-high"), None);
    }
}
