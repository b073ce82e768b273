//! Lists the lanes and reads what changed since the last time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::dirs::DIR;
use super::read::{file_stat, raw_task, read_file, read_once};
use super::{FilesError, Tree};
use crate::task::board::Board;
use crate::task::body::{Body, FileStat, RawTask};
use crate::task::layout::{Layout, Spot, is_task_name};
use crate::task::problem::{Problem, ProblemKind};
use crate::task::status::Lane;

/// Most task files of one tree; more are not read.
pub const MAX_FILES: usize = 50_000;
/// Deepest directory below the root that is looked at.
pub const MAX_DEPTH: usize = 4;
/// A file changed this shortly before it was read may change again within the same tick of the file system's clock.
const TICK_NS: i128 = 100_000_000;
/// Files that are read together, and directories that are kept open for them.
const BATCH: usize = 2_048;
const BATCH_DIRS: usize = 64;
/// Fewer files than this are not worth a thread.
const ALONE: usize = 64;
/// Most threads that read one tree.
const MAX_THREADS: usize = 4;
/// Most notes about what was left out.
const MAX_SKIPPED: usize = 200;

/// What is on the disk.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The live files, and the names beside the board.
    pub board: Board,
    /// What was left out and why: links, FIFOs, devices, directories that cannot be opened, what is beyond a limit.
    pub skipped: Vec<(String, Problem)>,
    /// Files that never stood still; what was known of them is in the board. Scan again soon.
    pub unsettled: Vec<String>,
    /// Paths of the files in archive and fridge, which are not read.
    pub aside: Vec<String>,
    /// Files that were read.
    pub files_read: usize,
    /// Directories that were listed, below the root: where changes are to be watched for.
    pub dirs: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Cached {
    stat: FileStat,
    /// It may have changed since without another stat.
    fresh: bool,
    raw: Arc<RawTask>,
}

impl Tree {
    /// Lists the lanes, and reads the files whose stat is another than at the last scan. A tree that is not there
    /// is empty.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn scan(&mut self) -> Result<Scan, FilesError> {
        let mut walk = Walk {
            old: std::mem::take(&mut self.cache),
            new: HashMap::new(),
            aside: BTreeMap::new(),
            agents: BTreeSet::new(),
            scan: Scan::default(),
            jobs: Vec::new(),
            job_dirs: 0,
            now_ns: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i128),
        };
        for lane in Lane::ALL {
            let dir = self.layout.dir(lane).to_owned();
            if self.layout.is_excluded(&dir) {
                continue;
            }
            match self.open_dir(&dir) {
                Ok(Some(fd)) => walk.lane(self, lane, fd, dir),
                Ok(None) => {}
                Err(error @ FilesError::Io { .. }) if self.root_fd().is_ok() => {
                    walk.skip(&dir, &error_text(&error));
                }
                Err(error) => {
                    self.cache = walk.old;
                    return Err(error);
                }
            }
        }
        walk.read_batch(&self.layout);
        let mut scan = walk.scan;
        scan.board = Board::new(walk.new.values().map(|c| c.raw.clone()), walk.aside, walk.agents);
        self.cache = walk.new;
        Ok(scan)
    }
}

fn error_text(error: &FilesError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

struct Walk {
    old: HashMap<String, Cached>,
    new: HashMap<String, Cached>,
    aside: BTreeMap<String, Lane>,
    agents: BTreeSet<(Lane, String)>,
    scan: Scan,
    /// What is to be read, at most a batch.
    jobs: Vec<Job>,
    job_dirs: usize,
    now_ns: i128,
}

/// A file to be read.
struct Job {
    dir: Arc<OwnedFd>,
    path: String,
    seen: FileStat,
    known: Option<Cached>,
}

/// What came of it.
enum Outcome {
    Is { raw: Arc<RawTask>, stat: FileStat, read: bool },
    Gone,
    Unsettled(Option<Cached>),
}

impl Job {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn run(self, layout: &Layout) -> (String, Outcome) {
        let outcome = match layout.locate(&self.path) {
            Some(spot) => {
                let read = read_file(&self.dir, self.name());
                outcome(&spot, &self.path, self.seen, self.known, read)
            }
            None => Outcome::Gone,
        };
        (self.path, outcome)
    }
}

fn outcome(
    spot: &Spot<'_>,
    path: &str,
    seen: FileStat,
    known: Option<Cached>,
    read: Result<(Vec<u8>, FileStat), Errno>,
) -> Outcome {
    match read {
        Ok((bytes, stat)) => {
            let raw = match known {
                // The same content: who compares by pointer need not look further.
                Some(known)
                    if known.raw.stat == stat && known.raw.hash == crate::task::body::hash_of(&bytes) =>
                {
                    known.raw
                }
                _ => Arc::new(raw_task(path, spot, &bytes, stat)),
            };
            Outcome::Is { raw, stat, read: true }
        }
        Err(Errno::NOENT) => Outcome::Gone,
        Err(Errno::AGAIN) => Outcome::Unsettled(known),
        Err(error) => {
            let raw = RawTask {
                path: path.to_owned(),
                lane: spot.lane,
                agent_dir: spot.agent_dir.map(str::to_owned),
                stat: seen,
                hash: [0; 32],
                body: Body::not_read(&error.to_string()),
            };
            Outcome::Is { raw: Arc::new(raw), stat: seen, read: false }
        }
    }
}

/// Reads files, on several threads where there are many: parsing is what takes the time.
fn run_all(jobs: Vec<Job>, layout: &Layout) -> Vec<(String, Outcome)> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    if threads == 1 || jobs.len() < ALONE {
        return jobs.into_iter().map(|job| job.run(layout)).collect();
    }
    let each = jobs.len().div_ceil(threads);
    let mut rest = jobs.into_iter();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|_| {
                let part: Vec<Job> = rest.by_ref().take(each).collect();
                scope.spawn(move || part.into_iter().map(|job| job.run(layout)).collect::<Vec<_>>())
            })
            .collect();
        let joined = parts.into_iter().map(|part| match part.join() {
            Ok(read) => read,
            // Contained where a panic of the scan itself is.
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    })
}

impl Walk {
    fn skip(&mut self, path: &str, why: &str) {
        if self.scan.skipped.len() < MAX_SKIPPED {
            let problem = Problem::whole(ProblemKind::UnreadableFile, why);
            self.scan.skipped.push((path.to_owned(), problem));
        }
    }

    fn lane(&mut self, tree: &Tree, lane: Lane, fd: OwnedFd, dir: String) {
        let mut waiting = vec![(fd, dir, 1)];
        while let Some((fd, dir, depth)) = waiting.pop() {
            if self.jobs.len() >= BATCH || self.job_dirs >= BATCH_DIRS {
                self.read_batch(&tree.layout);
            }
            let fd = Arc::new(fd);
            self.job_dirs += 1;
            self.scan.dirs.insert(dir.clone());
            let entries = match Dir::read_from(&*fd) {
                Ok(entries) => entries,
                Err(error) => {
                    self.skip(&dir, &error.to_string());
                    continue;
                }
            };
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        self.skip(&dir, &error.to_string());
                        break;
                    }
                };
                let Ok(name) = entry.file_name().to_str() else {
                    self.skip(
                        &format!("{dir}/{}", entry.file_name().to_string_lossy()),
                        "the name is not UTF-8",
                    );
                    continue;
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = format!("{dir}/{name}");
                let Ok(stat) = statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory if tree.layout.is_excluded(&path) => {}
                    FileType::Directory => {
                        if depth == 1 && matches!(lane, Lane::Assigned | Lane::Done) {
                            self.agents.insert((lane, name.to_owned()));
                        }
                        self.descend(&fd, name, path, depth, &mut waiting);
                    }
                    _ if !is_task_name(name) => {}
                    FileType::RegularFile => self.file(tree, &fd, name, path, file_stat(&stat)),
                    FileType::Symlink => self.link(tree, &path),
                    _ => self.skip(&path, "it is no regular file"),
                }
            }
        }
    }

    fn descend(
        &mut self,
        fd: &OwnedFd,
        name: &str,
        path: String,
        depth: usize,
        waiting: &mut Vec<(OwnedFd, String, usize)>,
    ) {
        if depth >= MAX_DEPTH {
            self.skip(&path, "it is nested too deeply");
            return;
        }
        match openat(fd, name, DIR, Mode::empty()) {
            Ok(inner) => waiting.push((inner, path, depth + 1)),
            Err(error) => self.skip(&path, &error.to_string()),
        }
    }

    fn file(&mut self, tree: &Tree, dir: &Arc<OwnedFd>, name: &str, path: String, stat: FileStat) {
        let Some(spot) = tree.layout.locate(&path) else { return };
        if !spot.lane.on_board() {
            if self.scan.aside.len() < MAX_FILES {
                self.aside.insert(name.to_owned(), spot.lane);
                self.scan.aside.push(path);
            }
            return;
        }
        if self.new.len() + self.jobs.len() >= MAX_FILES {
            self.skip(&path, "there are more than 50,000 task files");
            return;
        }
        match self.old.remove(&path) {
            Some(known) if known.stat == stat && !known.fresh => {
                self.new.insert(path, known);
            }
            known => self.jobs.push(Job { dir: Arc::clone(dir), path, seen: stat, known }),
        }
    }

    /// Reads what waits for it.
    fn read_batch(&mut self, layout: &Layout) {
        self.job_dirs = 0;
        for (path, outcome) in run_all(std::mem::take(&mut self.jobs), layout) {
            self.settle(path, outcome);
        }
    }

    fn settle(&mut self, path: String, outcome: Outcome) {
        match outcome {
            Outcome::Is { raw, stat, read } => {
                self.scan.files_read += usize::from(read);
                let fresh = self.now_ns - stat.mtime_ns < TICK_NS;
                self.new.insert(path, Cached { stat, fresh, raw });
            }
            Outcome::Gone => {}
            Outcome::Unsettled(known) => {
                self.scan.unsettled.push(path.clone());
                if let Some(known) = known {
                    self.new.insert(path, Cached { fresh: true, ..known });
                }
            }
        }
    }

    /// A link to a regular file below the root is read; every other one is left out.
    fn link(&mut self, tree: &Tree, path: &str) {
        let Some(spot) = tree.layout.locate(path) else { return };
        if !spot.lane.on_board() {
            return;
        }
        let opened = tree.root_fd().ok().flatten().map(|root| open_beneath(&root, path));
        match opened {
            Some(Ok(file)) => match read_once(file) {
                Ok(Some((bytes, stat))) => {
                    let known = self.old.remove(path);
                    let outcome = outcome(&spot, path, stat, known, Ok((bytes, stat)));
                    self.settle(path.to_owned(), outcome);
                }
                Ok(None) => self.scan.unsettled.push(path.to_owned()),
                Err(_) => self.skip(path, "it is a link to something that is no regular file"),
            },
            _ => self.skip(path, "it is a link that leads out of the root, or nowhere"),
        }
    }
}

#[cfg(target_os = "linux")]
fn open_beneath(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

/// Where the system cannot promise to stay below a directory, links are not followed at all.
#[cfg(not(target_os = "linux"))]
fn open_beneath(_root: &OwnedFd, _path: &str) -> Result<OwnedFd, Errno> {
    let _ = OFlags::RDONLY;
    Err(Errno::LOOP)
}
