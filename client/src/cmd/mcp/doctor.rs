//! `llmctl mcp doctor NAME`: why a server does not start, or what is wrong with it, with and without a daemon.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use llmctl_proto::config::{McpServerConfig, McpTransport, SecretText, references};
use llmctl_proto::mcp::{ServerDetail, ServerState};
use llmctl_proto::paths::Paths;
use serde::Serialize;

use super::print_safe;
use super::source::{daemon, named, server};
use crate::cli::mcp::McpOne;
use crate::cmd::println;
use crate::error::{Exit, Outcome};
use crate::term::one_line;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    verdict: Verdict,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn ok(&mut self, what: &'static str, message: impl Into<String>) {
        self.0.push(Check { what, verdict: Verdict::Ok, message: message.into(), hint: None });
    }

    fn wrong(&mut self, what: &'static str, verdict: Verdict, message: impl Into<String>, hint: &str) {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        self.0.push(Check { what, verdict, message: message.into(), hint });
    }
}

pub(super) async fn run(paths: &Paths, args: &McpOne) -> Outcome {
    let config = named(paths, &args.name)?;
    let mut findings = Findings::default();
    of_config(&config, &mut findings);
    match daemon(paths).await? {
        None => findings.wrong(
            "daemon",
            Verdict::Warn,
            "no daemon runs, so whether it answers is not known",
            &format!("llmctl mcp start {}", args.name),
        ),
        Some(mut client) => match server(&mut client, &args.name).await {
            Ok((detail, _)) => of_daemon(&detail, &mut findings),
            Err(error) => findings.wrong("daemon", Verdict::Fail, error.message, "llmctl mcp reload"),
        },
    }
    let worst = findings.0.iter().any(|check| check.verdict == Verdict::Fail);
    if args.json {
        println(&serde_json::to_string(&findings.0).unwrap_or_default())?;
    } else {
        for check in &findings.0 {
            let mark = match check.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            let mut text = String::new();
            for (n, line) in check.message.lines().enumerate() {
                let head = if n == 0 { format!("{mark}  {:<13}", check.what) } else { " ".repeat(19) };
                let _ = writeln!(text, "{head} {}", one_line(line, 300));
            }
            print_safe(&text)?;
            if let Some(hint) = &check.hint {
                print_safe(&format!("{} → {}\n", " ".repeat(18), one_line(hint, 300)))?;
            }
        }
    }
    Ok(if worst { Exit::Failed } else { Exit::Ok })
}

fn of_config(config: &McpServerConfig, findings: &mut Findings) {
    let origin = config.origin.clone().unwrap_or_else(|| "the configuration".to_owned());
    match &config.broken {
        Some(why) => findings.wrong("configuration", Verdict::Fail, why, "llmctl config validate"),
        None => findings.ok("configuration", format!("{origin} is valid")),
    }
    let mut texts: Vec<(String, &SecretText)> = Vec::new();
    match &config.transport {
        McpTransport::Stdio { command, env, cwd } => {
            program(command, env, cwd.as_deref(), findings);
            if let Some(cwd) = cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
                findings.wrong("directory", Verdict::Fail, format!("cwd: there is no {}", cwd.display()), "");
            }
            texts.extend(env.iter().map(|(name, value)| (format!("env.{name}"), value)));
        }
        McpTransport::Http { url, headers } => {
            texts.push(("url".to_owned(), url));
            texts.extend(headers.iter().map(|(name, value)| (format!("headers.{name}"), value)));
        }
    }
    variables(&texts, findings);
}

fn program(
    command: &[SecretText],
    env: &[(String, SecretText)],
    cwd: Option<&Path>,
    findings: &mut Findings,
) {
    let Some(SecretText::Text(program)) = command.first() else { return };
    let own = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
    let path = match own {
        Some(SecretText::Text(text)) if !text.contains("${") => Some(text.clone()),
        Some(_) => return,
        None => std::env::var("PATH").ok(),
    };
    let found = if program.contains('/') {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        Some(cwd.map_or(home, Path::to_owned).join(program)).filter(|path| path.is_file())
    } else {
        let path = path.unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
    };
    match found {
        Some(path) => findings.ok("program", path.display().to_string()),
        None => findings.wrong(
            "program",
            Verdict::Fail,
            format!("{program} is not found"),
            "install it, or write its whole path; a daemon that a service starts may have another PATH than this shell",
        ),
    }
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if matches!(name, "npx" | "uvx" | "pipx" | "bunx") {
        findings.wrong(
            "program",
            Verdict::Warn,
            format!("{name} may fetch the package at each start"),
            "install the package and name its program: it starts faster and uses less memory",
        );
    }
}

/// Variables that are referred to: those of this shell, which a daemon usually has too.
fn variables(texts: &[(String, &SecretText)], findings: &mut Findings) {
    let mut missing = Vec::new();
    let mut named = 0;
    for (place, text) in texts {
        let written = match text {
            SecretText::Text(text) => text,
            SecretText::Bearer(inner) => match inner.as_ref() {
                SecretText::Text(text) => text,
                _ => continue,
            },
            SecretText::File(path) => {
                named += 1;
                if !path.is_file() {
                    missing.push(format!("{place}: there is no file {}", path.display()));
                }
                continue;
            }
            SecretText::Command(_) => continue,
        };
        for (name, has_default) in references(written).unwrap_or_default() {
            named += 1;
            if !has_default && std::env::var(&name).map_or(true, |value| value.is_empty()) {
                missing.push(format!("{place}: {name} is not set in this shell"));
            }
        }
    }
    if !missing.is_empty() {
        let hint = "the daemon reads them from its own environment, or from its service's";
        findings.wrong("environment", Verdict::Warn, missing.join("\n"), hint);
    } else if named > 0 {
        findings.ok("environment", format!("{named} references can be read"));
    }
}

fn of_daemon(detail: &ServerDetail, findings: &mut Findings) {
    let server = &detail.summary;
    let state = super::list::state(server.state);
    let start = format!("llmctl mcp start {}", server.name);
    match server.state {
        ServerState::Running => findings.ok("state", state),
        ServerState::Degraded => {
            findings.wrong("state", Verdict::Warn, format!("{state}: {}", server.reasons.join("; ")), "");
        }
        ServerState::Stopped | ServerState::Manual => {
            findings.wrong("state", Verdict::Warn, state, &start);
        }
        ServerState::Starting | ServerState::Stopping => findings.wrong("state", Verdict::Warn, state, ""),
        _ => {
            let why = server.last_error.clone().unwrap_or_default();
            findings.wrong("state", Verdict::Fail, format!("{state}: {why}"), &start);
        }
    }
    if let (Some(version), Some(era)) = (&detail.protocol_version, &detail.era) {
        let took = detail.startup_ms.map(|ms| format!(", ready after {ms} ms")).unwrap_or_default();
        findings.ok("handshake", format!("{version} ({era}){took}"));
    }
    if let Some(check) = &server.last_check {
        match &check.error {
            None => findings.ok("health check", format!("{} answered", check.method)),
            Some(error) => findings.wrong("health check", Verdict::Warn, error, ""),
        }
    }
    if !detail.required_tools_missing.is_empty() {
        let names = detail.required_tools_missing.join(", ");
        findings.wrong("tools", Verdict::Warn, format!("required and missing: {names}"), "");
    } else if server.state.is_open() {
        findings.ok("tools", format!("{} tools", detail.tools.len()));
    }
    if detail.traffic.noise_lines > 0 {
        let sample = detail.traffic.noise_samples.first().cloned().unwrap_or_default();
        let message =
            format!("{} lines on stdout are no messages, such as: {sample}", detail.traffic.noise_lines);
        findings.wrong("stdout", Verdict::Warn, message, "a server's log belongs on stderr");
    }
    if let Some(last) =
        detail.history.iter().find(|end| !matches!(end.cause.as_str(), "user" | "shutdown" | "config"))
    {
        let said = last.stderr_tail.lines().rev().take(8).collect::<Vec<_>>();
        let said = said.into_iter().rev().collect::<Vec<_>>().join("\n");
        let message = format!("{} at {}: {}\n{said}", last.cause, last.at, last.message);
        let verdict = if server.state.is_open() { Verdict::Warn } else { Verdict::Fail };
        findings.wrong("last end", verdict, message.trim_end(), &format!("llmctl mcp logs {}", server.name));
    }
}
