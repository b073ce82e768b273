//! `llmctl mcp tools` and `llmctl mcp discover`.

use llmctl_proto::mcp::{ServerDetail, ToolInfo};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::DiscoverMcpServerRequest;
use serde_json::json;

use super::source::{failed, server, servers};
use super::{print_safe, unreadable};
use crate::cli::mcp::{McpOne, McpTools};
use crate::cmd::println;
use crate::error::{Exit, Outcome};
use crate::link;
use crate::term::{Table, one_line};

pub(super) async fn run(paths: &Paths, args: &McpTools) -> Outcome {
    let mut client = link::connect(paths).await?;
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => servers(paths).await?.0.into_iter().filter(|s| s.state.is_open()).map(|s| s.name).collect(),
    };
    let mut all: Vec<(String, ToolInfo)> = Vec::new();
    for name in names {
        let (detail, _) = server(&mut client, &name).await?;
        all.extend(detail.tools.into_iter().map(|tool| (name.clone(), tool)));
    }
    if args.json {
        let rows: Vec<_> = all.iter().map(|(server, tool)| json!({"server": server, "tool": tool})).collect();
        println(&serde_json::Value::from(rows).to_string())?;
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        println("no tools: `llmctl mcp list` shows which servers run")?;
        return Ok(Exit::Ok);
    }
    print_safe(&table(&all))?;
    if args.schema {
        for (server, tool) in &all {
            let schema: serde_json::Value =
                serde_json::from_str(tool.input_schema.get()).map_err(unreadable)?;
            print_safe(&format!("\n{}/{}\n{schema:#}\n", one_line(server, 40), one_line(&tool.name, 128)))?;
        }
    }
    Ok(Exit::Ok)
}

fn table(all: &[(String, ToolInfo)]) -> String {
    let mut table = Table::new(&["SERVER", "TOOL", "TOKENS", "CALLS", "ERRORS", "MEAN", "DESCRIPTION"]);
    for (server, tool) in all {
        let mean = tool.total_ms.checked_div(tool.calls);
        table.row(vec![
            one_line(server, 24),
            one_line(&tool.name, 48),
            format!("~{}", tool.context_tokens_estimate),
            tool.calls.to_string(),
            tool.errors.to_string(),
            mean.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")),
            one_line(tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default(), 80),
        ]);
    }
    table.render()
}

pub(super) async fn discover(paths: &Paths, args: &McpOne) -> Outcome {
    let mut client = link::connect(paths).await?;
    let request = DiscoverMcpServerRequest { name: args.name.clone() };
    let text = client.discover_mcp_server(request).await.map_err(failed)?.into_inner().server;
    if args.json {
        println(&text)?;
        return Ok(Exit::Ok);
    }
    let detail: ServerDetail = serde_json::from_str(&text).map_err(unreadable)?;
    let tools: Vec<(String, ToolInfo)> =
        detail.tools.into_iter().map(|tool| (args.name.clone(), tool)).collect();
    print_safe(&table(&tools))?;
    println(&format!(
        "{} tools, {} resources, {} prompts",
        tools.len(),
        detail.resources.len(),
        detail.prompts.len()
    ))?;
    Ok(Exit::Ok)
}
