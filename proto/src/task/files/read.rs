//! Reads one file: a regular one, at most 1 MiB, and only what stood still while it was read.

use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use super::dirs::split;
use super::{FilesError, Tree};
use crate::task::body::{Body, FileStat, MAX_FILE_BYTES, RawTask, hash_of};
use crate::task::layout::Spot;

/// A file that was read, with its bytes: what an edit is based on.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub raw: Arc<RawTask>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Tree {
    /// Reads the file at a path below the root.
    ///
    /// # Errors
    /// It is not there, is no task file, or cannot be read.
    pub fn load(&self, path: &str) -> Result<Loaded, FilesError> {
        let gone = || FilesError::Gone(path.to_owned());
        let spot = self.layout.locate(path).ok_or_else(gone)?;
        let (dir, name) = split(path);
        let fd = self.open_dir(dir)?.ok_or_else(gone)?;
        let (bytes, stat) = match read_file(&fd, name) {
            Ok(read) => read,
            Err(Errno::NOENT) => return Err(gone()),
            Err(error) => return Err(FilesError::io("read", path, error)),
        };
        Ok(Loaded { raw: Arc::new(raw_task(path, &spot, &bytes, stat)), bytes })
    }
}

pub(super) fn raw_task(path: &str, spot: &Spot<'_>, bytes: &[u8], stat: FileStat) -> RawTask {
    RawTask {
        path: path.to_owned(),
        lane: spot.lane,
        agent_dir: spot.agent_dir.map(str::to_owned),
        stat,
        hash: hash_of(bytes),
        body: Body::read(bytes),
    }
}

/// How often a file that changes while it is read is read again.
const TRIES: u32 = 3;

/// Reads a regular file in a directory; `EAGAIN` when it never stood still.
pub(super) fn read_file(dir: &OwnedFd, name: &str) -> Result<(Vec<u8>, FileStat), Errno> {
    // Without blocking, or a FIFO put in its place would hold us up for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    for _ in 0..TRIES {
        let file = openat(dir, name, flags, Mode::empty())?;
        if let Some(read) = read_once(file)? {
            return Ok(read);
        }
    }
    Err(Errno::AGAIN)
}

/// Reads an open file; nothing if it changed meanwhile.
pub(super) fn read_once(file: OwnedFd) -> Result<Option<(Vec<u8>, FileStat)>, Errno> {
    let before = regular(&file)?;
    let mut bytes = Vec::with_capacity(usize::try_from(before.len).unwrap_or(0).min(MAX_FILE_BYTES + 1));
    let mut file = std::fs::File::from(file);
    let limit = MAX_FILE_BYTES as u64 + 1;
    file.by_ref()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
    let after = regular(&file)?;
    Ok((before == after).then_some((bytes, after)))
}

fn regular(file: impl AsFd) -> Result<FileStat, Errno> {
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok(file_stat(&stat))
    } else {
        Err(Errno::INVAL)
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types differ between systems")]
pub(super) fn file_stat(stat: &Stat) -> FileStat {
    let ns = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
    FileStat {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        len: stat.st_size as u64,
        mtime_ns: ns(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
        ctime_ns: ns(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
        links: stat.st_nlink as u64,
    }
}
