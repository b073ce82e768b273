//! Payloads of `cost.*` and `budget.*`.

use serde::{Deserialize, Serialize};

use crate::config::{BudgetPeriod, BudgetScope, LimitKind};
use crate::ids::OperationId;
use crate::ledger::{Drift, LedgerRow};
use crate::time::UnixMs;

/// A budget and how far it is used. Amounts are nano-dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// What it counts.
    pub scope: BudgetScope,
    /// Which one.
    pub name: Option<String>,
    /// For how long.
    pub period: BudgetPeriod,
    /// What happens at the limit.
    #[serde(rename = "type")]
    pub kind: LimitKind,
    /// The limit.
    pub limit_nano_usd: i64,
    /// Recorded spend of the period.
    pub spent_nano_usd: i64,
    /// Set aside for operations that have not ended, their live spend included.
    pub reserved_nano_usd: i64,
    /// Spent and reserved, in percent of the limit, rounded down; 100 for a limit of zero.
    pub used_percent: u32,
    /// Where warnings begin.
    pub threshold_percent: u8,
    /// Policy it belongs to.
    pub policy: String,
    /// Zone in which its period begins.
    #[serde(default)]
    pub timezone: String,
    /// Key path and place of the setting.
    #[serde(default)]
    pub setting: String,
    /// When the period ends; none for one operation.
    pub resets_at: Option<UnixMs>,
}

/// `cost.recorded`: what one attempt used and cost, with all that is needed to explain it. The ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostRecorded {
    /// Operation.
    pub operation_id: OperationId,
    /// From 1.
    pub attempt: u32,
    /// Tool.
    pub tool: String,
    /// Provider, when known.
    pub provider: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// Project.
    pub project: Option<String>,
    /// Task type.
    pub task_type: Option<String>,
    /// Task file.
    pub task_id: Option<String>,
    /// Policy.
    pub policy: Option<String>,
    /// When the attempt began; the moment that decides which price applies.
    pub started_at: UnixMs,
    /// When the attempt ended and this was recorded; the moment that decides its day.
    pub recorded_at: UnixMs,
    /// One for each model, at most `ledger::MAX_ROWS`.
    pub rows: Vec<LedgerRow>,
    /// The rows' sum, rounded once; none when a row's cost is unknown.
    pub cost_nano_usd: Option<i64>,
    /// Our figure and the tool's disagree.
    pub drift: Option<Drift>,
}

/// `cost.update`: the sums have moved; at most one a second.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CostUpdate {
    /// Recorded today, by the zone of the default policy.
    pub today_nano_usd: i64,
    /// Recorded this month.
    pub month_nano_usd: i64,
    /// Recorded ever.
    pub total_nano_usd: i64,
    /// Set aside for operations that have not ended.
    pub reserved_nano_usd: i64,
    /// Live spend of operations that have not ended; part of what is set aside.
    pub live_nano_usd: i64,
    /// Zone of the day.
    pub timezone: String,
    /// Budgets that moved.
    pub budgets: Vec<BudgetStatus>,
}

/// How serious a warning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningLevel {
    /// The threshold is passed.
    Threshold,
    /// The limit is passed.
    Limit,
}

/// `cost.warning`: once for each budget, level and period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostWarning {
    /// The budget.
    #[serde(flatten)]
    pub budget: BudgetStatus,
    /// How serious.
    pub level: WarningLevel,
    /// The operation that passed it.
    pub caused_by: Option<OperationId>,
}

/// `budget.changed`: the cost limit of one operation is another from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetChanged {
    /// Operation.
    pub operation_id: OperationId,
    /// The limit; none when there is none any more.
    pub max_cost_nano_usd: Option<i64>,
}

/// What a budget did to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetAction {
    /// It was not started.
    Refuse,
    /// It was stopped, partial result kept.
    Stop,
    /// It ran all the same, for a recorded reason.
    Override,
}

/// `budget.refused`: a budget refused, stopped or was overridden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRefused {
    /// Operation.
    pub operation_id: OperationId,
    /// The budget; none when a reason was wanted and not given.
    pub budget: Option<BudgetStatus>,
    /// Cost in the middling case.
    pub estimate_nano_usd: Option<i64>,
    /// Cost that would have been set aside.
    pub reservation_nano_usd: Option<i64>,
    /// What would be spent and reserved with it.
    pub would_be_nano_usd: Option<i64>,
    /// What was done.
    pub action: BudgetAction,
    /// The reason given with `--force`.
    pub overridden_reason: Option<String>,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}
