//! Where an operation's events come from: a child, a provider, the practice model.

use std::pin::Pin;
use std::time::Duration;

use llmctl_proto::usage::Usage;

use super::child::{ChildRun, Piece};
use crate::practice::{self, Practice};
use crate::provider::stream::open;
use crate::provider::{ChatRequest, Limits, ProviderError, ProviderSpec, Streaming};
use crate::tool::{AdapterEvent, Final, Outcome, Reader, ToolEnd};

/// One delivery.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Bytes of the tool's own stream, to be kept as they are.
    pub raw: Vec<u8>,
    /// What they mean.
    pub events: Vec<AdapterEvent>,
    /// Bytes of the error stream.
    pub stderr: Vec<u8>,
}

/// A source under way.
pub(super) enum Source {
    /// Nothing was started yet.
    Idle,
    /// A program.
    Child(ChildSource),
    /// A provider.
    Http(HttpSource),
    /// The practice model.
    Practice(PracticeSource),
}

/// A program and the reader of its streams.
pub(super) struct ChildSource {
    /// The program.
    pub run: ChildRun,
    reader: Reader,
}

/// A request that is being answered.
pub(super) struct HttpSource {
    stage: Stage,
    closing: Option<Final>,
}

/// How far a request is. The opening is kept as a future, so that a turn of the runner does not begin it anew.
enum Stage {
    Opening(Pin<Box<dyn Future<Output = Result<Streaming, ProviderError>> + Send>>),
    Answering(Box<Streaming>),
    Ended,
}

/// The practice model, paced.
pub(super) struct PracticeSource {
    tokens: Box<dyn Iterator<Item = String> + Send>,
    input: u64,
    output: u64,
    pace: Duration,
    next_at: tokio::time::Instant,
}

impl ChildSource {
    /// Reads a program's streams.
    pub(super) fn new(run: ChildRun, reader: Reader) -> Self {
        Self { run, reader }
    }

    async fn next(&mut self) -> Option<Delivery> {
        let mut events = Vec::new();
        Some(match self.run.next().await? {
            Piece::Stdout(raw) => {
                self.reader.stdout(&raw, &mut events);
                Delivery { raw, events, stderr: Vec::new() }
            }
            Piece::Stderr(stderr) => {
                self.reader.stderr(&stderr, &mut events);
                Delivery { raw: Vec::new(), events, stderr }
            }
        })
    }

    /// Whether the stream said itself how it ended.
    pub(super) fn is_closed(&self) -> bool {
        self.reader.parser().is_closed()
    }

    /// Closes the streams: what the last lines say, and what the tool says of its end.
    pub(super) fn finish(&mut self, end: &ToolEnd) -> (Vec<AdapterEvent>, Final) {
        let mut events = Vec::new();
        let closing = self.reader.finish(end, &mut events);
        (events, closing)
    }
}

impl HttpSource {
    /// Sends a request and reads its answer; dropping the source closes the connection.
    pub(super) fn open(spec: ProviderSpec, ask: ChatRequest) -> Self {
        let opening = async move { open(&spec, &ask, Limits::default()).await };
        Self { stage: Stage::Opening(Box::pin(opening)), closing: None }
    }

    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match &mut self.stage {
                Stage::Opening(opening) => match opening.await {
                    Ok(streaming) => self.stage = Stage::Answering(Box::new(streaming)),
                    Err(error) => {
                        self.closing = Some(closing_of(&error));
                        self.stage = Stage::Ended;
                    }
                },
                Stage::Answering(streaming) => match streaming.next().await {
                    Some(chunk) => {
                        let closing = chunk.events.iter().rev().find_map(|event| match event {
                            AdapterEvent::Final(closing) => Some(closing.clone()),
                            _ => None,
                        });
                        self.closing = closing.or(self.closing.take());
                        return Some(Delivery {
                            raw: chunk.raw.to_vec(),
                            events: chunk.events,
                            stderr: Vec::new(),
                        });
                    }
                    None => self.stage = Stage::Ended,
                },
                Stage::Ended => return None,
            }
        }
    }

    /// What the provider said of its end.
    pub(super) fn closing(&self) -> Final {
        self.closing.clone().unwrap_or(Final::of(Outcome::Lost))
    }
}

/// A failed request as the end of an operation.
fn closing_of(error: &ProviderError) -> Final {
    Final {
        http_status: error.http_status,
        retry_after_ms: error.retry_after_ms,
        ..Final::of(Outcome::Failed { class: error.class, message: error.message.clone() })
    }
}

impl PracticeSource {
    /// Lets the practice model answer.
    pub(super) fn new(prompt: &str, pace: Duration) -> Self {
        let practice = Practice::new(prompt);
        let input = practice.input_tokens();
        Self { tokens: Box::new(practice), input, output: 0, pace, next_at: tokio::time::Instant::now() }
    }

    fn usage(&self, complete: bool) -> AdapterEvent {
        let usage = Usage { input: self.input, output: self.output, ..Usage::default() };
        AdapterEvent::Usage { model: None, message_id: practice::MODEL.into(), usage, complete }
    }

    /// The closing account.
    pub(super) fn last_usage(&self) -> AdapterEvent {
        self.usage(true)
    }

    async fn next(&mut self) -> Option<Delivery> {
        tokio::time::sleep_until(self.next_at).await;
        let token = self.tokens.next()?;
        // Paced from the clock, not from a schedule: a pause is not made up for.
        self.next_at = tokio::time::Instant::now() + self.pace;
        self.output += 1;
        let events = vec![AdapterEvent::Text(token.into_bytes()), self.usage(false)];
        Some(Delivery { events, ..Delivery::default() })
    }
}

impl Source {
    /// The next delivery; none at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::Idle => None,
            Self::Child(child) => child.next().await,
            Self::Http(http) => http.next().await,
            Self::Practice(practice) => practice.next().await,
        }
    }

    /// The program, when it is one.
    pub(super) fn child(&self) -> Option<&ChildRun> {
        match self {
            Self::Child(child) => Some(&child.run),
            Self::Idle | Self::Http(_) | Self::Practice(_) => None,
        }
    }
}
