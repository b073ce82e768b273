//! Carries plans out: edit and move in the order that keeps every moment between them true.

use rustix::fs::{AtFlags, fsync, statat};
use rustix::io::Errno;

use super::dirs::split;
use super::read::Loaded;
use super::replace::{Replaced, create, move_file, replace};
use super::{FilesError, Tree};
use crate::task::body::{hash_of, rev_of};
use crate::task::edit::{ChangedLine, Edit, apply, reapply};
use crate::task::verbs::{Asked, Goes, NewTask, Plan, Refusal};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Where the file is now, below the root.
    pub path: String,
    /// Version that was there directly before.
    pub old_rev: String,
    /// Version now.
    pub rev: String,
    /// Lines that changed.
    pub lines: Vec<ChangedLine>,
    /// The system could not exchange names: for an instant a foreign writer would have been overwritten unseen.
    pub window: bool,
}

/// How often an edit is made again when others write at the same time.
const TRIES: u32 = 16;

impl Tree {
    /// Carries a plan out that was made for `base`. The caller holds the tree's lock.
    ///
    /// A file that changed since `base` is edited all the same where the change touched other keys.
    ///
    /// # Errors
    /// Nothing was changed, unless the error says that the file was moved.
    pub fn carry_out(&self, base: &Loaded, plan: &Plan) -> Result<Done, FilesError> {
        let path = base.raw.path.as_str();
        // What cannot be edited is not moved either.
        apply(&base.bytes, &plan.edits)?;
        if let Some(goes) = &plan.goes {
            self.check_free(path, goes)?;
        }
        match &plan.goes {
            Some(goes) if goes.first => {
                let to = self.rename(path, goes)?;
                self.edit(base, &to, &plan.edits)
                    .map_err(|source| FilesError::AfterMove { path: to, source: Box::new(source) })
            }
            Some(goes) => {
                let done = self.edit(base, path, &plan.edits)?;
                Ok(Done { path: self.rename(path, goes)?, ..done })
            }
            None => self.edit(base, path, &plan.edits),
        }
    }

    /// Writes a new task by the convention; a taken name gets `-2`, `-3` and so on.
    ///
    /// # Errors
    /// `Ok(Err)` when a value is none; else the file could not be written.
    pub fn create(&self, new: &NewTask, asked: Asked<'_>) -> Result<Result<String, Refusal>, FilesError> {
        for n in 1..=99 {
            let (dir, id, text) = match new.render(n, asked) {
                Ok(rendered) => rendered,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let fd = self.make_dir(&dir)?;
            let name = format!("{id}.yaml");
            let path = format!("{dir}/{name}");
            if create(&fd, &name, &path, text.as_bytes())? {
                return Ok(Ok(path));
            }
        }
        Err(FilesError::Exists("a file for each name that was tried".to_owned()))
    }

    fn edit(&self, base: &Loaded, path: &str, edits: &[Edit]) -> Result<Done, FilesError> {
        let (dir, name) = split(path);
        let fd = self.open_dir(dir)?.ok_or_else(|| FilesError::Gone(path.to_owned()))?;
        for _ in 0..TRIES {
            let now = self.load(path)?;
            let applied = reapply(&base.bytes, &now.bytes, edits)?;
            let old_rev = now.raw.rev();
            let new = applied.text.as_bytes();
            let done = |window| Done {
                path: path.to_owned(),
                old_rev: old_rev.clone(),
                rev: rev_of(&hash_of(new)),
                lines: applied.lines.clone(),
                window,
            };
            if applied.lines.is_empty() {
                return Ok(done(false));
            }
            match replace(&fd, name, path, new, &now.raw.hash)? {
                Replaced::Done { window } => return Ok(done(window)),
                Replaced::Foreign => {}
            }
        }
        Err(FilesError::Busy(path.to_owned()))
    }

    /// Refuses early what the rename would refuse late.
    fn check_free(&self, path: &str, goes: &Goes) -> Result<(), FilesError> {
        let (_, name) = split(path);
        let Some(fd) = self.open_dir(&goes.dir)? else { return Ok(()) };
        match statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            _ => Err(FilesError::Exists(format!("{}/{name}", goes.dir))),
        }
    }

    fn rename(&self, path: &str, goes: &Goes) -> Result<String, FilesError> {
        let (dir, name) = split(path);
        let gone = || FilesError::Gone(path.to_owned());
        let from = self.open_dir(dir)?.ok_or_else(gone)?;
        let to = self.make_dir(&goes.dir)?;
        let new = format!("{}/{name}", goes.dir);
        match move_file(&from, name, &to, name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(gone()),
            Err(Errno::EXIST) => return Err(FilesError::Exists(new)),
            Err(error) => return Err(FilesError::io("move", path, error)),
        }
        for fd in [&to, &from] {
            fsync(fd).map_err(|error| FilesError::io("sync the directory of", &new, error))?;
        }
        Ok(new)
    }
}
