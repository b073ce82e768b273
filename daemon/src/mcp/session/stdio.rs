//! Messages over a pair of pipes, one a line.
//!
//! A reader task owns the requests that wait for an answer; a writer task owns the server's input, so that a
//! server that does not read cannot keep its own output from being read. Queues: 64 commands, 16 messages to
//! write; who asks waits for room, within his time. Never starts or ends a process.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::error::{Ended, SessionError};
use super::lines::{Lines, Next};
use super::message::{self, Answer, For, Incoming};
use super::talk::Inbox;

/// Commands that wait for the reader.
const COMMANDS: usize = 64;
/// Messages that wait to be written.
const TO_WRITE: usize = 16;
/// How long a leaving server's output is still read.
const DRAIN: Duration = Duration::from_secs(30);
/// How long the last messages may take to be written at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

type Reply = oneshot::Sender<Result<Answer, SessionError>>;

#[derive(Debug)]
enum Command {
    /// An answer to this request will come.
    Expect(u64, Reply),
    /// Nobody waits for it any more.
    Forget(u64),
}

/// A handle on both tasks.
#[derive(Debug)]
pub(super) struct Stdio {
    commands: mpsc::Sender<Command>,
    out: mpsc::Sender<Vec<u8>>,
    reader: AbortOnDropHandle<()>,
    writer: AbortOnDropHandle<()>,
}

impl Stdio {
    pub(super) fn spawn<R, W>(read: R, write: W, inbox: Arc<Inbox>) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (commands, received) = mpsc::channel(COMMANDS);
        let (out, to_write) = mpsc::channel(TO_WRITE);
        let reader = Reader {
            waiting: HashMap::new(),
            commands: received,
            out: out.downgrade(),
            lines: Lines::new(read, inbox.limits.message_bytes),
            inbox: Arc::clone(&inbox),
        };
        Self {
            commands,
            out,
            reader: AbortOnDropHandle::new(tokio::spawn(reader.run())),
            writer: AbortOnDropHandle::new(tokio::spawn(write_all(write, to_write, inbox))),
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(&self, id: u64, bytes: Vec<u8>) -> Result<Answer, SessionError> {
        let (reply, answer) = oneshot::channel();
        let expected = self.commands.send(Command::Expect(id, reply)).await;
        expected.map_err(|_| SessionError::Closed)?;
        let mut waits = Waits { commands: Some(&self.commands), id };
        self.send(bytes).await?;
        let answer = answer.await.unwrap_or(Err(SessionError::Closed));
        waits.commands = None;
        answer
    }

    /// Sends a message when there is room.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> Result<(), SessionError> {
        self.out.send(bytes).await.map_err(|_| SessionError::Closed)
    }

    /// Sends a message if there is room.
    pub(super) fn send_if_room(&self, bytes: Vec<u8>) {
        // A server that reads nothing misses nothing by this.
        let _ = self.out.try_send(bytes);
    }

    /// Closes the server's input once what waits is written, and reads on in the background.
    pub(super) async fn close(self) {
        drop((self.commands, self.out));
        let _ = tokio::time::timeout(LAST_WORDS, self.writer).await;
        self.reader.detach();
    }
}

/// Makes the reader forget a request whose asker has gone.
struct Waits<'a> {
    commands: Option<&'a mpsc::Sender<Command>>,
    id: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(commands) = self.commands {
            // Without room it is swept away later.
            let _ = commands.try_send(Command::Forget(self.id));
        }
    }
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut write: W,
    mut queue: mpsc::Receiver<Vec<u8>>,
    inbox: Arc<Inbox>,
) {
    while let Some(mut message) = queue.recv().await {
        message.push(b'\n');
        let written = async {
            write.write_all(&message).await?;
            write.flush().await
        };
        if written.await.is_err() {
            inbox.end(Ended::Input);
            return;
        }
        inbox.counters.sent(message.len());
    }
}

struct Reader<R> {
    waiting: HashMap<u64, Reply>,
    commands: mpsc::Receiver<Command>,
    out: mpsc::WeakSender<Vec<u8>>,
    lines: Lines<R>,
    inbox: Arc<Inbox>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    async fn run(mut self) {
        let mut leaving = false;
        let mut drained = pin!(tokio::time::sleep(DRAIN));
        let mut before = 0;
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv(), if !leaving => match command {
                    Some(command) => self.obey(command),
                    None => {
                        leaving = true;
                        drained.as_mut().reset(tokio::time::Instant::now() + DRAIN);
                    }
                },
                () = &mut drained, if leaving => return,
                next = self.lines.next() => {
                    let total = self.lines.total();
                    self.inbox.counters.received_bytes(total - std::mem::replace(&mut before, total));
                    match next {
                        Ok(Next::Line(line)) => self.take(line),
                        Ok(Next::TooLong { id }) => self.too_long(id),
                        Ok(Next::End) | Err(_) => break,
                    }
                }
            }
        }
        self.inbox.end(Ended::Output);
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command);
        }
        for (_, reply) in self.waiting {
            let _ = reply.send(Err(SessionError::Closed));
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Expect(id, reply) => {
                if self.waiting.len() >= 2 * COMMANDS {
                    self.waiting.retain(|_, reply| !reply.is_closed());
                }
                self.waiting.insert(id, reply);
            }
            Command::Forget(id) => {
                self.waiting.remove(&id);
            }
        }
    }

    fn take(&mut self, line: std::ops::Range<usize>) {
        let line = self.lines.bytes(line);
        let Some(messages) = message::read(line) else {
            if !line.trim_ascii().is_empty() {
                self.inbox.noise(line);
            }
            return;
        };
        let mut answers = Vec::new();
        for message in messages {
            self.inbox.counters.received();
            match message {
                Incoming::Notice { method } => self.inbox.notice(&method),
                Incoming::Request { id, method } => self.say(self.inbox.decline(id, &method)),
                Incoming::Reply { whose, answer } => answers.push((whose, answer)),
            }
        }
        for (whose, answer) in answers {
            self.inbox.counters.answered();
            self.deliver(whose, Ok(answer));
        }
    }

    fn say(&self, bytes: Vec<u8>) {
        if let Some(out) = self.out.upgrade() {
            // A server that asks faster than it reads goes without.
            let _ = out.try_send(bytes);
        }
    }

    fn too_long(&mut self, id: Option<u64>) {
        self.inbox.counters.too_long();
        let Some(id) = id else { return };
        self.inbox.counters.answered();
        self.deliver(For::Id(id), Err(SessionError::TooLong { limit: self.inbox.limits.message_bytes }));
    }

    fn deliver(&mut self, whose: For, answer: Result<Answer, SessionError>) {
        let waits = match whose {
            For::Id(id) => self.find(id),
            // With one question open there is no doubt which one could not be read.
            For::Unknown if self.waiting.len() == 1 => {
                let only = self.waiting.keys().next().copied();
                only.and_then(|id| self.waiting.remove(&id))
            }
            For::Unknown | For::Nobody => None,
        };
        if let Some(reply) = waits {
            let _ = reply.send(answer);
        }
    }

    fn find(&mut self, id: u64) -> Option<Reply> {
        loop {
            if let Some(reply) = self.waiting.remove(&id) {
                return Some(reply);
            }
            // The server may be quicker than the command that was sent before the question was written.
            match self.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
    }
}
