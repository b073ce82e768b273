//! `llmctl config validate`: everything that is wrong, and what this machine lacks.

use std::path::Path;

use llmctl_proto::config::{
    Code, Diagnostic, KeyPath, Loaded, Overrides, ProjectUse, Severity, discover, load,
};
use llmctl_proto::paths::Paths;
use serde_json::json;

use super::print;
use crate::cli::config::ConfigFlags;
use crate::cmd::tools;
use crate::config::{catalogue, safe, working_dir};
use crate::error::{CliError, Exit, Outcome};

pub(super) async fn run(
    paths: &Paths,
    flags: &ConfigFlags,
    dir: Option<&Path>,
    json: bool,
    strict: bool,
) -> Outcome {
    let cwd = working_dir()?;
    let sources = match dir {
        Some(dir) => discover::only(dir, &cwd, catalogue())?,
        None => discover::sources(paths, &cwd, &Overrides::from(flags), ProjectUse::Shown, catalogue())?,
    };
    let mut loaded = load(&sources);
    let machine = machine_findings(&loaded).await;
    loaded.add(machine);
    if json {
        print(&as_json(&loaded)?)?;
    } else {
        print(&String::from_utf8_lossy(&safe(&loaded.report(Severity::Information))))?;
    }
    let worst = if strict { Severity::Warning } else { Severity::Error };
    let fails = loaded.diagnostics.iter().any(|finding| finding.severity <= worst);
    Ok(if fails { Exit::Failed } else { Exit::Ok })
}

fn as_json(loaded: &Loaded) -> Result<String, CliError> {
    let value = json!({
        "files": loaded.files,
        "errors": loaded.of(Severity::Error).count(),
        "warnings": loaded.of(Severity::Warning).count(),
        "diagnostics": loaded.diagnostics,
    });
    let text = serde_json::to_string_pretty(&value).map_err(|e| CliError::failed(e.to_string()))?;
    Ok(text + "\n")
}

/// What the configuration names and this machine does not have; good to know, never an error.
async fn machine_findings(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for seen in tools::machine(&loaded.config).await.iter().filter(|seen| seen.source == "configured") {
        let Some(reason) = &seen.reason else { continue };
        let code = match reason.code.as_str() {
            "not_installed" | "not_executable" => Code::NotInstalled,
            "credentials_missing" | "not_logged_in" => Code::EnvMissing,
            _ => continue,
        };
        let path = KeyPath::of(["tools", seen.name.as_str()]);
        let origin = loaded.key_origin(&path);
        findings.push(Diagnostic::about(code, &path, format!("{path}: {}", reason.text), origin));
    }
    findings
}
