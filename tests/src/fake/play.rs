//! The course of a fake tool: standard input, faults, the stream, signals, the end.
//!
//! Owns standard output and one queue of what happens from outside (signals, standard input), so that every
//! pause ends early when a signal comes.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::frames::Scene;
use super::options::{Fail, Kind, Options, StdinMode};
use super::{MIN_DELTA_BYTES, delta_text, grandchild};

/// Something from outside; the queue holds 16, then its senders wait.
enum Outside {
    Signal(i32),
    Stdin(Vec<u8>),
}

/// Why the play is over.
enum Over {
    Exit(u8),
    Signal(i32),
    Io(io::Error),
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Plays and gives the exit code; a play that ends by a signal does not return.
pub fn main(options: &Options) -> u8 {
    let kind = options.kind();
    match Play::new(options).and_then(|mut play| play.run()) {
        Ok(()) => options.exit_code.unwrap_or(0),
        Err(Over::Exit(code)) => code,
        Err(Over::Signal(signal)) => {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            1
        }
        // A reader that went away ends the real Claude Code without a complaint.
        Err(Over::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => u8::from(kind != Kind::Claude),
        Err(Over::Io(error)) => {
            let _ = writeln!(io::stderr(), "fake-tool: {error}");
            70
        }
    }
}

struct Play<'a> {
    options: &'a Options,
    scene: Scene,
    outside: Receiver<Outside>,
    stdin: Option<Vec<u8>>,
    open_call: Option<u32>,
}

impl<'a> Play<'a> {
    fn new(options: &'a Options) -> Result<Self, Over> {
        let (sender, outside) = mpsc::sync_channel(16);
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let from_signals = sender.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let _ = from_signals.send(Outside::Signal(signal));
            }
        });
        let slow = Duration::from_millis(options.delay_ms.max(10));
        match options.stdin {
            StdinMode::Never => drop(sender),
            mode => drop(std::thread::spawn(move || {
                let pause = (mode == StdinMode::Slow).then_some(slow);
                let _ = sender.send(Outside::Stdin(read_stdin(pause)));
            })),
        }
        Ok(Self { options, scene: Scene::new(options), outside, stdin: None, open_call: None })
    }

    fn run(&mut self) -> Result<(), Over> {
        let options = self.options;
        if options.asks_version() {
            if options.hang_version {
                self.hang()?;
            }
            return Ok(writeln!(io::stdout(), "{}", options.version())?);
        }
        if let Some(code) = options.exit_before {
            return Err(Over::Exit(code));
        }
        self.pause(options.startup_ms)?;
        self.take_stdin()?;
        if let Some(path) = &options.echo {
            write_whole(path, &self.echo().to_string())?;
        }
        let runs = options.count_file.as_deref().map_or(Ok(1), count_run)?;
        if let Some(fail) = options.fail.filter(|_| options.fail_times.is_none_or(|times| runs <= times)) {
            return self.fail(fail);
        }
        for number in 0..options.garbage {
            self.write(format!("garbage {number} {{\"type\": \"text\", nonsense\n").as_bytes())?;
        }
        self.flood_stderr()?;
        grandchild::start(&grandchild::Grandchildren {
            kinds: &options.grandchild,
            stubborn: options.grandchild_stubborn,
            pids: options.grandchild_pids.as_deref(),
            holds_stdout: options.grandchild_holds_stdout,
        })?;
        match &options.replay {
            Some(path) => self.replay(path),
            None => self.generate(),
        }
    }

    fn generate(&mut self) -> Result<(), Over> {
        let options = self.options;
        self.frames(&self.scene.start())?;
        if options.big_line_mb > 0 {
            let filling = "x".repeat(options.big_line_mb << 20);
            self.frames(&[json!({"type": "unheard_of", "filling": filling})])?;
        }
        let bytes = options.delta_bytes.max(MIN_DELTA_BYTES);
        for number in 1..=options.deltas {
            self.cut_after(number - 1)?;
            self.pause(options.delay_ms)?;
            let text = delta_text(number, bytes);
            match self.scene.delta(&text) {
                Some(frame) => self.frames(&[frame])?,
                None => self.write(text.as_bytes())?,
            }
        }
        self.cut_after(options.deltas)?;
        if options.hang {
            self.hang()?;
        }
        self.frames(&self.scene.text_done())?;
        for number in 1..=options.tool_calls + u32::from(options.hang_in_tool) {
            self.open_call = Some(number);
            self.frames(self.scene.call_start(number).as_slice())?;
            if number > options.tool_calls {
                self.hang()?;
            }
            self.pause(options.delay_ms)?;
            self.frames(self.scene.call_end(number).as_slice())?;
            self.open_call = None;
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), Over> {
        let mut frames = self.scene.end();
        let terminal = frames.pop();
        self.frames(&frames)?;
        match terminal {
            Some(frame) if self.options.end_mid_line => {
                let text = frame.to_string();
                self.write(&text.as_bytes()[..text.len() / 2])?;
            }
            Some(frame) if !self.options.no_terminal => self.frames(&[frame])?,
            _ => {}
        }
        self.options.die_by.map_or(Ok(()), |signal| Err(Over::Signal(signal)))
    }

    /// Ends the play when `--exit-after` says so.
    fn cut_after(&self, done: u64) -> Result<(), Over> {
        if self.options.exit_after != Some(done) {
            return Ok(());
        }
        let code = self.options.exit_code.unwrap_or(1);
        Err(self.options.die_by.map_or(Over::Exit(code), Over::Signal))
    }

    fn replay(&mut self, path: &Path) -> Result<(), Over> {
        let content = fs::read(path)?;
        for (index, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
            self.cut_after(index as u64)?;
            self.pause(self.options.delay_ms)?;
            // Remembered for the closing frames after a signal.
            let frame = serde_json::from_slice::<Value>(line).unwrap_or_default();
            if let Some(text) = frame.pointer("/event/delta/text").and_then(Value::as_str) {
                self.scene.text.push_str(text);
            }
            self.write(line)?;
        }
        if self.options.hang {
            self.hang()?;
        }
        Ok(())
    }

    fn fail(&mut self, fail: Fail) -> Result<(), Over> {
        self.frames(&self.scene.failed(fail))?;
        if self.scene.kind == Kind::Plain {
            writeln!(io::stderr(), "Error: the provider refused: {fail:?}")?;
        }
        Err(Over::Exit(self.options.exit_code.unwrap_or(1)))
    }

    fn frames(&self, frames: &[Value]) -> Result<(), Over> {
        for frame in frames {
            let mut line = frame.to_string();
            line.push_str(if self.options.crlf { "\r\n" } else { "\n" });
            if self.options.blank_lines {
                line.push('\n');
            }
            self.write(line.as_bytes())?;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Over> {
        let mut stdout = io::stdout().lock();
        for piece in bytes.chunks(self.options.write_bytes.unwrap_or(usize::MAX).max(1)) {
            stdout.write_all(piece)?;
            stdout.flush()?;
        }
        Ok(())
    }

    /// Numbered lines of 64 bytes on the error stream.
    fn flood_stderr(&self) -> Result<(), Over> {
        let mut stderr = io::stderr().lock();
        for number in 0..self.options.stderr_mb * (1 << 14) {
            stderr.write_all(format!("noise {number:08} {:.<48}\n", "").as_bytes())?;
        }
        Ok(())
    }

    /// Waits; signals are answered at once.
    fn pause(&mut self, time_ms: u64) -> Result<(), Over> {
        let end = Instant::now() + Duration::from_millis(time_ms);
        loop {
            match self.outside.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Outside::Signal(signal)) => self.on_signal(signal)?,
                Ok(Outside::Stdin(bytes)) => self.stdin = Some(bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Waits until a signal ends it.
    fn hang(&mut self) -> Result<(), Over> {
        loop {
            self.pause(3_600_000)?;
        }
    }

    fn take_stdin(&mut self) -> Result<(), Over> {
        while self.stdin.is_none() && self.options.stdin != StdinMode::Never {
            match self.outside.recv() {
                Ok(Outside::Signal(signal)) => self.on_signal(signal)?,
                Ok(Outside::Stdin(bytes)) => self.stdin = Some(bytes),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Does what the tool does on a signal: nothing, closing frames, an exit code of its own, or death.
    fn on_signal(&mut self, signal: i32) -> Result<(), Over> {
        let ignored =
            (signal == SIGINT && self.options.ignore_int) || (signal == SIGTERM && self.options.ignore_term);
        if ignored {
            return Ok(());
        }
        match (self.scene.kind, signal) {
            (Kind::Claude, SIGINT) => {
                self.closing_pause()?;
                self.frames(&self.scene.interrupted(self.open_call))?;
                Err(Over::Exit(0))
            }
            (Kind::Claude | Kind::Codex, SIGTERM) => Err(Over::Exit(143)),
            (Kind::Claude, SIGHUP) => Err(Over::Exit(129)),
            (Kind::Codex, SIGINT) => Err(Over::Exit(1)),
            (Kind::Gemini, SIGINT | SIGTERM) => Err(Over::Exit(0)),
            (Kind::Plain, SIGINT) => {
                let _ = writeln!(io::stderr(), "Aborted!");
                Err(Over::Exit(1))
            }
            (_, signal) => Err(Over::Signal(signal)),
        }
    }

    /// The time a slow tool takes to close; a second signal ends it by force.
    fn closing_pause(&self) -> Result<(), Over> {
        let end = Instant::now() + Duration::from_millis(self.options.slow_int_ms);
        loop {
            match self.outside.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Outside::Signal(SIGTERM)) if !self.options.ignore_term => return Err(Over::Exit(143)),
                Ok(_) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    fn echo(&self) -> Value {
        let environment: serde_json::Map<String, Value> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), json!(value.to_string_lossy())))
            .collect();
        let arguments: Vec<_> = self.options.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let cwd = std::env::current_dir().unwrap_or_default();
        let process = crate::proc::stat(std::process::id() as i32);
        json!({"argv": arguments, "env": environment, "cwd": cwd, "pid": std::process::id(),
            "pgid": process.as_ref().map(|p| p.group), "sid": process.as_ref().map(|p| p.session),
            "stdin_bytes": self.stdin.as_ref().map(Vec::len),
            "stdin": self.stdin.as_ref().map(|bytes| String::from_utf8_lossy(bytes))})
    }
}

/// Reads standard input to its end, at most 64 MiB of it into memory; with a pause, 1 KiB at a time.
fn read_stdin(pause: Option<Duration>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; if pause.is_some() { 1024 } else { 64 << 10 }];
    let (_held, never) = mpsc::sync_channel::<()>(1);
    while let Ok(read @ 1..) = io::stdin().read(&mut buffer) {
        if all.len() < 64 << 20 {
            all.extend_from_slice(&buffer[..read]);
        }
        if let Some(pause) = pause {
            let _ = never.recv_timeout(pause);
        }
    }
    all
}

/// Adds a line to the file and gives the number of lines.
fn count_run(path: &Path) -> io::Result<u32> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(b"run\n")?;
    Ok(u32::try_from(fs::read_to_string(path)?.lines().count()).unwrap_or(u32::MAX))
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension(format!("part{}", std::process::id()));
    fs::write(&part, text)?;
    fs::rename(part, path)
}
