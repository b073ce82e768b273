//! A decision on paper: the table of a preview, the words of a refusal. Decides nothing.
//!
//! The same printing serves `llmctl route`, `execute --dry-run` and `route why`, so that they never differ.

use std::fmt::Write as _;

use llmctl_proto::event::{BudgetStatus, Candidate, Estimate, Reason, RoutingDecision, Selected, Verdict};
use llmctl_proto::money::show_nano;
use serde_json::json;

use super::decision::{Decision, RouteError};
use super::reasons::name;
use crate::error::{CliError, Exit, Outcome};
use crate::term::{Table, one_line, tokens};

/// Longest reason text in a table.
const WHY: usize = 200;

/// A decision as it is printed: just made, or recorded.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// The choice.
    pub selected: Option<&'a Selected>,
    /// Every candidate.
    pub candidates: &'a [Candidate],
    /// Candidates beyond those listed.
    pub omitted: u32,
    /// Tokens.
    pub estimate: Estimate,
    /// Policy, when known.
    pub policy: Option<&'a str>,
    /// Budgets that were looked at.
    pub budgets: &'a [BudgetStatus],
}

impl<'a> From<&'a Decision> for Sheet<'a> {
    fn from(decision: &'a Decision) -> Self {
        Self {
            selected: decision.choice.as_ref(),
            candidates: &decision.candidates,
            omitted: 0,
            estimate: decision.estimate,
            policy: Some(&decision.policy),
            budgets: &decision.budgets,
        }
    }
}

impl<'a> From<&'a RoutingDecision> for Sheet<'a> {
    fn from(decision: &'a RoutingDecision) -> Self {
        Self {
            selected: decision.selected.as_ref(),
            candidates: &decision.candidates,
            omitted: decision.omitted,
            estimate: decision.estimate,
            policy: decision.policy.as_deref(),
            budgets: &decision.budgets,
        }
    }
}

/// Prints a decision to standard output and gives the exit code: 0 with a candidate, 6 without.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(decision: &Decision, decided_us: u64, as_json: bool) -> Outcome {
    let exit = if decision.selected.is_some() { Exit::Ok } else { Exit::Refused };
    let text = if as_json {
        let value = json!({
            "requested": decision.requested,
            "selected": decision.choice,
            "notice": decision.notice,
            "warnings": decision.warnings,
            "candidates": decision.candidates,
            "order": decision.order,
            "omitted": 0,
            "estimate": decision.estimate,
            "policy": decision.policy,
            "budgets": decision.budgets,
            "decided_us": decided_us,
        });
        format!("{value:#}\n")
    } else {
        let mut text = self::text(&Sheet::from(decision));
        for warning in &decision.warnings {
            let _ = writeln!(text, "warning   {}", one_line(warning, WHY));
        }
        text
    };
    crate::cmd::print(&text)?;
    Ok(exit)
}

/// A decision as text.
pub fn text(sheet: &Sheet<'_>) -> String {
    let mut text = head(sheet);
    let e = sheet.estimate;
    let output = if e.output_tokens == e.output_tokens_upper {
        tokens(e.output_tokens)
    } else {
        format!("{} to {}", tokens(e.output_tokens), tokens(e.output_tokens_upper))
    };
    let policy = sheet.policy.map(|policy| format!(", policy {}", one_line(policy, 40))).unwrap_or_default();
    let _ =
        write!(text, "  input   {} tokens (estimated), output {output}{policy}\n\n", tokens(e.input_tokens));
    text.push_str(&table(sheet.candidates));
    if sheet.omitted > 0 {
        let _ = writeln!(text, "  and {} more", sheet.omitted);
    }
    if !sheet.budgets.is_empty() {
        let budgets: Vec<String> = sheet.budgets.iter().map(budget).collect();
        let _ = write!(text, "\nbudget    {}\n", budgets.join("    "));
    }
    text
}

/// The first line: the choice, its cost and why.
fn head(sheet: &Sheet<'_>) -> String {
    let Some(selected) = sheet.selected else { return "selected  nobody: no candidate is left\n".to_owned() };
    let pair = name(&selected.tool, selected.model.as_deref());
    let candidate = sheet.candidates.iter().find(|c| c.verdict == Verdict::Selected);
    let estimate = candidate.and_then(|c| c.estimate_nano_usd);
    let cost = match (estimate, candidate.and_then(|c| c.reservation_nano_usd)) {
        (Some(0), Some(0)) => "free".to_owned(),
        (Some(about), Some(most)) => format!("about {}, at most {}", cents(about), cents(most)),
        _ => "cost unknown".to_owned(),
    };
    format!("selected  {}     {cost}   {}\n", one_line(&pair, 80), one_line(&selected.reason, WHY))
}

fn table(candidates: &[Candidate]) -> String {
    let mut table = Table::new(&["  candidate", "verdict", "score", "why"]);
    for candidate in candidates {
        let verdict = match candidate.verdict {
            Verdict::Selected => "selected",
            Verdict::Standby => "standby",
            Verdict::Rejected => "rejected",
        };
        let pair = name(&candidate.tool, candidate.model.as_deref());
        let score = candidate.score.map_or_else(|| "-".to_owned(), |score| score.to_string());
        let rejected = candidate.verdict == Verdict::Rejected;
        let why: Vec<String> = candidate.reasons.iter().map(|reason| why(reason, rejected)).collect();
        table.row(vec![
            format!("  {}", one_line(&pair, 60)),
            verdict.to_owned(),
            format!("{score:>5}"),
            one_line(&why.join("; "), WHY),
        ]);
    }
    table.render()
}

fn why(reason: &Reason, rejected: bool) -> String {
    let until = reason.until.map(|until| format!(" until {until}")).unwrap_or_default();
    if rejected {
        format!("{}: {}{until}", reason.code, reason.text)
    } else {
        format!("{}{until}", reason.text)
    }
}

/// `day $8.10 of $10.00 (81 %, soft): you will be asked`.
fn budget(status: &BudgetStatus) -> String {
    use llmctl_proto::config::{BudgetPeriod, BudgetScope, LimitKind};
    let period = match status.period {
        BudgetPeriod::Operation => "operation",
        BudgetPeriod::Day => "day",
        BudgetPeriod::Month => "month",
    };
    let whose = match (&status.name, status.scope) {
        (_, BudgetScope::All) | (None, _) => String::new(),
        (Some(name), _) => format!(" of {}", one_line(name, 60)),
    };
    let used = status.spent_nano_usd.saturating_add(status.reserved_nano_usd);
    let figures = format!("{period}{whose} {} of {}", cents(used), cents(status.limit_nano_usd));
    if status.used_percent < u32::from(status.threshold_percent) {
        return figures;
    }
    let (kind, then) = match status.kind {
        LimitKind::Soft => ("soft", "you will be asked"),
        LimitKind::Hard if status.used_percent >= 100 => ("hard", "refused"),
        LimitKind::Hard => ("hard", "you will be warned"),
    };
    format!("{figures} ({} %, {kind}): {then}", status.used_percent)
}

/// Money in a preview: cents where there are some, since an estimate is no more exact.
fn cents(nano: i64) -> String {
    const CENT: i64 = 10_000_000;
    if nano < CENT {
        return show_nano(nano);
    }
    let cents = (nano + CENT / 2) / CENT;
    format!("${}.{:02}", cents / 100, cents % 100)
}

/// The error of a name that is not known.
pub fn unknown(error: &RouteError) -> CliError {
    let cli = CliError::usage(error.to_string());
    match error {
        RouteError::Unknown(unknown) if unknown.what == "model" => {
            cli.hint("any other model goes with --tool NAME --model MODEL")
        }
        RouteError::Unknown(_) => cli,
        RouteError::BrokenAgent { .. } => cli.hint("`llmctl config validate` lists every mistake"),
    }
}

/// The error when nobody can take an operation: a line for each candidate, and what to do.
pub fn no_candidate(decision: &Decision) -> CliError {
    let mut message = match &decision.requested.agent {
        Some(agent) => format!("no candidate left for agent {agent}"),
        None => "no candidate can take this operation".to_owned(),
    };
    for candidate in &decision.candidates {
        let pair = name(&candidate.tool, candidate.model.as_deref());
        let why: Vec<String> = candidate.reasons.iter().map(|reason| why(reason, true)).collect();
        let _ = write!(message, "\n  {}  {}", one_line(&pair, 60), one_line(&why.join("; "), WHY));
    }
    let mut error = CliError::new(Exit::Refused, message);
    let gone = |c: &&Candidate| c.reasons.iter().any(|reason| reason.code == "not_installed");
    let mut missing: Vec<&str> = decision.candidates.iter().filter(gone).map(|c| c.tool.as_str()).collect();
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        let tools = missing.join(" or ");
        error = error
            .hint(format!("install {tools}, or set its path: tools.NAME.binary_path in the configuration"));
    }
    if decision.requested.tool.is_some() || decision.requested.model.as_deref().is_some_and(|m| m != "auto") {
        error = error.hint("with `--model auto` the first that can is taken");
    }
    error
}
