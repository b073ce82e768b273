//! The `tasks` section of a configuration, read into what the board lives by.
//!
//! Names of directories are checked: none may lead out of the directory it is below. What is wrong keeps its default
//! and is said in the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use llmctl_proto::config::Node;
use llmctl_proto::task::Layout;

/// Most roots of one configuration.
const MAX_ROOTS: usize = 32;

/// Limits of work in progress; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wip {
    /// Of one agent.
    pub per_agent: u64,
    /// In all.
    pub in_progress: u64,
    /// Refuses beyond instead of showing it.
    pub enforce: bool,
}

/// What the board takes from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Directories with task files in each project.
    pub in_projects: Vec<String>,
    /// Directories with task files anywhere.
    pub absolute: Vec<PathBuf>,
    /// Names of the lanes' directories.
    pub layout: Layout,
    /// Other names of agents, for filters.
    pub aliases: BTreeMap<String, String>,
    /// Limits of work in progress.
    pub wip: Wip,
    /// Seconds after which work without a running operation counts as stalled.
    pub stalled_after_s: u64,
    /// Writes what operations cost into the file that they complete.
    pub write_cost: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            in_projects: vec!["work/collaboration".to_owned()],
            absolute: Vec::new(),
            layout: Layout::default(),
            aliases: BTreeMap::new(),
            wip: Wip::default(),
            stalled_after_s: 7_200,
            write_cost: false,
        }
    }
}

impl Rules {
    /// Reads the section out of a whole configuration.
    pub fn read(config: Option<&Node>, home: Option<&Path>) -> Self {
        let mut rules = Self::default();
        let Some(tasks) = config.and_then(|config| config.get("tasks")) else { return rules };
        if let Some(roots) = tasks.get("roots") {
            rules.in_projects.clear();
            for text in roots.texts().into_iter().take(MAX_ROOTS) {
                rules.root(&text, home);
            }
        }
        if let Some(lanes) = tasks.get("lanes") {
            rules.lanes(lanes);
        }
        if let Some(exclude) = tasks.get("exclude") {
            rules.layout.exclude = exclude.texts().into_iter().take(MAX_ROOTS).collect();
        }
        for (name, entry) in tasks.get("agent_aliases").and_then(Node::map).into_iter().flatten() {
            if let Some(agent) = entry.node.text() {
                rules.aliases.insert(name.clone(), agent.to_owned());
            }
        }
        let number = |node: &Node, key: &str| node.get(key).and_then(Node::integer);
        let flag = |node: &Node, key: &str| node.get(key).and_then(Node::bool);
        if let Some(wip) = tasks.get("wip") {
            rules.wip = Wip {
                per_agent: number(wip, "per_agent").unwrap_or(0),
                in_progress: number(wip, "in_progress").unwrap_or(0),
                enforce: flag(wip, "enforce").unwrap_or(false),
            };
        }
        rules.stalled_after_s = number(tasks, "stalled_after_s").unwrap_or(rules.stalled_after_s);
        rules.write_cost = flag(tasks, "write_cost").unwrap_or(false);
        rules
    }

    fn root(&mut self, text: &str, home: Option<&Path>) {
        let at_home = text.strip_prefix("~/").and_then(|rest| Some(home?.join(rest)));
        if let Some(path) = at_home.or_else(|| Path::new(text).is_absolute().then(|| PathBuf::from(text))) {
            self.absolute.push(path);
        } else if is_below(text) {
            self.in_projects.push(text.trim_matches('/').to_owned());
        } else {
            tracing::warn!(root = text, "tasks.roots: leads out of the project, left out");
        }
    }

    fn lanes(&mut self, lanes: &Node) {
        let layout = &mut self.layout;
        for (key, dir) in [
            ("inbox", &mut layout.inbox),
            ("assigned", &mut layout.assigned),
            ("done", &mut layout.done),
            ("archive", &mut layout.archive),
            ("fridge", &mut layout.fridge),
        ] {
            match lanes.get(key).and_then(Node::text) {
                Some(text) if is_below(text) => text.trim_matches('/').clone_into(dir),
                Some(text) => tracing::warn!(lane = key, directory = text, "tasks.lanes: not used"),
                None => {}
            }
        }
    }
}

/// A relative path of plain names.
fn is_below(text: &str) -> bool {
    let text = text.trim_end_matches('/');
    !text.is_empty()
        && text.split('/').all(|name| !name.is_empty() && !matches!(name, "." | "..") && !name.contains('\0'))
}

#[cfg(test)]
mod tests {
    use llmctl_proto::config::{Entry, Map, Place, Value};

    use super::*;

    fn node(value: &serde_json::Value) -> Node {
        let at = Place::default();
        Node::new(
            match value {
                serde_json::Value::Array(items) => Value::Seq(items.iter().map(node).collect()),
                serde_json::Value::Object(map) => Value::Map(
                    map.iter()
                        .map(|(key, value)| (key.clone(), Entry { key_at: at, node: node(value) }))
                        .collect::<Map>(),
                ),
                serde_json::Value::String(text) => Value::Scalar { text: text.clone(), quoted: true },
                other => Value::Scalar { text: other.to_string(), quoted: false },
            },
            at,
        )
    }

    #[test]
    fn nothing_is_the_default() {
        assert_eq!(Rules::read(None, None), Rules::default());
        assert_eq!(Rules::read(Some(&node(&serde_json::json!({"tools": {}}))), None), Rules::default());
    }

    #[test]
    fn directories_stay_where_they_belong() {
        let config = node(&serde_json::json!({"tasks": {
            "roots": ["work/tasks/", "../elsewhere", "/srv/tasks", "~/mine", "a//b"],
            "lanes": {"inbox": "new", "done": "../done", "assigned": "/etc"},
            "exclude": ["old"],
            "wip": {"per_agent": 2, "enforce": true},
            "stalled_after_s": 60,
        }}));
        let rules = Rules::read(Some(&config), Some(Path::new("/home/u")));
        assert_eq!(rules.in_projects, ["work/tasks"]);
        assert_eq!(rules.absolute, [PathBuf::from("/srv/tasks"), PathBuf::from("/home/u/mine")]);
        let layout = Layout { inbox: "new".into(), exclude: vec!["old".into()], ..Layout::default() };
        assert_eq!(rules.layout, layout);
        assert_eq!(rules.wip, Wip { per_agent: 2, in_progress: 0, enforce: true });
        assert_eq!(rules.stalled_after_s, 60);
    }
}
