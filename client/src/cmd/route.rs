//! `llmctl route`: a decision previewed, a recorded one told again, and history under another policy.
//!
//! Nothing is started, reserved or published, and a daemon that does not run stays so.

use std::fmt::Write as _;
use std::path::PathBuf;

use llmctl_proto::config::{Loaded, Overrides};
use llmctl_proto::event::{CostRecorded, Envelope, Event, RoutingDecision};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{GetOperationRequest, ListOperationsRequest};
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use super::{find, print, println, show};
use crate::cli::config::ConfigFlags;
use crate::cli::route::{Preview, RouteArgs, RouteVerb, WhatIfArgs};
use crate::config;
use crate::error::{CliError, Exit, Outcome};
use crate::execute::millis;
use crate::execute::prompt::Source;
use crate::link::{self, Client, LinkError};
use crate::route::whatif::{Compared, Past};
use crate::route::{Request, RouteError, Unknown, ask, nearest, preview};
use crate::term::{Table, one_line};

/// Most operations that history is looked through for.
const MOST: usize = 10_000;
/// Operations of one answer.
const PAGE: u32 = 500;

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: RouteArgs) -> Outcome {
    match args.verb {
        None => preview(paths, flags, args.preview).await,
        Some(RouteVerb::Why { id, json }) => why(paths, &id, json).await,
        Some(RouteVerb::Whatif(args)) => whatif(paths, flags, &args).await,
    }
}

/// The configuration for a working directory; a project that is not in force is said to be so.
fn configuration(paths: &Paths, flags: &ConfigFlags, cwd: Option<PathBuf>) -> Result<Loaded, CliError> {
    let cwd = cwd.unwrap_or_else(|| PathBuf::from("."));
    let cwd = cwd.canonicalize().map_err(|e| {
        CliError::usage(format!("cannot use the working directory {}", cwd.display())).caused_by(e)
    })?;
    let loaded = config::load_in(paths, &cwd, &Overrides::from(flags))?;
    config::refuse(&loaded)?;
    config::notice(&loaded);
    Ok(loaded)
}

/// A daemon that runs already.
async fn running(paths: &Paths) -> Option<Client> {
    link::connect(paths).await.ok()
}

async fn preview(paths: &Paths, flags: &ConfigFlags, args: Preview) -> Outcome {
    let source = match (&args.prompt, args.prompt_text) {
        (_, Some(text)) => Some(Source::Text(text)),
        (Some(value), None) => Some(Source::parse(value)?),
        (None, None) => None,
    };
    let prompt_bytes = match source {
        Some(source) => source.read()?.text.len() as u64,
        None => 0,
    };
    let loaded = configuration(paths, flags, args.cwd)?;
    let mut request = Request {
        model: Some(args.model),
        tool: args.tool,
        agent: args.agent,
        task_type: args.task_type,
        require: args.require,
        prompt_bytes,
        input_tokens: args.input_tokens,
        policy: args.policy,
        max_cost: args.max_cost,
        fallback: args.fallback,
        ..Request::default()
    };
    request.project = loaded.project.as_ref().map(|project| project.root.display().to_string());
    let mut client = if args.no_daemon { None } else { running(paths).await };
    let decided = ask::decide(&loaded.config, &request, client.as_mut()).await?;
    preview::print(&decided.decision, decided.decided_us, args.json)
}

fn decisions(facts: &[Event]) -> Vec<&RoutingDecision> {
    facts
        .iter()
        .filter_map(|event| match event {
            Event::RoutingDecision(decision) => Some(decision),
            _ => None,
        })
        .collect()
}

async fn why(paths: &Paths, id: &str, as_json: bool) -> Outcome {
    let known = show::known(paths, id).await?;
    let decisions = decisions(&known.facts);
    if decisions.is_empty() {
        let id = &known.operation.operation_id;
        return Err(CliError::failed(format!("no decision of operation {id} is recorded")));
    }
    if as_json {
        println(&serde_json::to_string_pretty(&decisions).map_err(|e| CliError::failed(e.to_string()))?)?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for decision in decisions {
        let trigger = one_line(&decision.trigger, 40);
        let because = if decision.trigger == "submit" { String::new() } else { format!(" after {trigger}") };
        text.push_str("operation ");
        text.push_str(decision.operation_id.as_str());
        let _ =
            writeln!(text, ", attempt {}{because} (decided in {} µs)", decision.attempt, decision.decided_us);
        text.push_str(&preview::text(&preview::Sheet::from(decision)));
        text.push('\n');
    }
    print(text.trim_end_matches('\n'))?;
    println("")?;
    Ok(Exit::Ok)
}

async fn whatif(paths: &Paths, flags: &ConfigFlags, args: &WhatIfArgs) -> Outcome {
    let config = configuration(paths, flags, None)?.config;
    let (name, policy) = config.policy(Some(&args.policy), None).map_err(|name| {
        let known: Vec<String> = config.policies.keys().cloned().collect();
        let nearest = nearest(&name, &known);
        preview::unknown(&RouteError::Unknown(Unknown { what: "policy", name, known, nearest }))
    })?;
    let since = UnixMs::now().0.saturating_sub(i64::try_from(millis(args.since)).unwrap_or(i64::MAX));
    let past = history(paths, since).await?;
    let compared: Vec<Compared> = past.iter().map(|past| past.under(&config, &name, &policy)).collect();
    if args.json {
        println(&format!("{:#}", as_json(&name, &compared)))?;
    } else {
        print(&as_text(&name, &compared))?;
    }
    Ok(Exit::Ok)
}

/// Ended operations since a moment, oldest first: of the daemon, or of the journals when none runs.
async fn history(paths: &Paths, since: i64) -> Result<Vec<Past>, CliError> {
    let mut all = match link::connect(paths).await {
        Ok(client) => from_daemon(client, since).await?,
        Err(LinkError::NotRunning(_)) => from_journals(paths, since),
        Err(error) => return Err(error.into()),
    };
    all.reverse();
    Ok(all)
}

fn from_journals(paths: &Paths, since: i64) -> Vec<Past> {
    let wanted = |operation: &Operation| operation.state.is_final() && operation.submitted_at.0 >= since;
    let operations = find::newest(paths, MOST, wanted);
    let facts = |operation: &Operation| -> Vec<Event> {
        let Ok(dir) = find::directory(paths, operation.operation_id.as_str()) else { return Vec::new() };
        let entries = llmctl_proto::journal::Reader::entries(&dir.journal());
        entries.iter().filter_map(|entry| entry.event().ok()).collect()
    };
    operations.iter().filter_map(|operation| past(operation, &facts(operation))).collect()
}

async fn from_daemon(mut client: Client, since: i64) -> Result<Vec<Past>, CliError> {
    let mut all = Vec::new();
    let mut before = String::new();
    let mut looked = 0;
    while looked < MOST {
        let request = ListOperationsRequest { since_ms: since, limit: PAGE, before, ..Default::default() };
        let page = client.list_operations(request).await?.into_inner().operations;
        let operations: Vec<Operation> =
            page.iter().filter_map(|json| serde_json::from_str(json).ok()).collect();
        looked += page.len();
        for operation in operations.iter().filter(|operation| operation.state.is_final()) {
            let request = GetOperationRequest { id: operation.operation_id.to_string() };
            let answer = client.get_operation(request).await?.into_inner();
            let event = |json: &String| Envelope::from_json(json).ok().map(|envelope| envelope.event);
            let facts: Vec<Event> = answer.facts.iter().filter_map(event).collect();
            all.extend(past(operation, &facts));
        }
        match operations.last() {
            Some(last) if page.len() == PAGE as usize => before = last.operation_id.to_string(),
            _ => break,
        }
    }
    Ok(all)
}

/// What of an operation is needed to decide it again; none without a recorded decision.
fn past(operation: &Operation, facts: &[Event]) -> Option<Past> {
    let decision = decisions(facts).into_iter().find(|decision| decision.attempt <= 1)?.clone();
    let started = facts.iter().find_map(|event| match event {
        Event::ExecutionStarted(started) => Some(started),
        _ => None,
    });
    let costs: Vec<CostRecorded> = facts
        .iter()
        .filter_map(|event| if let Event::CostRecorded(cost) = event { Some(cost.clone()) } else { None })
        .collect();
    let pico = |nano| PicoUsd::from_nano(nano).ok();
    Some(Past {
        id: operation.operation_id.clone(),
        at: operation.submitted_at,
        prompt_bytes: started.map(|started| started.prompt.bytes),
        max_cost: started.and_then(|started| started.max_cost_nano_usd).and_then(pico),
        // Nothing was started, nothing was spent.
        spent: if started.is_some() {
            operation.spend.cost_nano_usd.and_then(pico)
        } else {
            Some(PicoUsd::ZERO)
        },
        decision,
        costs,
    })
}

/// The sum of what is known, and how many are not.
fn sum(amounts: impl Iterator<Item = Option<PicoUsd>>) -> (Option<PicoUsd>, usize) {
    let (mut known, mut unknown) = (Vec::new(), 0);
    for amount in amounts {
        match amount {
            Some(amount) => known.push(amount),
            None => unknown += 1,
        }
    }
    (PicoUsd::sum(known).ok(), unknown)
}

fn as_json(policy: &str, compared: &[Compared]) -> Value {
    let rows: Vec<Value> = compared
        .iter()
        .map(|row| {
            json!({
                "operation_id": row.id,
                "submitted_at": row.at,
                "then": row.then,
                "actual_pico_usd": row.actual,
                "otherwise": row.otherwise,
                "hypothetical_pico_usd": row.hypothetical,
            })
        })
        .collect();
    let (actual, actual_unknown) = sum(compared.iter().map(|row| row.actual));
    let (hypothetical, hypothetical_unknown) = sum(compared.iter().map(|row| row.hypothetical));
    json!({
        "policy": policy,
        "operations": rows,
        "actual_pico_usd": actual,
        "actual_unknown": actual_unknown,
        "hypothetical_pico_usd": hypothetical,
        "hypothetical_unknown": hypothetical_unknown,
    })
}

fn as_text(policy: &str, compared: &[Compared]) -> String {
    if compared.is_empty() {
        return "no operations of that time have a recorded decision\n".to_owned();
    }
    let amount = |amount: Option<PicoUsd>| amount.map_or_else(|| "unknown".to_owned(), exact);
    let pair = |pair: &Option<String>| one_line(pair.as_deref().unwrap_or("nobody"), 48);
    let mut table = Table::new(&["OPERATION", "THEN", "COST", "OTHERWISE", "WOULD COST"]);
    for row in compared {
        let same = row.then == row.otherwise;
        table.row(vec![
            row.id.to_string(),
            pair(&row.then),
            amount(row.actual),
            if same { "same".to_owned() } else { pair(&row.otherwise) },
            amount(row.hypothetical),
        ]);
    }
    let (actual, unknown_then) = sum(compared.iter().map(|row| row.actual));
    let (hypothetical, unknown_otherwise) = sum(compared.iter().map(|row| row.hypothetical));
    table.row(vec!["sum".to_owned(), String::new(), amount(actual), String::new(), amount(hypothetical)]);
    let changed = compared.iter().filter(|row| row.then != row.otherwise).count();
    let mut text = table.render();
    let _ = write!(text, "\nunder policy {policy}: {changed} of {} operations go elsewhere", compared.len());
    if let Some(difference) = actual.zip(hypothetical).map(|(a, h)| PicoUsd(h.0 - a.0)) {
        let _ = write!(text, ", {} altogether", exact(difference));
    }
    if unknown_then + unknown_otherwise > 0 {
        let _ = write!(text, "; without {unknown_then} and {unknown_otherwise} of unknown cost");
    }
    text.push('\n');
    text
}

/// All digits, with the sign before the dollar.
fn exact(amount: PicoUsd) -> String {
    let text = amount.exact();
    match text.strip_prefix('-') {
        Some(text) => format!("-${text}"),
        None => format!("${text}"),
    }
}
