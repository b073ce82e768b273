//! From what several files offer to one list of names: each server once, names made safe, doubles numbered.

use std::collections::HashSet;

use super::{Found, Server};

/// Longest name.
const MAX_NAME: usize = 64;

/// What is wanted of all that was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// Only these, by their name there or here; empty for all.
    pub only: &'a [String],
    /// Put before each name.
    pub prefix: &'a str,
}

/// A server with the name it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The name.
    pub name: String,
    /// Number of the file it comes from.
    pub source: usize,
    /// As found; its server is usable.
    pub found: Found,
    /// It.
    pub server: Server,
    /// Files that have the same server under the same name.
    pub also: Vec<usize>,
    /// Another server took the name first: this is the name it would have had.
    pub doubled: Option<String>,
}

/// Gives every usable server its name; also says which of the wanted names nobody has.
pub fn choose(offered: &[(usize, Found)], choice: Choice<'_>) -> (Vec<Chosen>, Vec<String>) {
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut met: HashSet<&str> = HashSet::new();
    let wants = |found: &Found, name: &str| {
        choice.only.iter().find(|only| **only == found.name || **only == name).map(String::as_str)
    };
    for (source, found) in offered {
        let name = safe_name(&format!("{}{}", choice.prefix, found.name));
        let name = if name.is_empty() { "server".to_owned() } else { name };
        if !choice.only.is_empty() {
            let Some(only) = wants(found, &name) else { continue };
            met.insert(only);
        }
        let Ok(server) = &found.server else { continue };
        let twin = chosen.iter_mut().find(|other| {
            (other.doubled.as_ref() == Some(&name) || other.name == name) && other.server == *server
        });
        if let Some(twin) = twin {
            twin.also.push(*source);
            continue;
        }
        let (server, found) = (server.clone(), found.clone());
        chosen.push(Chosen { name, source: *source, found, server, also: Vec::new(), doubled: None });
        number(&mut chosen);
    }
    let unknown = choice.only.iter().filter(|only| !met.contains(only.as_str())).cloned().collect();
    (chosen, unknown)
}

/// Gives the last one a number if its name is taken.
fn number(chosen: &mut [Chosen]) {
    let Some((last, others)) = chosen.split_last_mut() else { return };
    let taken = |name: &str| others.iter().any(|other| other.name == name);
    if !taken(&last.name) {
        return;
    }
    let base: String = last.name.chars().take(MAX_NAME - 6).collect();
    // One of as many numbers as there are servers is free.
    let free = (2..=others.len() + 2).map(|number| format!("{base}-{number}")).find(|name| !taken(name));
    last.doubled = Some(std::mem::replace(&mut last.name, free.unwrap_or(base)));
}

/// A name that is fine in a file, on a command line, in an address and as part of a tool's name: letters, digits,
/// `_`, `-` and `.`, at most 64, a letter, digit or `_` first. Empty if nothing of it can stay.
pub fn safe_name(name: &str) -> String {
    let mut out = String::new();
    for c in name.trim().chars() {
        let good = c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if good && !(out.is_empty() && matches!(c, '-' | '.')) {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() == MAX_NAME {
            break;
        }
    }
    out.trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::import::{At, Transport};

    fn found(name: &str, program: &str) -> Found {
        let transport = Transport::Stdio { command: vec![program.to_owned()], env: Vec::new(), cwd: None };
        let server = Server {
            transport,
            enabled: true,
            request_timeout_s: None,
            startup_timeout_s: None,
            tools: None,
            note: None,
        };
        Found { name: name.to_owned(), at: At::default(), scope: None, server: Ok(server), notes: Vec::new() }
    }

    #[test]
    fn names_are_made_safe() {
        for (name, safe) in [
            ("git hub", "git-hub"),
            ("../../etc/passwd", "etc-passwd"),
            ("a\n  command: [rm]", "a-command-rm"),
            ("ünïcode", "n-code"),
            ("io.github.user/server", "io.github.user-server"),
            ("..", ""),
            ("{x: 1}", "x-1"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        assert_eq!(safe_name(&"x".repeat(1000)).len(), 64);
    }

    #[test]
    fn the_same_counts_once_and_others_are_numbered() {
        let offered = vec![
            (0, found("git", "a")),
            (1, found("git", "a")),
            (2, found("git", "b")),
            (3, found("git", "b")),
            (3, found("git-2", "c")),
        ];
        let (chosen, unknown) = choose(&offered, Choice::default());
        let names: Vec<_> = chosen.iter().map(|c| (c.name.as_str(), c.source, c.also.len())).collect();
        assert_eq!(names, [("git", 0, 1), ("git-2", 2, 1), ("git-2-2", 3, 0)]);
        assert_eq!(chosen[1].doubled.as_deref(), Some("git"));
        assert!(unknown.is_empty());
        let only = ["git-2".to_owned(), "x".to_owned()];
        let (chosen, unknown) = choose(&offered, Choice { only: &only, prefix: "p-" });
        assert_eq!((chosen.len(), chosen[0].name.as_str()), (1, "p-git-2"));
        assert_eq!(unknown, ["x"]);
    }
}
