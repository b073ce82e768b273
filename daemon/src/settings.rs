//! What the daemon lives by: the user's configuration and the environment, read at the start and again on demand.
//!
//! No project's files are read here. A configuration with an error where the daemon or a limit is concerned never
//! comes into force: not at the start, and not at a reload, which then leaves everything as it was.

use std::sync::Arc;

use jiff::tz::TimeZone;
use llmctl_proto::config::{Concurrency, Config, Diagnostic, Loaded, Node, Severity, changes};
use llmctl_proto::event::ConfigReloaded;
use llmctl_proto::paths::Paths;
use tokio::sync::{Mutex, watch};

use crate::hub::{Hub, Publish, Rules};
use crate::log;
use crate::store::Retention;

/// Changes that a running daemon cannot take.
const RESTART: [&str; 3] = ["daemon.http.host", "daemon.http.port", "mcp_settings.log_directory"];
/// Most errors that are told of one reload.
const MAX_ERRORS: usize = 20;

/// Settings of one daemon.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is kept and for how long.
    pub retention: Retention,
    /// How many operations run at once.
    pub concurrency: Concurrency,
    /// Everything else of the user's configuration.
    pub config: Arc<Config>,
    /// The files behind it, with the place of each value.
    loaded: Option<Arc<Loaded>>,
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used; `llmctl config validate` shows everything\n{0}")]
pub struct BadSettings(String);

impl Settings {
    /// Reads the user's files and the environment.
    ///
    /// # Errors
    /// A file cannot be parsed, or there is an error in `daemon` or where limits are set; the message says where.
    pub fn read(paths: &Paths) -> Result<Self, BadSettings> {
        Self::checked(paths).map(|(settings, _)| settings).map_err(|errors| BadSettings(errors.join("\n")))
    }

    /// The settings and the number of warnings, or all that stands against them.
    fn checked(paths: &Paths) -> Result<(Self, u32), Vec<String>> {
        let loaded = Loaded::load_for_daemon(paths).map_err(|error| vec![error.to_string()])?;
        let errors = against(&loaded);
        if !errors.is_empty() {
            return Err(errors);
        }
        let warnings = u32::try_from(loaded.of(Severity::Warning).count()).unwrap_or(u32::MAX);
        let daemon = &loaded.config.daemon;
        let retention = Retention {
            events_days: daemon.retention.events_days,
            output_days: daemon.retention.output_days,
            output_max_mb: daemon.retention.output_max_mb,
        };
        let concurrency = daemon.concurrency.clone();
        let config = Arc::new(loaded.config.clone());
        Ok((Self { retention, concurrency, config, loaded: Some(Arc::new(loaded)) }, warnings))
    }

    /// What the hub lives by.
    pub fn rules(&self) -> Rules {
        let policy = self.config.policy(None, None).map(|(_, policy)| policy).unwrap_or_default();
        let policies = self.tree().and_then(|tree| tree.get("policies"));
        let named = policies
            .and_then(|policies| policies.get(&self.config.default_policy))
            .is_some_and(|policy| policy.get("timezone").is_some());
        let timezone = if named {
            policy.timezone
        } else {
            TimeZone::system().iana_name().unwrap_or_default().to_owned()
        };
        Rules { concurrency: self.concurrency.clone(), budgets: policy.budgets, timezone }
    }

    /// The whole configuration as it was read, for sections that others read.
    pub fn tree(&self) -> Option<&Node> {
        self.loaded().map(|loaded| &loaded.tree)
    }

    /// What was read, with the place of each value and all that was found wrong; none of settings that were never
    /// read.
    pub fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_deref()
    }

    fn changes(&self, new: &Self) -> Vec<String> {
        match (self.tree(), new.tree()) {
            (Some(old), Some(new)) => changes(old, new),
            _ => Vec::new(),
        }
    }
}

/// Errors that keep a configuration from the daemon. Those of tools, models and agents do not concern it.
fn against(loaded: &Loaded) -> Vec<String> {
    let closes = loaded.refusal().unwrap_or_default();
    let own =
        |finding: &&Diagnostic| finding.path.starts_with("daemon") && finding.severity == Severity::Error;
    let own = loaded.diagnostics.iter().filter(own).filter(|finding| !closes.contains(finding));
    let text = |finding: &Diagnostic| {
        let place = finding.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
        format!("error[{}]: {}{place}", finding.code.name(), finding.message)
    };
    closes.iter().copied().chain(own).take(MAX_ERRORS).map(text).collect()
}

/// The settings in force, and how they are read again. Parts of the daemon hold a receiver and see what changes.
#[derive(Debug, Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    paths: Arc<Paths>,
    now: watch::Sender<Settings>,
    /// Reloads so far; held while one is under way, so that two never overtake each other.
    generation: Mutex<u32>,
}

impl Live {
    /// Puts the first settings in force.
    pub fn new(paths: Arc<Paths>, settings: Settings) -> Self {
        log::set_level(&settings.config.daemon.log_level);
        let (now, _) = watch::channel(settings);
        Self { inner: Arc::new(Inner { paths, now, generation: Mutex::new(0) }) }
    }

    /// The settings now and every change of them.
    pub fn subscribe(&self) -> watch::Receiver<Settings> {
        self.inner.now.subscribe()
    }

    /// The settings in force.
    pub fn current(&self) -> Settings {
        self.inner.now.borrow().clone()
    }

    /// Reads the configuration again and puts it in force unless there is an error; publishes and gives what came
    /// of it.
    pub async fn reload(&self, hub: &Hub) -> ConfigReloaded {
        let mut generation = self.inner.generation.lock().await;
        *generation = generation.saturating_add(1);
        let paths = Arc::clone(&self.inner.paths);
        let read = tokio::task::spawn_blocking(move || Settings::checked(&paths)).await;
        let read = read.unwrap_or_else(|error| Err(vec![format!("the configuration was not read: {error}")]));
        let mut result = ConfigReloaded {
            generation: *generation,
            changed: Vec::new(),
            warnings: 0,
            errors: Vec::new(),
            applied: false,
            restart_needed: Vec::new(),
        };
        match read {
            Err(errors) => result.errors = errors,
            Ok((settings, warnings)) => {
                result.warnings = warnings;
                result.applied = true;
                let changed = self.current().changes(&settings);
                let (later, now) = changed.into_iter().partition(|path| RESTART.contains(&path.as_str()));
                result.changed = now;
                result.restart_needed = later;
                self.apply(settings, hub).await;
            }
        }
        tracing::info!(applied = result.applied, changed = result.changed.len(), "configuration read again");
        let _ = hub.publish(Publish::own(result.clone().into())).await;
        result
    }

    async fn apply(&self, settings: Settings, hub: &Hub) {
        log::set_level(&settings.config.daemon.log_level);
        if settings.rules() != self.current().rules() {
            // A hub that is gone has no queue either.
            let _ = hub.set_rules(settings.rules()).await;
        }
        self.inner.now.send_replace(settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &std::path::Path) -> Paths {
        Paths {
            state: dir.join("state"),
            runtime: dir.join("run"),
            config: dir.join("config"),
            socket: dir.join("run/s"),
        }
    }

    #[test]
    fn the_users_files_are_read_and_errors_of_its_own_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let paths = paths(dir.path());
        let read = Settings::read(&paths).expect("nothing is a configuration");
        assert_eq!(read.retention, Retention::default());
        std::fs::create_dir(&paths.config).expect("mkdir");
        let write = |text: &str| std::fs::write(paths.config.join("d.yaml"), text).expect("written");
        write("daemon: {retention: {events_days: 3}, concurrency: {total: 2}}\ntools: {t: {colour: red}}\n");
        let new = Settings::read(&paths).expect("a broken tool is no concern of the daemon");
        assert_eq!((new.retention.events_days, new.concurrency.total), (3, 2));
        assert!(read.changes(&new).contains(&"daemon.concurrency.total".to_owned()));
        for wrong in [
            "daemon: {retention: {events_days: soon}}\n",
            "policies: {p: {limit: {tipe: hard}}}\n",
            "daemon: [\n",
        ] {
            write(wrong);
            let error = Settings::read(&paths).expect_err(wrong).to_string();
            assert!(error.contains("d.yaml:"), "{error}");
        }
    }
}
