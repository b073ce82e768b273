//! Finds model servers that run on this machine, on the loopback ports they usually listen on.
//!
//! All ports are asked at once, within one short deadline, and only an answer of the right shape counts: a port
//! may belong to anything, our own dashboard included. Sends no prompt and no key. The environment is handed in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::decode::string;
use super::request::{Api, ProviderSpec};
use super::wire;

/// Time for all probes together.
pub const DEADLINE: Duration = Duration::from_millis(300);

/// Name of llama.cpp's server; its running counts are asked for by this name.
pub const LLAMA_CPP: &str = "llama.cpp";

/// Longest list of models read, in bytes.
const BODY_BYTES: usize = 1024 * 1024;
/// Longest head of an answer, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// Most models kept of one server.
const MAX_MODELS: usize = 256;
/// Longest name of a model, in bytes.
const MODEL_BYTES: usize = 256;

/// What kind of list a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Ollama's `/api/tags`.
    Tags,
    /// OpenAI's `/v1/models`.
    Models,
}

/// A place where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What usually listens there; several names are joined by `/`.
    pub name: String,
    /// Where.
    pub address: SocketAddr,
    /// What it is asked.
    pub ask: Ask,
}

/// A model server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// What it calls itself, where its list of models gives it away, else what usually listens on its port.
    pub name: String,
    /// Its address, as a provider's `base_url`.
    pub base_url: String,
    /// Wire format.
    pub api: Api,
    /// Models it offers, in its own order, at most 256; embedding models left out.
    pub models: Vec<String>,
}

impl LocalServer {
    /// The server as a provider to call.
    pub fn spec(&self) -> ProviderSpec {
        ProviderSpec {
            name: self.name.clone(),
            api: self.api,
            base_url: self.base_url.clone(),
            key: None,
            key_env: None,
            headers: Vec::new(),
        }
    }
}

/// Why there is no server to use at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Nothing listens.
    #[error("refused")]
    Refused,
    /// Something else listens.
    #[error("not a model server")]
    NotAModelServer,
    /// It wants a key.
    #[error("asks for a key")]
    AsksForKey,
    /// It runs without a model.
    #[error("no model loaded")]
    NoModel,
    /// It did not answer within the deadline.
    #[error("timeout")]
    Timeout,
    /// `OLLAMA_HOST` points to another machine, or is no address.
    #[error("OLLAMA_HOST is not on this machine")]
    NotLocal,
}

/// What was found at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What usually listens there.
    pub name: String,
    /// The address asked; none when there was none to ask.
    pub address: Option<SocketAddr>,
    /// The server, or why there is none.
    pub result: Result<LocalServer, WhyNot>,
}

/// The usual places; three programs share port 8080, which is asked once.
const USUAL: &[(&str, u16)] = &[
    ("lm-studio", 1234),
    ("llama.cpp/localai/llamafile", 8080),
    ("vllm", 8000),
    ("jan", 1337),
    ("gpt4all", 4891),
    ("koboldcpp", 5001),
    ("text-generation-webui", 5000),
];

const OLLAMA: &str = "ollama";
const OLLAMA_PORT: u16 = 11434;

/// Names of the servers that are looked for.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(OLLAMA).chain(USUAL.iter().map(|&(name, _)| name))
}

/// The usual places on the loopback address, Ollama first. `OLLAMA_HOST` moves Ollama when it names this machine.
///
/// # Errors
/// `NotLocal`, with the places that remain, when `OLLAMA_HOST` names another machine: a server of the network is
/// never taken for a local one.
pub fn targets(env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Target>, (WhyNot, Vec<Target>)> {
    let others = USUAL.iter().map(|&(name, port)| target(name, loopback(port), Ask::Models));
    let host = env("OLLAMA_HOST").map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
    let ollama = match host {
        None => Some(loopback(OLLAMA_PORT)),
        Some(host) => ollama_address(&host),
    };
    match ollama {
        Some(address) => Ok(std::iter::once(target(OLLAMA, address, Ask::Tags)).chain(others).collect()),
        None => Err((WhyNot::NotLocal, others.collect())),
    }
}

fn target(name: &str, address: SocketAddr, ask: Ask) -> Target {
    Target { name: name.to_owned(), address, ask }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Reads `OLLAMA_HOST` as Ollama does: scheme, host and port may each be missing. None when it is not loopback;
/// "every address" is how a server is told to listen, and includes this machine.
fn ollama_address(host: &str) -> Option<SocketAddr> {
    let (rest, scheme_port) = match host.split_once("://") {
        None => (host, OLLAMA_PORT),
        Some(("http", rest)) => (rest, 80),
        Some(_) => return None,
    };
    let rest = rest.split('/').next().unwrap_or_default();
    let (name, port) = split_port(rest, scheme_port)?;
    let ip = match name.to_ascii_lowercase().as_str() {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        name => name.parse::<IpAddr>().ok()?,
    };
    let ip = match ip {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip if ip.is_loopback() => ip,
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn split_port(text: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        return Some((ip, port.strip_prefix(':').map_or(Some(default), |port| port.parse().ok())?));
    }
    match text.rsplit_once(':') {
        // Two colons and no bracket: an IPv6 address without a port.
        Some((ip, _)) if ip.contains(':') => Some((text, default)),
        Some((name, port)) => Some((name, port.parse().ok()?)),
        None => Some((text, default)),
    }
}

/// Asks the usual places; `env` is consulted for `OLLAMA_HOST`. Takes at most `DEADLINE`.
pub async fn discover(env: &dyn Fn(&str) -> Option<String>) -> Vec<Probe> {
    let (not_local, targets) = match targets(env) {
        Ok(targets) => (None, targets),
        Err((why, targets)) => (Some(why), targets),
    };
    let mut probes: Vec<Probe> = not_local
        .map(|why| Probe { name: OLLAMA.to_owned(), address: None, result: Err(why) })
        .into_iter()
        .collect();
    probes.extend(probe_all(&targets, DEADLINE).await);
    probes
}

/// Asks all `targets` at once and answers within `deadline`, in their order.
pub async fn probe_all(targets: &[Target], deadline: Duration) -> Vec<Probe> {
    let until = Instant::now() + deadline;
    let probes = targets.iter().map(|target| async move {
        let result = timeout_at(until, probe(target)).await.unwrap_or(Err(WhyNot::Timeout));
        Probe { name: target.name.clone(), address: Some(target.address), result }
    });
    join_all(probes).await
}

async fn probe(target: &Target) -> Result<LocalServer, WhyNot> {
    let stream = TcpStream::connect(target.address).await.map_err(|_| WhyNot::Refused)?;
    let path = match target.ask {
        Ask::Tags => "/api/tags",
        Ask::Models => "/v1/models",
    };
    let request = Request::get(format!("http://{}{path}", target.address))
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Bytes::new())
        .map_err(|_| WhyNot::NotAModelServer)?;
    let exchange = wire::exchange(TokioIo::new(stream), request, HEAD_BYTES).await;
    let mut exchange = exchange.map_err(|_| WhyNot::NotAModelServer)?;
    match exchange.head.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(WhyNot::AsksForKey),
        // llama.cpp answers so while it loads its model.
        StatusCode::SERVICE_UNAVAILABLE => return Err(WhyNot::NoModel),
        _ => return Err(WhyNot::NotAModelServer),
    }
    let (body, cut) = exchange.read(BODY_BYTES).await;
    if cut {
        return Err(WhyNot::NotAModelServer);
    }
    let value = serde_json::from_slice::<Value>(&body).map_err(|_| WhyNot::NotAModelServer)?;
    server(target, &value)
}

/// Reads a list of models; pure.
fn server(target: &Target, value: &Value) -> Result<LocalServer, WhyNot> {
    let (entries, field) = match target.ask {
        Ask::Tags => (value["models"].as_array(), "name"),
        Ask::Models => (value["data"].as_array(), "id"),
    };
    let entries = entries.ok_or(WhyNot::NotAModelServer)?;
    // A list under the name `data` is common; this one says that it is a list of models.
    let is_model = |entry: &Value| entry["object"] == "model";
    if target.ask == Ask::Models && value["object"] != "list" && !entries.first().is_some_and(is_model) {
        return Err(WhyNot::NotAModelServer);
    }
    let names: Option<Vec<&str>> = entries.iter().map(|entry| string(entry, field)).collect();
    let names = names.ok_or(WhyNot::NotAModelServer)?;
    let usable = |name: &&str| {
        !name.is_empty()
            && name.len() <= MODEL_BYTES
            && !name.chars().any(char::is_control)
            && !name.to_ascii_lowercase().contains("embed")
    };
    let models: Vec<String> = names.into_iter().filter(usable).take(MAX_MODELS).map(str::to_owned).collect();
    if models.is_empty() {
        return Err(WhyNot::NoModel);
    }
    let (api, path) = match target.ask {
        Ask::Tags => (Api::Ollama, ""),
        Ask::Models => (Api::Chat, "/v1"),
    };
    Ok(LocalServer {
        name: name_of(target, entries),
        base_url: format!("http://{}{path}", target.address),
        api,
        models,
    })
}

/// What the server is, from the owner it gives its models, else from its port.
fn name_of(target: &Target, entries: &[Value]) -> String {
    if target.ask == Ask::Tags {
        return OLLAMA.to_owned();
    }
    let owner = entries.first().and_then(|entry| string(entry, "owned_by")).unwrap_or_default();
    let name = match owner.to_ascii_lowercase().as_str() {
        "llamacpp" => LLAMA_CPP,
        "vllm" => "vllm",
        "koboldcpp" => "koboldcpp",
        "organization_owner" => "lm-studio",
        // LocalAI and llamafile do not tell themselves apart; the place's other names stay.
        _ if target.name.contains('/') => "local-server",
        _ => target.name.as_str(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
