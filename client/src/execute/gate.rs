//! What a person is asked before money is spent: soft budgets that are nearly used, and the reason for a dear
//! operation. What to say is decided purely; asking is apart.

use std::io::{IsTerminal as _, Write as _};

use llmctl_proto::config::LimitKind;
use llmctl_proto::event::BudgetStatus;
use llmctl_proto::money::{PicoUsd, show_nano};

use super::signals::{Heard, Signals};

/// A warning of a budget before the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    /// One line.
    pub(super) text: String,
    /// A person at a terminal is asked.
    pub(super) ask: bool,
}

/// Budgets that are at their threshold, or would pass their limit with this operation.
pub(super) fn warnings(budgets: &[BudgetStatus], reservation: Option<PicoUsd>) -> Vec<Warning> {
    budgets
        .iter()
        .filter_map(|budget| {
            let used = i128::from(budget.spent_nano_usd) + i128::from(budget.reserved_nano_usd);
            let with_it = used + i128::from(reservation.map_or(0, PicoUsd::nano));
            let limit = i128::from(budget.limit_nano_usd);
            let at_threshold = used * 100 >= limit * i128::from(budget.threshold_percent);
            // A hard budget that does not carry it refuses by itself.
            let passes = with_it > limit && budget.kind == LimitKind::Soft;
            (at_threshold || passes)
                .then(|| Warning { text: sentence(budget, used), ask: budget.kind == LimitKind::Soft })
        })
        .collect()
}

fn sentence(budget: &BudgetStatus, used: i128) -> String {
    let used = i64::try_from(used).unwrap_or(i64::MAX);
    format!(
        "{} at {} % ({} of {}, policy {})",
        budget.title(),
        budget.used_percent,
        show_nano(used),
        show_nano(budget.limit_nano_usd),
        budget.policy
    )
}

/// Whether there is somebody to ask.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A line, trimmed; empty at the end of input.
    Line(String),
    /// A signal came first.
    Signal(i32),
}

/// Asks on the terminal.
pub(super) async fn ask(question: &str, signals: &mut Signals) -> Reply {
    {
        let mut err = std::io::stderr();
        let _ = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    }
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        line
    });
    tokio::pin!(line);
    loop {
        tokio::select! {
            line = &mut line => return Reply::Line(line.unwrap_or_default().trim().to_owned()),
            heard = signals.next() => if let Heard::Stop(number) = heard {
                return Reply::Signal(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use llmctl_proto::config::{BudgetPeriod, BudgetScope};

    use super::*;

    fn budget(kind: LimitKind, spent_nano: i64) -> BudgetStatus {
        BudgetStatus {
            scope: BudgetScope::All,
            name: None,
            period: BudgetPeriod::Day,
            kind,
            limit_nano_usd: 10_000_000_000,
            spent_nano_usd: spent_nano,
            reserved_nano_usd: 0,
            used_percent: u32::try_from(spent_nano / 100_000_000).unwrap_or(0),
            threshold_percent: 80,
            policy: "default".into(),
            timezone: "UTC".into(),
            setting: String::new(),
            resets_at: None,
        }
    }

    fn dollars(text: &str) -> Option<PicoUsd> {
        PicoUsd::parse(text).ok()
    }

    #[test]
    fn a_soft_budget_asks_from_its_threshold_on_or_when_it_would_be_passed() {
        let said = warnings(&[budget(LimitKind::Soft, 8_100_000_000)], dollars("0.50"));
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].text, "daily budget at 81 % ($8.10 of $10.00, policy default)");
        assert!(said[0].ask);
        assert!(warnings(&[budget(LimitKind::Soft, 7_900_000_000)], dollars("0.50")).is_empty());
        assert_eq!(warnings(&[budget(LimitKind::Soft, 7_900_000_000)], dollars("2.11")).len(), 1);
    }

    #[test]
    fn a_hard_budget_warns_and_asks_nobody() {
        let said = warnings(&[budget(LimitKind::Hard, 9_800_000_000)], dollars("0.50"));
        assert!(!said[0].ask);
        assert!(warnings(&[budget(LimitKind::Hard, 100)], dollars("50")).is_empty());
    }
}
