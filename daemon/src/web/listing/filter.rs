//! Which operations are listed.

use std::fmt::Write as _;

use http::Request;
use hyper::body::Incoming;
use llmctl_proto::state::{Operation, OperationState};
use llmctl_proto::time::UnixMs;
use serde_json::Value;

use super::super::reply;
use super::super::routes::{percent_encode, query};
use super::Refused;

/// All of what is set must hold; of a list, one.
#[derive(Debug, Default)]
pub(super) struct Filter {
    states: Vec<String>,
    tools: Vec<String>,
    models: Vec<String>,
    agents: Vec<String>,
    providers: Vec<String>,
    projects: Vec<String>,
    tasks: Vec<String>,
    /// Nano-dollars; what nobody knows the cost of is not there.
    min_cost: Option<i64>,
    since: Option<UnixMs>,
    until: Option<UnixMs>,
    text: Option<String>,
}

impl Filter {
    pub(super) fn of(request: &Request<Incoming>) -> Result<Self, Refused> {
        let states = query(request, "state");
        let known = |state: &String| serde_json::from_value::<OperationState>(state.as_str().into()).is_ok();
        if let Some(state) = states.iter().find(|state| !known(state)) {
            let text = format!("There is no state {state:?}.");
            return Err(Box::new(reply::bad("invalid_value", &text)));
        }
        let time = |name: &str| match query(request, name).pop() {
            None => Ok(None),
            Some(text) => moment(&text, UnixMs::now()).map(Some).ok_or_else(|| {
                let text = format!(
                    "{name} must be a time such as 2026-11-23T00:00:00Z, or an age such as 30m, 12h or 7d."
                );
                Box::new(reply::bad("invalid_value", &text))
            }),
        };
        let (since, until) = (time("since")?, time("until")?);
        let min_cost = match query(request, "min_cost_nano_usd").pop() {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                Box::new(reply::bad(
                    "invalid_value",
                    "min_cost_nano_usd must be a whole number of nano-dollars.",
                ))
            })?),
        };
        Ok(Self {
            states,
            tools: query(request, "tool"),
            models: query(request, "model"),
            agents: query(request, "agent"),
            providers: query(request, "provider"),
            projects: query(request, "project"),
            tasks: query(request, "task_id"),
            min_cost,
            since,
            until,
            text: query(request, "q").pop().map(|text| text.to_lowercase()),
        })
    }

    pub(super) fn wants(&self, operation: &Operation) -> bool {
        let is = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|w| w == value))
        };
        is(&self.states, Some(operation.state.as_str()))
            && is(&self.tools, operation.tool.as_deref())
            && is(&self.models, operation.model.as_deref())
            && is(&self.agents, operation.agent.as_deref())
            && is(&self.providers, operation.provider.as_deref())
            && is(&self.projects, operation.project.as_deref())
            && is(&self.tasks, operation.task_id.as_deref())
            && self
                .min_cost
                .is_none_or(|least| operation.spend.cost_nano_usd.is_some_and(|cost| cost >= least))
            && self.since.is_none_or(|since| operation.submitted_at >= since)
            && self.until.is_none_or(|until| operation.submitted_at < until)
            && self.text.as_deref().is_none_or(|text| mentions(operation, text))
    }

    /// The parameters that ask for the same again.
    pub(super) fn parameters(&self, request: &Request<Incoming>) -> String {
        let mut text = String::new();
        let lists = [
            ("state", &self.states),
            ("tool", &self.tools),
            ("model", &self.models),
            ("agent", &self.agents),
            ("provider", &self.providers),
            ("project", &self.projects),
            ("task_id", &self.tasks),
        ];
        for (name, values) in lists {
            for value in values {
                let _ = write!(text, "&{name}={}", percent_encode(value));
            }
        }
        // An age is counted from each request; the time it meant for the first page holds for all.
        for (name, time) in [("since", self.since), ("until", self.until)] {
            if let Some(time) = time {
                let _ = write!(text, "&{name}={}", percent_encode(&time.to_string()));
            }
        }
        if let Some(least) = self.min_cost {
            let _ = write!(text, "&min_cost_nano_usd={least}");
        }
        if let Some(value) = query(request, "q").last() {
            let _ = write!(text, "&q={}", percent_encode(value));
        }
        text
    }
}

fn mentions(operation: &Operation, text: &str) -> bool {
    let has = |value: &str| value.to_lowercase().contains(text);
    has(operation.operation_id.as_str())
        || operation.agent.as_deref().is_some_and(has)
        || operation.task_id.as_deref().is_some_and(has)
        || operation.error.as_ref().is_some_and(|error| has(&error.message) || has(&error.class))
}

/// A time, or how long ago it was.
pub(in crate::web) fn moment(text: &str, now: UnixMs) -> Option<UnixMs> {
    if let Ok(time) = serde_json::from_value(Value::String(text.to_owned())) {
        return Some(time);
    }
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms: i64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let count: u32 = count.parse().ok()?;
    Some(UnixMs(now.0.saturating_sub(i64::from(count).saturating_mul(unit_ms))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = UnixMs(10_000_000_000);
        assert_eq!(moment("2026-11-23T00:31:59.133Z", now), Some(UnixMs(1_795_393_919_133)));
        assert_eq!(moment("90s", now), Some(UnixMs(10_000_000_000 - 90_000)));
        assert_eq!(moment("30d", now), Some(UnixMs(10_000_000_000 - 30 * 86_400_000)));
        for bad in ["", "d", "yesterday", "1w", "-1d", "5é", "99999999999d"] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }
}
