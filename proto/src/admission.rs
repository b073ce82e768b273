//! What a runner and the hub say to each other before and while an operation runs, about places and money.
//!
//! Budget and rate limits travel with the submission, from the configuration the runner was started under; the
//! hub owns the sums, the places and the order. Both sides are JSON inside the control protocol.

use serde::{Deserialize, Serialize};

use crate::config::Budget;
use crate::event::{BudgetStatus, CostWarning, Reason};
use crate::ids::OperationId;
use crate::money::PicoUsd;
use crate::time::UnixMs;

/// A rate limit of the submission's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// `NAME` of a tool, `provider:NAME` or `model:NAME`.
    pub key: String,
    /// Starts in any 60 seconds.
    pub per_minute: Option<u32>,
    /// Starts in any hour.
    pub per_hour: Option<u32>,
    /// Tokens of attempts that ended in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
}

/// An operation that wants to start, or one that runs and tells a new daemon so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Operation.
    pub operation_id: OperationId,
    /// When it was submitted; decides the order among equals.
    pub submitted_at: UnixMs,
    /// From 1; a later attempt gives its place and reservation back first.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Model, when known.
    pub model: Option<String>,
    /// Provider, when known.
    pub provider: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// Project.
    pub project: Option<String>,
    /// Whose turns alternate among equals: the agent, the project, or nobody.
    pub fair_key: String,
    /// -100 to 100, higher first.
    pub priority: i32,
    /// A person holds it back.
    pub held: bool,
    /// Cost in the middling case; none without a price.
    pub estimate: Option<PicoUsd>,
    /// Cost to set aside; none without a price, which a hard budget refuses.
    pub reservation: Option<PicoUsd>,
    /// Limit of this operation.
    pub max_cost: Option<PicoUsd>,
    /// Budgets that apply.
    pub budgets: Vec<Budget>,
    /// Rate limits that apply.
    pub rates: Vec<RateLimit>,
    /// Reason given with `--force`: budgets are counted but do not refuse.
    pub force_reason: Option<String>,
    /// It runs already: a place and its reservation are taken whatever the limits say.
    pub running: bool,
    /// Spent so far, by earlier attempts too.
    pub spent: PicoUsd,
}

/// The hub's answer to a submission; for a queued one it comes again whenever something changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Admission {
    /// It may start.
    Admitted {
        /// What was set aside for it.
        reservation: Option<PicoUsd>,
        /// Budgets at or above their threshold.
        warnings: Vec<BudgetStatus>,
        /// A hard budget was passed for the reason given.
        overridden: Option<Box<Refusal>>,
    },
    /// It waits.
    Queued(Place),
    /// It may not start.
    Refused(Box<Refusal>),
}

/// A place in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// From 1.
    pub position: u32,
    /// `concurrency`, `rate_limit` or `held`.
    pub reason: String,
    /// The limit it waits for.
    pub limit: Option<String>,
    /// When it can start at the earliest.
    pub wait_until: Option<UnixMs>,
    /// A person holds it back.
    pub held: bool,
    /// Its priority.
    pub priority: i32,
}

/// Why a budget refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The budget, before this operation.
    pub budget: BudgetStatus,
    /// What would be set aside; none without a price.
    pub reservation: Option<PicoUsd>,
    /// What would be spent and reserved with it.
    pub would_be: Option<PicoUsd>,
}

/// What the hub decided beside answers, for its caller to carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer for an operation that was queued.
    Answer(OperationId, Admission),
    /// Stop an operation that its budgets no longer carry.
    Stop(OperationId, Box<Refusal>),
    /// Publish a warning.
    Warn(Box<CostWarning>),
}

/// A pair that is not used for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    /// Tool.
    pub tool: String,
    /// Model; none for the tool's default.
    pub model: Option<String>,
    /// Error class behind it.
    pub class: String,
    /// When it ends.
    pub until: UnixMs,
}

/// A rate window that is full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullWindow {
    /// As in `RateLimit::key`.
    pub key: String,
    /// Starts, or tokens, that were counted.
    pub count: u64,
    /// `minute`, `hour`, or `minute_tokens`.
    pub window: String,
    /// The limit.
    pub limit: u64,
    /// When there is room again.
    pub until: UnixMs,
}

/// What the hub is asked for before routing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FactsQuery {
    /// Budgets to look up.
    pub budgets: Vec<Budget>,
    /// Rate limits to look up.
    pub rates: Vec<RateLimit>,
    /// Values for budgets that count each by itself.
    pub project: Option<String>,
    /// The same.
    pub agent: Option<String>,
}

/// What the hub knows that routing decides on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SharedFacts {
    /// The budgets asked for. Those that count each model, tool or provider by itself come once for each seen.
    pub budgets: Vec<BudgetStatus>,
    /// Windows that are full now.
    pub full_windows: Vec<FullWindow>,
    /// Pairs that cool down.
    pub cooling: Vec<CoolDown>,
    /// Output tokens, cost and duration of comparable operations.
    pub history: Vec<History>,
}

/// Figures of ended operations of one agent, tool and model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// Agent; none for operations without one.
    pub agent: Option<String>,
    /// Tool.
    pub tool: String,
    /// Model.
    pub model: Option<String>,
    /// Operations behind the figures.
    pub count: u32,
    /// Median of output tokens.
    pub output_p50: u64,
    /// 90th percentile of output tokens.
    pub output_p90: u64,
}

/// One row of the queue, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Operation.
    pub operation_id: OperationId,
    /// Where it is.
    pub place: Place,
    /// Tool.
    pub tool: String,
    /// Model.
    pub model: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// When it was submitted.
    pub submitted_at: UnixMs,
}

impl Refusal {
    /// The reason for a candidate that was looked at.
    pub fn as_reason(&self) -> Reason {
        Reason { code: "over_budget".to_owned(), text: self.sentence(), until: self.budget.resets_at }
    }

    /// One sentence with every figure.
    pub fn sentence(&self) -> String {
        use crate::money::show_nano;
        let b = &self.budget;
        let (spent, limit) = (show_nano(b.spent_nano_usd), show_nano(b.limit_nano_usd));
        let reserved = self.reservation.map_or_else(|| "an unknown amount".to_owned(), |r| r.to_string());
        let would_be = self.would_be.map(|w| format!(" = {w}")).unwrap_or_default();
        let others = if b.reserved_nano_usd > 0 {
            format!(" + {} reserved for others", show_nano(b.reserved_nano_usd))
        } else {
            String::new()
        };
        format!(
            "{} would be passed: {spent} spent{others} + {reserved} reserved for this operation{would_be} of {limit} \
             (policy {}, {})",
            b.title(),
            b.policy,
            if b.kind == crate::config::LimitKind::Hard { "hard" } else { "soft" },
        )
    }
}

impl BudgetStatus {
    /// `daily budget`, `monthly budget of model gpt-5`, `budget of one operation`.
    pub fn title(&self) -> String {
        use crate::config::{BudgetPeriod, BudgetScope};
        let period = match self.period {
            BudgetPeriod::Operation => "operation budget",
            BudgetPeriod::Day => "daily budget",
            BudgetPeriod::Month => "monthly budget",
        };
        let scope = match self.scope {
            BudgetScope::All => return period.to_owned(),
            BudgetScope::Project => "project",
            BudgetScope::Model => "model",
            BudgetScope::Agent => "agent",
            BudgetScope::Tool => "tool",
            BudgetScope::Provider => "provider",
        };
        match &self.name {
            Some(name) => format!("{period} of {scope} {name}"),
            None => format!("{period} of each {scope}"),
        }
    }
}
