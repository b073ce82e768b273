//! The end of an open conversation, wanted or not, and what follows.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::{OnExceed, RestartPolicy};
use llmctl_proto::mcp::{STDERR_TAIL_BYTES, ServerState};
use tokio::time::{Instant, sleep, timeout};

use super::actor::{Actor, Phase, Trigger};
use super::backoff::Verdict;
use super::known::{millis, reason};
use super::launch::died;
use super::open::Watch;
use super::process::Manner;
use super::session::Ended;

/// A process whose output has ended is given so long to end itself.
const OUTPUT_ENDED: Duration = Duration::from_millis(250);
/// How long the last holder of a conversation may take to let it go.
const LET_GO: Duration = Duration::from_millis(200);

impl Actor {
    /// Ends it and starts it anew, because somebody wants that.
    pub(super) async fn again(
        &mut self,
        watch: Watch,
        cause: &'static str,
        grace: Duration,
        trigger: Trigger,
    ) -> Phase {
        let _ = self.back_off(cause, Duration::ZERO, 0).await;
        self.end(watch, cause, Manner::Polite(grace)).await;
        Phase::Start(trigger)
    }

    /// Ends a conversation and its process because somebody wants that.
    pub(super) async fn end(&mut self, watch: Watch, why: &'static str, manner: Manner) {
        self.set(ServerState::Stopping, |_| {});
        let uptime = millis(watch.life.ready.elapsed());
        self.let_go(watch).await;
        let exit = self.end_process(manner).await;
        self.say_stopped(why, exit, uptime).await;
        self.known.log.note(&format!("stopped ({why})"));
        let message = match why {
            "user" => "it was stopped by hand",
            "shutdown" => "the daemon was stopped",
            _ => "its configuration has changed",
        };
        self.remember(why, message, exit, uptime, String::new(), None).await;
    }

    /// Closes the conversation: whoever is in a call is told so, and the server's input ends.
    async fn let_go(&mut self, mut watch: Watch) {
        watch.life.open.over.cancel();
        {
            let mut facts = self.known.lock();
            facts.open = None;
            facts.ready_since = None;
            facts.offer = Arc::default();
            facts.reasons.clear();
        }
        watch.jobs.shutdown().await;
        for reply in watch.discoverers {
            let _ = reply.send(Err(self.not_open()));
        }
        drop(watch.life.measured);
        let mut session = watch.life.open.session;
        let until = Instant::now() + LET_GO;
        loop {
            match Arc::try_unwrap(session) {
                Ok(session) => {
                    let _ = timeout(Duration::from_secs(2), session.close()).await;
                    return;
                }
                // Dropping it closes it as well, only less politely.
                Err(_) if Instant::now() >= until => return,
                Err(held) => session = held,
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Its process has ended, and nobody wanted that.
    pub(super) async fn exited(&mut self, watch: Watch, exit: Option<ExitStatus>) -> Phase {
        let ready = watch.life.ready.elapsed();
        let left = exit.is_some_and(|status| status.success());
        let message = died(exit, &format!("after {:.0} s", ready.as_secs_f64()));
        if left && self.known.config().restart == RestartPolicy::OnFailure {
            self.set(ServerState::Stopping, |_| {});
            self.say_stopped("exited", exit, millis(ready)).await;
            self.let_go(watch).await;
            self.end_process(Manner::Kill).await;
            let message = format!("{message}; `restart: always` would start it again");
            self.remember("exited", &message, exit, millis(ready), String::new(), None).await;
            self.set(ServerState::Stopped, |facts| facts.last_error = Some(reason(message)));
            return Phase::Idle;
        }
        self.say_stopped("exited", exit, millis(ready)).await;
        self.lost(watch, "exited", message, exit, Manner::Kill).await
    }

    /// The conversation has ended, and the process has not.
    pub(super) async fn closed(&mut self, watch: Watch, ended: Ended) -> Phase {
        if self.process.is_some() {
            let process = self.process.as_mut();
            let exit = async {
                match process {
                    Some(process) => process.ended().await,
                    None => None,
                }
            };
            if let Ok(exit) = timeout(OUTPUT_ENDED, exit).await {
                return self.exited(watch, exit).await;
            }
        }
        let uptime = millis(watch.life.ready.elapsed());
        let (cause, message) = match ended {
            Ended::Output => ("exited", "it closed its standard output"),
            Ended::Input => ("exited", "it no longer takes any input"),
            Ended::SessionLost => ("session_lost", "it no longer knows the session"),
        };
        if ended == Ended::SessionLost {
            // Nothing is wrong but its memory: it is opened again at once.
            let _ = self.back_off(cause, Duration::ZERO, 0).await;
            self.let_go(watch).await;
            self.remember(cause, message, None, uptime, String::new(), Some(Duration::ZERO)).await;
            return Phase::Start(Trigger::Restart);
        }
        let grace = self.known.config().shutdown_timeout;
        let phase = self.lost(watch, cause, message.to_owned(), None, Manner::Brisk(grace)).await;
        self.say_stopped("exited", None, uptime).await;
        phase
    }

    /// It does not answer or uses too much: it is replaced.
    pub(super) async fn replace(&mut self, watch: Watch, cause: &'static str, message: &str) -> Phase {
        let uptime = millis(watch.life.ready.elapsed());
        let (grace, keeps) = {
            let config = self.known.config();
            let stops = config.limits.as_ref().is_some_and(|limits| limits.on_exceed == OnExceed::Stop);
            (config.shutdown_timeout, !(cause == "limit" && stops))
        };
        if !keeps || cause == "authentication" {
            let state = if keeps { ServerState::NeedsAuthentication } else { ServerState::Failed };
            let tail = self.known.log.tail_since(self.mark(), STDERR_TAIL_BYTES);
            self.set(ServerState::Stopping, |_| {});
            self.let_go(watch).await;
            let exit = self.end_process(Manner::Polite(grace)).await;
            self.say_stopped(if keeps { "exited" } else { "limit" }, exit, uptime).await;
            self.remember(cause, message, exit, uptime, tail.clone(), None).await;
            self.give_up(cause, state, message, tail, 0).await;
            return Phase::Idle;
        }
        let phase = self.lost(watch, cause, message.to_owned(), None, Manner::Brisk(grace)).await;
        self.say_stopped(cause, None, uptime).await;
        phase
    }

    /// The end of a life that nobody wanted: says at once what follows, then ends what is left of it.
    async fn lost(
        &mut self,
        watch: Watch,
        cause: &'static str,
        message: String,
        exit: Option<ExitStatus>,
        manner: Manner,
    ) -> Phase {
        let ready = watch.life.ready.elapsed();
        let verdict = self.verdict(Some(ready));
        let mut until = None;
        if let Verdict::Again { wait, attempt } = verdict {
            until = Some(self.back_off(cause, wait, attempt).await);
        }
        self.known.lock().last_error = Some(reason(message.clone()));
        self.let_go(watch).await;
        self.end_process(manner).await;
        self.known.log.note(&message);
        let tail = self.known.log.tail_since(self.mark(), STDERR_TAIL_BYTES);
        let wait = match verdict {
            Verdict::Again { wait, .. } => Some(wait),
            Verdict::GiveUp { .. } => None,
        };
        self.remember(cause, &message, exit, millis(ready), tail.clone(), wait).await;
        match (verdict, until) {
            (Verdict::GiveUp { attempts }, _) => {
                let never = self.known.config().restart == RestartPolicy::Never;
                let (word, state) = match cause {
                    _ if never => (cause, ServerState::Failed),
                    "unhealthy" | "limit" => (cause, ServerState::CrashLoop),
                    _ => ("crash_loop", ServerState::CrashLoop),
                };
                self.give_up(word, state, &message, tail, attempts).await;
                Phase::Idle
            }
            (Verdict::Again { .. }, until) => Phase::Wait(until.unwrap_or_else(Instant::now)),
        }
    }
}
