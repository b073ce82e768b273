//! Records one operation: journal first, then the daemon, then whoever reads the events on standard output.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use llmctl_proto::admission::Submission;
use llmctl_proto::event::{Event, ExecutionProgress, RunState, Stream};
use llmctl_proto::ids::{Cursor, Epoch, OperationId};
use llmctl_proto::journal::{Entry, Writer, Written};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::redact::{RedactStream, Redactor};
use llmctl_proto::time::UnixMs;

use tokio::sync::watch;

use super::stream_file::StreamFile;
use crate::link::attach::{Link, live};

/// Recorded bytes of the answer; a tool that says more has lost its way.
const OUTPUT_LIMIT: u64 = 1024 * 1024 * 1024;
/// Recorded bytes of the error stream.
const STDERR_LIMIT: u64 = 64 * 1024 * 1024;
/// Recorded bytes of the tool's own stream.
const RAW_LIMIT: u64 = 256 * 1024 * 1024;
/// A checkpoint of progress in the journal, for whoever finds it without its end.
const CHECKPOINT: Duration = Duration::from_secs(5);

/// The recorder of one operation.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Operation.
    pub id: OperationId,
    /// Its directory.
    pub dir: OperationDir,
    /// The answer.
    pub stdout: StreamFile,
    /// The error stream.
    pub stderr: StreamFile,
    /// Removes secrets.
    pub redactor: Redactor,
    journal: Writer,
    raw: Raw,
    link: Option<Link>,
    /// Lines for standard output, taken by the runner after each turn; none unless asked for.
    jsonl: Option<Vec<u8>>,
    jsonl_seq: u64,
    last_checkpoint: Option<Instant>,
    last_state: Option<RunState>,
    journal_held: bool,
    output_refused: bool,
}

#[derive(Debug)]
struct Raw {
    file: File,
    redact: RedactStream,
    written: u64,
    buffer: Vec<u8>,
}

impl Recorder {
    /// Opens all files of an operation whose directory exists.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(super) fn open(dir: OperationDir, redactor: Redactor) -> io::Result<Self> {
        Ok(Self {
            id: dir.id.clone(),
            stdout: StreamFile::open(&dir.stream(Stream::Stdout), Stream::Stdout, &redactor, OUTPUT_LIMIT)?,
            stderr: StreamFile::open(&dir.stream(Stream::Stderr), Stream::Stderr, &redactor, STDERR_LIMIT)?,
            journal: Writer::create(&dir.journal())?,
            raw: Raw {
                file: OperationDir::append(&dir.raw())?,
                redact: redactor.stream(),
                written: 0,
                buffer: Vec::new(),
            },
            dir,
            redactor,
            link: None,
            jsonl: None,
            jsonl_seq: 0,
            last_checkpoint: None,
            last_state: None,
            journal_held: false,
            output_refused: false,
        })
    }

    /// Sends events to the daemon from now on.
    pub(super) fn set_link(&mut self, link: Link) {
        self.link = Some(link);
    }

    /// Asks the daemon for a place; gives how the link stands, or none without one. What was recorded before
    /// reaches the daemon first.
    pub(super) fn submit(&self, submission: Submission) -> Option<watch::Receiver<bool>> {
        let link = self.link.as_ref()?;
        link.submit(submission);
        Some(link.connected())
    }

    /// Changes what a new connection begins with.
    pub(super) fn amend(&self, change: impl FnOnce(&mut Submission)) {
        if let Some(link) = &self.link {
            link.amend(change);
        }
    }

    /// Asks for no place any more.
    pub(super) fn withdraw(&self) {
        if let Some(link) = &self.link {
            link.withdraw();
        }
    }

    /// Keeps every event as a JSON line from now on, to be taken with `take_lines`.
    pub(super) fn keep_lines(&mut self) {
        self.jsonl = Some(Vec::new());
    }

    /// The JSON lines since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<u8> {
        self.jsonl.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Journals a fact and passes it on. Tells the first time that the disk refuses.
    pub(super) fn fact(&mut self, event: impl Into<Event>) -> Option<String> {
        let (entry, written) = self.journal.append(UnixMs::now(), &event.into());
        self.pass_on(entry);
        let held = written == Written::Held;
        let first = held && !self.journal_held;
        self.journal_held = held;
        first.then(|| format!("the disk refuses {}; events are kept in memory", self.dir.journal().display()))
    }

    /// Says the first time that the disk refuses the output; what is shown goes on.
    pub(super) fn output_trouble(&mut self) -> Option<String> {
        let refused = self.stdout.refused() || self.stderr.refused();
        let first = refused && !std::mem::replace(&mut self.output_refused, refused);
        first.then(|| {
            format!(
                "the disk refuses {}; 4 MiB are kept in memory, what is older is not recorded",
                self.dir.stream(Stream::Stdout).display()
            )
        })
    }

    /// Passes progress on; now and then it is journalled too, and whenever the state is another: without a link the
    /// journal alone says that it is paused.
    pub(super) fn progress(&mut self, event: ExecutionProgress) {
        let now = Instant::now();
        let changed = self.last_state.replace(event.state) != Some(event.state);
        let event = event.into();
        let entry = if changed || self.last_checkpoint.is_none_or(|at| now.duration_since(at) >= CHECKPOINT) {
            self.last_checkpoint = Some(now);
            self.journal.append(UnixMs::now(), &event).0
        } else {
            live(&event)
        };
        self.pass_on(entry);
    }

    /// Passes pieces of output on that are due; at the `end` all of them.
    pub(super) fn flush_output(&mut self, end: bool) {
        let now = Instant::now();
        loop {
            let event = self
                .stdout
                .next_event(&self.id, now, end)
                .or_else(|| self.stderr.next_event(&self.id, now, end));
            let Some(event) = event else { return };
            self.pass_on(live(&event.into()));
        }
    }

    /// When `flush_output` has something to do.
    pub(super) fn output_due(&self) -> Option<Instant> {
        let now = Instant::now();
        [self.stdout.due(now), self.stderr.due(now)].into_iter().flatten().min()
    }

    /// Keeps a line of the tool's own stream.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        if self.raw.written >= RAW_LIMIT {
            return;
        }
        let mut clean = std::mem::take(&mut self.raw.buffer);
        clean.clear();
        self.raw.redact.push(bytes, &mut clean);
        self.raw.written += clean.len() as u64;
        // What the disk refuses here is only missed by those who debug an adapter.
        let _ = self.raw.file.write_all(&clean);
        self.raw.buffer = clean;
    }

    /// Ends all streams, so that the files are complete.
    pub(super) fn finish_streams(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
        let mut clean = Vec::new();
        self.raw.redact.finish(&mut clean);
        let _ = self.raw.file.write_all(&clean);
        self.flush_output(true);
        let _ = self.stdout.sync();
    }

    /// Makes the journal survive a power failure; false when the disk refuses.
    pub(super) fn sync(&mut self) -> bool {
        self.journal.sync().is_ok()
    }

    /// Waits until the daemon has everything on disk; true at once when there is no daemon.
    pub(super) async fn settle(&mut self, wait: Duration) -> bool {
        let last = self.journal.last_seq();
        match &mut self.link {
            Some(link) => link.durable(last, wait).await,
            None => true,
        }
    }

    fn pass_on(&mut self, entry: Entry) {
        if let Some(jsonl) = &mut self.jsonl {
            self.jsonl_seq += 1;
            // Outside the daemon's order there is no epoch; the numbers count this run's lines.
            let cursor = Cursor { epoch: Epoch(0), seq: self.jsonl_seq };
            let line =
                llmctl_proto::event::Envelope::encode(&cursor, entry.at, &entry.type_name, &entry.data);
            if let Ok(line) = line {
                jsonl.extend_from_slice(line.as_bytes());
                jsonl.push(b'\n');
            }
        }
        if let Some(link) = &self.link {
            link.send(entry);
        }
    }
}
