//! What the board takes from a configuration, with every directory checked.
//!
//! None may lead out of the directory it is below. What is wrong keeps its default and is said in the log.

use std::path::{Path, PathBuf};

use llmctl_proto::config::Node;
use llmctl_proto::task::{Layout, TaskSettings};

/// Most roots of one configuration.
const MAX_ROOTS: usize = 32;

/// What holds for a directory of task files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The section as it was read, with the lanes' directories checked.
    pub settings: TaskSettings,
    /// Directories with task files in each project.
    pub in_projects: Vec<String>,
    /// Directories with task files anywhere.
    pub absolute: Vec<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        let settings = TaskSettings::default();
        Self { in_projects: settings.roots.clone(), settings, absolute: Vec::new() }
    }
}

impl Rules {
    /// Reads the section `tasks` of a whole configuration.
    pub fn read(config: Option<&Node>, home: Option<&Path>) -> Self {
        let Some(config) = config else { return Self::default() };
        let mut rules =
            Self { settings: TaskSettings::from_tree(config), in_projects: Vec::new(), absolute: Vec::new() };
        check_layout(&mut rules.settings.layout);
        for text in rules.settings.roots.clone().iter().take(MAX_ROOTS) {
            rules.root(text, home);
        }
        rules
    }

    fn root(&mut self, text: &str, home: Option<&Path>) {
        let at_home = text.strip_prefix("~/").and_then(|rest| Some(home?.join(rest)));
        if let Some(path) = at_home.or_else(|| Path::new(text).is_absolute().then(|| PathBuf::from(text))) {
            self.absolute.push(path);
        } else if is_below(text) {
            self.in_projects.push(text.trim_end_matches('/').to_owned());
        } else {
            tracing::warn!(root = text, "tasks.roots: leads out of the project, left out");
        }
    }
}

fn check_layout(layout: &mut Layout) {
    let usual = Layout::default();
    for (lane, dir, usual) in [
        ("inbox", &mut layout.inbox, usual.inbox),
        ("assigned", &mut layout.assigned, usual.assigned),
        ("done", &mut layout.done, usual.done),
        ("archive", &mut layout.archive, usual.archive),
        ("fridge", &mut layout.fridge, usual.fridge),
    ] {
        if !is_below(dir) {
            tracing::warn!(lane, directory = %dir, "tasks.lanes: not used");
            *dir = usual;
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
            "lanes": {"inbox": "new", "done": "../done", "assigned": "a/../../b"},
            "exclude": ["old"],
            "stalled_after_s": 60,
        }}));
        let rules = Rules::read(Some(&config), Some(Path::new("/home/u")));
        assert_eq!(rules.in_projects, ["work/tasks"]);
        assert_eq!(rules.absolute, [PathBuf::from("/srv/tasks"), PathBuf::from("/home/u/mine")]);
        let layout = Layout { inbox: "new".into(), exclude: vec!["old".into()], ..Layout::default() };
        assert_eq!(rules.settings.layout, layout);
        assert_eq!(rules.settings.stalled_after_s, 60);
    }
}
