//! What a server is started with: its program, found, and its environment, made of what every server gets and what
//! its configuration says.
//!
//! The daemon's own environment is not passed on: it may hold keys that are none of the server's business.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use llmctl_proto::config::SecretText;
use rustix::fs::{Access, access};

/// Variables of the daemon that every server gets. Names that end in `*` are beginnings.
const PASSED: [&str; 36] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "TEMP",
    "TMP",
    "XDG_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "NVM_DIR",
    "VOLTA_HOME",
    "UV_*",
    "PIP_*",
    "NPM_CONFIG_*",
];
/// Where programs are looked for when there is no `PATH`.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A start that cannot be made as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct CannotExpand(pub(super) String);

/// Values of a configuration, expanded, and those among them that are secret.
#[derive(Default)]
pub(super) struct Expanded {
    secrets: Vec<String>,
}

impl Expanded {
    /// A text with its references replaced. May block: files are read and commands run.
    pub(super) fn text(&mut self, what: &str, text: &SecretText) -> Result<String, CannotExpand> {
        let lookup = |name: &str| std::env::var(name).ok();
        let value = text.expand(&lookup).map_err(|error| CannotExpand(format!("{what}: {error}")))?;
        let plain = matches!(text, SecretText::Text(written) if *written == value);
        if !plain && !value.is_empty() {
            self.secrets.push(value.clone());
        }
        Ok(value)
    }

    /// A value of `env` or `headers`: secret also when it is written out.
    pub(super) fn value(&mut self, what: &str, text: &SecretText) -> Result<String, CannotExpand> {
        let value = self.text(what, text)?;
        // Words that are found everywhere must not be hidden everywhere.
        if value.len() >= 8 && !self.secrets.contains(&value) {
            self.secrets.push(value.clone());
        }
        Ok(value)
    }

    /// What must not be shown or stored.
    pub(super) fn secrets(self) -> Vec<String> {
        self.secrets
    }
}

/// The environment that every server gets, from the daemon's.
pub(super) fn passed_on() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| passes(name)).collect()
}

fn passes(name: &str) -> bool {
    PASSED.iter().any(|passed| match passed.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning) || name.starts_with(&beginning.to_lowercase()),
        None => name == *passed,
    })
}

/// Sets a variable, over one that is there.
pub(super) fn set(env: &mut Vec<(String, String)>, name: &str, value: String) {
    env.retain(|(known, _)| known != name);
    env.push((name.to_owned(), value));
}

/// Finds a program: by path below `cwd`, else along the `PATH` of this environment.
pub(super) fn find_program(program: &str, env: &[(String, String)], cwd: &Path) -> Result<PathBuf, String> {
    let usable = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        let path = cwd.join(program);
        return match usable(&path) {
            true => Ok(path),
            false if path.exists() => Err(format!("{} is not executable", path.display())),
            false => Err(format!("there is no program {}", path.display())),
        };
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map_or(USUAL_PATH, |(_, value)| value.as_str());
    let found = path
        .split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| Path::new(dir).join(OsStr::from_bytes(program.as_bytes())))
        .find(|candidate| usable(candidate));
    found.ok_or_else(|| format!("there is no program {program} on the daemon's PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_passes() {
        for name in ["PATH", "LC_ALL", "XDG_CONFIG_HOME", "npm_config_cache", "https_proxy"] {
            assert!(passes(name), "{name}");
        }
        for name in ["OPENAI_API_KEY", "LLMCTL_TOKEN", "LD_PRELOAD", "PATHS", "AWS_SECRET_ACCESS_KEY"] {
            assert!(!passes(name), "{name}");
        }
    }

    #[test]
    fn programs_are_found_or_named() {
        let env = [("PATH".to_owned(), "relative:/nowhere:/bin:/usr/bin".to_owned())];
        let root = Path::new("/");
        assert!(find_program("sh", &env, root).is_ok_and(|path| path.ends_with("sh")));
        assert!(find_program("bin/sh", &env, root).is_ok());
        assert!(find_program("no-such", &env, root).is_err_and(|text| text.contains("no-such")));
        assert!(find_program("/etc/passwd", &env, root).is_err_and(|text| text.contains("not executable")));
        assert!(find_program("/etc", &env, root).is_err());
    }
}
