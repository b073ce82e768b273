//! Directories below the root, opened one name at a time without following links.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;

use super::{FilesError, Tree};

pub(super) const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Tree {
    /// The root; nothing if it is not there. The root itself is the user's choice and may be a link.
    pub(super) fn root_fd(&self) -> Result<Option<OwnedFd>, FilesError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match open(&self.root, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(FilesError::io("open", "the root of the task files", error)),
        }
    }

    /// A directory below the root; nothing if it, or one above it, is not there.
    pub(super) fn open_dir(&self, path: &str) -> Result<Option<OwnedFd>, FilesError> {
        let Some(mut fd) = self.root_fd()? else { return Ok(None) };
        for name in names(path)? {
            fd = match openat(&fd, name, DIR, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(FilesError::io("open", path, error)),
            };
        }
        Ok(Some(fd))
    }

    /// A directory below the root, made where it is not there.
    pub(super) fn make_dir(&self, path: &str) -> Result<OwnedFd, FilesError> {
        let Some(mut fd) = self.root_fd()? else {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(FilesError::io("open", "the root of the task files", source));
        };
        for name in names(path)? {
            match mkdirat(&fd, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(FilesError::io("make the directory", path, error)),
            }
            fd = openat(&fd, name, DIR, Mode::empty()).map_err(|e| FilesError::io("open", path, e))?;
        }
        Ok(fd)
    }
}

/// Directory and name of a path below the root.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The names of a path; one that leads elsewhere is refused.
fn names(path: &str) -> Result<Vec<&str>, FilesError> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if path.starts_with('/') || names.iter().any(|name| matches!(*name, "." | "..") || name.contains('\0')) {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
        return Err(FilesError::io("use", path, source));
    }
    Ok(names)
}
