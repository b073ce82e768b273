//! Where things are: the state, runtime and configuration directories, and the control socket.
//!
//! Everything below them is made with its final mode (directories 0700, files 0600), and a directory that
//! somebody else planted is refused, never used.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket, without its closing NUL: `sun_path` is 108 bytes on Linux, 104 elsewhere.
pub const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The directories of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Operations, the database: `$LLMCTL_STATE_DIR`, `$XDG_STATE_HOME/llmctl` or `~/.local/state/llmctl`.
    pub state: PathBuf,
    /// Socket, locks, token: `$LLMCTL_RUNTIME_DIR`, `$XDG_RUNTIME_DIR/llmctl` or `/tmp/llmctl-UID`.
    pub runtime: PathBuf,
    /// YAML files: `$LLMCTL_CONFIG_DIR`, `$XDG_CONFIG_HOME/llmctl` or `~/.config/llmctl`.
    pub config: PathBuf,
    /// Control socket: `$LLMCTL_SOCKET`, else `llmctld.sock` in the runtime directory.
    pub socket: PathBuf,
}

/// Why a directory or socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// Neither the directory's own variable nor `HOME` is set.
    #[error("HOME is not set; set it, or {0}")]
    NoHome(&'static str),
    /// The socket's path does not fit the kernel's limit.
    #[error(
        "the socket path is {len} bytes long, the system allows {MAX_SOCKET_PATH}: {path}; set LLMCTL_SOCKET or \
         LLMCTL_RUNTIME_DIR to a shorter one"
    )]
    SocketTooLong {
        /// The path.
        path: String,
        /// Its length.
        len: usize,
    },
    /// A directory could not be made or looked at.
    #[error("cannot use directory {path}")]
    Io {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory is not ours alone.
    #[error("directory {path} {problem}; llmctl does not use it")]
    NotPrivate {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Paths {
    /// Reads the environment.
    ///
    /// # Errors
    /// No home directory, or a socket path that is too long.
    pub fn from_env() -> Result<Self, PathsError> {
        Self::resolve(&|name| std::env::var_os(name), rustix::process::geteuid().as_raw())
    }

    /// Resolves the directories from variables; empty ones count as unset.
    ///
    /// # Errors
    /// No home directory, or a socket path that is too long.
    pub fn resolve(var: &dyn Fn(&str) -> Option<OsString>, uid: u32) -> Result<Self, PathsError> {
        let get = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // XDG says relative values are invalid and to be ignored.
        let xdg = |name: &str| get(name).filter(|path| path.is_absolute()).map(|path| path.join("llmctl"));
        let home = |own: &'static str| get("HOME").ok_or(PathsError::NoHome(own));
        let state = match get("LLMCTL_STATE_DIR").or_else(|| xdg("XDG_STATE_HOME")) {
            Some(path) => path,
            None => home("LLMCTL_STATE_DIR")?.join(".local/state/llmctl"),
        };
        let config = match get("LLMCTL_CONFIG_DIR").or_else(|| xdg("XDG_CONFIG_HOME")) {
            Some(path) => path,
            None => home("LLMCTL_CONFIG_DIR")?.join(".config/llmctl"),
        };
        let runtime = get("LLMCTL_RUNTIME_DIR")
            .or_else(|| xdg("XDG_RUNTIME_DIR"))
            .unwrap_or_else(|| PathBuf::from(format!("/tmp/llmctl-{uid}")));
        let socket = get("LLMCTL_SOCKET").unwrap_or_else(|| runtime.join("llmctld.sock"));
        let len = socket.as_os_str().len();
        if len > MAX_SOCKET_PATH {
            return Err(PathsError::SocketTooLong { path: socket.display().to_string(), len });
        }
        Ok(Self { state, runtime, config, socket })
    }

    /// Makes the runtime directory, or proves that the one there is ours alone.
    ///
    /// # Errors
    /// It cannot be made, or it is a link, somebody else's, or open to others.
    pub fn ensure_runtime(&self) -> Result<(), PathsError> {
        make_private_dir(&self.runtime)?;
        check_private_dir(&self.runtime)?;
        match self.socket.parent() {
            Some(parent) if parent != self.runtime && !parent.as_os_str().is_empty() => {
                check_private_dir(parent)
            }
            _ => Ok(()),
        }
    }

    /// Makes the state directory and those below it.
    ///
    /// # Errors
    /// One of them cannot be made.
    pub fn ensure_state(&self) -> Result<(), PathsError> {
        for path in [&self.state, &self.operations(), &self.pending()] {
            make_private_dir(path)?;
        }
        Ok(())
    }

    /// Directory of all operations' directories.
    pub fn operations(&self) -> PathBuf {
        self.state.join("operations")
    }

    /// Directory with an empty file for each operation whose journal is not fully stored.
    pub fn pending(&self) -> PathBuf {
        self.state.join("pending")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state.join("telemetry.redb")
    }

    /// Log of a daemon in the background.
    pub fn daemon_log(&self) -> PathBuf {
        self.state.join("llmctld.log")
    }

    /// What the gateway was last told, so that a restarted daemon opens it again.
    pub fn gateway_file(&self) -> PathBuf {
        self.state.join("dashboard.json")
    }

    /// Lock that a daemon holds for life; its identity is written inside.
    pub fn daemon_lock(&self) -> PathBuf {
        self.runtime.join("llmctld.lock")
    }

    /// Lock that is held while a client starts a daemon.
    pub fn start_lock(&self) -> PathBuf {
        self.runtime.join("start.lock")
    }

    /// Bearer token for scripts, new at every start of the daemon.
    pub fn token(&self) -> PathBuf {
        self.runtime.join("token")
    }

    /// Hashes of the browsers' sessions, so that a restart of the daemon signs nobody out. Gone after a reboot.
    pub fn sessions(&self) -> PathBuf {
        self.runtime.join("sessions")
    }
}

/// Makes a directory and its parents with mode 0700; one that exists is left as it is.
///
/// # Errors
/// It cannot be made.
pub fn make_private_dir(path: &Path) -> Result<(), PathsError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| PathsError::Io { path: path.display().to_string(), source })
}

fn check_private_dir(path: &Path) -> Result<(), PathsError> {
    let text = || path.display().to_string();
    let meta = fs::symlink_metadata(path).map_err(|source| PathsError::Io { path: text(), source })?;
    let problem = if !meta.is_dir() {
        "is not a directory (or is a link)".to_owned()
    } else if meta.uid() != rustix::process::geteuid().as_raw() {
        format!("belongs to user {}", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("has mode {:o}, so others can reach it (chmod 700 it)", meta.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(PathsError::NotPrivate { path: text(), problem })
}

/// Options that create a file with mode 0600 from its first moment.
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Replaces a file: temporary file in the same directory, synced, renamed into place.
///
/// # Errors
/// Any step fails; the old file is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, true)
}

/// Replaces a file as `replace_file` does, without waiting for the disk: whole after a kill, not after a power
/// failure. For what is worth nothing after a reboot.
///
/// # Errors
/// Any step fails; the old file is then as it was.
pub fn replace_file_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, false)
}

fn replace(path: &Path, content: &[u8], sync: bool) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = private_file().write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(content)?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The first error is the one to tell; a temporary file that stays is harmless.
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// The directory cannot be opened or synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(vars: &[(&str, &str)]) -> Result<Paths, PathsError> {
        let vars: Vec<(String, OsString)> =
            vars.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        Paths::resolve(&|name| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()), 1000)
    }

    #[test]
    fn defaults_follow_xdg() {
        let paths = resolve(&[("HOME", "/home/u")]).expect("home is enough");
        assert_eq!(paths.state, Path::new("/home/u/.local/state/llmctl"));
        assert_eq!(paths.runtime, Path::new("/tmp/llmctl-1000"));
        let paths = resolve(&[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/u"), ("XDG_STATE_HOME", "rel")])
            .expect("a relative XDG value is ignored");
        assert_eq!(paths.socket, Path::new("/run/u/llmctl/llmctld.sock"));
        assert_eq!(paths.state, Path::new("/home/u/.local/state/llmctl"));
    }

    #[test]
    fn no_home_names_the_variable() {
        let error = resolve(&[]).expect_err("nothing to go by");
        assert!(error.to_string().contains("LLMCTL_STATE_DIR"));
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_named() {
        let long = format!("/{}", "x".repeat(120));
        let error = resolve(&[("HOME", "/h"), ("LLMCTL_RUNTIME_DIR", &long)]).expect_err("121 + 13 bytes");
        let text = error.to_string();
        assert!(text.contains(&long) && text.contains("LLMCTL_SOCKET"), "{text}");
    }

    #[test]
    fn a_planted_runtime_directory_is_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = |runtime: PathBuf| Paths {
            socket: runtime.join("s"),
            state: dir.path().join("state"),
            config: dir.path().join("config"),
            runtime,
        };
        let open = dir.path().join("open");
        fs::create_dir(&open).expect("mkdir");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert!(matches!(paths(open).ensure_runtime(), Err(PathsError::NotPrivate { .. })));
        let fine = dir.path().join("fine");
        paths(fine.clone()).ensure_runtime().expect("made with 0700");
        let link = dir.path().join("link");
        symlink(&fine, &link).expect("symlink");
        assert!(matches!(paths(link).ensure_runtime(), Err(PathsError::NotPrivate { .. })));
    }

    #[test]
    fn replaced_files_are_private() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("f");
        replace_file(&path, b"one").expect("written");
        replace_file(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
