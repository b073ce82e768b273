//! Checks on what would be run or reached: tools, their templates, addresses.

use std::net::IpAddr;

use super::cross::{key_place, value_place};
use super::diagnostic::{Code, Diagnostic, KeyPath};
use super::node::Node;
use super::sources::Catalogue;
use super::{Config, Tool};

/// Checks everything; findings are appended.
pub(super) fn check(config: &Config, tree: &Node, catalogue: &Catalogue, findings: &mut Vec<Diagnostic>) {
    let mut programs = Programs { tree, catalogue, findings };
    if catalogue.references {
        for (name, tool) in &config.tools {
            programs.tool(name, tool);
        }
    }
    programs.addresses();
}

struct Programs<'a> {
    tree: &'a Node,
    catalogue: &'a Catalogue,
    findings: &'a mut Vec<Diagnostic>,
}

impl Programs<'_> {
    fn report(&mut self, code: Code, path: &KeyPath, message: String) {
        self.findings.push(Diagnostic::new(code, path, value_place(self.tree, path), message));
    }

    fn at_key(&mut self, code: Code, path: &KeyPath, message: String) {
        self.findings.push(Diagnostic::new(code, path, key_place(self.tree, path), message));
    }

    fn tool(&mut self, name: &str, tool: &Tool) {
        let path = KeyPath::of(["tools", name]);
        if tool.retired {
            return;
        }
        let adapter = tool.adapter.as_deref().unwrap_or(name);
        match adapter {
            "http" => self.http_tool(&path, tool),
            _ if self.catalogue.adapters.contains(&adapter) => self.adapter_tool(&path, tool, adapter),
            _ => {
                if tool.adapter.as_deref().is_some_and(|adapter| adapter != "template") {
                    let known = self.catalogue.adapters.join(", ");
                    let path = path.with("adapter");
                    self.report(
                        Code::UnknownTool,
                        &path,
                        format!("{path}: there is no adapter `{adapter}`; known: template, http, {known}"),
                    );
                }
                self.template_tool(&path, tool);
            }
        }
    }

    fn http_tool(&mut self, path: &KeyPath, tool: &Tool) {
        if tool.models.is_empty() {
            self.at_key(Code::MissingKey, path, format!("{path} has no `models`"));
        }
    }

    fn adapter_tool(&mut self, path: &KeyPath, tool: &Tool, adapter: &str) {
        if tool.command_template.is_some() {
            let message = format!(
                "{path}: the template is not used; llmctl has an adapter for {adapter} and knows its flags"
            );
            self.report(Code::TemplateUnused, &path.with("command_template"), message);
        }
    }

    fn template_tool(&mut self, path: &KeyPath, tool: &Tool) {
        let node = self.tree.at_path(&path.0);
        let has = |key: &str| node.is_some_and(|node| node.get(key).is_some());
        for key in ["binary", "command_template", "models"] {
            if !has(key) {
                self.at_key(Code::MissingKey, path, format!("{path} has no `{key}`"));
            }
        }
        let Some(template) = &tool.command_template else { return };
        let path = path.with("command_template");
        let names_program = template.replace(' ', "").contains("{binary}");
        if let Some(why) = self.catalogue.template_error.and_then(|check| check(template)) {
            self.report(Code::BadTemplate, &path, format!("{path}: {why}"));
        } else if !names_program {
            let message = format!("{path} must name the program as {{binary}}");
            self.report(Code::BadTemplate, &path, message);
        }
    }

    fn addresses(&mut self) {
        let tables = [("providers", "base_url"), ("mcp_servers", "url")];
        for (table, key) in tables {
            let Some(entries) = self.tree.get(table).and_then(Node::map) else { continue };
            for (name, entry) in entries {
                let Some(text) = entry.node.get(key).and_then(Node::text) else { continue };
                if !is_url(text) {
                    let path = KeyPath::of([table, name, key]);
                    // Not repeated: an address may hold a password.
                    self.report(
                        Code::BadAddress,
                        &path,
                        format!("{path} must begin with http:// or https://"),
                    );
                }
            }
        }
        let path = KeyPath::of(["daemon", "http", "host"]);
        let Some(host) = self.tree.at_path(&path.0).and_then(Node::text) else { return };
        if host == "localhost" {
            return;
        }
        match host.parse::<IpAddr>() {
            Err(_) => self.report(Code::BadAddress, &path, format!("{path}: `{host}` is no address")),
            Ok(address) if !address.is_loopback() => {
                let message = format!("{path}: {host} can be reached from other machines");
                self.report(Code::NotLoopback, &path, message);
            }
            Ok(_) => {}
        }
    }
}

fn is_url(text: &str) -> bool {
    // A whole address may come from a variable.
    if text.starts_with("${") {
        return true;
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}
