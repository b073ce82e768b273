//! The `tasks` section of the configuration, and which tree of a project it means.

use std::path::{Path, PathBuf};

use super::layout::Layout;
use crate::config::Node;

/// `tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSettings {
    /// Directories with task files, in each project.
    pub roots: Vec<String>,
    /// Names of the directories below.
    pub layout: Layout,
    /// Other names of agents: from the name on disk to the one filters use.
    pub agent_aliases: Vec<(String, String)>,
    /// Tasks in progress of one agent; 0 for no limit.
    pub wip_per_agent: u32,
    /// Tasks in progress in all; 0 for no limit.
    pub wip_in_progress: u32,
    /// Refuse beyond instead of warning.
    pub wip_enforce: bool,
    /// Seconds after which a task in progress counts as stalled.
    pub stalled_after_s: u64,
    /// An operation's cost is written into its task file.
    pub write_cost: bool,
}

impl Default for TaskSettings {
    fn default() -> Self {
        Self {
            roots: vec!["work/collaboration".to_owned()],
            layout: Layout::default(),
            agent_aliases: Vec::new(),
            wip_per_agent: 0,
            wip_in_progress: 0,
            wip_enforce: false,
            stalled_after_s: 7200,
            write_cost: false,
        }
    }
}

impl TaskSettings {
    /// Reads the section from the merged tree of a configuration; what is not there has its default. What is wrong
    /// in it was said when the configuration was loaded.
    pub fn from_tree(tree: &Node) -> Self {
        let mut settings = Self::default();
        let Some(node) = tree.get("tasks") else { return settings };
        if let Some(roots) = node.get("roots") {
            settings.roots = roots.texts();
        }
        if let Some(exclude) = node.get("exclude") {
            settings.layout.exclude = exclude.texts();
        }
        if let Some(lanes) = node.get("lanes") {
            let layout = &mut settings.layout;
            for (key, slot) in [
                ("inbox", &mut layout.inbox),
                ("assigned", &mut layout.assigned),
                ("done", &mut layout.done),
                ("archive", &mut layout.archive),
                ("fridge", &mut layout.fridge),
            ] {
                if let Some(dir) = lanes.get(key).and_then(Node::text) {
                    dir.trim_matches('/').clone_into(slot);
                }
            }
        }
        if let Some(aliases) = node.get("agent_aliases").and_then(Node::map) {
            settings.agent_aliases = aliases
                .iter()
                .filter_map(|(name, entry)| Some((name.clone(), entry.node.text()?.to_owned())))
                .collect();
        }
        let number = |node: Option<&Node>, key: &str| node?.get(key)?.integer();
        let small = |number: Option<u64>| number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let wip = node.get("wip");
        settings.wip_per_agent = small(number(wip, "per_agent"));
        settings.wip_in_progress = small(number(wip, "in_progress"));
        settings.wip_enforce = wip.and_then(|wip| wip.get("enforce")).and_then(Node::bool).unwrap_or(false);
        settings.stalled_after_s = number(Some(node), "stalled_after_s").unwrap_or(settings.stalled_after_s);
        settings.write_cost = node.get("write_cost").and_then(Node::bool).unwrap_or(false);
        settings
    }

    /// The name under which filters know an agent.
    pub fn agent<'a>(&'a self, name: &'a str) -> &'a str {
        self.agent_aliases.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to)
    }

    /// The tree that a directory belongs to: the nearest directory upwards that has one of the roots below it, or
    /// that is such a tree itself.
    pub fn find_root(&self, from: &Path) -> Option<PathBuf> {
        from.ancestors().find_map(|dir| {
            let itself =
                [&self.layout.inbox, &self.layout.assigned].iter().all(|lane| dir.join(lane).is_dir());
            let below = self.roots.iter().map(|root| dir.join(root)).find(|root| root.is_dir());
            if itself { Some(dir.to_path_buf()) } else { below }
        })
    }
}
