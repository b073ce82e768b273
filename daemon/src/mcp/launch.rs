//! The start of a server: its configuration expanded, its process started, its conversation opened, and what it
//! offers read. Only then is it ready.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use llmctl_proto::config::{EraChoice, McpServerConfig, McpTransport};
use llmctl_proto::mcp::ServerState;
use llmctl_proto::redact::Redactor;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::actor::Actor;
use super::environment::{Expanded, find_program, passed_on, set};
use super::known::{Open, reason};
use super::log::drain;
use super::offer::Offer;
use super::process::{Manner, Process, Spawn};
use super::session::{
    Changes, Era, EraPlan, Handshake, HttpTarget, ListCaps, OpenError, Session, SessionError, WireLimits,
    open_http, open_stdio,
};
use super::usage::Measured;

/// A start that takes longer lets the next one begin beside it.
const TURN: Duration = Duration::from_secs(5);
/// Between the end of a process and the end of its words, where somebody else holds its pipes.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A server that is ready.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) open: Open,
    pub(super) changes: Changes,
    pub(super) ready: Instant,
    pub(super) measured: Option<Measured>,
    pub(super) offer: Arc<Offer>,
}

/// Why a start failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// As in `mcp.server.failed`.
    pub(super) cause: &'static str,
    pub(super) message: String,
    /// Where it is when it is not tried again; none where it is.
    pub(super) end: Option<ServerState>,
    pub(super) exit: Option<ExitStatus>,
}

impl Failure {
    fn last(cause: &'static str, message: String) -> Self {
        Self { cause, message: reason(message), end: Some(ServerState::Failed), exit: None }
    }

    fn again(cause: &'static str, message: String) -> Self {
        Self { cause, message: reason(message), end: None, exit: None }
    }
}

/// What a server is started with, expanded.
struct Prepared {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    redactor: Redactor,
}

/// Reads files and runs commands of the configuration, so it may block.
fn prepare(config: &McpServerConfig) -> Result<Prepared, Failure> {
    let bad = |error: super::environment::CannotExpand| Failure::last("configuration", error.to_string());
    let McpTransport::Stdio { command, env, cwd } = &config.transport else {
        return Err(Failure::last("configuration", "it is no program".to_owned()));
    };
    let mut expanded = Expanded::default();
    let mut words = Vec::with_capacity(command.len());
    for word in command {
        words.push(expanded.text("command", word).map_err(bad)?);
    }
    let mut all = passed_on();
    for (name, value) in env {
        let value = expanded.value(&format!("env.{name}"), value).map_err(bad)?;
        set(&mut all, name, value);
    }
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let cwd = cwd.clone().unwrap_or_else(home);
    if !cwd.is_dir() {
        return Err(Failure::last("configuration", format!("cwd: there is no directory {}", cwd.display())));
    }
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let program =
        find_program(&program, &all, &cwd).map_err(|message| Failure::last("command_missing", message))?;
    let redactor = Redactor::new(expanded.secrets());
    Ok(Prepared { program, args: words.collect(), env: all, cwd, redactor })
}

fn prepare_http(config: &McpServerConfig) -> Result<(HttpTarget, Redactor), Failure> {
    let bad = |error: super::environment::CannotExpand| Failure::last("configuration", error.to_string());
    let McpTransport::Http { url, headers } = &config.transport else {
        return Err(Failure::last("configuration", "it has no address".to_owned()));
    };
    let mut expanded = Expanded::default();
    let url = expanded.text("url", url).map_err(bad)?;
    let mut all = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        all.push((name.clone(), expanded.value(&format!("headers.{name}"), value).map_err(bad)?));
    }
    Ok((HttpTarget { url, headers: all }, Redactor::new(expanded.secrets())))
}

/// Runs what may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::again("spawn", format!("its start failed: {error}"))))
}

impl Actor {
    /// Starts the server as it is configured. After a failure `self.process` may hold what has to be ended.
    pub(super) async fn launch(&mut self) -> Result<Life, Failure> {
        let config = self.known.config();
        if let Some(why) = &config.broken {
            return Err(Failure::last("configuration", why.clone()));
        }
        let _turn = self.turn().await;
        let until = Instant::now() + config.startup_timeout;
        let (session, redactor) = match &config.transport {
            McpTransport::Stdio { .. } => self.open_pipes(&config, until).await?,
            McpTransport::Http { .. } => self.open_address(&config, until).await?,
        };
        let era = session.identity().era;
        self.shared.wishes.note_era(&self.name, Some(era)).await;
        let changes = session.changes();
        let mut offer = self.first_offer(&session, until).await?;
        offer.restrict(&config);
        let pid = self.process.as_ref().map(Process::pid);
        let measured = pid.map(|pid| self.shared.sampler.measure(pid, config.limits.is_some()));
        let open = Open {
            session: Arc::new(session),
            calls: Arc::new(AtomicUsize::new(0)),
            over: CancellationToken::new(),
            redactor,
        };
        Ok(Life { open, changes, ready: Instant::now(), measured, offer: Arc::new(offer) })
    }

    /// A place among those that start now; given up after a while also by one that hangs.
    async fn turn(&self) -> Option<AbortOnDropHandle<()>> {
        let permit = Arc::clone(&self.shared.starts).acquire_owned().await.ok()?;
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(TURN).await;
            drop(permit);
        })))
    }

    fn plan(&self, config: &McpServerConfig) -> EraPlan {
        match config.era {
            EraChoice::Legacy => EraPlan::Forced(Era::Legacy),
            EraChoice::Modern => EraPlan::Forced(Era::Modern),
            EraChoice::Auto => self.shared.wishes.era(&self.name).map_or(EraPlan::Detect, EraPlan::Cached),
        }
    }

    async fn open_pipes(
        &mut self,
        config: &Arc<McpServerConfig>,
        until: Instant,
    ) -> Result<(Session, Redactor), Failure> {
        let config = Arc::clone(config);
        let prepared = blocking(move || prepare(&config)).await?;
        let mut plan = self.plan(&self.known.config());
        loop {
            match self.try_pipes(&prepared, plan, until).await? {
                Ok(session) => return Ok((session, prepared.redactor)),
                // It died of being asked: that is no crash, and asking less is all that is needed.
                Err(OpenError::ClosedDuringProbe) if plan == EraPlan::Detect => {
                    plan = EraPlan::Forced(Era::Legacy);
                }
                // What was known of it is no longer true.
                Err(OpenError::Closed { .. } | OpenError::ClosedDuringProbe | OpenError::Protocol { .. })
                    if matches!(plan, EraPlan::Cached(_)) =>
                {
                    self.shared.wishes.note_era(&self.name, None).await;
                    plan = EraPlan::Detect;
                }
                Err(error) => return Err(self.refused(error).await),
            }
            self.end_process(Manner::Kill).await;
        }
    }

    /// One process and one attempt to open a conversation with it.
    async fn try_pipes(
        &mut self,
        prepared: &Prepared,
        plan: EraPlan,
        until: Instant,
    ) -> Result<Result<Session, OpenError>, Failure> {
        let tag = self.next_tag();
        let pipes = {
            let mut children = self.shared.children.hold();
            let spawned = Process::spawn(Spawn {
                program: &prepared.program,
                args: &prepared.args,
                env: prepared.env.clone(),
                cwd: &prepared.cwd,
                tag,
                instance: &self.shared.instance,
                records: &self.shared.records,
            });
            let (process, pipes) =
                spawned.map_err(|error| Failure::again("spawn", format!("it cannot be started: {error}")))?;
            children.insert(process.pid());
            self.known.lock().pid = Some(process.pid());
            self.process = Some(process);
            pipes
        };
        let draining = drain(pipes.stderr, Arc::clone(&self.known.log), prepared.redactor.clone());
        self.stderr = Some(tokio::spawn(draining));
        let handshake = Self::handshake(plan, until);
        let limits = WireLimits { redactor: prepared.redactor.clone(), ..WireLimits::default() };
        let opening = open_stdio(pipes.stdout, pipes.stdin, &handshake, limits);
        tokio::pin!(opening);
        let process = self.process.as_mut();
        let ended = async {
            match process {
                Some(process) => drop(process.ended().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            opened = &mut opening => return Ok(opened),
            () = ended => {}
        }
        // It has ended. Usually its output has too; a pipe that somebody else holds must not delay anything.
        Ok(match timeout(LAST_WORDS, opening).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) if plan == EraPlan::Detect => Err(OpenError::ClosedDuringProbe),
            Ok(Ok(_)) | Err(_) => Err(OpenError::Closed { step: "start" }),
        })
    }

    async fn open_address(
        &mut self,
        config: &Arc<McpServerConfig>,
        until: Instant,
    ) -> Result<(Session, Redactor), Failure> {
        let config = Arc::clone(config);
        let (target, redactor) = blocking(move || prepare_http(&config)).await?;
        let handshake = Self::handshake(self.plan(&self.known.config()), until);
        let limits = WireLimits { redactor: redactor.clone(), ..WireLimits::default() };
        match open_http(&target, &handshake, limits).await {
            Ok(session) => Ok((session, redactor)),
            Err(error) => Err(self.refused(error).await),
        }
    }

    fn handshake(era: EraPlan, until: Instant) -> Handshake {
        let startup = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        Handshake { era, startup, ..Handshake::default() }
    }

    async fn first_offer(&mut self, session: &Session, until: Instant) -> Result<Offer, Failure> {
        let caps = ListCaps::default();
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let caps = ListCaps { time: caps.time.min(left), ..caps };
        let process = self.process.as_mut();
        let ended = async {
            match process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            read = timeout(left, Offer::read(session, caps)) => read,
            exit = ended => {
                return Err(Failure { exit, ..Failure::again("handshake", died(exit, "right after the handshake")) });
            }
        };
        match read {
            Ok(Ok(offer)) => Ok(offer),
            Ok(Err(SessionError::NeedsAuthentication { www_authenticate })) => {
                Err(authentication(www_authenticate))
            }
            // It lives, and can be asked again.
            Ok(Err(SessionError::Rpc(error))) => {
                let problems = vec![reason(format!("its tools cannot be listed: {error}"))];
                Ok(Offer { problems, ..Offer::default() })
            }
            Ok(Err(SessionError::Closed)) => {
                let exit = self.exit_soon().await;
                Err(Failure { exit, ..Failure::again("handshake", died(exit, "right after the handshake")) })
            }
            Ok(Err(error)) => {
                Err(Failure::again("handshake", format!("its tools cannot be listed: {error}")))
            }
            Err(_) => Err(Failure::again("handshake", "no list of its tools in time".to_owned())),
        }
    }

    async fn refused(&mut self, error: OpenError) -> Failure {
        match error {
            OpenError::NeedsAuthentication { www_authenticate } => authentication(www_authenticate),
            OpenError::Closed { step } => {
                let exit = self.exit_soon().await;
                Failure { exit, ..Failure::again("handshake", died(exit, &format!("during {step}"))) }
            }
            OpenError::ClosedDuringProbe => {
                let exit = self.exit_soon().await;
                Failure { exit, ..Failure::again("handshake", died(exit, "at the start")) }
            }
            error @ (OpenError::Timeout { .. } | OpenError::Protocol { .. } | OpenError::Connect { .. }) => {
                Failure::again("handshake", error.to_string())
            }
        }
    }

    /// How the process ended, if it does so within a moment.
    pub(super) async fn exit_soon(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut()?;
        timeout(LAST_WORDS, process.ended()).await.ok().flatten()
    }

    /// Ends the process and everything below it, and waits a moment for its last words.
    pub(super) async fn end_process(&mut self, manner: Manner) -> Option<ExitStatus> {
        let mut exit = None;
        if let Some(mut process) = self.process.take() {
            process.end(manner).await;
            exit = process.exit();
            self.shared.children.hold().remove(&process.pid());
        }
        if let Some(mut stderr) = self.stderr.take()
            && timeout(LAST_WORDS, &mut stderr).await.is_err()
        {
            stderr.abort();
        }
        let mut facts = self.known.lock();
        facts.pid = None;
        facts.usage = None;
        exit
    }
}

fn authentication(www_authenticate: Option<String>) -> Failure {
    let asked = www_authenticate.map(|text| format!(" ({text})")).unwrap_or_default();
    Failure {
        cause: "authentication",
        message: reason(format!("it wants credentials it was not given, or that are no longer valid{asked}")),
        end: Some(ServerState::NeedsAuthentication),
        exit: None,
    }
}

/// How a process ended, for people.
pub(super) fn died(exit: Option<ExitStatus>, when: &str) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match exit.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("it ended {when} with exit code {code}"),
        Some((None, Some(signal))) => format!("it was ended {when} by signal {signal}"),
        _ => format!("it ended {when}"),
    }
}

/// The task that reads an error stream.
pub(super) type Drain = JoinHandle<()>;
