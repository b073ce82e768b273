//! `llmctl mcp call`.

use std::io::Read as _;

use llmctl_proto::mcp::CallAnswer;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::CallMcpToolRequest;
use serde_json::Value;

use super::source::failed;
use super::{print_safe, unreadable};
use crate::cli::mcp::McpCall;
use crate::cmd::println;
use crate::error::{CliError, Exit, Outcome};
use crate::link;

/// Longest arguments, in bytes.
const MAX_ARGUMENTS: u64 = 4 * 1024 * 1024;

pub(super) async fn run(paths: &Paths, args: &McpCall) -> Outcome {
    let arguments = arguments(&args.arguments)?;
    let mut client = link::connect(paths).await?;
    let request = CallMcpToolRequest {
        name: args.name.clone(),
        tool: args.tool.clone(),
        arguments,
        timeout_ms: args.timeout.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX).max(1)),
    };
    let text = client.call_mcp_tool(request).await.map_err(failed)?.into_inner().answer;
    let answer: CallAnswer = serde_json::from_str(&text).map_err(unreadable)?;
    if args.json {
        println(&text)?;
    } else if answer.text.is_empty() && !answer.is_error {
        // Pictures, links and structures have no text: then the whole result says more than nothing.
        print_safe(&format!("{}\n", answer.result.get()))?;
    } else if !answer.is_error {
        print_safe(&format!("{}\n", answer.text.trim_end_matches('\n')))?;
    }
    if !answer.is_error {
        return Ok(Exit::Ok);
    }
    let said = String::from_utf8_lossy(&crate::config::safe(&answer.text)).into_owned();
    Err(CliError::failed(format!("the tool failed: {}", said.trim())))
}

/// The arguments as JSON text; only an object is one.
fn arguments(given: &str) -> Result<String, CliError> {
    let mut text = given.to_owned();
    if given == "-" {
        text.clear();
        let read = std::io::stdin().lock().take(MAX_ARGUMENTS + 1).read_to_string(&mut text);
        read.map_err(|e| CliError::usage("cannot read the arguments from standard input").caused_by(e))?;
    }
    if text.len() as u64 > MAX_ARGUMENTS {
        return Err(CliError::usage("the arguments are longer than 4 MiB"));
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_)) => Ok(text),
        Ok(_) => Err(CliError::usage("the arguments must be a JSON object, such as '{\"path\": \"/tmp\"}'")),
        Err(error) => Err(CliError::usage(format!("the arguments are no JSON: {error}"))),
    }
}

/// Becomes the daemon's program, which has the client that the conformance suite drives.
pub(super) fn conformance(url: &str) -> Outcome {
    use std::os::unix::process::CommandExt as _;
    let program = link::find_daemon().ok_or(link::LinkError::NoProgram)?;
    let error = std::process::Command::new(program).args(["--mcp-conformance-client", url]).exec();
    Err(CliError::failed("cannot run llmctld").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_is_sent() {
        assert_eq!(arguments("{\"a\": [1]}").expect("an object"), "{\"a\": [1]}");
        for bad in ["", "[]", "7", "null", "{no json"] {
            assert_eq!(arguments(bad).expect_err(bad).exit, Exit::Usage, "{bad}");
        }
    }
}
