//! The description of every key: kind, default, limits, meaning. Checks, JSON Schema, displays and the reading of
//! variables all go by it, so a key exists either everywhere or nowhere.

mod entries;
mod json;
mod sections;
mod servers;

pub use json::json_schema;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within limits, both included.
    Integer(u64, u64),
    /// US dollars: not negative, at most nine decimals.
    Money,
    /// A price: not negative, at most this many decimals.
    Price(u32),
    /// A factor: a decimal that is not negative.
    Factor,
    /// A date or an RFC 3339 time.
    Moment,
    /// Name of an environment variable.
    EnvName,
    /// Text in which `${NAME}` stands for a variable; never shown.
    EnvText,
    /// IANA name of a time zone.
    Zone,
    /// A list.
    List(&'static Kind),
    /// A mapping with free keys.
    MapOf(&'static Kind),
    /// A mapping with these keys.
    Object(&'static [Key]),
    /// A mapping of names to mappings with these keys: the entries that errors belong to.
    Table(&'static [Key]),
    /// A command: text that is split into words, or a list of words.
    Words,
    /// Text in which `${NAME}` stands for a variable, or `{file: PATH}`, or `{command: WORDS}`; never shown.
    Secret,
    /// Anything.
    Any,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// It must be there (retired entries and those the catalogue completes excepted).
    pub required: bool,
    /// Its default, as written in YAML; empty for none.
    pub default: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, required: false, default, doc }
}

const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, required: true, default: "", doc }
}

const TEXTS: Kind = Kind::List(&Kind::Text);
const ENV_MAP: Kind = Kind::MapOf(&Kind::EnvText);
const SECRETS: Kind = Kind::MapOf(&Kind::Secret);
/// Keys of a secret that is no text; one of them.
pub(super) const SECRET_SOURCE: &[Key] = &[
    key("file", Kind::Text, "", "A file that holds it; a relative path as for `cwd`."),
    key("command", Kind::Words, "", "A program that writes it, run without a shell, for at most 10 s."),
];
/// A count that is at least one.
const COUNT: Kind = Kind::Integer(1, u32::MAX as u64);
/// A count or a time that may be nothing.
const NUMBER: Kind = Kind::Integer(0, u32::MAX as u64);
const TOKENS: Kind = Kind::Integer(1, 1_000_000_000_000);
const PERCENT: Kind = Kind::Integer(0, 100);

/// Every key of the root.
pub static ROOT: &[Key] = &[
    key("agents", Kind::Table(entries::AGENT), "{}", "Who works: a preference of tools and models each."),
    key("tools", Kind::Table(entries::TOOL), "{}", "Programs and provider calls."),
    key("models", Kind::Table(entries::MODEL), "{}", "Models with window, suitability and prices."),
    key("providers", Kind::Table(entries::PROVIDER), "{}", "How providers are reached."),
    key("policies", Kind::Table(entries::POLICY), "{}", "Budgets and rules by name."),
    key("default_policy", Kind::Text, "default", "The policy when nobody names one."),
    key("cost_optimization", Kind::Object(sections::COST), "{}", "Small and large prompts."),
    key("rate_limiting", Kind::Object(sections::RATES), "{}", "Requests in a minute and an hour."),
    key("routing", Kind::Object(sections::ROUTING), "{}", "How tool and model are chosen."),
    key("daemon", Kind::Object(sections::DAEMON), "{}", "The daemon; read from the user's directory only."),
    key("mcp_servers", Kind::Table(servers::SERVER), "{}", "MCP servers."),
    key("mcp_settings", Kind::Object(servers::SETTINGS), "{}", "What holds for all MCP servers."),
    key("tasks", Kind::Object(sections::TASKS), "{}", "The task board."),
    key("telemetry", Kind::Object(sections::TELEMETRY), "{}", "As llm-service has it; see `daemon.history`."),
    key(
        "service",
        Kind::Object(sections::SERVICE),
        "{}",
        "As llm-service writes it; only `log_level` is used.",
    ),
];

/// Finds a key by its name.
pub fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// What the value at a path may be; nothing for a path that no configuration can have.
pub fn kind_at(path: &[String]) -> Option<Kind> {
    path.iter().try_fold(Kind::Object(ROOT), |kind, step| step_into(kind, step))
}

/// What stands below a key of something of this kind.
pub fn step_into(kind: Kind, step: &str) -> Option<Kind> {
    match kind {
        Kind::Object(keys) => find(keys, step).map(|key| key.kind),
        Kind::Table(keys) => Some(Kind::Object(keys)),
        Kind::MapOf(inner) => Some(*inner),
        Kind::List(inner) if step.starts_with('[') => Some(*inner),
        Kind::Words if step.starts_with('[') => Some(Kind::Text),
        Kind::Secret => find(SECRET_SOURCE, step).map(|key| key.kind),
        Kind::Any => Some(Kind::Any),
        _ => None,
    }
}

impl Kind {
    /// Its words in messages: "must be …".
    pub fn words(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Integer(..) => "a whole number".to_owned(),
            Self::Money => "an amount in US dollars, such as 0.50".to_owned(),
            Self::Price(_) => "a price in US dollars, such as 0.003".to_owned(),
            Self::Factor => "a number that is not negative".to_owned(),
            Self::Moment => "a date such as 2026-01-31 or an RFC 3339 time".to_owned(),
            Self::EnvName => "the name of an environment variable".to_owned(),
            Self::EnvText => "text, in which ${NAME} stands for a variable".to_owned(),
            Self::Zone => "the name of a time zone, such as Europe/Berlin".to_owned(),
            Self::List(inner) => format!("a list, each item {}", inner.words()),
            Self::MapOf(_) | Self::Object(_) | Self::Table(_) => "a mapping".to_owned(),
            Self::Words => "text or a list of texts".to_owned(),
            Self::Secret => {
                "text, in which ${NAME} stands for a variable, or {file: PATH}, or {command: [WORD, …]}"
                    .to_owned()
            }
            Self::Any => "anything".to_owned(),
        }
    }

    /// Whether its values are hidden in displays.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::EnvText | Self::Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(keys: &'static [Key], visit: &mut dyn FnMut(&'static Key)) {
        for key in keys {
            visit(key);
            below(key.kind, visit);
        }
    }

    fn below(kind: Kind, visit: &mut dyn FnMut(&'static Key)) {
        match kind {
            Kind::Object(keys) | Kind::Table(keys) => each(keys, visit),
            Kind::List(inner) | Kind::MapOf(inner) => below(*inner, visit),
            _ => {}
        }
    }

    #[test]
    fn keys_are_described_and_defaults_are_valid() {
        each(ROOT, &mut |key| {
            assert!(key.doc.ends_with('.'), "{}", key.name);
            if !key.default.is_empty() {
                let node = crate::config::yaml::parse(key.default, 0).expect(key.name);
                let mut findings = Vec::new();
                if let Some(node) = node {
                    crate::config::check::value(&node, key.kind, &mut findings);
                }
                assert!(findings.is_empty(), "{}: {findings:?}", key.name);
            }
        });
    }

    #[test]
    fn paths_lead_to_kinds() {
        let kind = |path: &[&str]| kind_at(&path.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert!(matches!(kind(&["daemon", "http", "port"]), Some(Kind::Integer(1, 65_535))));
        assert!(matches!(kind(&["models", "a.b", "prices", "[0]", "valid_from"]), Some(Kind::Moment)));
        assert!(kind(&["daemon", "nothing"]).is_none());
    }
}
