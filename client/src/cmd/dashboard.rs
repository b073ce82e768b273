//! `llmctl dashboard`: the web gateway, and a browser on it.

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::process::Stdio;

use llmctl_proto::paths::{Paths, replace_file};
use llmctl_proto::pb::{CreateLoginCodeRequest, StartGatewayRequest, StopGatewayRequest};

use super::println;
use crate::cli::{Address, DashboardVerb};
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, Client, LinkError};

/// Programs that show a page in the user's browser.
const OPENERS: [&str; 3] = ["xdg-open", "open", "wslview"];

pub(super) async fn run(paths: &Paths, verb: DashboardVerb) -> Outcome {
    match verb {
        DashboardVerb::Start(address) => {
            let mut client = link::ensure_running(paths).await?;
            let (addr, already) = start(&mut client, address).await?;
            let state = if already { "already runs" } else { "runs" };
            println(&format!(
                "the dashboard {state} at http://{addr}; open it with `llmctl dashboard open`"
            ))?;
            Ok(Exit::Ok)
        }
        DashboardVerb::Stop => stop(paths).await,
        DashboardVerb::Open { address, print } => open(paths, address, print).await,
        DashboardVerb::Status => status(paths).await,
    }
}

async fn start(client: &mut Client, address: Address) -> Result<(String, bool), CliError> {
    let request = StartGatewayRequest {
        host: address.host.unwrap_or_default(),
        port: address.port.map(u32::from).unwrap_or_default(),
    };
    let answer = client.start_gateway(request).await?.into_inner();
    Ok((answer.http_addr, answer.already_running))
}

async fn stop(paths: &Paths) -> Outcome {
    let mut client = match link::connect(paths).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(_)) => {
            println("the dashboard was not running")?;
            return Ok(Exit::Ok);
        }
        Err(error) => return Err(error.into()),
    };
    let answer = client.stop_gateway(StopGatewayRequest {}).await?.into_inner();
    println(if answer.was_running { "the dashboard has stopped" } else { "the dashboard was not running" })?;
    Ok(Exit::Ok)
}

async fn status(paths: &Paths) -> Outcome {
    let addr = match link::connect_any(&paths.socket).await {
        Ok(mut client) => link::handshake(&mut client).await?.http_addr,
        Err(LinkError::NotRunning(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    if addr.is_empty() {
        println("the dashboard is not running; start it with `llmctl dashboard open`")?;
        return Ok(Exit::Unreachable);
    }
    println(&format!("the dashboard runs at http://{addr}"))?;
    Ok(Exit::Ok)
}

async fn open(paths: &Paths, address: Address, print: bool) -> Outcome {
    let mut client = link::ensure_running(paths).await?;
    start(&mut client, address).await?;
    let code = client.create_login_code(CreateLoginCodeRequest {}).await?.into_inner();
    let url = format!("http://{}/auth#code={}", code.http_addr, code.code);
    if print {
        println(&url)?;
        return Ok(Exit::Ok);
    }
    println(&format!("the dashboard runs at http://{}", code.http_addr))?;
    if let Some(remote) = Remote::from_env() {
        // Whoever reads this sits at another computer, where no browser can be started from here. Also where nothing is
        // a terminal, as with `ssh HOST llmctl dashboard open`: it is this user who gets the answer.
        println(&remote.advice(&code.http_addr, &url))?;
        return Ok(Exit::Ok);
    }
    if show_in_browser(paths, &url)? {
        println("it opens in your browser; the login is good for 60 s and works once")?;
    } else if std::io::stdout().is_terminal() {
        println(&format!("no browser was found; open this within 60 s:\n{url}"))?;
    } else {
        // The address is a key; where nobody reads along it is not written.
        println("no browser was found; `llmctl dashboard open --print` prints an address to open yourself")?;
    }
    Ok(Exit::Ok)
}

/// The SSH connection this is run over.
#[derive(Debug, PartialEq, Eq)]
struct Remote {
    user: Option<String>,
    /// Under which address and port the other side has reached this machine; none when that was not told.
    server: Option<(String, String)>,
}

impl Remote {
    fn from_env() -> Option<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        set("SSH_CONNECTION")
            .map(|connection| Self::parse(&connection, set("USER").or_else(|| set("LOGNAME"))))
    }

    /// `SSH_CONNECTION` is the client's address and port, then the server's. What is no address is in no command.
    fn parse(connection: &str, user: Option<String>) -> Self {
        let fields: Vec<&str> = connection.split_ascii_whitespace().collect();
        let server = match fields[..] {
            [_, _, host, port] if host.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok() => {
                Some((host.to_owned(), port.to_owned()))
            }
            _ => None,
        };
        let plain = |user: &String| {
            !user.starts_with('-') && user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        Self { user: user.filter(plain), server }
    }

    /// The command that makes the dashboard reachable from the other side.
    fn tunnel(&self, http_addr: &str) -> String {
        let port = http_addr.rsplit(':').next().unwrap_or_default();
        let (host, ssh_port) = match &self.server {
            Some((host, ssh_port)) if ssh_port == "22" => (host.as_str(), String::new()),
            Some((host, ssh_port)) => (host.as_str(), format!(" -p {ssh_port}")),
            None => ("HOST", String::new()),
        };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("ssh -L {port}:{http_addr}{ssh_port} {user}{host}")
    }

    fn advice(&self, http_addr: &str, url: &str) -> String {
        format!(
            "this is an SSH session; on your own computer run (with the name by which you know this machine, if its \
             address will not do):\n  {}\nand open there within 60 s; it works once:\n  {url}",
            self.tunnel(http_addr)
        )
    }
}

/// Opens a private page that leads on, so that the code is in no command line that others can list.
fn show_in_browser(paths: &Paths, url: &str) -> Result<bool, CliError> {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].iter().any(|v| std::env::var_os(v).is_some());
    if !has_display && cfg!(target_os = "linux") {
        return Ok(false);
    }
    let Some(opener) = OPENERS.iter().find_map(|name| crate::route::gather::find_program(name)) else {
        return Ok(false);
    };
    let page = paths.runtime.join("open.html");
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"><title>llmctl</title><a href=\"{url}\">Open the dashboard</a>\n"
    );
    replace_file(&page, html.as_bytes())
        .map_err(|e| CliError::failed(format!("cannot write {}", page.display())).caused_by(e))?;
    let started = std::process::Command::new(opener)
        .arg(&page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ok(started.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tunnel_leads_back_to_where_one_came_from() {
        let tunnel = |connection: &str, user: Option<&str>, addr: &str| {
            Remote::parse(connection, user.map(str::to_owned)).tunnel(addr)
        };
        let v4 = "127.0.0.1:8080";
        assert_eq!(
            tunnel("198.51.100.4 50022 203.0.113.7 22", Some("ann"), v4),
            "ssh -L 8080:127.0.0.1:8080 ann@203.0.113.7"
        );
        assert_eq!(
            tunnel("2001:db8::4 50022 2001:db8::7 2222", None, "[::1]:9000"),
            "ssh -L 9000:[::1]:9000 -p 2222 2001:db8::7"
        );
        for odd in ["1", "a b $(reboot) 22", "198.51.100.4 50022 203.0.113.7 22;x", "1 2 3 4 5"] {
            assert_eq!(tunnel(odd, Some("-oProxyCommand=x"), v4), "ssh -L 8080:127.0.0.1:8080 HOST", "{odd}");
        }
    }
}
