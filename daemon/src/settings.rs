//! What the daemon is told by flags and environment.

use std::str::FromStr;

use llmctl_proto::config::Concurrency;

use crate::store::Retention;

/// Settings of one daemon.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is kept and for how long.
    pub retention: Retention,
    /// How many operations run at once.
    pub concurrency: Concurrency,
}

/// An environment variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value:?} is not a whole number; unset it or give a number (0 keeps everything)")]
pub struct BadSetting {
    name: &'static str,
    value: String,
}

impl Settings {
    /// Reads `LLMCTL_DAEMON__RETENTION__{EVENTS_DAYS,OUTPUT_DAYS,OUTPUT_MAX_MB}`.
    ///
    /// # Errors
    /// A value is no number; the message names the variable.
    pub fn from_env(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let default = Retention::default();
        let retention = Retention {
            events_days: number(var, "LLMCTL_DAEMON__RETENTION__EVENTS_DAYS", default.events_days)?,
            output_days: number(var, "LLMCTL_DAEMON__RETENTION__OUTPUT_DAYS", default.output_days)?,
            output_max_mb: number(var, "LLMCTL_DAEMON__RETENTION__OUTPUT_MAX_MB", default.output_max_mb)?,
        };
        let total = number(var, "LLMCTL_DAEMON__CONCURRENCY__TOTAL", Concurrency::default().total)?;
        Ok(Self { retention, concurrency: Concurrency { total, ..Concurrency::default() } })
    }
}

fn number<T: FromStr>(
    var: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: T,
) -> Result<T, BadSetting> {
    match var(name).filter(|value| !value.is_empty()) {
        None => Ok(default),
        Some(value) => value.trim().parse().map_err(|_| BadSetting { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_number_names_its_variable() {
        let var = |name: &str| (name == "LLMCTL_DAEMON__RETENTION__OUTPUT_DAYS").then(|| "soon".to_owned());
        let error = Settings::from_env(&var).expect_err("no number");
        assert!(error.to_string().starts_with("LLMCTL_DAEMON__RETENTION__OUTPUT_DAYS=\"soon\""));
        let none = |_: &str| None;
        assert_eq!(Settings::from_env(&none).expect("defaults").retention, Retention::default());
    }
}
