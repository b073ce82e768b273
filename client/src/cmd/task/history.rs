//! `llmctl task history`: what git knows of a file. The only place that runs `git`, and it only reads.

use std::process::{Command, Stdio};

use serde::Serialize;

use super::place::Place;
use super::{print_json, print_safe};
use crate::error::{CliError, Exit, Outcome};
use crate::term::{Table, one_line};

/// Most commits that are shown.
const MAX_COMMITS: &str = "200";

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    commit: String,
    at: String,
    author: String,
    subject: String,
    /// `added`, `changed`, `moved` or `removed`.
    what: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

pub(super) fn run(place: &mut Place, id: &str, json: bool) -> Outcome {
    let loaded = place.load(id)?;
    let name = loaded.raw.name();
    let output = Command::new("git")
        .arg("-C")
        .arg(place.tree.root())
        // Nothing that a repository's own configuration names may run.
        .args([
            "--no-pager",
            "--no-optional-locks",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "log.showSignature=false",
        ])
        .args([
            "-c",
            "core.quotePath=false",
            "log",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "-M",
            "-z",
        ])
        .args(["--name-status", "--relative", "-n", MAX_COMMITS, "--format=%x01%h%x02%cI%x02%an%x02%s%x02"])
        .args(["--", &format!(":(glob)**/{}", glob_escape(name))])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| CliError::failed("cannot run git").caused_by(e))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(CliError::failed(format!("git has no history here: {}", one_line(why.trim(), 200))));
    }
    let steps = parse(&String::from_utf8_lossy(&output.stdout));
    if json {
        print_json(&steps)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["WHEN", "COMMIT", "WHO", "WHAT", "WHERE", "SUBJECT"]);
    for step in &steps {
        let dir = |path: &str| path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let place = match &step.from {
            Some(from) => format!("{} → {}", dir(from), dir(&step.path)),
            None => dir(&step.path),
        };
        table.row(vec![
            one_line(&step.at, 25),
            one_line(&step.commit, 16),
            one_line(&step.author, 24),
            step.what.to_owned(),
            one_line(&place, 80),
            one_line(&step.subject, 72),
        ]);
    }
    print_safe(&if steps.is_empty() { "no commit has it yet\n".to_owned() } else { table.render() })?;
    Ok(Exit::Ok)
}

/// A name as a pattern that matches only itself.
fn glob_escape(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for record in text.split('\u{1}').skip(1) {
        let mut head = record.splitn(5, '\u{2}');
        let mut next = || head.next().unwrap_or_default().to_owned();
        let (commit, at, author, subject, rest) = (next(), next(), next(), next(), next());
        let mut words = rest.split(['\0', '\n']).filter(|word| !word.is_empty());
        while let Some(status) = words.next() {
            let Some(first) = words.next() else { break };
            let (what, path, from) = match status.as_bytes()[0] {
                b'R' => ("moved", words.next().unwrap_or(first), Some(first.to_owned())),
                b'A' => ("added", first, None),
                b'D' => ("removed", first, None),
                _ => ("changed", first, None),
            };
            steps.push(Step {
                commit: commit.clone(),
                at: at.clone(),
                author: author.clone(),
                subject: subject.clone(),
                what,
                path: path.to_owned(),
                from,
            });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_git_are_read() {
        let text = "\u{1}abc\u{2}2026-01-02T00:00:00Z\u{2}A B\u{2}Take it\u{2}\0\nR090\0inbox/a.yaml\0assigned/x/a.yaml\0\
                    \u{1}abd\u{2}2026-01-01T00:00:00Z\u{2}A B\u{2}New\u{2}\0\nA\0inbox/a.yaml\0";
        let steps = parse(text);
        let short: Vec<_> = steps.iter().map(|s| (s.what, s.path.as_str(), s.from.as_deref())).collect();
        assert_eq!(
            short,
            [("moved", "assigned/x/a.yaml", Some("inbox/a.yaml")), ("added", "inbox/a.yaml", None)]
        );
        assert_eq!(steps[0].subject, "Take it");
        assert_eq!(parse(""), []);
        assert_eq!(glob_escape("a[1]*.yaml"), "a\\[1]\\*.yaml");
    }
}
