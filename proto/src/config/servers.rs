//! Checks on MCP servers beyond the kinds of their values: what an entry must have, what contradicts, names that no
//! program or request could take. Values are never repeated, for they may be secret.

use super::check::shortened;
use super::cross::{key_place, value_place};
use super::diagnostic::{Code, Diagnostic, KeyPath};
use super::node::{Map, Node, Value};
use super::words;

/// Programs that fetch a package and run it.
const RUNNERS: [&str; 7] = ["npx", "bunx", "pnpx", "uvx", "pipx", "dlx", "deno"];
/// Longest name of a server, in bytes.
const MAX_NAME: usize = 128;

/// Checks every server; findings are appended.
pub(super) fn check(tree: &Node, findings: &mut Vec<Diagnostic>) {
    let Some(servers) = tree.get("mcp_servers").and_then(Node::map) else { return };
    for (name, entry) in servers {
        let mut server =
            Server { tree, node: &entry.node, path: KeyPath::of(["mcp_servers", name]), findings };
        if entry.node.value != Value::Null {
            server.name(name);
        }
        if entry.node.map().is_some() {
            server.transport();
            server.restart();
            server.health();
            server.names();
            server.bearer();
        }
    }
}

/// Whether a server of this entry is reached by HTTP.
pub(super) fn is_http(node: &Node) -> bool {
    match node.get("transport").and_then(Node::text) {
        Some("http") => true,
        Some("stdio") => false,
        _ => node.get("url").is_some() && node.get("command").is_none(),
    }
}

struct Server<'a> {
    tree: &'a Node,
    node: &'a Node,
    path: KeyPath,
    findings: &'a mut Vec<Diagnostic>,
}

impl Server<'_> {
    fn report(&mut self, code: Code, path: &KeyPath, message: String) {
        self.findings.push(Diagnostic::new(code, path, value_place(self.tree, path), message));
    }

    fn at_key(&mut self, code: Code, path: &KeyPath, message: String) {
        self.findings.push(Diagnostic::new(code, path, key_place(self.tree, path), message));
    }

    fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    /// Names of servers are parts of file names, of command lines and of the names of tools.
    fn name(&mut self, name: &str) {
        let path = self.path.clone();
        let bad = name.is_empty() || name.len() > MAX_NAME || name.starts_with(['.', '-']);
        if bad || name.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
            let name = shortened(name);
            let message = format!("mcp_servers: `{name}` cannot be the name of a server");
            self.at_key(Code::WrongType, &path, message);
        }
    }

    fn transport(&mut self) {
        let path = self.path.clone();
        let said = self.node.get("transport").and_then(Node::text);
        match (said, self.has("command"), self.has("url")) {
            (Some("stdio"), false, _) => {
                self.at_key(Code::MissingKey, &path, format!("{path} is `stdio` and has no `command`"));
            }
            (Some("http"), _, false) => {
                self.at_key(Code::MissingKey, &path, format!("{path} is `http` and has no `url`"));
            }
            (None, false, false) => {
                let message = format!("{path} has neither `command` nor `url`");
                self.at_key(Code::MissingKey, &path, message);
            }
            (None, true, true) => {
                let message = format!("{path} has both `command` and `url`; say which with `transport`");
                self.at_key(Code::WrongType, &path, message);
            }
            _ => self.unused(),
        }
        if let Some(program) = self.node.get("command").and_then(fetches_code) {
            let message = format!("{path}: `{program}` fetches a program and runs it");
            self.report(Code::DownloadsCode, &path.with("command"), message);
        }
    }

    /// Keys of the other transport.
    fn unused(&mut self) {
        let (other, keys) = if is_http(self.node) {
            ("stdio", &["command", "args", "env", "cwd"][..])
        } else {
            ("http", &["url", "headers", "bearer"][..])
        };
        for key in keys.iter().filter(|key| self.node.get(key).is_some()) {
            let path = self.path.with(*key);
            self.at_key(Code::NotUsed, &path, format!("{path} is not used: it is for {other}"));
        }
    }

    fn restart(&mut self) {
        let word = self.node.get("restart").and_then(Node::text);
        let flag = self.node.get("restart_on_failure").and_then(Node::bool);
        let (Some(word), Some(flag)) = (word, flag) else { return };
        // `always` holds after failures too.
        let contradicts = match word {
            "always" | "on_failure" => !flag,
            "never" => flag,
            _ => false,
        };
        if contradicts {
            let path = self.path.with("restart");
            let message = format!(
                "{} has both `restart: {word}` and `restart_on_failure: {flag}`; remove one of them",
                self.path
            );
            self.report(Code::WrongType, &path, message);
        }
    }

    fn health(&mut self) {
        let Some(health) = self.node.get("health_check") else { return };
        let path = self.path.with("health_check");
        if health.get("method").and_then(Node::text) == Some("tool_call") && health.get("tool").is_none() {
            self.at_key(Code::MissingKey, &path, format!("{path} is `tool_call` and has no `tool`"));
        }
        if health.get("args").is_some_and(|args| args.map().is_none()) {
            let path = path.with("args");
            self.report(Code::WrongType, &path, format!("{path} must be a mapping"));
        }
    }

    fn names(&mut self) {
        let variable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        let header = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        self.each("env", "the name of a variable", variable);
        self.each("headers", "the name of a header", header);
    }

    fn each(&mut self, key: &str, what: &str, is_name: impl Fn(&str) -> bool) {
        let map: Option<&Map> = self.node.get(key).and_then(Node::map);
        for name in map.into_iter().flat_map(Map::keys).filter(|name| !is_name(name)) {
            let path = self.path.with(key).with(name.as_str());
            let message = format!("{}.{key}: `{}` cannot be {what}", self.path, shortened(name));
            self.at_key(Code::WrongType, &path, message);
        }
    }

    fn bearer(&mut self) {
        let headers = self.node.get("headers").and_then(Node::map);
        let both =
            headers.is_some_and(|map| map.keys().any(|name| name.eq_ignore_ascii_case("authorization")));
        if both && self.has("bearer") {
            let path = self.path.with("bearer");
            let message = format!("{} has both `bearer` and a header `Authorization`", self.path);
            self.at_key(Code::WrongType, &path, message);
        }
    }
}

/// The program of a command that fetches what it runs.
fn fetches_code(command: &Node) -> Option<String> {
    let first = match command.items() {
        Some(items) => items.first()?.text()?.to_owned(),
        None => words::split(command.text()?).ok()?.into_iter().next()?,
    };
    let name = first.rsplit('/').next()?;
    RUNNERS.contains(&name).then(|| name.to_owned())
}
