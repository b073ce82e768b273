//! Where programs are looked for: an explicit path, a name with a slash, `$PATH`, a last place for this system.
//!
//! Nothing is started. A file that is there and cannot be run is named with what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use llmctl_proto::config::Tool;
use llmctl_proto::event::Reason;

/// Where to look: the environment as far as it matters.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    dirs: Vec<PathBuf>,
    home: Option<PathBuf>,
}

impl Places {
    /// `$PATH` and `$HOME`.
    pub(super) fn of_environment() -> Self {
        let dirs = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect());
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { dirs: dirs.unwrap_or_default(), home }
    }

    #[cfg(test)]
    fn new(dirs: &[&Path], home: &Path) -> Self {
        Self { dirs: dirs.iter().map(|dir| dir.to_path_buf()).collect(), home: Some(home.to_path_buf()) }
    }

    /// The program of a configured tool: `binary_path`, else `binary` if it has a slash, else `$PATH`, else the
    /// place for this system.
    pub(super) fn configured(&self, tool: &Tool) -> Result<PathBuf, Reason> {
        if let Some(path) = &tool.binary_path {
            let path = self.expand(path);
            return usable(&path).map(|()| path);
        }
        let found = self.first(&[tool.binary.as_str()]);
        let Some(last) = tool.platform_path.as_deref().map(|path| self.expand(path)) else { return found };
        let missing = match found {
            Err(reason) if reason.code == "not_installed" => reason,
            other => return other,
        };
        match usable(&last) {
            Ok(()) => Ok(last),
            Err(why) if why.code == "not_executable" => Err(why),
            Err(_) => {
                Err(Reason::new("not_installed", format!("{} nor at {}", missing.text, last.display())))
            }
        }
    }

    /// Finds the first of these programs; a name with a slash is a path. A file that is there but cannot be run is
    /// named, unless a later place has one that can.
    pub(super) fn first(&self, names: &[&str]) -> Result<PathBuf, Reason> {
        let mut unusable = None;
        for name in names {
            let places: Vec<PathBuf> = if name.contains('/') {
                vec![self.expand(name)]
            } else {
                self.dirs.iter().map(|dir| dir.join(name)).collect()
            };
            for place in places {
                match usable(&place) {
                    Ok(()) => return Ok(place),
                    Err(why) if why.code == "not_executable" => unusable = unusable.or(Some(why)),
                    Err(_) => {}
                }
            }
        }
        let nowhere = match names {
            [path] if path.contains('/') => format!("{path} does not exist"),
            _ => format!("{} is not in PATH", names.join(" or ")),
        };
        Err(unusable.unwrap_or_else(|| Reason::new("not_installed", nowhere)))
    }

    /// `~` and `~/…` at the start of a path.
    fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

fn usable(path: &Path) -> Result<(), Reason> {
    match path.metadata() {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(meta) if meta.is_file() => {
            let text = format!("{0} is not executable; run `chmod +x {0}`", path.display());
            Err(Reason::new("not_executable", text))
        }
        _ => Err(Reason::new("not_installed", format!("{} does not exist", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        std::fs::write(path, "").expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn each_place_in_its_turn() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (bin, home) = (dir.path().join("bin"), dir.path().join("home"));
        let places = Places::new(&[&bin], &home);
        let mut tool =
            Tool { binary: "own".into(), platform_path: Some("~/opt/own".into()), ..Tool::default() };
        let missing = places.configured(&tool).expect_err("nowhere");
        let last = home.join("opt/own");
        assert_eq!(missing.code, "not_installed");
        assert_eq!(missing.text, format!("own is not in PATH nor at {}", last.display()));
        put(&last, 0o644);
        let plain = places.configured(&tool).expect_err("no program");
        assert_eq!(plain.code, "not_executable");
        assert!(plain.text.contains("chmod +x"), "{}", plain.text);
        put(&last, 0o755);
        assert_eq!(places.configured(&tool), Ok(last));
        put(&bin.join("own"), 0o755);
        assert_eq!(places.configured(&tool), Ok(bin.join("own")));
        tool.binary_path = Some("~/mine".into());
        assert_eq!(places.configured(&tool).expect_err("explicit").code, "not_installed");
        put(&home.join("mine"), 0o755);
        assert_eq!(places.configured(&tool), Ok(home.join("mine")));
    }

    #[test]
    fn a_later_place_that_can_be_run_goes_before_one_that_cannot() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        put(&one.join("p"), 0o644);
        let places = Places::new(&[&one, &two], dir.path());
        assert_eq!(places.first(&["p"]).expect_err("plain file").code, "not_executable");
        put(&two.join("p"), 0o755);
        assert_eq!(places.first(&["p"]), Ok(two.join("p")));
        assert_eq!(places.first(&["/no/such"]).expect_err("path").text, "/no/such does not exist");
    }
}
