//! Which texts are secrets. In doubt a text is one: a file of its own does it no harm.

use std::sync::LazyLock;

use llmctl_proto::redact::Redactor;

use super::reference::{Piece, Rewritten, variable_name};
use super::server::{Secret, Text};

/// Parts of names whose values are secrets.
const NAMES: [&str; 14] = [
    "TOKEN",
    "KEY",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "AUTH",
    "CREDENTIAL",
    "COOKIE",
    "SESSION",
    "BEARER",
    "SIGNATURE",
    "DSN",
];
/// Words before the secret of a header.
const SCHEMES: [&str; 5] = ["bearer", "basic", "token", "apikey", "digest"];
/// Forms of keys; making it takes longer than using it.
static SHAPES: LazyLock<Redactor> = LazyLock::new(Redactor::default);
/// Shorter texts beside a reference are no secret of their own.
const SHORTEST: usize = 8;

/// Whether a variable or header of this name holds a secret.
pub fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.', ' '], "_").replace("AUTHOR_", "");
    name.ends_with("_PAT") || name == "PAT" || NAMES.iter().any(|part| name.contains(part))
}

/// Whether a literal value of this name is a secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    let bare = value.trim();
    if bare.is_empty() {
        return false;
    }
    let words = ["true", "false", "yes", "no", "on", "off", "none", "null"];
    let limit = {
        let name = name.to_ascii_uppercase();
        let counts = ["MAX", "MIN", "NUM", "LIMIT", "COUNT"].iter().any(|part| name.contains(part));
        counts && bare.bytes().all(|b| b.is_ascii_digit())
    };
    let named = secret_name(name) && !limit && !words.contains(&bare.to_ascii_lowercase().as_str());
    named || shaped(name, bare)
}

/// It has the form of a key, or a password in an address.
fn shaped(name: &str, value: &str) -> bool {
    let redactor = &*SHAPES;
    let assigned = format!("{name}={value}");
    redactor.redact_str(value) != value
        || redactor.redact_str(&assigned) != assigned
        || user_in_address(value)
}

/// `scheme://user:password@host`.
fn user_in_address(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
    })
}

/// Whether an address holds a secret: a password, or a parameter named like one.
pub fn secret_address(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let named = query
        .split(['&', '#', ';'])
        .any(|pair| pair.split_once('=').is_some_and(|(name, value)| is_secret(name, value)));
    named || shaped("url", url)
}

/// A text of this name as it is to be written; nothing, with the reason, if it cannot be.
///
/// # Errors
/// It is a reference and a secret in one.
pub fn judged(name: &str, mut text: Rewritten) -> Result<(Text, Vec<String>), String> {
    for piece in &mut text.pieces {
        if let Piece::Var { name: variable, default } = piece
            && default.as_deref().is_some_and(|value| is_secret(name, value) || is_secret(variable, value))
        {
            *default = None;
            text.notes.push(format!("what stands for {variable} when it is not set is a secret; left out"));
        }
    }
    let literal = text.literal();
    if !text.refers() {
        let secret = if name == "url" { secret_address(&literal) } else { is_secret(name, &literal) };
        let value = if secret { Text::Secret(Secret::new(literal)) } else { Text::Plain(literal) };
        return Ok((value, text.notes));
    }
    let rest = without_scheme(&literal);
    let secret = match name {
        "url" => secret_address(&literal),
        _ => shaped(name, rest) || secret_name(name) && rest.len() >= SHORTEST,
    };
    if secret {
        return Err(
            "a secret stands beside a reference to a variable; put the whole into the variable".into()
        );
    }
    Ok((Text::Plain(text.text()), text.notes))
}

/// A header's value without `Bearer` and the like.
fn without_scheme(value: &str) -> &str {
    let value = value.trim();
    let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
    if SCHEMES.contains(&first.to_ascii_lowercase().as_str()) { rest.trim() } else { value }
}

/// Words of a command without their secrets: each becomes a reference to a variable, which is named in a note.
pub fn command(server: &str, words: Vec<Rewritten>) -> (Vec<String>, Vec<String>) {
    let literals: Vec<String> = words.iter().map(Rewritten::literal).collect();
    let redacted = SHAPES.redact_args(&literals);
    let (mut out, mut notes): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (at, word) in words.into_iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| literals[at].as_str());
        let literal = &literals[at];
        let hit = redacted[at] != *literal || secret_argument(before, literal) || user_in_address(literal);
        let Some((kept, label)) = hit.then(|| taken(before, literal, &word)).flatten() else {
            notes.extend(word.notes.iter().cloned());
            out.push(word.text());
            continue;
        };
        let label = if label.is_empty() { format!("ARG_{at}") } else { label };
        let variable = variable_name(&format!("MCP_{server}_{label}"));
        notes.push(format!(
            "argument {at} holds what looks like a secret and was not taken: set {variable} in the daemon's environment to it"
        ));
        out.push(format!("{kept}${{{variable}}}"));
    }
    (out, notes)
}

/// What may stay of a word with a secret, and a label for the variable; nothing if it holds none after all.
fn taken(before: &str, literal: &str, word: &Rewritten) -> Option<(String, String)> {
    // A header names what it holds.
    let header = matches!(before, "-H" | "--header" | "--headers")
        || literal.starts_with("-H")
        || before.is_empty() && literal.contains(": ");
    if let Some((name, value)) = literal.split_once(':').filter(|_| header) {
        let own = word.refers() && without_scheme(value).len() < SHORTEST;
        if own || !is_secret(name.trim_start_matches("-H").trim(), value) {
            return None;
        }
        let gap = &value[..value.len() - value.trim_start().len()];
        return Some((format!("{name}:{gap}"), name.trim_start_matches("-H").trim().to_owned()));
    }
    let own = literal.split_once('=').map_or(literal, |(_, value)| value);
    if word.refers() && own.len() < SHORTEST {
        return None;
    }
    let flag = before.trim_start_matches('-');
    match literal.split_once('=') {
        Some((name, value)) if !value.is_empty() && !name.contains(['/', ' ', '?']) => {
            Some((format!("{name}="), name.trim_start_matches('-').to_owned()))
        }
        _ if before.starts_with('-') && !before.contains('=') => Some((String::new(), flag.to_owned())),
        _ => Some((String::new(), String::new())),
    }
}

/// `--flag value`, `--flag=value` and `NAME=value` whose name says that the value is a secret.
fn secret_argument(before: &str, word: &str) -> bool {
    if let Some((name, value)) = word.split_once('=')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return is_secret(name, value);
    }
    before.starts_with("--")
        && !before.contains('=')
        && !word.starts_with('-')
        && secret_name(before)
        && is_secret(before, word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::import::reference::{Dialect, Surroundings, rewrite};

    fn read(text: &str) -> Rewritten {
        rewrite(text, Dialect::Shell, &Surroundings::default()).expect("readable")
    }

    #[test]
    fn names_and_shapes_make_secrets() {
        for (name, value) in [
            ("GITHUB_TOKEN", "x"),
            ("Authorization", "Bearer abc"),
            ("X-Api-Key", "abc"),
            ("GITHUB_PAT", "abc"),
            ("db_password", "123456"),
            ("DATABASE_URL", "postgres://me:pw@db/x"),
            ("ANYTHING", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ] {
            assert!(is_secret(name, value), "{name}");
        }
        for (name, value) in [
            ("LOG_LEVEL", "debug"),
            ("MAX_TOKENS", "4096"),
            ("API_KEY", ""),
            ("USE_AUTH", "true"),
            ("ROOT", "/srv/data"),
            ("DATABASE_URL", "postgres://db/x"),
        ] {
            assert!(!is_secret(name, value), "{name}");
        }
        assert!(secret_address("https://h/mcp?api_key=abc") && secret_address("https://u:p@h/"));
        assert!(!secret_address("https://h/mcp?tenant=4"));
    }

    #[test]
    fn references_stay_and_secrets_beside_them_do_not() {
        let plain = |name: &str, text: &str| match judged(name, read(text)) {
            Ok((Text::Plain(text), _)) => Some(text),
            _ => None,
        };
        assert_eq!(plain("Authorization", "Bearer ${T}").as_deref(), Some("Bearer ${T}"));
        assert_eq!(plain("TOKEN", "${T:-abcdef}").as_deref(), Some("${T}"), "a default that is a secret");
        assert_eq!(plain("LEVEL", "${T:-info}").as_deref(), Some("${T:-info}"));
        assert!(judged("API_KEY", read("abcdefghij${T}")).is_err());
        assert!(matches!(judged("API_KEY", read("abc")), Ok((Text::Secret(_), _))));
    }

    #[test]
    fn arguments_lose_their_secrets_and_keep_the_rest() {
        let run = |words: &[&str]| command("git-hub", words.iter().map(|word| read(word)).collect());
        let (words, notes) = run(&[
            "docker",
            "run",
            "-e",
            "GITHUB_TOKEN=abc123",
            "-e",
            "LEVEL=info",
            "--api-key",
            "hunter2",
            "--port=80",
            "--header",
            "Authorization: Bearer ${T}",
            "--header",
            "Authorization: Bearer abc",
            "img",
        ]);
        assert_eq!(
            words,
            [
                "docker",
                "run",
                "-e",
                "GITHUB_TOKEN=${MCP_GIT_HUB_GITHUB_TOKEN}",
                "-e",
                "LEVEL=info",
                "--api-key",
                "${MCP_GIT_HUB_API_KEY}",
                "--port=80",
                "--header",
                "Authorization: Bearer ${T}",
                "--header",
                "Authorization: ${MCP_GIT_HUB_AUTHORIZATION}",
                "img",
            ]
        );
        assert_eq!(notes.len(), 3, "{notes:?}");
        let (words, notes) =
            run(&["npx", "-y", "@modelcontextprotocol/server-github@1.2.3", "--max-tokens", "4096"]);
        assert_eq!(words[2], "@modelcontextprotocol/server-github@1.2.3");
        assert!(notes.is_empty() && words[4] == "4096", "{notes:?}");
    }
}
