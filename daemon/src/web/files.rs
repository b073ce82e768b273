//! Reading files below a directory of ours. Names are ours, never the caller's; no link below it is followed.
//!
//! Recorded output is read in pieces on the blocking threads, so neither its size nor a slow disk costs memory
//! or holds a worker.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use rustix::fs::{Mode, OFlags};
use tokio::task::JoinHandle;

/// One piece of a file on its way to a client.
const PIECE: u64 = 64 * 1024;

/// Opens a recorded file; neither it nor its operation's directory may be a link.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let parts = path.parent().and_then(|dir| Some((dir.parent()?, dir.file_name()?, path.file_name()?)));
    let (root, dir, name) = parts.ok_or(io::ErrorKind::InvalidInput)?;
    open_below(root, &[dir, name])
}

/// Opens a regular file by the names of the directories below `root` and its own, one after the other.
pub(super) fn open_below(root: &Path, names: &[&OsStr]) -> io::Result<File> {
    let plain = |name: &&OsStr| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == *name)
    };
    let Some((last, dirs)) = names.split_last().filter(|_| names.iter().all(plain)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let below = flags | OFlags::NOFOLLOW;
    let mut at = rustix::fs::open(root, flags | OFlags::DIRECTORY, Mode::empty())?;
    for dir in dirs {
        at = rustix::fs::openat(&at, *dir, below | OFlags::DIRECTORY, Mode::empty())?;
    }
    // A pipe would block the open.
    let file = File::from(rustix::fs::openat(&at, *last, below | OFlags::NONBLOCK, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// A recorded file as it is now.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    file: Arc<File>,
    /// Bytes when it was opened.
    pub(super) size: u64,
}

impl Recorded {
    /// Opens a recorded file; none when it is not there.
    pub(super) async fn open(path: PathBuf) -> io::Result<Option<Self>> {
        blocking(move || match open(&path) {
            Ok(file) => Ok(Some(Self { size: file.metadata()?.len(), file: Arc::new(file) })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// The bytes from `start` up to `end`, read while they are sent.
    pub(super) fn body(&self, start: u64, end: u64) -> FileBody {
        FileBody { file: Arc::clone(&self.file), at: start, end, reading: None }
    }

    /// The file itself, for a reader on a blocking thread.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// Runs a closure that touches the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A part of a file as the body of a response; one piece is in memory at a time.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<File>,
    at: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let (at, want) = (self.at, (self.end - self.at).min(PIECE) as usize);
        let file = Arc::clone(&self.file);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; want];
                file.read_exact_at(&mut bytes, at)?;
                Ok(bytes)
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let bytes = read.map_err(io::Error::other)??;
        self.at += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.at))
    }
}

/// At most `max` bytes from `offset`, and the file's size; nothing for a file that is not there yet.
pub(super) async fn read_at(path: PathBuf, offset: u64, max: usize) -> io::Result<(Vec<u8>, u64)> {
    blocking(move || {
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut bytes = vec![0; size.saturating_sub(offset).min(max as u64) as usize];
        file.read_exact_at(&mut bytes, offset)?;
        Ok((bytes, size))
    })
    .await
}

/// Length of the longest part of `bytes` that ends at a character's end; broken bytes count as characters.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let first = bytes[bytes.len() - back];
        let needed = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return bytes.len(),
        };
        return if needed > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::os::unix::fs::symlink;

    #[test]
    fn characters_stay_whole() {
        let text = "aé😀".as_bytes();
        let expected = [0, 1, 1, 3, 3, 3, 3, 7];
        for (cut, whole) in expected.into_iter().enumerate() {
            assert_eq!(whole_characters(&text[..cut]), whole, "cut at {cut}");
        }
        assert_eq!(whole_characters(b"\xff\x80\x80"), 3);
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().expect("tempdir");
        let dir = root.path().join("exec-a");
        std::fs::create_dir(&dir).expect("made");
        let (file, link) = (dir.join("f"), dir.join("l"));
        std::fs::write(&file, "x").expect("written");
        symlink(&file, &link).expect("linked");
        symlink(&dir, root.path().join("exec-b")).expect("linked");
        assert!(open(&file).is_ok());
        assert!(open(&link).is_err(), "a linked file");
        assert!(open(&root.path().join("exec-b/f")).is_err(), "a linked directory");
        assert!(open(&dir).is_err(), "a directory");
    }

    #[test]
    fn names_lead_nowhere_else() {
        let root = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(root.path().join("in")).expect("made");
        std::fs::write(root.path().join("secret"), "x").expect("written");
        std::fs::write(root.path().join("in/f"), "x").expect("written");
        let open = |names: &[&str]| {
            open_below(&root.path().join("in"), &names.iter().map(OsStr::new).collect::<Vec<_>>())
        };
        assert!(open(&["f"]).is_ok());
        for bad in
            [&["..", "secret"][..], &["../secret"], &["."], &[""], &["/etc/passwd"], &["f\0"], &["f/"], &[]]
        {
            assert!(open(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_the_part_that_was_asked_for() {
        let root = tempfile::tempdir().expect("tempdir");
        let path = root.path().join("exec-a/output.txt");
        assert!(Recorded::open(path.clone()).await.expect("no error").is_none());
        std::fs::create_dir(root.path().join("exec-a")).expect("made");
        let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        std::fs::write(&path, &content).expect("written");
        let recorded = Recorded::open(path.clone()).await.expect("opened").expect("there");
        assert_eq!(recorded.size, 200_000);
        let body = recorded.body(10, 150_000);
        assert_eq!(body.size_hint().exact(), Some(149_990));
        assert_eq!(body.collect().await.expect("read").to_bytes(), content[10..150_000]);
        assert!(recorded.body(5, 5).collect().await.expect("read").to_bytes().is_empty());
        std::fs::write(&path, "short").expect("truncated");
        assert!(recorded.body(0, 200_000).collect().await.is_err(), "a file that shrank is no whole answer");
    }
}
