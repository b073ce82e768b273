//! `llmctl mcp status NAME`: everything known of a server.

use std::fmt::Write as _;

use llmctl_proto::mcp::{LastCheck, ServerDetail, ServerSummary};
use llmctl_proto::paths::Paths;

use super::list::state;
use super::source::{at_rest, daemon, named, server};
use super::{logs, print_safe};
use crate::cli::mcp::McpOne;
use crate::cmd::println;
use crate::error::{Exit, Outcome};
use crate::term::{bytes, duration, one_line, tokens};

pub(super) async fn run(paths: &Paths, args: &McpOne) -> Outcome {
    let Some(mut client) = daemon(paths).await? else {
        let config = named(paths, &args.name)?;
        let summary = at_rest(&config);
        if args.json {
            println(&serde_json::to_string(&summary).unwrap_or_default())?;
        } else {
            print_safe(&head(&summary))?;
            println("no daemon runs: this is what is configured")?;
        }
        return Ok(Exit::Ok);
    };
    let (detail, text) = server(&mut client, &args.name).await?;
    if args.json {
        println(&text)?;
    } else {
        print_safe(&page(&detail))?;
    }
    Ok(Exit::Ok)
}

struct Page(String);

impl Page {
    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.0, "  {name:<16} {}", one_line(value.as_ref(), 300));
    }

    fn maybe(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.row(name, value);
        }
    }

    fn title(&mut self, title: &str) {
        let _ = writeln!(self.0, "\n{title}");
    }
}

fn head(server: &ServerSummary) -> String {
    let mut page = Page(format!("{}: {}\n", one_line(&server.name, 80), state(server.state)));
    for why in &server.reasons {
        page.row("because", why);
    }
    page.maybe("last error", server.last_error.as_ref());
    page.row(&server.transport, &server.target);
    page.maybe("package", server.package.as_ref());
    page.maybe("note", server.note.as_ref());
    if !server.tags.is_empty() {
        page.row("tags", server.tags.join(", "));
    }
    page.row("auto-start", if server.auto_start { "yes" } else { "no" });
    page.maybe("pid", server.pid.map(|pid| pid.to_string()));
    page.maybe("started", server.started_at.map(|at| at.to_string()));
    page.maybe("up for", server.uptime_ms.map(duration));
    page.maybe("next start", server.next_start_at.map(|at| at.to_string()));
    page.row("restarts", server.restarts.to_string());
    page.maybe("health check", server.last_check.as_ref().map(check));
    page.maybe(
        "uses",
        server.usage.map(|usage| {
            let many = if usage.processes == 1 { "process" } else { "processes" };
            format!(
                "{}, {:.1} % of a processor, {} {many}",
                bytes(usage.rss_bytes),
                usage.cpu_percent,
                usage.processes
            )
        }),
    );
    page.0
}

fn check(check: &LastCheck) -> String {
    let took = check.latency_ms.map(|ms| format!(" in {ms:.1} ms")).unwrap_or_default();
    let what = match &check.error {
        Some(error) => format!("{error} ({} in a row)", check.failures_in_row),
        None => format!("answered{took}"),
    };
    format!("{} at {}: {what}", check.method, check.at)
}

fn page(detail: &ServerDetail) -> String {
    let mut page = Page(head(&detail.summary));
    if let Some(info) = &detail.server_info {
        page.row("server", format!("{} {}", info.name, info.version));
    }
    if let (Some(era), Some(version)) = (&detail.era, &detail.protocol_version) {
        page.row("protocol", format!("{version} ({era})"));
    }
    if !detail.capabilities.is_empty() {
        page.row("capabilities", detail.capabilities.join(", "));
    }
    page.maybe("start took", detail.startup_ms.map(duration));
    page.maybe("configured in", detail.origin.as_ref());
    page.maybe("log", detail.log_path.as_ref());
    let traffic = &detail.traffic;
    page.title("traffic");
    page.row("calls", format!("{}, of which {} failed", traffic.requests, traffic.errors));
    page.row("received", format!("{} messages, {}", traffic.rx_messages, bytes(traffic.rx_bytes)));
    page.row("sent", format!("{} messages, {}", traffic.tx_messages, bytes(traffic.tx_bytes)));
    page.row(
        "error stream",
        format!("{}, {} dropped", bytes(traffic.stderr_bytes), bytes(traffic.stderr_dropped)),
    );
    if traffic.noise_lines > 0 {
        page.row("stdout noise", format!("{} lines, such as:", traffic.noise_lines));
        for sample in traffic.noise_samples.iter().take(3) {
            page.row("", sample);
        }
    }
    if traffic.too_long > 0 || traffic.declined > 0 {
        page.row(
            "dropped",
            format!("{} too long, {} requests of the server declined", traffic.too_long, traffic.declined),
        );
    }
    if !detail.tools.is_empty() {
        let sum = tokens(detail.summary.context_tokens_estimate);
        page.title(&format!("tools ({}, ~{sum} tokens of context)", detail.tools.len()));
        for tool in &detail.tools {
            page.row(
                &one_line(&tool.name, 40),
                one_line(tool.description.as_deref().unwrap_or_default(), 100),
            );
        }
    }
    for (title, names) in [
        ("resources", detail.resources.iter().map(|one| one.uri.clone()).collect::<Vec<_>>()),
        ("prompts", detail.prompts.iter().map(|one| one.name.clone()).collect()),
        ("required tools that are missing", detail.required_tools_missing.clone()),
    ] {
        if !names.is_empty() {
            page.title(&format!("{title} ({})", names.len()));
            for name in names.iter().take(50) {
                page.row("", name);
            }
        }
    }
    if !detail.history.is_empty() {
        page.title("history");
        for restart in detail.history.iter().take(5) {
            page.0.push_str(&logs::told(restart));
        }
    }
    page.0
}
