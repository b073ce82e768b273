//! `llmctl logs`: an operation's recorded output, from its file, with or without a daemon.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use llmctl_proto::event::{Event, Stream};
use llmctl_proto::journal::{Read, Reader};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::paths::Paths;
use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::find;
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::term::Safe;

pub(super) async fn run(paths: &Paths, args: &cli::Logs) -> Outcome {
    let dir = find::directory(paths, &args.id)?;
    let path = match (args.raw_stream, args.stderr) {
        (true, _) => dir.raw(),
        (false, true) => dir.stream(Stream::Stderr),
        (false, false) => dir.stream(Stream::Stdout),
    };
    if args.follow {
        let mut ending = Ending::new(&dir);
        follow_file(&path, 0, move || ending.reached()).await?;
    } else {
        follow_once(&path)?;
    }
    Ok(Exit::Ok)
}

/// Notices that nothing more will be written for an operation, reading only what is new in its journal.
pub(super) struct Ending {
    dir: OperationDir,
    journal: Option<Reader>,
}

impl Ending {
    pub(super) fn new(dir: &OperationDir) -> Self {
        Self { dir: dir.clone(), journal: Reader::open(&dir.journal()).ok() }
    }

    /// Whether it has ended, or its runner has gone.
    pub(super) fn reached(&mut self) -> bool {
        // Asked first: a runner that ends in between has written everything by then.
        let gone = !self.dir.read().is_ok_and(|file| file.runner.is_alive());
        let Some(journal) = &mut self.journal else { return true };
        let ended = journal
            .filter_map(Read::entry)
            .filter_map(|entry| entry.event().ok())
            .any(|event| event.ends_operation() || matches!(event, Event::ExecutionLost(_)));
        ended || gone
    }
}

fn follow_once(path: &Path) -> Result<(), CliError> {
    let mut out = Out::new();
    let mut file = open(path)?;
    out.copy(&mut file)?;
    out.finish()
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|e| CliError::failed(format!("cannot read {}", path.display())).caused_by(e))
}

/// Prints a file from an offset and what is appended to it, until `ended` says that nothing more will come.
pub(super) async fn follow_file(
    path: &Path,
    offset: u64,
    mut ended: impl FnMut() -> bool,
) -> Result<(), CliError> {
    let (bell, mut rings) = mpsc::channel(1);
    let ring = move |event: notify::Result<notify::Event>| {
        // Our own reading is an event too; it must not ring.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            let _ = bell.try_send(());
        }
    };
    let watch = || -> notify::Result<notify::RecommendedWatcher> {
        let mut watcher = notify::recommended_watcher(ring)?;
        watcher.watch(path.parent().unwrap_or(path), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    };
    let _watcher =
        watch().map_err(|e| CliError::failed(format!("cannot watch {}", path.display())).caused_by(e))?;
    let mut out = Out::new();
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(offset)).map_err(|e| CliError::failed(e.to_string()))?;
    loop {
        // Asked before the file is read: what was written before the end is then read after it.
        let last = ended();
        out.copy(&mut file)?;
        if last {
            return out.finish();
        }
        // Now and then without a ring: some file systems do not tell, and a killed runner says nothing.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), rings.recv()).await;
    }
}

/// Standard output, harmless when it is a terminal.
struct Out {
    safe: Option<Safe>,
}

impl Out {
    fn new() -> Self {
        use std::io::IsTerminal as _;
        Self { safe: std::io::stdout().is_terminal().then(Safe::default) }
    }

    fn copy(&mut self, file: &mut File) -> Result<(), CliError> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer).map_err(|e| CliError::failed("cannot read").caused_by(e))?;
            if count == 0 {
                return Ok(());
            }
            match &mut self.safe {
                Some(safe) => {
                    let mut clean = Vec::with_capacity(count);
                    safe.push(&buffer[..count], &mut clean);
                    write(&clean)?;
                }
                None => write(&buffer[..count])?,
            }
        }
    }

    fn finish(&mut self) -> Result<(), CliError> {
        let mut clean = Vec::new();
        if let Some(safe) = &mut self.safe {
            safe.finish(&mut clean);
        }
        write(&clean)
    }
}

fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Exit::Signal(signal_hook::consts::SIGPIPE), String::new()))
        }
        Err(error) => Err(CliError::failed("cannot write to standard output").caused_by(error)),
    }
}
