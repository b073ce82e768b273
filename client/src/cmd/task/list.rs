//! `llmctl task list` and `llmctl task next`.

use std::fmt::Write as _;

use llmctl_proto::task::files::Scan;
use llmctl_proto::task::{Body, Lane, Problem, RawTask, State, Task, by_urgency};
use llmctl_proto::time::UnixMs;
use serde::Serialize;

use super::place::{Place, Row, failed, row};
use super::{print_json, print_safe};
use crate::cli::task::{List, ListFormat};
use crate::error::{CliError, Exit, Outcome};
use crate::term::{Table, ago, one_line};

/// A line of the list: a card, and the problem of a file that cannot be read.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

pub(super) fn run(place: &mut Place, args: &List) -> Outcome {
    let wanted = Wanted::new(args)?;
    let scan = place.scan()?;
    let mut files: Vec<std::sync::Arc<RawTask>> = scan.board.iter().map(|(_, raw)| raw.clone()).collect();
    if wanted.aside {
        for path in &scan.aside {
            files.push(place.tree.load(path).map_err(failed)?.raw);
        }
    }
    files.retain(|raw| wanted.takes(place, args, &scan, raw));
    files.sort_by(|a, b| by_urgency(Task::new(a), Task::new(b)));
    let lines: Vec<Line> = files.iter().map(|raw| line(&scan, raw)).collect();
    if args.json || args.format == ListFormat::Json {
        print_json(&lines)?;
    } else {
        print_safe(&table(&lines))?;
    }
    Ok(Exit::Ok)
}

fn line(scan: &Scan, raw: &std::sync::Arc<RawTask>) -> Line {
    let problem = match &raw.body {
        Body::Unreadable { problem, .. } => Some(problem.clone()),
        _ => None,
    };
    Line { row: row(scan, raw), problem }
}

struct Wanted {
    state: Option<State>,
    lane: Option<Lane>,
    /// Archive and fridge are read.
    aside: bool,
}

impl Wanted {
    fn new(args: &List) -> Result<Self, CliError> {
        let state = args.status.as_deref().map(|word| {
            State::from_alias(word).ok_or_else(|| {
                let names = State::ALL.map(State::as_str).join(", ");
                CliError::usage(format!("{word:?} is no status")).hint(format!("use one of {names}"))
            })
        });
        let lane = args.lane.as_deref().map(|name| {
            Lane::ALL.into_iter().find(|lane| lane.as_str() == name).ok_or_else(|| {
                let names = Lane::ALL.map(Lane::as_str).join(", ");
                CliError::usage(format!("{name:?} is no lane")).hint(format!("use one of {names}"))
            })
        });
        let (state, lane) = (state.transpose()?, lane.transpose()?);
        Ok(Self { state, lane, aside: args.all || lane.is_some_and(|lane| !lane.on_board()) })
    }

    fn takes(&self, place: &Place, args: &List, scan: &Scan, raw: &RawTask) -> bool {
        let task = Task::new(raw);
        let (state, drift) = task.state_and_drift();
        // Without a question about states or lanes, a list is of what is still to be done.
        let open = args.all
            || self.state.is_some()
            || self.lane.is_some()
            || args.drift
            || args.problems
            || !matches!(state, State::Done | State::Cancelled);
        let agent = |wanted: &str| {
            let names = [raw.agent_dir.as_deref(), task.agent().map(|agent| agent.value)];
            names.into_iter().flatten().any(|name| name == wanted || place.settings.agent(name) == wanted)
        };
        open && self.state.is_none_or(|wanted| state == wanted)
            && self.lane.is_none_or(|wanted| raw.lane == wanted)
            && args.agent.as_deref().is_none_or(agent)
            && args.priority.as_deref().is_none_or(|wanted| {
                task.priority().is_some_and(|priority| priority.eq_ignore_ascii_case(wanted))
            })
            && (!args.drift || drift)
            && (!args.problems || !scan.board.card_problems(raw).is_empty())
    }
}

fn table(lines: &[Line]) -> String {
    let mut table = Table::new(&["ID", "STATE", "PRIORITY", "AGENT", "AGE", "TITLE", ""]);
    let now = UnixMs::now();
    for line in lines {
        let card = &line.row.card;
        let mut marks = Vec::new();
        if card.drift {
            marks.push(format!("drift: status {}", card.status.as_deref().unwrap_or("absent")));
        }
        if let Some(problem) = &line.problem {
            let place = problem.line.map_or_else(String::new, |line| format!(" in line {line}"));
            marks.push(format!("{}{place}", problem.kind));
        }
        let state = match (&line.problem, card.lane.on_board()) {
            (Some(_), _) => "unreadable".to_owned(),
            (None, true) => card.state.to_string(),
            (None, false) => format!("{} ({})", card.state, card.lane),
        };
        table.row(vec![
            one_line(&card.id, 70),
            state,
            one_line(card.priority.as_deref().unwrap_or("-"), 16),
            one_line(card.agent.as_deref().unwrap_or("-"), 24),
            card.created.map_or_else(|| "-".to_owned(), |at| ago(now.since(at))),
            one_line(&card.title, 60),
            one_line(&marks.join("; "), 60),
        ]);
    }
    table.render()
}

/// A task that comes next.
#[derive(Debug, Serialize)]
struct Next {
    #[serde(flatten)]
    row: Row,
    waits_for: Vec<String>,
}

pub(super) fn next(place: &mut Place, agent: Option<&str>, count: usize, json: bool) -> Outcome {
    let scan = place.scan()?;
    let ready = scan.board.ready(agent);
    let rows: Vec<Next> = ready
        .iter()
        .take(count.max(1))
        .map(|raw| Next { row: row(&scan, raw), waits_for: Vec::new() })
        .collect();
    if json {
        print_json(&rows)?;
        return Ok(if rows.is_empty() { Exit::Failed } else { Exit::Ok });
    }
    if rows.is_empty() {
        let who = agent.map_or_else(String::new, |agent| format!(" for {agent}"));
        return Err(CliError::failed(format!("nothing is ready{who}")).hint("llmctl task list"));
    }
    let lines: Vec<Line> = rows.into_iter().map(|next| Line { row: next.row, problem: None }).collect();
    let mut text = table(&lines);
    // What is more urgent and cannot be begun is worth a word.
    let first = lines.first().map_or(0, |line| line.row.card.priority_rank);
    let held = scan.board.iter().filter(|(_, raw)| {
        let task = Task::new(raw);
        matches!(task.state(), State::New | State::Assigned) && task.priority_rank() > first
    });
    for (key, raw) in held.take(5) {
        let waits = scan.board.waits_for(Task::new(raw));
        if !waits.is_empty() {
            let _ =
                writeln!(text, "{} waits for {}", one_line(&key.id, 70), one_line(&waits.join(", "), 120));
        }
    }
    print_safe(&text)?;
    Ok(Exit::Ok)
}
