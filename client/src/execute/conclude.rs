//! The end of an operation: nothing left running, one closing event, everything on disk, an honest exit code.

use std::path::PathBuf;
use std::time::Duration;

use llmctl_proto::event::{
    ExecutionCompleted, ExecutionFailed, ExecutionStopped, NextAttempt, StopBy, StopVia, Stream,
};
use llmctl_proto::process::Rung;

use super::front::{Front, Show};
use super::record::Recorder;
use super::runner::{Run, millis};
use super::signals::{Heard, Signals};
use super::source::Source;
use super::stop::Cause;
use crate::error::{CliError, Exit, Outcome as CliOutcome};
use crate::term::{cost, duration, one_line, tokens};
use crate::tool::{AdapterEvent, ErrorClass, Final, Outcome, ToolEnd, ToolSpec};

/// How long the daemon gets to have everything on disk; after it, the journal is read later.
const SETTLE: Duration = Duration::from_secs(2);
/// Longest message of a failure.
const MESSAGE: usize = 2_000;
/// Longest answer file that is read.
const ANSWER_FILE: u64 = 1024 * 1024 * 1024;

/// What belongs to the end of one kind of tool.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Knows how a session is continued.
    pub(super) tool: Option<&'static ToolSpec>,
    /// The answer is in this file.
    pub(super) answer_file: Option<PathBuf>,
    /// To be removed.
    pub(super) temporary: Vec<PathBuf>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    closing: Final,
    left: Left,
    /// Why it failed, unless it was stopped: class and message.
    pub(super) failed: Option<(ErrorClass, String)>,
    /// What to do about it, where the failure itself says so.
    hint: Option<String>,
    /// Nothing was started at all.
    not_started: bool,
}

/// How the process of a tool ended.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    exit_code: Option<i32>,
    signal: Option<i32>,
    killed: u32,
}

impl Ended {
    /// An attempt of which nothing was started.
    pub(super) fn not_started(class: ErrorClass, message: String, hint: Option<String>) -> Self {
        Self {
            closing: Final::of(Outcome::Failed { class, message: message.clone() }),
            left: Left::default(),
            failed: Some((class, message)),
            hint,
            not_started: true,
        }
    }

    /// An operation that was stopped before anything was started.
    pub(super) fn never() -> Self {
        Self {
            closing: Final::of(Outcome::Stopped),
            left: Left::default(),
            failed: None,
            hint: None,
            not_started: true,
        }
    }

    /// How long the provider asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.closing.retry_after_ms.map(Duration::from_millis)
    }
}

/// Ends an attempt whose source has ended or was stopped: no process is left, everything it said is counted.
pub(super) async fn end_attempt(run: &mut Run, end: &End) -> Ended {
    let left = sweep(run).await;
    let closing = close_source(run, left);
    let closing = answer_from_file(run, end, closing);
    for path in &end.temporary {
        // Kept at worst until the directory is pruned.
        let _ = std::fs::remove_file(path);
    }
    let by_itself = matches!(closing.outcome, Outcome::Success | Outcome::Stopped | Outcome::StoppedBudget);
    let failed = (run.stop.is_none() && !by_itself).then(|| failure(run, &closing.outcome, left));
    Ended { closing, left, failed, hint: None, not_started: false }
}

/// Records that an attempt failed and another follows.
pub(super) fn failed_attempt(run: &mut Run, end: &End, ended: &Ended, next: NextAttempt) {
    let event = failed_event(run, end, ended, Some(next));
    run.fact(event);
    run.record.sync();
}

/// Ends an operation after its last attempt.
pub(super) async fn conclude(mut run: Run, end: End, ended: Ended, signals: &mut Signals) -> CliOutcome {
    run.record.finish_streams();
    if !ended.not_started {
        run.progress(true);
    }
    let closing = &ended.closing;
    let exit = close_event(&mut run, &end, &ended);
    let hint = ended.failed.as_ref().and_then(|(class, _)| ended.hint.clone().or_else(|| hint(*class, &end)));
    let summary = summary(&run, exit, closing, hint.as_deref());
    let not_started = ended.not_started && run.stop.is_none();
    let (mut record, mut front) = (run.record, run.front);
    // A reader that does not read must not keep a second Ctrl-C from ending this.
    tokio::select! {
        () = leave(&mut record, &mut front) => {}
        () = interrupted(signals) => {}
    }
    if let (true, Some((_, message))) = (not_started, ended.failed) {
        let mut error = CliError::new(exit, message);
        error.hints.extend(ended.hint);
        return Err(error);
    }
    front.note(&summary);
    Ok(exit)
}

async fn interrupted(signals: &mut Signals) {
    while signals.next().await == Heard::Look {}
}

/// Hands everything over: the daemon has it on disk, standard output has taken it.
pub(super) async fn leave(record: &mut Recorder, front: &mut Front) {
    let synced = record.sync();
    if front.show() == Show::Events {
        let lines = record.take_lines();
        front.write(&lines);
    }
    if !record.settle(SETTLE).await {
        front.note("the daemon has not stored everything yet; it will read the journal");
    }
    if !synced {
        front.say(&format!("warning: the disk is full; {} is not complete", record.dir.journal().display()));
    }
    front.flush().await;
}

/// Ends what the tool left behind.
async fn sweep(run: &mut Run) -> Left {
    let kill_now = run.stop.as_ref().is_some_and(|stop| stop.rung() == Rung::Kill);
    let Source::Child(child) = &mut run.source else { return Left::default() };
    child.run.sweep(kill_now).await;
    let status = child.run.exit();
    use std::os::unix::process::ExitStatusExt as _;
    Left {
        exit_code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        killed: child.run.killed(),
    }
}

fn close_source(run: &mut Run, left: Left) -> Final {
    let stop_requested = run.stop.is_some();
    let (events, closing) = match &mut run.source {
        Source::Child(child) => {
            child.finish(&ToolEnd { exit_code: left.exit_code, signal: left.signal, stop_requested })
        }
        Source::Idle => return Final::of(Outcome::Lost),
        Source::Http(http) => (Vec::new(), http.closing()),
        Source::Practice(practice) => {
            let outcome = if stop_requested { Outcome::Stopped } else { Outcome::Success };
            (vec![practice.last_usage()], Final::of(outcome))
        }
    };
    for event in events {
        run.on_event(event);
    }
    let terminal = match &run.source {
        Source::Child(child) => child.is_closed(),
        Source::Http(_) => closing.outcome != Outcome::Lost && !stop_requested,
        Source::Practice(_) => true,
        Source::Idle => false,
    };
    run.meter.close(terminal);
    // A tool that only repeats the whole answer at the end.
    if run.record.stdout.recorded() == 0
        && let Some(answer) = &closing.answer
        && closing.outcome == Outcome::Success
    {
        run.on_event(AdapterEvent::Text(answer.clone().into_bytes()));
    }
    closing
}

/// Some programs write their answer to a file; after a good end it has to be there and not be empty.
fn answer_from_file(run: &mut Run, end: &End, closing: Final) -> Final {
    let Some(path) = &end.answer_file else { return closing };
    if closing.outcome != Outcome::Success {
        return closing;
    }
    let failed = |message: String| Final::of(Outcome::Failed { class: ErrorClass::InvalidOutput, message });
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > ANSWER_FILE => failed(format!("{} is too long", path.display())),
        Ok(meta) if meta.len() > 0 => match std::fs::read(path) {
            Ok(bytes) => {
                run.on_event(AdapterEvent::Text(bytes));
                closing
            }
            Err(error) => failed(format!("cannot read the answer in {}: {error}", path.display())),
        },
        _ => failed("the tool ended well but wrote no answer".into()),
    }
}

fn resume_command(run: &Run, end: &End) -> Option<String> {
    run.session_id.as_deref().and_then(|session| end.tool.and_then(|tool| tool.resume_command(session)))
}

fn failed_event(run: &Run, end: &End, ended: &Ended, next: Option<NextAttempt>) -> ExecutionFailed {
    let (class, message) = ended.failed.clone().unwrap_or((ErrorClass::Network, String::new()));
    ExecutionFailed {
        operation_id: run.record.id.clone(),
        attempt: run.attempt.max(1),
        class: class.as_str().to_owned(),
        hint: ended.hint.clone().or_else(|| hint(class, end)),
        message,
        exit_code: ended.left.exit_code,
        signal: ended.left.signal,
        http_status: ended.closing.http_status,
        retryable: class.retryable(),
        retry_after_ms: ended.closing.retry_after_ms,
        is_final: next.is_none(),
        partial: (next.is_none() && !ended.not_started).then(|| run.record.dir.partial()),
        next,
        model: run.meter.model().map(str::to_owned).or_else(|| run.model.clone()),
        duration_ms: if run.attempt == 0 { 0 } else { millis(run.started.elapsed()) },
        spend: run.spend(),
        stdout_bytes: run.record.stdout.recorded(),
        stderr_bytes: run.record.stderr.recorded(),
        session_id: run.session_id.clone(),
        resume_command: resume_command(run, end),
    }
}

fn close_event(run: &mut Run, end: &End, ended: &Ended) -> Exit {
    let (closing, left) = (&ended.closing, ended.left);
    let resume_command = resume_command(run, end);
    let spend = run.spend();
    let model = run.meter.model().map(str::to_owned).or_else(|| run.model.clone());
    let duration_ms = if run.attempt == 0 { 0 } else { millis(run.started.elapsed()) };
    let (stdout_bytes, stderr_bytes) = (run.record.stdout.recorded(), run.record.stderr.recorded());
    let operation_id = run.record.id.clone();
    let session_id = run.session_id.clone();
    let cause = run.stop.as_ref().map(|stop| stop.cause.clone());
    match (&closing.outcome, cause) {
        (Outcome::Success, _) => {
            run.fact(ExecutionCompleted {
                operation_id,
                exit_code: left.exit_code,
                model,
                duration_ms,
                first_output_ms: run.first_output.map(millis),
                spend,
                stdout_bytes,
                stderr_bytes,
                calls: run.calls,
                session_id,
                resume_command,
            });
            Exit::Ok
        }
        (outcome, cause)
            if cause.is_some() || matches!(outcome, Outcome::Stopped | Outcome::StoppedBudget) =>
        {
            let cause = cause.unwrap_or_else(|| stopped_by_itself(outcome));
            let exit = cause.exit();
            run.fact(ExecutionStopped {
                operation_id,
                by: cause.by,
                via: cause.via,
                reason: cause.reason,
                signal: cause.signal,
                step: run.stop.as_ref().map_or(Rung::Interrupt, super::stop::Stop::rung).step(),
                killed_processes: left.killed,
                exit_code: left.exit_code,
                model,
                duration_ms,
                spend,
                stdout_bytes,
                stderr_bytes,
                partial: run.record.dir.partial(),
                session_id,
                resume_command,
            });
            exit
        }
        _ => {
            let event = failed_event(run, end, ended, None);
            run.fact(event);
            Exit::Failed
        }
    }
}

/// The tool was stopped, but not by us.
fn stopped_by_itself(outcome: &Outcome) -> Cause {
    let by = if *outcome == Outcome::StoppedBudget { StopBy::Budget } else { StopBy::Signal };
    Cause { by, via: StopVia::Runner, reason: Some("the tool stopped by itself".into()), signal: None }
}

fn failure(run: &Run, outcome: &Outcome, left: Left) -> (ErrorClass, String) {
    let clean = |text: &str| one_line(&run.record.redactor.redact_str(text), MESSAGE);
    match outcome {
        Outcome::Failed { class, message } => (*class, clean(message)),
        _ => {
            let how = match (left.exit_code, left.signal) {
                (Some(code), _) => {
                    format!("the tool left with exit code {code} and without its closing frame")
                }
                (None, Some(signal)) => format!("the tool was ended by signal {signal}"),
                (None, None) => "the stream ended without its closing event".to_owned(),
            };
            let said = last_words(run);
            let class = match (run.source.child().is_some(), left.signal) {
                (true, Some(_)) => ErrorClass::Crash,
                (true, None) => ErrorClass::ExitCode,
                (false, _) => ErrorClass::Network,
            };
            (class, if said.is_empty() { how } else { format!("{how}; it said: {}", clean(&said)) })
        }
    }
}

/// The end of the error stream, for a failure that has no better words.
fn last_words(run: &Run) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let Ok(mut file) = std::fs::File::open(run.record.dir.stream(Stream::Stderr)) else {
        return String::new();
    };
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(1000))).is_ok() {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn hint(class: ErrorClass, end: &End) -> Option<String> {
    let name = end.tool.map_or("the provider", |tool| tool.name);
    Some(match class {
        ErrorClass::Auth => format!("check the login or key of {name}"),
        ErrorClass::RateLimit => "wait a little, or take another model".to_owned(),
        ErrorClass::Overloaded | ErrorClass::Server => "the provider has trouble; try again later".to_owned(),
        ErrorClass::ContextWindow => {
            "the prompt is too long for this model; shorten it or take another".to_owned()
        }
        ErrorClass::ModelUnavailable => {
            "this model is not offered here; name another with --model".to_owned()
        }
        ErrorClass::Quota => format!("the account of {name} has no credit left"),
        ErrorClass::Network => "check the network and the provider's address".to_owned(),
        ErrorClass::BinaryMissing
        | ErrorClass::Crash
        | ErrorClass::Invalid
        | ErrorClass::ExitCode
        | ErrorClass::InvalidOutput => {
            return None;
        }
    })
}

/// One line that says how it ended, what it took and what to do next.
fn summary(run: &Run, exit: Exit, closing: &Final, hint: Option<&str>) -> String {
    let spend = run.spend();
    let what = match exit {
        Exit::Ok => "done",
        Exit::Failed => "failed",
        Exit::Budget => "stopped by the cost limit",
        Exit::Timeout => "stopped by the time limit",
        _ => "stopped",
    };
    let rate =
        spend.tokens.output.saturating_mul(1000).checked_div(millis(run.started.elapsed())).unwrap_or(0);
    let counted = match spend.usage_source {
        llmctl_proto::usage::UsageSource::None => "tokens not reported".to_owned(),
        source => {
            let about = if source == llmctl_proto::usage::UsageSource::Reported { "" } else { "≈" };
            let input = spend.tokens.total().saturating_sub(spend.tokens.output);
            format!("{about}{} in, {about}{} out", tokens(input), tokens(spend.tokens.output))
        }
    };
    let model = run.model.as_deref().map(|model| format!("{}  ", one_line(model, 60))).unwrap_or_default();
    let mut line = format!(
        "{what}  {model}{counted}  {}  {}  {rate} tok/s  {}",
        cost(spend.cost_nano_usd),
        duration(millis(run.started.elapsed())),
        run.record.id
    );
    if let (Exit::Failed, Outcome::Failed { message, .. }) = (exit, &closing.outcome) {
        let clean = run.record.redactor.redact_str(message);
        line.push_str("\nerror: ");
        line.push_str(&one_line(&clean, 500));
    }
    if let Some(hint) = hint.filter(|_| exit == Exit::Failed) {
        line.push_str("\nhint: ");
        line.push_str(hint);
    }
    if exit != Exit::Ok {
        line.push_str("\nkept: ");
        line.push_str(&run.record.dir.root().display().to_string());
    }
    line
}
