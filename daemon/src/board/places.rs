//! Which directories of task files there are: those of the configuration, and those of the projects llmctl has run
//! in.
//!
//! A project becomes known when an operation or a verb names a directory in it and it has task files. Of its
//! configuration only what the user trusts is read. Known projects are kept in the state directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmctl_proto::config::{Catalogue, Loaded, Overrides};
use llmctl_proto::paths::{Paths, replace_file};
use llmctl_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::rules::Rules;

/// Most projects that are known; the one that was named longest ago is forgotten first.
const MAX_PROJECTS: usize = 64;
/// Most directories of task files in all.
const MAX_PLACES: usize = 128;
/// Directories above a working directory that are looked into.
const MAX_UP: usize = 40;

/// A directory of task files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the project, unique among all.
    pub project: String,
    /// Directory whose work it is.
    pub project_dir: PathBuf,
    /// The directory below it, as people see it.
    pub shown: String,
    /// The directory.
    pub root: PathBuf,
    /// What holds for it.
    pub rules: Arc<Rules>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    dir: PathBuf,
    name: String,
    named_at: UnixMs,
}

/// All projects that are known. Its methods look at the disk and belong on a thread that may wait.
#[derive(Debug, Clone)]
pub(super) struct Places {
    paths: Arc<Paths>,
    known: Vec<Known>,
}

impl Places {
    /// Reads what an earlier daemon knew.
    pub(super) fn load(paths: Arc<Paths>) -> Self {
        let known = std::fs::read(paths.state.join("projects.json")).ok();
        let known: Vec<Known> = known.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { paths, known }
    }

    /// Learns the project of a working directory: the nearest above it with task files. Gives its directory, and
    /// whether it is new.
    pub(super) fn learn(&mut self, dir: &Path, rules: &Rules) -> Option<(PathBuf, bool)> {
        let found = find_project(dir, &self.paths, rules)?;
        let now = UnixMs::now();
        if let Some(known) = self.known.iter_mut().find(|known| known.dir == found) {
            // Once a day is often enough to know which one was named longest ago.
            let stale = now.since(known.named_at) > 86_400_000;
            known.named_at = now;
            if stale {
                self.save();
            }
            return Some((found, false));
        }
        let name = self.free_name(&found);
        self.known.push(Known { dir: found.clone(), name, named_at: now });
        if self.known.len() > MAX_PROJECTS {
            let oldest = (0..self.known.len()).min_by_key(|&n| self.known[n].named_at.0).unwrap_or(0);
            self.known.remove(oldest);
        }
        self.save();
        Some((found, true))
    }

    /// The directories that are there to be watched.
    pub(super) fn list(&self, user: &Arc<Rules>) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for known in &self.known {
            let rules = self.rules_of(&known.dir, user);
            for (n, shown) in rules.in_projects.iter().enumerate() {
                let root = known.dir.join(shown);
                // Others than the first are there only where somebody made them.
                if n > 0 && !root.is_dir() {
                    continue;
                }
                let project = if n == 0 { known.name.clone() } else { format!("{}:{shown}", known.name) };
                add(&mut places, project, known.dir.clone(), shown.clone(), root, &rules);
            }
        }
        for root in &user.absolute {
            let (dir, shown) = split_root(root, user);
            let project = self.free_name(&dir);
            let project = unique(project, |name| places.iter().any(|place| place.project == name));
            add(&mut places, project, dir, shown, root.clone(), user);
        }
        places
    }

    /// The user's rules, or those of the user and of a project that he trusts.
    fn rules_of(&self, dir: &Path, user: &Arc<Rules>) -> Arc<Rules> {
        let loaded = Loaded::load_for_cli(&self.paths, dir, &Overrides::default(), Catalogue::default());
        let Ok(loaded) = loaded else { return Arc::clone(user) };
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let mut rules = Rules::read(Some(&loaded.tree), home.as_deref());
        // A project speaks for itself only.
        rules.absolute = Vec::new();
        Arc::new(rules)
    }

    fn free_name(&self, dir: &Path) -> String {
        if let Some(known) = self.known.iter().find(|known| known.dir == dir) {
            return known.name.clone();
        }
        unique(plain_name(dir), |name| self.known.iter().any(|known| known.name == name))
    }

    fn save(&self) {
        let written = serde_json::to_vec(&self.known)
            .map_err(std::io::Error::other)
            .and_then(|text| replace_file(&self.paths.state.join("projects.json"), &text));
        if let Err(error) = written {
            tracing::warn!(error = %error, "the list of projects is not kept");
        }
    }
}

fn add(
    places: &mut Vec<Place>,
    project: String,
    project_dir: PathBuf,
    shown: String,
    root: PathBuf,
    rules: &Arc<Rules>,
) {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let again = places.iter().any(|place| real(&place.root) == real(&root));
    if !again && places.len() < MAX_PLACES {
        places.push(Place { project, project_dir, shown, root, rules: Arc::clone(rules) });
    }
}

/// The nearest directory upwards that has one of the directories of task files.
fn find_project(dir: &Path, paths: &Paths, rules: &Rules) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok().filter(|dir| dir.is_dir())?;
    // What we keep ourselves is nobody's project.
    if dir.starts_with(&paths.state) {
        return None;
    }
    let has_tasks = |up: &&Path| rules.in_projects.iter().any(|name| up.join(name).is_dir());
    dir.ancestors().take(MAX_UP).find(has_tasks).map(Path::to_owned)
}

/// The project of a directory of task files, and the rest of its path.
fn split_root(root: &Path, rules: &Rules) -> (PathBuf, String) {
    let usual = Rules::default().in_projects;
    for name in rules.in_projects.iter().chain(&usual) {
        if root.ends_with(name)
            && let Some(dir) = root.ancestors().nth(name.split('/').count())
        {
            return (dir.to_owned(), name.clone());
        }
    }
    (root.to_owned(), ".".to_owned())
}

/// The last name of a path, without what a terminal or an address stumbles over.
fn plain_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .take(60)
        .collect();
    if plain.trim_matches('-').is_empty() { "project".to_owned() } else { plain }
}

fn unique(name: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&name) {
        return name;
    }
    (2..=MAX_PROJECTS + MAX_PLACES + 2)
        .map(|n| format!("{name}-{n}"))
        .find(|name| !taken(name))
        // The list is bounded, so a number is free.
        .unwrap_or(name)
}

/// Places by their directory, to see what changed.
pub(super) fn by_root(places: &[Place]) -> BTreeMap<&Path, &Place> {
    places.iter().map(|place| (place.root.as_path(), place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &Path) -> Arc<Paths> {
        let paths = Paths {
            state: dir.join("state"),
            runtime: dir.join("run"),
            config: dir.join("config"),
            socket: dir.join("run/s"),
        };
        std::fs::create_dir_all(&paths.state).expect("made");
        Arc::new(paths)
    }

    #[test]
    fn projects_are_learnt_from_directories_in_them() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().canonicalize().expect("there");
        let rules = Arc::new(Rules::default());
        let mut places = Places::load(paths(&dir));
        for made in ["one/app/work/collaboration", "one/app/src/deep", "two/app/work/collaboration", "none"] {
            std::fs::create_dir_all(dir.join(made)).expect("made");
        }
        assert_eq!(places.learn(&dir.join("none"), &rules), None);
        assert_eq!(places.learn(&dir.join("missing"), &rules), None);
        let first = places.learn(&dir.join("one/app/src/deep"), &rules);
        assert_eq!(first, Some((dir.join("one/app"), true)));
        assert_eq!(places.learn(&dir.join("one/app"), &rules), Some((dir.join("one/app"), false)));
        places.learn(&dir.join("two/app"), &rules);
        let names = |places: &Places| -> Vec<String> {
            places.list(&rules).into_iter().map(|place| place.project).collect()
        };
        assert_eq!(names(&places), ["app", "app-2"]);
        assert_eq!(names(&Places::load(paths(&dir))), ["app", "app-2"], "a new daemon knows them");
    }

    #[test]
    fn a_root_is_watched_once() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().canonicalize().expect("there");
        let root = dir.join("app/work/collaboration");
        std::fs::create_dir_all(&root).expect("made");
        std::fs::create_dir_all(dir.join("plain")).expect("made");
        let absolute = vec![root.clone(), dir.join("plain")];
        let rules = Arc::new(Rules { absolute, ..Rules::default() });
        let mut places = Places::load(paths(&dir));
        let list = |places: &Places| -> Vec<(String, String)> {
            places.list(&rules).into_iter().map(|p| (p.project, p.shown)).collect()
        };
        let wanted = [("app", "work/collaboration"), ("plain", ".")];
        let wanted = wanted.map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(list(&places), wanted);
        places.learn(&dir.join("app"), &rules);
        assert_eq!(list(&places), wanted);
    }
}
