//! The daemon's log: standard error in the foreground, a bounded file in the background.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use llmctl_proto::paths::private_file;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, reload};

/// Size at which the file becomes `.1` and a new one is begun.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The registry behind its level.
type Filtered = Layered<reload::Layer<LevelFilter, Registry>, Registry>;

/// Changes the level of a log that runs.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Sends the log to standard error.
pub fn to_stderr() {
    begin(tracing_subscriber::fmt::layer().with_writer(io::stderr));
}

/// Sends the log to a file that is kept below 4 MiB, with one predecessor.
///
/// # Errors
/// The file cannot be opened.
pub fn to_file(path: &Path) -> io::Result<()> {
    let file = Rotating::open(path)?;
    let writer = Shared(Arc::new(Mutex::new(file)));
    begin(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer));
    Ok(())
}

fn begin<L>(layer: L)
where
    L: Layer<Filtered> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
    if tracing_subscriber::registry().with(filter).with(layer).try_init().is_ok() {
        // The first log is the process's only one.
        let _ = LEVEL.set(handle);
    }
}

/// Logs from this severity on: `error`, `warn`, `info`, `debug` or `trace`.
pub fn set_level(level: &str) {
    let Ok(level) = level.parse::<LevelFilter>() else { return };
    if let Some(handle) = LEVEL.get() {
        // It fails only when the log is gone.
        let _ = handle.reload(level);
    }
}

struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Rotating {
    fn open(path: &Path) -> io::Result<Self> {
        let file = private_file().append(true).create(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size })
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.size >= MAX_BYTES {
            let mut old = self.path.as_os_str().to_owned();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        let count = self.file.write(bytes)?;
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Rotating>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
