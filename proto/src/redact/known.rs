//! Secrets whose value is known: what key-like variables hold, in the forms it takes when it is printed.
//!
//! Known values need no judgement: wherever one of their forms stands, it goes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::ahead::{ByteSet, More};
use super::judge;
use super::scan::{Rest, Secret};

/// Shorter values are too likely to be ordinary words.
const SHORTEST: usize = 8;
/// Values beyond this number are not looked for.
const MOST: usize = 1_024;
/// A longer form is looked for in pieces of this length, so that no match needs more text than this at once.
const PIECE: usize = 1_920;
/// Bytes of a form that are searched as a keyword; the rest is compared.
const ANCHOR: usize = 12;

/// Words that key-like variables hold when they hold no key.
const WORDS: &[&str] = &[
    "password",
    "changeme",
    "disabled",
    "required",
    "optional",
    "undefined",
    "localhost",
    "keychain",
    "keyring",
    "development",
    "production",
    "anonymous",
];

static BASE64: ByteSet = ByteSet::alnum(b"+/-_=");

/// One form of one value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    bytes: Vec<u8>,
    /// Base64: what is encoded behind the value, and the padding, go too.
    runs_on: bool,
}

/// All forms, by their first byte, longest first.
pub(super) struct Known {
    by_first: Vec<Vec<Form>>,
    values: usize,
}

impl Known {
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let values: BTreeSet<String> = values
            .into_iter()
            .map(|v| v.trim().to_owned())
            .filter(|v| v.len() >= SHORTEST)
            .take(MOST)
            .collect();
        let forms: BTreeSet<Form> = values.iter().flat_map(|v| forms(v)).collect();
        let mut by_first: Vec<Vec<Form>> = (0..256).map(|_| Vec::new()).collect();
        for form in forms {
            by_first[usize::from(form.bytes[0])].push(form);
        }
        for bucket in &mut by_first {
            bucket.sort_by_key(|form| std::cmp::Reverse(form.bytes.len()));
        }
        Self { by_first, values: values.len() }
    }

    /// How many values are known.
    pub(super) fn len(&self) -> usize {
        self.values
    }

    /// What must be found for a form to be possible there.
    pub(super) fn anchors(&self) -> impl Iterator<Item = &[u8]> {
        self.by_first.iter().flatten().map(|form| &form.bytes[..form.bytes.len().min(ANCHOR)])
    }

    /// The longest form that begins at `start`.
    pub(super) fn at(&self, buf: &[u8], start: usize, last: bool) -> Result<Option<Secret>, More> {
        let here = &buf[start..];
        let Some(&first) = here.first() else { return Ok(None) };
        for form in &self.by_first[usize::from(first)] {
            if here.starts_with(&form.bytes) {
                let end = start + form.bytes.len();
                let rest = form.runs_on.then_some(Rest::Run(&BASE64));
                return Ok(Some(Secret { start, end, rule: "known", rest }));
            }
            if !last && form.bytes.starts_with(here) {
                return Err(More);
            }
        }
        Ok(None)
    }

    /// Widens `secret`, found from `from` on, over the known values that begin in it or before it, so that none of
    /// them is cut in two.
    pub(super) fn widen(&self, buf: &[u8], from: usize, secret: &mut Secret, last: bool) -> Result<(), More> {
        if self.values == 0 {
            return Ok(());
        }
        let end = secret.end;
        for start in from..end {
            if let Some(known) = self.at(buf, start, last)? {
                secret.start = secret.start.min(known.start);
                if known.end > secret.end {
                    secret.end = known.end;
                    secret.rest = known.rest.or(secret.rest);
                }
            }
        }
        Ok(())
    }
}

/// The forms of a value: as it is, JSON-escaped once and twice, URL-encoded, and the beginning of its Base64.
fn forms(value: &str) -> Vec<Form> {
    let once = json_escaped(value);
    let twice = json_escaped(&once);
    let slashes = once.replace('/', "\\/");
    let upper = percent_encoded(value, false, b"-._~");
    let lower = percent_encoded(value, true, b"-._~");
    let component = percent_encoded(value, false, b"-._~!'()*");
    let form = percent_encoded(value, false, b"-._* ").replace(' ', "+");
    let plain = [value.to_owned(), once, twice, slashes, upper, lower, component, form];
    let encoded = [STANDARD_NO_PAD.encode(value), URL_SAFE_NO_PAD.encode(value)].map(|mut text| {
        text.truncate(value.len() * 8 / 6);
        text
    });
    plain
        .iter()
        .flat_map(|text| pieces(text, false))
        .chain(encoded.iter().flat_map(|text| pieces(text, true)))
        .collect()
}

fn pieces(text: &str, base64: bool) -> Vec<Form> {
    let mut rest = text.as_bytes();
    let mut all = Vec::new();
    while rest.len() >= PIECE + ANCHOR {
        all.push(Form { bytes: rest[..PIECE].to_vec(), runs_on: false });
        rest = &rest[PIECE..];
    }
    all.push(Form { bytes: rest.to_vec(), runs_on: base64 });
    all
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_start_matches('"').get(..quoted.len() - 2).map_or_else(|| text.to_owned(), str::to_owned)
}

fn percent_encoded(text: &str, lower: bool, plain: &[u8]) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        // Writing into a string cannot fail.
        let _ = match b {
            b if b.is_ascii_alphanumeric() || plain.contains(&b) => out.write_char(char::from(b)),
            b if lower => write!(out, "%{b:02x}"),
            b => write!(out, "%{b:02X}"),
        };
        out
    })
}

/// The values of key-like variables, for `Redactor::new`: names such as `*_KEY`, `*_TOKEN`, `*_SECRET`,
/// `*PASSWORD*`, `*_CREDENTIALS`, with values of 8 bytes or more that are neither paths nor common words.
pub fn known_from_env<N, V>(vars: impl IntoIterator<Item = (N, V)>) -> Vec<String>
where
    N: AsRef<str>,
    V: Into<String>,
{
    vars.into_iter()
        .filter(|(name, _)| key_like(name.as_ref()))
        .map(|(_, value)| value.into().trim().to_owned())
        .filter(|value| {
            value.len() >= SHORTEST
                && !judge::path_like(value.as_bytes())
                && !WORDS.contains(&value.to_ascii_lowercase().as_str())
        })
        .collect()
}

/// Whether a variable or flag of this name holds a secret.
pub(super) fn key_like(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_uppercase().replace(['-', '.'], "_");
    let holds =
        ["PASSWORD", "PASSWD", "PASSPHRASE", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET"];
    let ends = ["_KEY", "TOKEN", "_PWD", "_PAT", "CREDENTIAL", "CREDENTIALS"];
    let limit = ["MAX_", "MIN_", "NUM_"].iter().any(|prefix| name.starts_with(prefix));
    let token_word = name.split('_').any(|word| word == "TOKEN");
    !limit && (token_word || holds.iter().any(|h| name.contains(h)) || ends.iter().any(|e| name.ends_with(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_secrets() {
        for name in [
            "ANTHROPIC_API_KEY",
            "GITHUB_TOKEN",
            "aws_secret_access_key",
            "DB_PASSWORD_PROD",
            "MY_CREDENTIALS",
            "NPM_TOKEN_2",
            "SECRET_KEY_BASE",
            "--api-key",
            "--token",
            "--client-secret",
            "PGPASSWORD",
            "GH_PAT",
        ] {
            assert!(key_like(name), "{name}");
        }
        for name in
            ["PATH", "HOME", "PWD", "OLDPWD", "MAX_TOKEN", "--max-tokens", "KEYBOARD", "TOKENIZER", "LANG"]
        {
            assert!(!key_like(name), "{name}");
        }
    }

    #[test]
    fn paths_and_words_are_no_secrets() {
        let vars = [
            ("GOOGLE_APPLICATION_CREDENTIALS", "/home/u/keys/project-1.json"),
            ("APP_SECRET", "disabled"),
            ("X_TOKEN", "short"),
            ("Y_TOKEN", " 0123456789abcdef\n"),
        ];
        assert_eq!(known_from_env(vars), ["0123456789abcdef"]);
    }

    #[test]
    fn a_value_has_its_printed_forms() {
        let all: Vec<String> =
            forms("p\"ss/w\\rd é").into_iter().map(|f| String::from_utf8(f.bytes).unwrap()).collect();
        for form in
            ["p\"ss/w\\rd é", "p\\\"ss/w\\\\rd é", "p%22ss%2Fw%5Crd%20%C3%A9", "p%22ss%2fw%5crd%20%c3%a9"]
        {
            assert!(all.iter().any(|f| f == form), "{form} in {all:?}");
        }
        assert!(all.iter().any(|f| f == "p%22ss%2Fw%5Crd+%C3%A9"));
        assert!(all.iter().any(|f| STANDARD_NO_PAD.encode("p\"ss/w\\rd é").starts_with(f)));
    }
}
