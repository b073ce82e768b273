//! Opens a session: finds out which era a server speaks, and shakes hands in it.
//!
//! The first question is a `ping` that carries what the modern era wants: servers of both eras answer it in some
//! way, and its answer says that a slow server has come up. Only then is `server/discover` worth a short wait. A
//! server that ends meanwhile is reported as such, for some legacy servers die of any question before
//! `initialize`. Never starts anything twice.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Session;
use super::error::{OpenError, SessionError};
use super::http::Http;
use super::identity::{self, LEGACY_VERSIONS, ServerIdentity};
use super::message::RpcError;
use super::setup::{Era, EraPlan, Handshake, HttpTarget, WireLimits};
use super::stdio::Stdio;
use super::talk::{Ask, Carrier, Inbox, Talk, Wire};

/// Shortest wait for `server/discover` over HTTP, where a connection has to be made first.
const HTTP_PROBE: Duration = Duration::from_secs(5);

const PING: &str = "ping";
const DISCOVER: &str = "server/discover";
const INITIALIZE: &str = "initialize";

/// Opens a session on the standard output (`read`) and input (`write`) of a server that was just started.
///
/// # Errors
/// See `OpenError`; after `ClosedDuringProbe` the server should be started once more, as legacy.
pub async fn open_stdio<R, W>(
    read: R,
    write: W,
    handshake: &Handshake,
    limits: WireLimits,
) -> Result<Session, OpenError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let inbox = Arc::new(Inbox::new(limits));
    let pipes = Stdio::spawn(read, write, Arc::clone(&inbox));
    let wire = Wire::new(Carrier::Pipes(pipes), inbox, handshake.client.clone());
    Opening::new(wire, handshake).open().await
}

/// Opens a session with a server over Streamable HTTP.
///
/// # Errors
/// See `OpenError`; `ClosedDuringProbe` does not occur.
pub async fn open_http(
    target: &HttpTarget,
    handshake: &Handshake,
    limits: WireLimits,
) -> Result<Session, OpenError> {
    let inbox = Arc::new(Inbox::new(limits));
    let http = Http::new(target, Arc::clone(&inbox)).await?;
    let wire = Wire::new(Carrier::Http(http), inbox, handshake.client.clone());
    Opening::new(wire, handshake).open().await
}

struct Opening<'a> {
    wire: Wire,
    handshake: &'a Handshake,
    until: Instant,
    /// Something was said that a strict legacy server may have died of.
    probed: bool,
}

/// What `server/discover` has shown.
enum Found {
    Modern(ServerIdentity),
    Legacy,
    /// Neither: it has not answered yet.
    Silent,
}

impl<'a> Opening<'a> {
    fn new(wire: Wire, handshake: &'a Handshake) -> Self {
        Self { wire, handshake, until: Instant::now() + handshake.startup, probed: false }
    }

    async fn open(mut self) -> Result<Session, OpenError> {
        let identity = match self.handshake.era {
            EraPlan::Detect => self.detect().await?,
            EraPlan::Cached(Era::Modern) => match self.discover(self.left() / 2).await? {
                Found::Modern(identity) => identity,
                Found::Legacy | Found::Silent => self.initialize().await?,
            },
            EraPlan::Cached(Era::Legacy) => self.legacy_first().await?,
            EraPlan::Forced(Era::Legacy) => self.initialize().await?,
            EraPlan::Forced(Era::Modern) => self.modern_only().await?,
        };
        Ok(Session::new(Talk::new(self.wire, identity)))
    }

    async fn detect(&mut self) -> Result<ServerIdentity, OpenError> {
        if self.wire.http().is_none() && !self.ready().await? {
            // Deaf to everything before `initialize`, perhaps.
            return self.legacy_first().await;
        }
        let wait = match self.wire.http() {
            Some(_) => self.handshake.discover_probe.max(HTTP_PROBE),
            None => self.handshake.discover_probe,
        };
        match self.discover(wait.min(self.left())).await? {
            Found::Modern(identity) => Ok(identity),
            Found::Legacy | Found::Silent => self.initialize().await,
        }
    }

    /// Waits until the server answers at all, for half of the time there is.
    async fn ready(&mut self) -> Result<bool, OpenError> {
        self.probed = true;
        match self.ask(Era::Modern, PING, json!({}), self.left() / 2).await {
            Ok(_) | Err(SessionError::Rpc(_) | SessionError::TooLong { .. }) => Ok(true),
            Err(SessionError::Timeout { .. }) => Ok(false),
            Err(error) => Err(self.failed(error, PING)),
        }
    }

    async fn discover(&mut self, wait: Duration) -> Result<Found, OpenError> {
        self.probed = true;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.ask(Era::Modern, DISCOVER, json!({}), wait).await {
                Ok(result) => return found(&result),
                Err(SessionError::Rpc(error)) => error,
                Err(SessionError::Timeout { .. }) => return Ok(Found::Silent),
                // In HTTP a status says as much as an error: there is no such thing here.
                Err(
                    SessionError::Status { .. }
                    | SessionError::Protocol { .. }
                    | SessionError::TooLong { .. },
                ) => return Ok(Found::Legacy),
                Err(error) => return Err(self.failed(error, DISCOVER)),
            };
            let supported = error.supported();
            let ours = supported.iter().any(|version| version == Era::Modern.version());
            if !error.is_modern() || speaks_legacy(&supported) && !ours {
                return Ok(Found::Legacy);
            }
            if !ours || tries > 1 {
                return Err(refused(DISCOVER, &error));
            }
        }
    }

    async fn modern_only(&mut self) -> Result<ServerIdentity, OpenError> {
        let mut again = true;
        loop {
            let error = match self.ask(Era::Modern, DISCOVER, json!({}), self.left()).await {
                Ok(result) => return identity::of_discover(&result),
                Err(SessionError::Rpc(error)) => error,
                Err(error) => return Err(self.failed(error, DISCOVER)),
            };
            let ours = error.supported().iter().any(|version| version == Era::Modern.version());
            if !(ours && std::mem::take(&mut again)) {
                return Err(refused(DISCOVER, &error));
            }
        }
    }

    /// `initialize`, but a server that turns out to be modern is one.
    async fn legacy_first(&mut self) -> Result<ServerIdentity, OpenError> {
        match self.try_initialize().await? {
            Ok(identity) => Ok(identity),
            Err(error) if error.is_modern() || error.is_method_not_found() => {
                match self.discover(self.left()).await? {
                    Found::Modern(identity) => Ok(identity),
                    Found::Legacy | Found::Silent => Err(refused(INITIALIZE, &error)),
                }
            }
            Err(error) => Err(refused(INITIALIZE, &error)),
        }
    }

    async fn initialize(&mut self) -> Result<ServerIdentity, OpenError> {
        self.try_initialize().await?.map_err(|error| refused(INITIALIZE, &error))
    }

    async fn try_initialize(&mut self) -> Result<Result<ServerIdentity, RpcError>, OpenError> {
        let mut version = Era::Legacy.version();
        loop {
            let client = self.wire.client();
            let params = json!({
                "protocolVersion": version,
                "capabilities": {},
                "clientInfo": {"name": client.name, "version": client.version},
            });
            let result = match self.ask(Era::Legacy, INITIALIZE, params, self.left()).await {
                Ok(result) => result,
                Err(SessionError::Rpc(error)) => {
                    // Some refuse a newer version instead of naming their own.
                    let supported = error.supported();
                    let older =
                        LEGACY_VERSIONS.into_iter().find(|known| supported.iter().any(|s| s == known));
                    match older.filter(|older| *older < version) {
                        Some(older) => version = older,
                        None => return Ok(Err(error)),
                    }
                    continue;
                }
                Err(error) => return Err(self.failed(error, INITIALIZE)),
            };
            let identity = identity::of_initialize(&result)?;
            if let Some(http) = self.wire.http() {
                http.speaks(&identity.protocol_version);
            }
            self.wire
                .notify(Era::Legacy, "notifications/initialized", &json!({}))
                .await
                .map_err(|error| self.failed(error, INITIALIZE))?;
            return Ok(Ok(identity));
        }
    }

    async fn ask(
        &self,
        era: Era,
        method: &'static str,
        params: Value,
        wait: Duration,
    ) -> Result<Box<RawValue>, SessionError> {
        let mut ask = Ask::new(method, params);
        ask.quiet = true;
        self.wire.ask(era, ask, Some(wait)).await
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn failed(&self, error: SessionError, step: &'static str) -> OpenError {
        match error {
            SessionError::Closed if self.probed => OpenError::ClosedDuringProbe,
            SessionError::Closed => OpenError::Closed { step },
            SessionError::Timeout { .. } => OpenError::Timeout { step, after: self.handshake.startup },
            SessionError::NeedsAuthentication { www_authenticate } => {
                OpenError::NeedsAuthentication { www_authenticate }
            }
            SessionError::Connect { message } => OpenError::Connect { message },
            SessionError::Status { status: 404 | 405 } => OpenError::Protocol {
                message: "the server has no Streamable HTTP at this address (if it has the HTTP+SSE of \
                          2024-11-05, that is not supported)"
                    .to_owned(),
            },
            other => OpenError::Protocol { message: other.to_string() },
        }
    }
}

/// What a result of `server/discover` means.
fn found(result: &RawValue) -> Result<Found, OpenError> {
    // A server that answers anything with an empty result has discovered nothing.
    let Some(versions) = identity::discovered_versions(result) else { return Ok(Found::Legacy) };
    if versions.iter().any(|version| version == Era::Modern.version()) {
        return identity::of_discover(result).map(Found::Modern);
    }
    if speaks_legacy(&versions) {
        return Ok(Found::Legacy);
    }
    let versions = versions.join(", ");
    Err(OpenError::Protocol { message: format!("the server speaks only revisions unknown here: {versions}") })
}

fn speaks_legacy(versions: &[String]) -> bool {
    versions.iter().any(|version| LEGACY_VERSIONS.contains(&version.as_str()))
}

fn refused(method: &str, error: &RpcError) -> OpenError {
    OpenError::Protocol { message: format!("the server refused {method}: {error}") }
}
