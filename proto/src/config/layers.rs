//! From files, variables and flags to one tree: a directory's files become one document, old forms are put where
//! they belong, layers are laid over one another.

use super::diagnostic::{Code, Diagnostic, KeyPath, Layer, Origin, nearest};
use super::node::{Entry, Map, Node, Place, Value};
use super::schema::{self, Kind};
use super::sources::Sources;
use super::yaml::{self, SyntaxError};

/// Most variables and flags that are looked at.
const MAX_PAIRS: usize = 1_000;
/// Tables whose entries are one thing each: the same name in two files of a directory is a mistake.
const TABLES: [&str; 6] = ["agents", "tools", "models", "providers", "policies", "mcp_servers"];

/// The layers, laid over one another.
pub(super) struct Layered {
    /// Everything that is in force.
    pub(super) tree: Node,
    /// The same without the project: what the user alone said.
    pub(super) own: Option<Node>,
    /// What each source is called, by its number.
    pub(super) origins: Vec<Origin>,
    /// Files that were read.
    pub(super) files: usize,
}

impl Layered {
    /// Where something is written, for people.
    pub(super) fn origin(&self, at: Place) -> Option<Origin> {
        let source = self.origins.get(usize::from(at.source))?;
        Some(Origin { line: at.line, column: at.column, ..source.clone() })
    }
}

/// Builds the tree; findings are appended.
pub(super) fn build(sources: &Sources, findings: &mut Vec<Diagnostic>) -> Layered {
    let mut build = Build { origins: Vec::new(), findings, files: 0 };
    let user = build.directory(sources, Layer::User);
    let in_force = sources.project.as_ref().is_none_or(|project| project.trust.in_force());
    let project = if in_force { build.directory(sources, Layer::Project) } else { None };
    let mut tree = user.unwrap_or_else(|| Node::empty(Place::default()));
    let mut own = project.is_some().then(|| tree.clone());
    if let Some(project) = project {
        tree.overlay(project);
    }
    // Names in variables are matched against those of all files, so both trees get the same settings.
    for (path, node) in build.environment(sources, &tree).into_iter().chain(build.flags(sources)) {
        if let Some(own) = &mut own {
            own.insert(&path, node.clone());
        }
        tree.insert(&path, node);
    }
    Layered { tree, own, origins: build.origins, files: build.files }
}

struct Build<'a> {
    origins: Vec<Origin>,
    findings: &'a mut Vec<Diagnostic>,
    files: usize,
}

impl Build<'_> {
    fn source(&mut self, layer: Layer, name: &str) -> u16 {
        self.origins.push(Origin { layer, name: name.to_owned(), line: 0, column: 0 });
        u16::try_from(self.origins.len() - 1).unwrap_or(u16::MAX)
    }

    fn report(&mut self, code: Code, path: &KeyPath, at: Place, message: impl Into<String>) {
        self.findings.push(Diagnostic::new(code, path, at, message));
    }

    /// One document of all files of a layer; none if it has no files.
    fn directory(&mut self, sources: &Sources, layer: Layer) -> Option<Node> {
        let mut document: Option<Node> = None;
        for file in sources.files.iter().filter(|file| file.layer == layer) {
            self.files += 1;
            let source = self.source(layer, &file.shown);
            let whole = Place { source, line: 0, column: 0 };
            let parsed = match &file.content {
                Ok(bytes) => yaml::parse_bytes(bytes, source),
                Err(why) => {
                    let message = format!("{} cannot be read: {why}", file.shown);
                    self.report(Code::Unreadable, &KeyPath::default(), whole, message);
                    continue;
                }
            };
            let root = match parsed {
                Ok(Some(node)) if node.map().is_some() => node,
                Ok(Some(node)) => {
                    let message = format!("{} must hold sections such as `agents:`", file.shown);
                    self.report(Code::WrongType, &KeyPath::default(), node.at, message);
                    continue;
                }
                Ok(None) => {
                    let message = format!("{} is empty", file.shown);
                    self.report(Code::EmptyFile, &KeyPath::default(), whole, message);
                    continue;
                }
                Err(error) => {
                    self.syntax(error);
                    continue;
                }
            };
            let stem = file.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let root = if stem == "telemetry" { as_telemetry(root) } else { root };
            match &mut document {
                None => document = Some(root),
                Some(document) => self.join(document, root, &KeyPath::default()),
            }
        }
        let mut document = document?;
        self.old_forms(&mut document);
        Some(document)
    }

    fn syntax(&mut self, error: SyntaxError) {
        let mut finding = Diagnostic::new(Code::YamlSyntax, &KeyPath::default(), error.at, error.message);
        finding.hint = error.hint;
        self.findings.push(finding);
    }

    /// Joins a second file of a directory: what both define is an error that names both.
    fn join(&mut self, document: &mut Node, other: Node, path: &KeyPath) {
        let (Some(map), Value::Map(others)) = (document.map_mut(), other.value) else { return };
        for (key, entry) in others {
            let below = path.with(key.as_str());
            let Some(own) = map.get_mut(&key) else {
                map.insert(key, entry);
                continue;
            };
            let one_thing = path.0.len() == 1 && TABLES.contains(&path.0[0].as_str());
            let both_maps = own.node.map().is_some() && entry.node.map().is_some();
            if both_maps && !one_thing {
                self.join(&mut own.node, entry.node, &below);
            } else {
                self.twice(&below, own.key_at, entry.key_at);
            }
        }
    }

    fn twice(&mut self, path: &KeyPath, first: Place, second: Place) {
        let origin = self.origins.get(usize::from(first.source)).cloned();
        let first = origin.map(|origin| Origin { line: first.line, ..origin }.short()).unwrap_or_default();
        let message = format!("{path} is defined twice; the first is in {first}");
        let finding = Diagnostic::new(Code::DuplicateDefinition, path, second, message);
        self.findings.push(finding.hint("remove one of them"));
    }

    /// Puts the forms of older files where they belong.
    fn old_forms(&mut self, document: &mut Node) {
        for section in ["cost_optimization", "rate_limiting"] {
            self.unnest(document, section);
        }
        let at =
            |document: &Node, path: &[&str]| document.at_path(path).filter(|n| n.text().is_some()).cloned();
        let none = at(document, &["telemetry", "privacy_level"]).filter(|node| node.text() == Some("none"));
        let off = none.map(|node| Node::new(Value::Scalar { text: "false".into(), quoted: false }, node.at));
        let enabled = off.or_else(|| at(document, &["telemetry", "enabled"]).filter(|n| n.bool().is_some()));
        let days = at(document, &["telemetry", "retention_days"]).filter(|n| n.integer().is_some());
        let level = at(document, &["service", "log_level"]).map(|mut node| {
            if let Value::Scalar { text, .. } = &mut node.value {
                *text = log_level(text);
            }
            node
        });
        let homes: [(Option<Node>, &[&str]); 3] = [
            (enabled, &["daemon", "history", "enabled"]),
            (days, &["daemon", "retention", "events_days"]),
            (level, &["daemon", "log_level"]),
        ];
        for (node, path) in homes {
            // What the same layer says in the new form goes before the old one.
            if let Some(node) = node.filter(|_| document.at_path(path).is_none()) {
                document.insert(path, node);
            }
        }
        for (section, key) in [("service", "name"), ("service", "version"), ("telemetry", "db_path")] {
            let entry = document.get(section).and_then(Node::map).and_then(|map| map.get(key));
            if let Some(at) = entry.map(|entry| entry.key_at) {
                let message = format!("{section}.{key} is not used");
                self.report(Code::NotUsed, &KeyPath::of([section, key]), at, message);
            }
        }
    }

    fn unnest(&mut self, document: &mut Node, section: &str) {
        let Some(policies) = document.map_mut().and_then(|map| map.get_mut("policies")) else { return };
        let Some(entry) = policies.node.map_mut().and_then(|map| map.shift_remove(section)) else { return };
        let path = KeyPath::of(["policies", section]);
        let message = format!("`{section}` stands inside `policies`; read as if it stood at the root");
        let finding = Diagnostic::new(Code::NestedPolicySection, &path, entry.key_at, message);
        self.findings.push(finding.hint("move it to the left margin"));
        let Some(root) = document.map_mut() else { return };
        match root.shift_remove(section) {
            None => {
                root.insert(section.to_owned(), entry);
            }
            Some(own) => {
                let mut node = entry.node;
                node.overlay(own.node);
                root.insert(section.to_owned(), Entry { key_at: own.key_at, node });
            }
        }
    }

    fn environment(&mut self, sources: &Sources, tree: &Node) -> Vec<(Vec<String>, Node)> {
        let mut pairs: Vec<_> = sources.env.iter().filter(|(name, value)| is_setting(name, value)).collect();
        pairs.sort();
        pairs.truncate(MAX_PAIRS);
        let mut settings = Vec::new();
        for (name, value) in pairs {
            let source = self.source(Layer::Environment, name);
            let steps: Vec<&str> = name["LLMCTL_".len()..].split("__").collect();
            let at = Place { source, line: 0, column: 0 };
            let Some((path, kind)) = self.variable_path(name, &steps, tree, at) else { continue };
            if let Some(node) = self.setting(value, kind, at, &KeyPath(path.clone())) {
                settings.push((path, node));
            }
        }
        settings
    }

    /// The path a variable's name means: case does not count, and `_` stands for `-` and `.` too.
    fn variable_path(
        &mut self,
        name: &str,
        steps: &[&str],
        tree: &Node,
        at: Place,
    ) -> Option<(Vec<String>, Kind)> {
        let (mut path, mut kind) = (Vec::<String>::new(), Kind::Object(schema::ROOT));
        for step in steps {
            let same = |known: &str| folded(known) == folded(step);
            let known = match kind {
                Kind::Object(keys) => {
                    keys.iter().map(|key| key.name).find(|key| same(key)).map(str::to_owned)
                }
                _ => {
                    let there = tree.at_path(&path).and_then(Node::map);
                    let found = there.and_then(|map| map.keys().find(|key| same(key)).cloned());
                    Some(found.unwrap_or_else(|| step.to_ascii_lowercase()))
                }
            };
            let next = known.as_ref().and_then(|key| schema::step_into(kind, key));
            let (Some(key), Some(next)) = (known, next) else {
                self.unknown_setting(name, &path, &step.to_ascii_lowercase(), kind, at);
                return None;
            };
            path.push(key);
            kind = next;
        }
        Some((path, kind))
    }

    fn unknown_setting(&mut self, name: &str, path: &[String], step: &str, kind: Kind, at: Place) {
        let below = KeyPath(path.to_vec());
        let message = if path.is_empty() {
            format!("{name}: there is no section `{step}`")
        } else {
            format!("{name}: {below} has no key `{step}`")
        };
        let belongs = if path.is_empty() { KeyPath::of([step]) } else { below };
        let mut finding = Diagnostic::new(Code::UnknownKey, &belongs, at, message);
        if let Kind::Object(keys) = kind {
            let near = nearest(step, keys.iter().map(|key| key.name));
            finding.hint = near.map(|near| format!("did you mean `{near}`?"));
        }
        self.findings.push(finding);
    }

    fn flags(&mut self, sources: &Sources) -> Vec<(Vec<String>, Node)> {
        let mut settings = Vec::new();
        for pair in sources.set.iter().take(MAX_PAIRS) {
            let source = self.source(Layer::Flag, "--set");
            let at = Place { source, line: 0, column: 0 };
            // Their form was checked when they were taken.
            let Ok((path, value)) = split_setting(pair) else { continue };
            let mut kind = Kind::Object(schema::ROOT);
            let mut known = true;
            for (depth, step) in path.0.iter().enumerate() {
                if let Some(next) = schema::step_into(kind, step) {
                    kind = next;
                } else {
                    self.unknown_setting("--set", &path.0[..depth], step, kind, at);
                    known = false;
                    break;
                }
            }
            if let Some(node) = known.then(|| self.setting(value, kind, at, &path)).flatten() {
                settings.push((path.0, node));
            }
        }
        settings
    }

    /// The value of a variable or flag: text, or YAML where the key wants more.
    fn setting(&mut self, value: &str, kind: Kind, at: Place, path: &KeyPath) -> Option<Node> {
        let compound =
            matches!(kind, Kind::List(_) | Kind::MapOf(_) | Kind::Object(_) | Kind::Table(_) | Kind::Any);
        if matches!(value, "null" | "~") {
            return Some(Node::new(Value::Null, at));
        }
        if !compound {
            return Some(scalar(value, at));
        }
        if matches!(kind, Kind::List(_)) && !value.trim_start().starts_with('[') {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            return Some(Node::new(Value::Seq(items.map(|item| scalar(item, at)).collect()), at));
        }
        match yaml::parse(value, at.source) {
            Ok(node) => Some(flattened(node.unwrap_or_else(|| Node::new(Value::Null, at)), at)),
            Err(error) => {
                let message = format!("{path} must be {}: {}", kind.words(), error.message);
                self.report(Code::WrongType, path, at, message);
                None
            }
        }
    }
}

fn scalar(text: &str, at: Place) -> Node {
    Node::new(Value::Scalar { text: text.to_owned(), quoted: false }, at)
}

/// A value of a variable has no lines: everything in it is at the variable.
fn flattened(mut node: Node, at: Place) -> Node {
    node.at = at;
    node.value = match node.value {
        Value::Seq(items) => Value::Seq(items.into_iter().map(|item| flattened(item, at)).collect()),
        Value::Map(map) => {
            let entry = |entry: Entry| Entry { key_at: at, node: flattened(entry.node, at) };
            Value::Map(map.into_iter().map(|(key, old)| (key, entry(old))).collect())
        }
        other => other,
    };
    node
}

/// Splits `KEY=VALUE`.
///
/// # Errors
/// No `=`, or a key that is no path.
pub fn split_setting(pair: &str) -> Result<(KeyPath, &str), String> {
    let (key, value) = pair
        .split_once('=')
        .ok_or_else(|| format!("`{pair}` is no KEY=VALUE, such as daemon.http.port=9090"))?;
    Ok((KeyPath::parse(key)?, value))
}

/// Whether a variable is part of the configuration. Those of one word are flags and directories, but for the one
/// section that is a single value.
fn is_setting(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("LLMCTL_") else { return false };
    !value.is_empty() && (rest.contains("__") || rest.eq_ignore_ascii_case("default_policy"))
}

fn folded(name: &str) -> String {
    let fold = |c: char| if matches!(c, '-' | '.' | ':' | ' ') { '_' } else { c.to_ascii_lowercase() };
    name.chars().map(fold).collect()
}

/// Python's names of log levels, and ours.
fn log_level(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        other => other.to_owned(),
    }
}

/// Reads a root with the keys of the section `telemetry` as that section.
fn as_telemetry(root: Node) -> Node {
    let keys = ["enabled", "db_path", "privacy_level", "retention_days"];
    let bare = root.map().is_some_and(|map| keys.iter().any(|key| map.contains_key(*key)));
    if !bare {
        return root;
    }
    let at = root.at;
    let section = Entry { key_at: at, node: root };
    Node::new(Value::Map(Map::from_iter([("telemetry".to_owned(), section)])), at)
}
