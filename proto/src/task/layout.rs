//! Where task files are: names of the lanes' directories, and what a path below the root means.
//!
//! Pure text; no file is looked at here.

use super::status::Lane;

/// Names of the directories below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Created, nobody has it.
    pub inbox: String,
    /// One directory an agent below.
    pub assigned: String,
    /// Finished.
    pub done: String,
    /// Finished long ago.
    pub archive: String,
    /// Frozen.
    pub fridge: String,
    /// Directories below the root that are never looked at.
    pub exclude: Vec<String>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            inbox: "inbox".to_owned(),
            assigned: "assigned".to_owned(),
            done: "done".to_owned(),
            archive: "archive".to_owned(),
            fridge: "fridge".to_owned(),
            exclude: vec!["backups".to_owned()],
        }
    }
}

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot<'a> {
    /// Lane.
    pub lane: Lane,
    /// The first directory below `assigned` or `done`.
    pub agent_dir: Option<&'a str>,
    /// File name.
    pub name: &'a str,
}

impl Layout {
    /// The directory of a lane, relative to the root.
    pub fn dir(&self, lane: Lane) -> &str {
        match lane {
            Lane::Inbox => &self.inbox,
            Lane::Assigned => &self.assigned,
            Lane::Done => &self.done,
            Lane::Archive => &self.archive,
            Lane::Fridge => &self.fridge,
        }
    }

    /// A directory that is never looked at; `path` is relative to the root.
    pub fn is_excluded(&self, path: &str) -> bool {
        self.exclude.iter().any(|dir| {
            let dir = dir.trim_end_matches('/');
            !dir.is_empty() && (path == dir || path.strip_prefix(dir).is_some_and(|r| r.starts_with('/')))
        })
    }

    /// What a path below the root means; nothing for what is no task file.
    pub fn locate<'a>(&self, path: &'a str) -> Option<Spot<'a>> {
        if self.is_excluded(path) {
            return None;
        }
        let name = path.rsplit('/').next().filter(|name| is_task_name(name))?;
        for lane in Lane::ALL {
            let Some(rest) = path.strip_prefix(self.dir(lane)).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let agent_dir = match (lane, rest.split_once('/')) {
                (Lane::Assigned | Lane::Done, Some((dir, _))) => Some(dir),
                _ => None,
            };
            return Some(Spot { lane, agent_dir, name });
        }
        None
    }
}

/// A name that a task file can have: `.yaml` or `.yml`, and none of an editor's own files.
pub fn is_task_name(name: &str) -> bool {
    let stem = stem(name);
    stem.len() < name.len() && !stem.is_empty() && !name.starts_with('.')
}

/// The name without `.yaml` or `.yml`.
pub fn stem(name: &str) -> &str {
    name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(name)
}

/// A text that can be the directory of an agent: one name, not hidden, nothing a shell or a terminal stumbles over.
pub fn is_agent_dir(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && !name.starts_with(['.', '-'])
        && !name.chars().any(|c| c.is_control() || c.is_whitespace() || "/\\:*?\"<>|".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_meaning() {
        let layout = Layout::default();
        let spot = |path| layout.locate(path).map(|s| (s.lane, s.agent_dir, s.name));
        assert_eq!(spot("inbox/a.yaml"), Some((Lane::Inbox, None, "a.yaml")));
        assert_eq!(spot("assigned/x/a.yml"), Some((Lane::Assigned, Some("x"), "a.yml")));
        assert_eq!(spot("assigned/x/sub/a.yml"), Some((Lane::Assigned, Some("x"), "a.yml")));
        assert_eq!(spot("done/a.yaml"), Some((Lane::Done, None, "a.yaml")));
        assert_eq!(spot("archive/2026-02/a.yaml"), Some((Lane::Archive, None, "a.yaml")));
        assert_eq!(spot("fridge/later/a.yaml"), Some((Lane::Fridge, None, "a.yaml")));
        for none in [
            "backups/1/x/a.yaml",
            "a.yaml",
            "completed/a.yaml",
            "inboxes/a.yaml",
            "inbox/a.md",
            "inbox/.a.yaml",
            "inbox/.a.yaml.swp",
            "inbox/a.yaml~",
            "inbox/a.yaml.broken",
            "inbox/a.yaml.tmp",
            "inbox/4913",
            "inbox/.yaml",
            "inbox/.gitkeep",
        ] {
            assert_eq!(spot(none), None, "{none}");
        }
        let own = Layout { exclude: vec!["done/old/".to_owned()], ..Layout::default() };
        assert!(own.locate("done/old/a.yaml").is_none() && own.locate("done/older/a.yaml").is_some());
    }

    #[test]
    fn agents_are_plain_directories() {
        assert!(is_agent_dir("backend-dev") && is_agent_dir("büro"));
        for bad in ["", ".", "..", ".x", "a/b", "a b", "a\nb", "-rf", &"x".repeat(101)] {
            assert!(!is_agent_dir(bad), "{bad}");
        }
    }
}
