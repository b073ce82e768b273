//! `GET /api/system` and `GET /api/config`: the daemon about itself, and the configuration in force.
//!
//! The figures are those of `llmctl daemon status`; the values those of `llmctl config show --origin`, and beside
//! them the defaults of what nobody set. Nothing here tells a secret or a path outside the user's home.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use llmctl_proto::config::schema::{self, Key, Kind};
use llmctl_proto::config::{Code, Diagnostic, KeyPath, Loaded, Shown};
use llmctl_proto::redact::Redactor;
use serde_json::{Value, json};

use super::reply::{self, Reply};
use super::serve::Ctx;
use crate::health::{self, Parts};

/// Sections that are read for their likeness to another program's files alone; their defaults say nothing.
const FOREIGN: [&str; 2] = ["service", "telemetry"];
/// Findings of one answer.
const MAX_FINDINGS: usize = 200;
/// What is shown in place of a value that must not be seen.
const HIDDEN: &str = "(hidden)";

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new([]));

/// How the daemon is.
pub(super) async fn system(ctx: &Ctx) -> Reply {
    let deps = &ctx.shared.deps;
    let parts = Parts {
        hub: &deps.hub,
        store: &deps.store,
        board: &deps.board,
        servers: &deps.servers,
        gateway: ctx.shared.figures(Some(ctx.addr)),
        started_at: ctx.shared.started_at,
        stopping: deps.shutdown.is_cancelled(),
    };
    match health::status(&parts).await {
        Ok(status) => reply::ok(&status),
        Err(error) => reply::stopping(error),
    }
}

/// The configuration in force: every value with its origin, secrets hidden, and what was found wrong.
pub(super) fn config(ctx: &Ctx) -> Reply {
    let settings = ctx.shared.deps.settings.current();
    let Some(loaded) = settings.loaded() else {
        return reply::ok(&json!({"values": [], "findings": [], "omitted": 0, "files": 0}));
    };
    let findings: Vec<&Diagnostic> = loaded.diagnostics.iter().take(MAX_FINDINGS).collect();
    reply::ok(&json!({
        "values": values(loaded),
        "findings": findings,
        "omitted": loaded.diagnostics.len() - findings.len(),
        "files": loaded.files,
    }))
}

/// What is set, and the defaults of the rest, by path.
fn values(loaded: &Loaded) -> Vec<Value> {
    let secret: BTreeSet<&str> = loaded
        .diagnostics
        .iter()
        .filter(|finding| finding.code == Code::SecretInConfig)
        .map(|finding| finding.path.as_str())
        .collect();
    let mut shown = loaded.show(&KeyPath::default()).unwrap_or_default();
    // An empty configuration is one empty value without a name.
    shown.retain(|value| !value.path.is_empty());
    let set: BTreeSet<String> = shown.iter().map(|value| value.path.clone()).collect();
    let mut unset = Vec::new();
    defaults(schema::ROOT, &KeyPath::default(), &set, &mut unset);
    shown.extend(unset.iter().filter_map(|path| loaded.show(path)).flatten());
    shown.sort_by(|a, b| a.path.cmp(&b.path));
    shown.into_iter().map(|value| told(value, &secret)).collect()
}

fn told(mut value: Shown, secret: &BTreeSet<&str>) -> Value {
    let whole = secret.iter().any(|path| below(&value.path, path));
    let seen = |text: &str| if whole { HIDDEN.to_owned() } else { without_secrets(&value.path, text) };
    value.overridden.iter_mut().for_each(|old| old.value = seen(&old.value));
    value.value = seen(&value.value);
    let about = KeyPath::parse(&value.path).ok().and_then(|path| key_at(&path)).map(|key| key.doc);
    let mut told = serde_json::to_value(&value).unwrap_or_default();
    told["about"] = about.into();
    told
}

/// A value without what looks like a key: a command may have one among its words.
fn without_secrets(path: &str, text: &str) -> String {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let words: Vec<String> = inner.split(", ").map(str::to_owned).collect();
        return format!("[{}]", REDACTOR.redact_args(&words).join(", "));
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    let named = format!("{name}={text}");
    if text.len() >= 8 && !text.starts_with("${") && REDACTOR.redact_str(&named) != named {
        return HIDDEN.to_owned();
    }
    REDACTOR.redact_str(text).into_owned()
}

/// Whether a path is another one, or what holds it, or what it holds: a list is one value, its items have findings.
fn below(path: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(path, other) || within(other, path)
}

/// Keys of fixed sections that nobody set, nor anything below them.
fn defaults(keys: &'static [Key], at: &KeyPath, set: &BTreeSet<String>, unset: &mut Vec<KeyPath>) {
    for key in keys {
        if at.0.is_empty() && FOREIGN.contains(&key.name) {
            continue;
        }
        let path = at.with(key.name);
        match key.kind {
            Kind::Object(keys) => defaults(keys, &path, set, unset),
            Kind::Table(_) => {}
            _ => {
                let name = path.to_string();
                if !set.iter().any(|known| below(known, &name)) {
                    unset.push(path);
                }
            }
        }
    }
}

fn key_at(path: &KeyPath) -> Option<&'static Key> {
    let (last, above) = path.0.split_last()?;
    match schema::kind_at(above)? {
        Kind::Object(keys) => schema::find(keys, last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_hides_its_value_and_what_holds_it() {
        assert!(below("a.b", "a.b"));
        assert!(below("a.b.c", "a.b"));
        assert!(below("a.args", "a.args[3]"));
        assert!(!below("a.bc", "a.b"));
        assert!(!below("a.c", "a.b"));
    }

    #[test]
    fn keys_in_values_are_not_shown() {
        let key = "sk-ant-api03-Zk4qT9wXb2LmN7vPc1RdYs8EaHu3GfJi6KoQxW5VtBnM0CzDySrPlEgAhUjIkOw";
        assert!(!without_secrets("mcp_servers.a.url", &format!("https://x/{key}")).contains(key));
        let words = without_secrets("mcp_servers.a.command", "[mcp-git, --token, Zk4qT9wXb2, --verbose]");
        assert!(words.starts_with("[mcp-git, --token, ") && words.ends_with(", --verbose]"), "{words}");
        assert!(!words.contains("Zk4qT9wXb2"), "{words}");
        for plain in ["[a, b]", "[]", "127.0.0.1", "Europe/Berlin", "true", "${GIT_KEY}"] {
            assert_eq!(without_secrets("daemon.http.host", plain), plain);
        }
    }

    #[test]
    fn every_fixed_key_has_a_meaning() {
        let mut unset = Vec::new();
        defaults(schema::ROOT, &KeyPath::default(), &BTreeSet::new(), &mut unset);
        assert!(unset.iter().any(|path| path.to_string() == "daemon.http.port"));
        for path in unset {
            assert!(key_at(&path).is_some_and(|key| !key.doc.is_empty()), "{path}");
        }
    }
}
