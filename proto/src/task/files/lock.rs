//! One writer of ours at a time for a tree, whether daemon or command line. Others know nothing of it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, flock, openat, statat, unlinkat};

use super::dirs::DIR;
use super::replace::is_temporary;
use super::{FilesError, MAX_DEPTH, Tree};
use crate::task::body::{hash_of, rev_of};
use crate::task::status::Lane;

/// Held while a tree is written; goes with its holder, even when he is killed.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Tree {
    /// Waits until no other writer of ours is at work on this tree. The lock is a file in `state_dir`.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn lock(&self, state_dir: &Path) -> Result<Lock, FilesError> {
        let root = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let name = format!("tasks-{}.lock", rev_of(&hash_of(root.as_os_str().as_encoded_bytes())));
        let io = |source: std::io::Error| FilesError::io("lock", &name, source);
        std::fs::create_dir_all(state_dir).map_err(io)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(state_dir.join(&name))
            .map_err(io)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io(error.into())),
            }
        }
    }

    /// Removes temporary files that a killed writer left, and says how many. The lock shows that none is in use.
    pub fn remove_stale(&self, _held: &Lock) -> usize {
        let mut removed = 0;
        for lane in Lane::ALL {
            let Ok(Some(fd)) = self.open_dir(self.layout.dir(lane)) else { continue };
            let mut waiting = vec![(fd, 1)];
            while let Some((fd, depth)) = waiting.pop() {
                let Ok(entries) = Dir::read_from(&fd) else { continue };
                for entry in entries.filter_map(Result::ok) {
                    let Ok(name) = entry.file_name().to_str() else { continue };
                    let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                    match FileType::from_raw_mode(stat.st_mode) {
                        FileType::RegularFile if is_temporary(name) => {
                            removed += usize::from(unlinkat(&fd, name, AtFlags::empty()).is_ok());
                        }
                        FileType::Directory if !name.starts_with('.') && depth < MAX_DEPTH => {
                            waiting
                                .extend(openat(&fd, name, DIR, Mode::empty()).ok().map(|fd| (fd, depth + 1)));
                        }
                        _ => {}
                    }
                }
            }
        }
        removed
    }
}
