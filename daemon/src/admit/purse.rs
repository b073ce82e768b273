//! What operations that have not ended hold of the budgets: set aside, or spent and not yet recorded.
//!
//! A purse belongs to one operation; `Held` keeps the sums of all purses by everything a budget can count, so that
//! a check never looks at every operation. Both live only as long as the operations do.

use std::collections::HashMap;

use llmctl_proto::admission::Submission;
use llmctl_proto::config::BudgetScope;

/// The money of one operation, in pico-dollars, none of it negative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Purse {
    /// Set aside.
    pub(super) reserved: i64,
    /// Spent and not in the ledger yet.
    pub(super) live: i64,
    /// In the ledger, all attempts.
    pub(super) recorded: i64,
    /// What was first set aside; a share of it is the step of an extension.
    pub(super) original: i64,
    /// It was told to stop.
    pub(super) stopping: bool,
}

impl Purse {
    /// What it holds of every budget that counts it.
    pub(super) fn held(&self) -> i64 {
        self.reserved.max(self.live)
    }

    /// What it has spent, recorded or not.
    pub(super) fn spent(&self) -> i64 {
        self.recorded.saturating_add(self.live)
    }
}

/// Sums over purses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Set aside, live spend included.
    pub(super) held: i128,
    /// The live spend in it.
    pub(super) live: i128,
}

/// What is held of everything, and by each value of each scope.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: Share,
    by: [HashMap<String, Share>; SCOPES.len()],
}

/// Scopes with values.
pub(super) const SCOPES: [BudgetScope; 5] =
    [BudgetScope::Project, BudgetScope::Model, BudgetScope::Agent, BudgetScope::Tool, BudgetScope::Provider];

/// Where a scope stands in `SCOPES`; none for the scope of everything.
pub(super) fn slot(scope: BudgetScope) -> Option<usize> {
    match scope {
        BudgetScope::All => None,
        BudgetScope::Project => Some(0),
        BudgetScope::Model => Some(1),
        BudgetScope::Agent => Some(2),
        BudgetScope::Tool => Some(3),
        BudgetScope::Provider => Some(4),
    }
}

/// What an operation counts as in a scope; the empty text in the scope of everything.
pub(super) fn value_of(submission: &Submission, scope: BudgetScope) -> Option<&str> {
    match scope {
        BudgetScope::All => Some(""),
        BudgetScope::Project => submission.project.as_deref(),
        BudgetScope::Model => submission.model.as_deref(),
        BudgetScope::Agent => submission.agent.as_deref(),
        BudgetScope::Tool => Some(submission.tool.as_str()),
        BudgetScope::Provider => submission.provider.as_deref(),
    }
}

impl Share {
    fn shift(&mut self, held: i128, live: i128) {
        self.held += held;
        self.live += live;
    }
}

impl Held {
    /// Notes that an operation's purse changed.
    pub(super) fn change(&mut self, submission: &Submission, before: &Purse, after: &Purse) {
        let held = i128::from(after.held()) - i128::from(before.held());
        let live = i128::from(after.live) - i128::from(before.live);
        if held == 0 && live == 0 {
            return;
        }
        self.all.shift(held, live);
        for (scope, values) in SCOPES.into_iter().zip(&mut self.by) {
            let Some(value) = value_of(submission, scope) else { continue };
            if let Some(share) = values.get_mut(value) {
                share.shift(held, live);
                if *share == Share::default() {
                    values.remove(value);
                }
            } else {
                values.insert(value.to_owned(), Share { held, live });
            }
        }
    }

    /// What is held by a value; the value is ignored for everything.
    pub(super) fn of(&self, scope: BudgetScope, value: &str) -> Share {
        slot(scope).map_or(self.all, |slot| self.by[slot].get(value).copied().unwrap_or_default())
    }

    /// Values that hold something.
    pub(super) fn values(&self, scope: BudgetScope) -> impl Iterator<Item = &str> {
        slot(scope).into_iter().flat_map(|slot| self.by[slot].keys().map(String::as_str))
    }
}
