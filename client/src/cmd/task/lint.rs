//! `llmctl task lint`: everything that is wrong, with place and remedy. Changes nothing.

use std::fmt::Write as _;

use llmctl_proto::task::{Problem, ProblemKind};
use serde::Serialize;

use super::place::Place;
use super::{print_json, print_safe};
use crate::error::{CliError, Exit, Outcome};
use crate::term::one_line;

#[derive(Debug, Serialize)]
struct Finding {
    path: String,
    #[serde(flatten)]
    problem: Problem,
    fatal: bool,
    remedy: &'static str,
}

/// Ends with 1 when a file cannot be read or two have one id; the rest are remarks.
pub(super) fn run(place: &mut Place, kinds: &[String], id: Option<&str>, json: bool) -> Outcome {
    let known = |name: &&String| !ProblemKind::ALL.iter().any(|kind| kind.as_str() == name.as_str());
    if let Some(name) = kinds.iter().find(known) {
        let names = ProblemKind::ALL.map(ProblemKind::as_str).join(", ");
        return Err(
            CliError::usage(format!("{name:?} is no kind of problem")).hint(format!("use one of {names}"))
        );
    }
    let only = id.map(|id| place.load(id).map(|loaded| loaded.raw.path.clone())).transpose()?;
    let scan = place.scan()?;
    let found: Vec<Finding> = scan
        .board
        .lint()
        .into_iter()
        .chain(scan.skipped.iter().cloned())
        .filter(|(path, _)| only.as_ref().is_none_or(|only| only == path))
        .filter(|(_, problem)| kinds.is_empty() || kinds.iter().any(|kind| kind == problem.kind.as_str()))
        .map(|(path, problem)| Finding {
            path,
            fatal: problem.kind.is_fatal() || problem.kind == ProblemKind::DuplicateId,
            remedy: problem.kind.remedy(),
            problem,
        })
        .collect();
    if json {
        print_json(&found)?;
    } else {
        print_safe(&text(&found, scan.board.len()))?;
    }
    Ok(if found.iter().any(|finding| finding.fatal) { Exit::Failed } else { Exit::Ok })
}

fn text(found: &[Finding], files: usize) -> String {
    let mut text = String::new();
    let mut counts: std::collections::BTreeMap<ProblemKind, usize> = std::collections::BTreeMap::new();
    for finding in found {
        let problem = &finding.problem;
        *counts.entry(problem.kind).or_default() += 1;
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        let word = if finding.fatal { "error" } else { "warning" };
        let _ = write!(
            text,
            "{}{place}: {word}[{}]: {}\n    {}\n",
            one_line(&finding.path, 300),
            problem.kind,
            one_line(&problem.message, 240),
            finding.remedy
        );
    }
    let list: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let sums = if list.is_empty() { "nothing found".to_owned() } else { list.join(", ") };
    let _ = writeln!(text, "{files} task files: {sums}");
    text
}
