//! `llmctl config trust`: shows what a project's configuration would add, and trusts exactly these bytes.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use llmctl_proto::config::{Overrides, ProjectUse, Severity, Sources, Trust, discover, load, trust};
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;

use super::{print, println};
use crate::cli::config::ConfigFlags;
use crate::config::{catalogue, safe, working_dir};
use crate::error::{CliError, Exit, Outcome};

/// The project's files and their state.
fn project(paths: &Paths, flags: &ConfigFlags, dir: Option<&Path>) -> Result<Sources, CliError> {
    let mut overrides = Overrides::from(flags);
    if let Some(dir) = dir {
        overrides.config_dir = Some(inside(dir));
    }
    let sources = discover::sources(paths, &working_dir()?, &overrides, ProjectUse::IfTrusted, catalogue())?;
    if sources.project.is_none() {
        let place = dir.map_or_else(|| "here or above".to_owned(), |dir| format!("in {}", dir.display()));
        return Err(CliError::usage(format!("there is no project configuration {place}"))
            .hint("it is a directory `.llmctl/`, or `config/` with agents.yaml and tools.yaml"));
    }
    Ok(sources)
}

/// The directory with the files, when the project itself was named.
fn inside(dir: &Path) -> PathBuf {
    let own = dir.join(".llmctl");
    let config = dir.join("config");
    let both = ["agents.yaml", "tools.yaml"].iter().all(|name| config.join(name).is_file());
    if own.is_dir() {
        own
    } else if both {
        config
    } else {
        dir.to_owned()
    }
}

pub(super) fn run(paths: &Paths, flags: &ConfigFlags, dir: Option<&Path>, yes: bool) -> Outcome {
    let mut sources = project(paths, flags, dir)?;
    let Some(project) = sources.project.clone() else { return Ok(Exit::Ok) };
    let name = project.dir.display().to_string();
    match &project.trust {
        Trust::Trusted => {
            println(&format!("{name} is trusted as it is"))?;
            return Ok(Exit::Ok);
        }
        Trust::NotOurs(why) => {
            return Err(CliError::failed(format!("{name} cannot be trusted")).caused_by(why.clone()));
        }
        _ => {}
    }
    // Alone, so that only what the project itself says is shown.
    sources.files.retain(|file| file.layer == llmctl_proto::config::Layer::Project);
    sources.env.clear();
    sources.set.clear();
    sources.project = Some(llmctl_proto::config::Project { trust: Trust::Shown, ..project.clone() });
    let alone = load(&sources);
    let adds = trust::adds(&alone);
    let before = trust::decision(paths, &project.dir);
    let text = describe(&name, &adds, before.as_ref());
    let mut shown = safe(&text);
    for finding in alone.of(Severity::Error) {
        shown.extend(safe(&format!("{finding}\n")));
    }
    print(&String::from_utf8_lossy(&shown))?;
    if !yes && !ask()? {
        return Err(CliError::failed("not trusted"));
    }
    // The bytes that were shown are those that are trusted, whatever the directory holds by now.
    trust::grant(paths, &project.dir, &sources.files, adds)
        .map_err(|e| CliError::failed("cannot keep the decision").caused_by(e))?;
    println(&format!("{name} is trusted until it changes"))?;
    Ok(Exit::Ok)
}

fn describe(name: &str, adds: &[String], before: Option<&trust::Decision>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    match before {
        None => {
            let _ = writeln!(text, "{name} would add:");
            for line in adds {
                let _ = writeln!(text, "  {line}");
            }
            if adds.is_empty() {
                text.push_str("  nothing that is run or limited\n");
            }
        }
        Some(before) => {
            let _ = writeln!(text, "{name} has changed since you trusted it on {}:", UnixMs(before.at_ms));
            let gone =
                before.adds.iter().filter(|line| !adds.contains(line)).map(|line| format!("  - {line}"));
            let new =
                adds.iter().filter(|line| !before.adds.contains(line)).map(|line| format!("  + {line}"));
            let lines: Vec<String> = gone.chain(new).collect();
            for line in &lines {
                let _ = writeln!(text, "{line}");
            }
            if lines.is_empty() {
                text.push_str("  nothing that is run or limited\n");
            }
        }
    }
    text
}

fn ask() -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(
            CliError::usage("there is no terminal to ask on").hint("add --yes after reading what it adds")
        );
    }
    let mut error = std::io::stderr().lock();
    // Nothing can be done when standard error is gone.
    let _ = write!(error, "Trust it? [y/N] ").and_then(|()| error.flush());
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| CliError::failed("cannot read the answer").caused_by(e))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

pub(super) fn list(paths: &Paths) -> Outcome {
    let all = trust::decisions(paths);
    let mut text = String::new();
    for (dir, decision) in &all.projects {
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{}  {}  {dir}", UnixMs(decision.at_ms), &decision.sha256.get(..12).unwrap_or(""));
    }
    if text.is_empty() {
        text.push_str("no project is trusted\n");
    }
    print(&String::from_utf8_lossy(&safe(&text)))?;
    Ok(Exit::Ok)
}

pub(super) fn revoke(paths: &Paths, flags: &ConfigFlags, dir: Option<&Path>) -> Outcome {
    let named = match dir {
        Some(dir) => inside(dir),
        None => match project(paths, flags, None)?.project {
            Some(project) => project.dir,
            None => return Ok(Exit::Ok),
        },
    };
    let known = trust::revoke(paths, &named)
        .map_err(|e| CliError::failed("cannot keep the decision").caused_by(e))?;
    if !known {
        return Err(CliError::usage(format!("{} was not trusted", named.display())));
    }
    println(&format!("{} is not trusted any more", named.display()))?;
    Ok(Exit::Ok)
}
