//! Puts new content in a file's place in one step, and notices when somebody else was there in between.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fchmod, fsync, linkat, openat, renameat, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::FilesError;
use super::read::read_file;
use crate::task::body::hash_of;

/// What became of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// The new content is there. `window` says that the system could not exchange, so that a writer between the last
    /// look and the rename would have been overwritten.
    Done {
        /// See above.
        window: bool,
    },
    /// Somebody else had written; his content is in place.
    Foreign,
}

/// What the names of our temporary files hold.
const MARK: &str = ".llmctl-";
/// Exchanges that are tried when others write again and again.
const TURNS: u32 = 8;

/// Replaces the content of a regular file with one name, if its hash is `expected`.
pub(super) fn replace(
    dir: &OwnedFd,
    name: &str,
    path: &str,
    new: &[u8],
    expected: &[u8; 32],
) -> Result<Replaced, FilesError> {
    let io = |what: &'static str| move |error: Errno| FilesError::io(what, path, error);
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Err(FilesError::Gone(path.to_owned())),
        Err(error) => return Err(io("look at")(error)),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FilesError::NotWritten { path: path.to_owned(), why: "it is a link" });
    }
    if stat.st_nlink > 1 {
        return Err(FilesError::NotWritten {
            path: path.to_owned(),
            why: "the file has a second name elsewhere",
        });
    }
    let temporary =
        Temporary::create(dir, name, new, Mode::from_raw_mode(stat.st_mode)).map_err(io("write"))?;
    let result = exchange(&temporary, name, path, &hash_of(new), expected);
    drop(temporary);
    if result.is_ok() {
        fsync(dir).map_err(io("sync the directory of"))?;
    }
    result
}

fn exchange(
    temporary: &Temporary<'_>,
    name: &str,
    path: &str,
    ours: &[u8; 32],
    expected: &[u8; 32],
) -> Result<Replaced, FilesError> {
    let io = |what: &'static str| move |error: Errno| FilesError::io(what, path, error);
    let (dir, other) = (temporary.dir, temporary.name.as_str());
    let swap = || renameat_with(dir, other, dir, name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(FilesError::Gone(path.to_owned())),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return rename_over(temporary, name, path, expected);
        }
        Err(error) => return Err(io("replace")(error)),
    }
    let aside = || read_file(dir, other).map_or([0; 32], |(bytes, _)| hash_of(&bytes));
    // What cannot be read changes under our eyes: somebody has it open, so it is his.
    let mut out = aside();
    if out == *expected {
        return Ok(Replaced::Done { window: false });
    }
    // What came out is not what the edit was based on, so it goes back. If that brings something newer out than what
    // was put in, the newer one goes back in its turn.
    let mut inside = *ours;
    for _ in 0..TURNS {
        match swap() {
            Ok(()) => {}
            // Somebody took the file away, and he did so after this was written.
            Err(Errno::NOENT) => return Err(FilesError::Gone(path.to_owned())),
            Err(error) => return Err(io("put back")(error)),
        }
        let came = aside();
        if came == inside {
            return Ok(Replaced::Foreign);
        }
        inside = out;
        out = came;
    }
    Err(FilesError::Busy(path.to_owned()))
}

/// Where names cannot be exchanged: one more look directly before the rename.
fn rename_over(
    temporary: &Temporary<'_>,
    name: &str,
    path: &str,
    expected: &[u8; 32],
) -> Result<Replaced, FilesError> {
    match read_file(temporary.dir, name) {
        Ok((bytes, _)) if hash_of(&bytes) == *expected => {}
        Ok(_) | Err(Errno::AGAIN) => return Ok(Replaced::Foreign),
        Err(Errno::NOENT) => return Err(FilesError::Gone(path.to_owned())),
        Err(error) => return Err(FilesError::io("read", path, error)),
    }
    renameat(temporary.dir, &temporary.name, temporary.dir, name)
        .map_err(|error| FilesError::io("replace", path, error))?;
    Ok(Replaced::Done { window: true })
}

/// Writes a new file; false when there is one of this name.
pub(super) fn create(dir: &OwnedFd, name: &str, path: &str, bytes: &[u8]) -> Result<bool, FilesError> {
    let io = |error| FilesError::io("write", path, error);
    let temporary = Temporary::create(dir, name, bytes, Mode::from_raw_mode(0o644)).map_err(io)?;
    match move_file(dir, &temporary.name, dir, name) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(io(error)),
    }
    fsync(dir).map_err(io)?;
    Ok(true)
}

/// Renames, and never overwrites.
pub(super) fn move_file(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> Result<(), Errno> {
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            linkat(from, old, to, new, AtFlags::empty())?;
            unlinkat(from, old, AtFlags::empty())
        }
        other => other,
    }
}

/// A dot file beside its target; removed when it goes out of use.
struct Temporary<'d> {
    dir: &'d OwnedFd,
    name: String,
}

impl<'d> Temporary<'d> {
    fn create(dir: &'d OwnedFd, name: &str, bytes: &[u8], mode: Mode) -> Result<Self, Errno> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
        let random = u64::from_ne_bytes(random);
        // Names end at 255 bytes; the end of a long one says least.
        let mut keep = name.len().min(200);
        while !name.is_char_boundary(keep) {
            keep -= 1;
        }
        let name = format!(".{}{MARK}{random:016x}", &name[..keep]);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(dir, &name, flags, Mode::from_raw_mode(0o600))?;
        let temporary = Self { dir, name };
        let mut file = std::fs::File::from(file);
        file.write_all(bytes)
            .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
        fchmod(&file, mode)?;
        fsync(&file)?;
        Ok(temporary)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // After a rename it is not there any more, and what stays is removed at the next start.
        let _ = unlinkat(self.dir, &self.name, AtFlags::empty());
    }
}

/// A name of a temporary file of ours.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
        && name
            .rsplit_once(MARK)
            .is_some_and(|(_, random)| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
}
