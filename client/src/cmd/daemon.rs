//! `llmctl daemon`: start, stop, restart, status, logs.

use std::io::{BufRead as _, BufReader};

use llmctl_proto::paths::Paths;
use llmctl_proto::pb::GetStatusRequest;
use serde_json::Value;

use super::{logs, print, println};
use crate::cli::DaemonVerb;
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, LinkError};
use crate::term::{bytes, duration};

pub(super) async fn run(paths: &Paths, verb: DaemonVerb) -> Outcome {
    match verb {
        DaemonVerb::Start => start(paths).await,
        DaemonVerb::Stop => {
            let was_running = link::stop_and_wait(paths).await?;
            println(if was_running { "llmctld has stopped" } else { "llmctld was not running" })?;
            Ok(Exit::Ok)
        }
        DaemonVerb::Restart => {
            link::stop_and_wait(paths).await?;
            start(paths).await
        }
        DaemonVerb::Status { json } => status(paths, json).await,
        DaemonVerb::Logs { follow, lines } => log(paths, follow, lines).await,
    }
}

async fn start(paths: &Paths) -> Outcome {
    let mut client = link::ensure_running(paths).await?;
    let hello = link::handshake(&mut client).await?;
    println(&format!("llmctld {} is running, pid {}", hello.version, hello.pid))?;
    Ok(Exit::Ok)
}

async fn status(paths: &Paths, json: bool) -> Outcome {
    let mut client = match link::connect(paths).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(socket)) => {
            if json {
                println(&serde_json::json!({"running": false, "socket": socket}).to_string())?;
            } else {
                println(&format!("llmctld is not running (socket {})", socket.display()))?;
            }
            return Ok(Exit::Unreachable);
        }
        Err(error) => return Err(error.into()),
    };
    let text = client.get_status(GetStatusRequest {}).await?.into_inner().status;
    if json {
        println(&text)?;
    } else {
        let status: Value = serde_json::from_str(&text)
            .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
        print(&describe(&status))?;
    }
    Ok(Exit::Ok)
}

fn describe(status: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let operations = &status["operations"];
    let (hub, store) = (&status["hub"], &status["store"]);
    format!(
        "llmctld {} is running, pid {}, for {}\n  memory      {}\n  socket      {}\n  state       {}\n  dashboard   {}\n  \
         operations  {} running, {} connected\n  events      {} published, {} followers\n  MCP servers {} of {} healthy\n  store       {}, {} facts in {} commits, {}\n",
        word(&status["version"]),
        number(&status["pid"]),
        duration(number(&status["uptime_ms"])),
        bytes(number(&status["memory_bytes"])),
        word(&status["socket"]),
        word(&status["state_dir"]),
        status["http_addr"].as_str().map_or_else(|| "off".to_owned(), |addr| format!("http://{addr}")),
        number(&operations["running"]),
        number(&operations["attached"]),
        number(&hub["published"]),
        number(&hub["followers"]),
        number(&status["mcp"]["healthy"]),
        number(&status["mcp"]["total"]),
        word(&store["state"]),
        number(&store["committed"]),
        number(&store["commits"]),
        bytes(number(&store["size_bytes"])),
    )
}

async fn log(paths: &Paths, follow: bool, lines: usize) -> Outcome {
    let path = paths.daemon_log();
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println(&format!(
                "no log yet ({}); a daemon in the foreground logs to its terminal",
                path.display()
            ))?;
            return Ok(Exit::Ok);
        }
        Err(error) => {
            return Err(CliError::failed(format!("cannot read {}", path.display())).caused_by(error));
        }
    };
    let mut last = std::collections::VecDeque::new();
    let mut length = 0;
    let mut reader = BufReader::new(file);
    loop {
        let mut line = Vec::new();
        let count = reader.read_until(b'\n', &mut line).map_err(|e| CliError::failed(e.to_string()))?;
        if count == 0 {
            break;
        }
        length += count as u64;
        last.push_back(String::from_utf8_lossy(&line).into_owned());
        if last.len() > lines {
            last.pop_front();
        }
    }
    for line in last {
        print(&line)?;
    }
    if follow {
        logs::follow_file(&path, length, || false).await?;
    }
    Ok(Exit::Ok)
}
