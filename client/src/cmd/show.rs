//! `llmctl show`: everything known of one operation.

use llmctl_proto::event::{Envelope, Event, RoutingDecision, Verdict};
use llmctl_proto::journal::Reader;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::GetOperationRequest;
use llmctl_proto::state::Operation;
use llmctl_proto::usage::UsageSource;

use super::{find, print, println};
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, LinkError};
use crate::term::{bytes, cost, duration, one_line, tokens};

/// An operation with its facts.
pub(super) struct Known {
    pub(super) operation: Operation,
    pub(super) facts: Vec<Event>,
}

/// Asks the daemon, or reads the journal when none runs.
pub(super) async fn known(paths: &Paths, id: &str) -> Result<Known, CliError> {
    match link::connect(paths).await {
        Ok(mut client) => {
            let answer = client.get_operation(GetOperationRequest { id: id.to_owned() }).await?.into_inner();
            let operation = serde_json::from_str(&answer.operation)
                .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
            let facts =
                answer.facts.iter().filter_map(|json| Some(Envelope::from_json(json).ok()?.event)).collect();
            Ok(Known { operation, facts })
        }
        Err(LinkError::NotRunning(_)) => {
            let dir = find::directory(paths, id)?;
            let operation = find::fold(&dir)
                .ok_or_else(|| CliError::failed(format!("operation {} has no journal", dir.id)))?;
            let facts =
                Reader::entries(&dir.journal()).iter().filter_map(|entry| entry.event().ok()).collect();
            Ok(Known { operation, facts })
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn run(paths: &Paths, args: &cli::Show) -> Outcome {
    let known = known(paths, &args.id).await?;
    if args.json {
        let mut value =
            serde_json::to_value(&known.operation).map_err(|e| CliError::failed(e.to_string()))?;
        let routing: Vec<_> = decisions(&known.facts).collect();
        value["routing"] = serde_json::to_value(routing).unwrap_or_default();
        println(&serde_json::to_string_pretty(&value).unwrap_or_default())?;
    } else {
        print(&text(&known))?;
    }
    Ok(Exit::Ok)
}

fn decisions(facts: &[Event]) -> impl Iterator<Item = &RoutingDecision> {
    facts.iter().filter_map(|event| match event {
        Event::RoutingDecision(decision) => Some(decision),
        _ => None,
    })
}

fn text(known: &Known) -> String {
    let o = &known.operation;
    let mut lines = vec![format!("{}  {}", o.operation_id, o.state.as_str())];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    let opt = |value: &Option<String>| value.as_deref().map(|text| one_line(text, 200)).unwrap_or_default();
    add("tool", opt(&o.tool));
    add("model", opt(&o.model));
    add("because", opt(&o.reason));
    add("agent", opt(&o.agent));
    add("task type", opt(&o.task_type));
    add("policy", opt(&o.policy));
    add("project", opt(&o.project));
    if let Some(place) = &o.queue {
        let limit = place.limit.as_ref().map(|limit| format!(" ({limit})")).unwrap_or_default();
        add(
            "queue",
            format!("place {}, {}{limit}, priority {}", place.position, place.reason, place.priority),
        );
    }
    add("directory", opt(&o.cwd));
    add("command", one_line(&o.command.join(" "), 400));
    add("submitted", o.submitted_at.to_string());
    add("time", duration(o.elapsed_ms));
    let source = match o.spend.usage_source {
        UsageSource::None => "  (not reported)",
        UsageSource::Estimated => "  (estimated)",
        UsageSource::Partial => "  (partial)",
        UsageSource::Reported => "",
    };
    let t = &o.spend.tokens;
    add(
        "tokens",
        format!(
            "{}{source}  input {}, cache read {}, cache write {}, output {} (reasoning {})",
            tokens(t.total()),
            tokens(t.input),
            tokens(t.cache_read),
            tokens(t.cache_write_5m.saturating_add(t.cache_write_1h)),
            tokens(t.output),
            tokens(t.reasoning)
        ),
    );
    let basis = serde_json::to_value(o.spend.cost_basis).ok().and_then(|v| v.as_str().map(str::to_owned));
    add(
        "cost",
        match o.spend.cost_nano_usd {
            Some(nano) => format!("{} ({})", cost(Some(nano)), basis.unwrap_or_default()),
            None => "unknown".to_owned(),
        },
    );
    if let Some(reported) = o.spend.reported_cost_nano_usd {
        let drift = if o.drift { "  (differs from ours; see `llmctl cost explain`)" } else { "" };
        add("tool says", format!("{}{drift}", cost(Some(reported))));
    }
    if let Some(limit) = o.max_cost_nano_usd {
        add("limit", cost(Some(limit)));
    }
    if let Some(reserved) = o.reservation_nano_usd.filter(|_| !o.state.is_final()) {
        add("reserved", cost(Some(reserved)));
    }
    if o.attempts.len() > 1 {
        for attempt in &o.attempts {
            let model = attempt.model.as_ref().map(|model| format!(":{model}")).unwrap_or_default();
            let how = attempt.error_class.as_deref().unwrap_or("ok");
            let spent = cost(attempt.cost_nano_usd);
            let name = format!("{}{model}", attempt.tool);
            add(
                "attempt",
                format!("{}  {}  {}  {spent}", attempt.attempt, one_line(&name, 60), one_line(how, 40)),
            );
        }
    }
    if let Some(prompt) = &o.prompt {
        let file =
            prompt.file.as_deref().map(|file| format!("  {}", one_line(file, 200))).unwrap_or_default();
        add("prompt", format!("{}{file}", bytes(prompt.bytes)));
    }
    add("output", format!("{}, error stream {}", bytes(o.stdout_bytes), bytes(o.stderr_bytes)));
    if let Some(error) = &o.error {
        add("error", format!("{}: {}", error.class, one_line(&error.message, 500)));
        add("hint", opt(&error.hint));
    }
    if let Some(stopped) = &o.stopped {
        let word = |v: serde_json::Value| v.as_str().map(str::to_owned).unwrap_or_default();
        let by = word(serde_json::to_value(stopped.by).unwrap_or_default());
        let step = word(serde_json::to_value(stopped.step).unwrap_or_default());
        let reason = stopped.reason.as_deref().map(|r| format!(", {}", one_line(r, 200))).unwrap_or_default();
        add("stopped", format!("by {by}{reason} (reached {step}, {} killed)", stopped.killed_processes));
    }
    if let Some(partial) = &o.partial {
        let files: Vec<String> =
            partial.files.iter().map(|f| format!("{} {}", f.name, bytes(f.bytes))).collect();
        add("kept", files.join(", "));
    }
    add("resume", opt(&o.resume_command));
    for decision in decisions(&known.facts) {
        lines.push(format!("  routing, attempt {} ({} µs)", decision.attempt, decision.decided_us));
        for candidate in &decision.candidates {
            let mark = match candidate.verdict {
                Verdict::Selected => "selected",
                Verdict::Standby => "standby ",
                Verdict::Rejected => "rejected",
            };
            let name = candidate
                .model
                .as_ref()
                .map_or_else(|| candidate.tool.clone(), |model| format!("{}:{model}", candidate.tool));
            let reasons: Vec<String> = candidate.reasons.iter().map(|r| one_line(&r.text, 200)).collect();
            lines.push(format!("    {mark}  {:<34} {}", one_line(&name, 34), reasons.join("; ")));
        }
    }
    let calls = known.facts.iter().filter_map(|event| match event {
        Event::ToolInvoked(call) => Some(call),
        _ => None,
    });
    for call in calls {
        lines.push(format!("  call       {} {}", one_line(&call.name, 40), one_line(&call.summary, 200)));
    }
    lines.push(String::new());
    lines.join("\n")
}
