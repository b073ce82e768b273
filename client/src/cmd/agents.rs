//! `llmctl agents`: who is known, and with whom each would work now.

use llmctl_proto::config::{Agent, Config};
use llmctl_proto::event::Reason;
use llmctl_proto::paths::Paths;
use serde::Serialize;

use super::tools::{self, Seen};
use super::{print, println};
use crate::cli::config::{ConfigFlags, ListArgs};
use crate::config::{self, safe};
use crate::error::{CliError, Exit, Outcome};
use crate::term::{Table, one_line};

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    usable: bool,
    /// The first pair that could be used, by `tool:model`.
    first: Option<String>,
    /// Every pair in order, and why it cannot be used.
    candidates: Vec<Pair>,
    policy: &'a str,
    task_types: Vec<&'a String>,
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Pair {
    tool: String,
    model: String,
    reason: Option<Reason>,
}

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: &ListArgs) -> Outcome {
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let machine = tools::machine(&loaded.config).await;
    let rows: Vec<Row<'_>> =
        loaded.config.agents.iter().map(|(name, agent)| row(name, agent, &loaded.config, &machine)).collect();
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
    } else if rows.is_empty() {
        println("no agents; `llmctl config init --template team` writes some to begin with")?;
    } else {
        print(&String::from_utf8_lossy(&safe(&table(&rows))))?;
    }
    Ok(Exit::Ok)
}

fn table(rows: &[Row<'_>]) -> String {
    let mut table = Table::new(&["AGENT", "POLICY", "WORKS NOW WITH", "INSTEAD OF"]);
    for row in rows {
        let first = match (row.reason, &row.first) {
            (Some(why), _) => one_line(why, 80),
            (None, Some(first)) => one_line(first, 60),
            (None, None) => "nobody".to_owned(),
        };
        let before = row.candidates.iter().take_while(|pair| pair.reason.is_some());
        let why = before.filter_map(|pair| {
            let reason = pair.reason.as_ref()?;
            Some(format!("{}:{} ({})", pair.tool, pair.model, reason.code))
        });
        let why: Vec<String> = why.collect();
        table.row(vec![
            one_line(row.name, 40),
            one_line(row.policy, 30),
            first,
            one_line(&why.join(", "), 120),
        ]);
    }
    table.render()
}

fn row<'a>(name: &'a str, agent: &'a Agent, config: &'a Config, machine: &[Seen]) -> Row<'a> {
    let chain = agent.fallback_chain.iter().map(|entry| (&entry.tool, &entry.model));
    let pairs = std::iter::once((&agent.preferred_tool, &agent.preferred_model)).chain(chain);
    let candidates: Vec<Pair> = pairs
        .map(|(tool, model)| Pair {
            tool: tool.clone(),
            model: model.clone(),
            reason: against(tool, model, config, machine),
        })
        .collect();
    let first = candidates.iter().find(|pair| pair.reason.is_none());
    let first = first.map(|pair| format!("{}:{}", pair.tool, pair.model));
    Row {
        name,
        usable: first.is_some() && agent.broken.is_none(),
        first,
        candidates,
        policy: agent.policy.as_deref().unwrap_or(&config.default_policy),
        task_types: agent.task_types.keys().collect(),
        reason: agent.broken.as_deref(),
    }
}

/// What is against a pair, as far as the machine and the files tell.
fn against(tool: &str, model: &str, config: &Config, machine: &[Seen]) -> Option<Reason> {
    let Some(seen) = machine.iter().find(|seen| seen.name == tool) else {
        // Servers on this machine are asked only when they are needed.
        let local = config::catalogue().providers.contains(&tool);
        return (!local).then(|| Reason::new("unknown_tool", format!("there is no tool {tool}")));
    };
    if let Some(known) = config.models.get(model) {
        if known.retired {
            return Some(Reason::new("retired", format!("{model} is retired")));
        }
        if let Some(why) = &known.broken {
            return Some(Reason::new("broken", why.clone()));
        }
    }
    if !seen.models.is_empty() && !seen.models.iter().any(|offered| offered == model) {
        return Some(Reason::new("not_offered", format!("{tool} does not offer {model}")));
    }
    seen.reason.clone()
}
