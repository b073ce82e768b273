//! What a session is opened with: era, deadlines, limits, address.
//!
//! Owns plain values only. Says nothing on the wire.

use std::fmt;
use std::time::Duration;

use llmctl_proto::redact::Redactor;
use serde_json::Value;

/// A generation of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// Up to 2025-11-25: `initialize` first, then a stateful session.
    Legacy,
    /// From 2026-07-28: no handshake, each request carries what it needs.
    Modern,
}

impl Era {
    /// The revision that is spoken in this era.
    pub fn version(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }

    /// `legacy` or `modern`, as in configuration and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// How the era of a server is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraPlan {
    /// Asked of the server, in a way both eras understand.
    Detect,
    /// What the same server spoke last time: tried first, without a probe; the other one if it is refused.
    Cached(Era),
    /// As configured: nothing else is tried.
    Forced(Era),
}

/// Name and version told to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for ClientInfo {
    fn default() -> Self {
        Self { name: "llmctl".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// How a session is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// How the era is found.
    pub era: EraPlan,
    /// Time until the session must be open.
    pub startup: Duration,
    /// Time for `server/discover` on a server that is known to answer.
    pub discover_probe: Duration,
    /// What servers are told about us.
    pub client: ClientInfo,
}

impl Default for Handshake {
    fn default() -> Self {
        Self {
            era: EraPlan::Detect,
            startup: Duration::from_secs(60),
            discover_probe: Duration::from_secs(2),
            client: ClientInfo::default(),
        }
    }
}

/// Bounds of what a server may send.
#[derive(Debug, Clone)]
pub struct WireLimits {
    /// Longest message, in bytes; a longer one is read over and counted.
    pub message_bytes: usize,
    /// Samples kept of what is no message, each of at most 512 bytes.
    pub noise_samples: usize,
    /// Cleans the samples.
    pub redactor: Redactor,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self { message_bytes: 16 * 1024 * 1024, noise_samples: 50, redactor: Redactor::default() }
    }
}

/// Bounds of one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCaps {
    /// Pages that are asked for.
    pub pages: usize,
    /// Items that are kept.
    pub items: usize,
    /// Bytes of all items together.
    pub bytes: usize,
    /// Time for all pages together.
    pub time: Duration,
}

impl Default for ListCaps {
    fn default() -> Self {
        Self { pages: 100, items: 10_000, bytes: 16 * 1024 * 1024, time: Duration::from_secs(30) }
    }
}

/// How a sign of life is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeMethod {
    /// The era's own: `ping`, or `server/discover` where there is no `ping`.
    Auto,
    /// `ping`, in any era.
    Ping,
    /// The first page of the tools.
    ToolsList,
    /// A call of a tool.
    ToolCall {
        /// Its name.
        tool: String,
        /// Its arguments, an object.
        args: Value,
    },
}

/// Where a server answers over HTTP. Values of headers may be secret and are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// An `http` or `https` address.
    pub url: String,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpTarget").field("url", &self.url).field("headers", &names).finish()
    }
}
