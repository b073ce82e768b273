//! Secrets without a form of their own, known by what stands before them: headers, addresses, assignments, flags.
//!
//! Only the value is replaced, so that the line stays readable. Nothing but the name, separators and a scheme word
//! stands between the keyword and the value: no other secret can hide there.

use super::ahead::{Ahead, ByteSet, More};
use super::judge;
use super::scan::{Rest, Secret};

/// Bytes a value is decided on; what follows in the same run is dropped without being kept.
const CAP: usize = 512;
/// Bytes of an identifier that may follow a keyword, as in `SECRET_ACCESS_KEY`.
const SUFFIX: usize = 24;
/// Spaces, quotes and the like on each side of `=` or `:`.
const PADDING: usize = 12;

static IDENT: ByteSet = ByteSet::alnum(b"_-");
static VALUE: ByteSet = ByteSet::alnum(b"_-+/=.~%");
static PASSWORD: ByteSet = ByteSet::alnum(b"_-+/=.~%!@#$^*?:");
static USERINFO: ByteSet = ByteSet::printable_but(b"/\"'`<>\\(){}[]|");

/// A rule of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// `Authorization: Bearer …`.
    Authorization,
    /// `Bearer …` wherever it stands.
    Bearer,
    /// `x-api-key: …` and its kin.
    KeyHeader,
    /// `scheme://user:password@`.
    UrlPassword,
    /// `api_key = …`, `"client_secret": "…"`.
    Assigned,
    /// `password: …`.
    Password,
    /// `--api-key …`.
    Flag,
    /// `--password …`.
    PasswordFlag,
}

/// Keywords of all rules, in lower case; they are found in any case.
pub(super) const KEYWORDS: &[(&str, Structure)] = &[
    ("authorization", Structure::Authorization),
    ("bearer", Structure::Bearer),
    ("x-api-key", Structure::KeyHeader),
    ("x-goog-api-key", Structure::KeyHeader),
    ("x-auth-token", Structure::KeyHeader),
    ("private-token", Structure::KeyHeader),
    ("://", Structure::UrlPassword),
    ("api_key", Structure::Assigned),
    ("api-key", Structure::Assigned),
    ("apikey", Structure::Assigned),
    ("access_key", Structure::Assigned),
    ("access-key", Structure::Assigned),
    ("accesskey", Structure::Assigned),
    ("accountkey", Structure::Assigned),
    ("private_key", Structure::Assigned),
    ("auth_key", Structure::Assigned),
    ("secret", Structure::Assigned),
    ("token", Structure::Assigned),
    ("credential", Structure::Assigned),
    ("password", Structure::Password),
    ("passwd", Structure::Password),
    ("passphrase", Structure::Password),
    ("--api-key", Structure::Flag),
    ("--apikey", Structure::Flag),
    ("--token", Structure::Flag),
    ("--auth-token", Structure::Flag),
    ("--access-token", Structure::Flag),
    ("--secret", Structure::Flag),
    ("--password", Structure::PasswordFlag),
];

impl Structure {
    /// Decides the rule whose keyword ends at `after`.
    pub(super) fn read(self, buf: &[u8], after: usize, last: bool) -> Result<Option<Secret>, More> {
        let mut ahead = Ahead::new(buf, after, CAP, last);
        match self {
            Self::Authorization => authorization(&mut ahead),
            Self::Bearer => bearer(&mut ahead),
            Self::KeyHeader => key_header(&mut ahead),
            Self::UrlPassword => url_password(&mut ahead),
            Self::Assigned => assigned(&mut ahead, &VALUE, "assigned-secret", strong_key),
            Self::Password => assigned(&mut ahead, &PASSWORD, "password", strong_password),
            Self::Flag => flag(&mut ahead, &VALUE, "assigned-secret", strong_key),
            Self::PasswordFlag => flag(&mut ahead, &PASSWORD, "password", strong_password),
        }
    }
}

/// Takes `"`, spaces, one of `:` `=` `=>` `:=` `==` `%3D`, spaces, `"`; false when there is no such sign.
fn separator(ahead: &mut Ahead<'_>) -> Result<bool, More> {
    let padding = |b: u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']');
    for _ in 0..PADDING {
        if ahead.take_if(padding)?.is_none() {
            break;
        }
    }
    let sign = match ahead.take_if(|b| matches!(b, b':' | b'=' | b'%'))? {
        Some(b'%') => {
            ahead.take_if(|b| b == b'3')?.is_some()
                && ahead.take_if(|b| matches!(b, b'D' | b'd' | b'A' | b'a'))?.is_some()
        }
        Some(b':') => {
            ahead.take_if(|b| b == b'=')?;
            true
        }
        Some(_) => {
            ahead.take_if(|b| matches!(b, b'=' | b'>'))?;
            true
        }
        None => false,
    };
    if !sign {
        return Ok(false);
    }
    let opening = |b: u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\');
    for _ in 0..PADDING {
        if ahead.take_if(opening)?.is_none() {
            break;
        }
    }
    Ok(true)
}

/// Takes a separator or, where there is none, the space between two words or two quoted words of a list.
fn separator_or_space(ahead: &mut Ahead<'_>) -> Result<bool, More> {
    let mut with_sign = ahead.clone();
    if separator(&mut with_sign)? {
        *ahead = with_sign;
        return Ok(true);
    }
    spaces(ahead)
}

fn spaces(ahead: &mut Ahead<'_>) -> Result<bool, More> {
    let mut any = false;
    for _ in 0..PADDING {
        if ahead.take_if(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b',' | b'\\'))?.is_none() {
            break;
        }
        any = true;
    }
    Ok(any)
}

/// The value that was just read from `start` on.
fn secret(ahead: &Ahead<'_>, start: usize, set: &'static ByteSet, rule: &'static str) -> Secret {
    Secret { start, end: ahead.pos(), rule, rest: ahead.capped().then_some(Rest::Run(set)) }
}

fn authorization(ahead: &mut Ahead<'_>) -> Result<Option<Secret>, More> {
    if !separator(ahead)? {
        return Ok(None);
    }
    let mut start = ahead.pos();
    let mut value = ahead.run(&VALUE)?;
    let scheme = value.len() <= 20 && value.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-');
    if scheme && !value.is_empty() && spaces(ahead)? {
        start = ahead.pos();
        value = ahead.run(&VALUE)?;
    }
    Ok(header_value(value).then(|| secret(ahead, start, &VALUE, "authorization-header")))
}

fn bearer(ahead: &mut Ahead<'_>) -> Result<Option<Secret>, More> {
    if !separator_or_space(ahead)? {
        return Ok(None);
    }
    let start = ahead.pos();
    let value = ahead.run(&VALUE)?;
    Ok((value.len() >= 16 && header_value(value)).then(|| secret(ahead, start, &VALUE, "bearer-token")))
}

fn key_header(ahead: &mut Ahead<'_>) -> Result<Option<Secret>, More> {
    if !separator(ahead)? {
        return Ok(None);
    }
    let start = ahead.pos();
    let value = ahead.run(&VALUE)?;
    Ok(header_value(value).then(|| secret(ahead, start, &VALUE, "api-key-header")))
}

/// A header's value is a secret by its place; only what visibly stands for one is left alone.
fn header_value(value: &[u8]) -> bool {
    value.len() >= 8
        && judge::entropy(value) >= 2.5
        && !judge::placeholder(value)
        && (judge::mixed(value) || (value.len() >= 12 && value.ends_with(b"=")))
}

/// The whole user part goes: the name may be a token too, and nothing before the value may be left unsearched.
fn url_password(ahead: &mut Ahead<'_>) -> Result<Option<Secret>, More> {
    let start = ahead.pos();
    let run = ahead.run(&USERINFO)?;
    let Some(at) = run.iter().rposition(|&b| b == b'@') else { return Ok(None) };
    let user = &run[..at];
    let found = match user.iter().position(|&b| b == b':') {
        Some(colon) => {
            let password = &user[colon + 1..];
            !password.is_empty() && !judge::placeholder(password) && password.iter().any(|&b| b != b'*')
        }
        None => user.len() >= 20 && judge::mixed(user) && judge::entropy(user) >= 3.0 && !judge::wordy(user),
    };
    Ok(found.then(|| Secret { start, end: start + at, rule: "url-password", rest: None }))
}

fn assigned(
    ahead: &mut Ahead<'_>,
    set: &'static ByteSet,
    rule: &'static str,
    strong: fn(&[u8], bool) -> bool,
) -> Result<Option<Secret>, More> {
    let suffix = ahead.run(&IDENT)?;
    if suffix.len() > SUFFIX || !separator(ahead)? {
        return Ok(None);
    }
    value(ahead, set, rule, |v| strong(v, !key_suffix(suffix)))
}

fn flag(
    ahead: &mut Ahead<'_>,
    set: &'static ByteSet,
    rule: &'static str,
    strong: fn(&[u8], bool) -> bool,
) -> Result<Option<Secret>, More> {
    if !separator_or_space(ahead)? {
        return Ok(None);
    }
    value(ahead, set, rule, |v| !v.starts_with(b"-") && strong(v, false))
}

fn value(
    ahead: &mut Ahead<'_>,
    set: &'static ByteSet,
    rule: &'static str,
    strong: impl Fn(&[u8]) -> bool,
) -> Result<Option<Secret>, More> {
    let start = ahead.pos();
    let value = ahead.run(set)?;
    // What goes on with a bracket is code: `token = next_token2(…)`.
    let code = matches!(ahead.peek()?, Some(b'(' | b'[' | b'{' | b'<'));
    Ok((!code && strong(value)).then(|| secret(ahead, start, set, rule)))
}

/// Nothing, or words that still name a secret.
fn key_suffix(suffix: &[u8]) -> bool {
    let plain: Vec<u8> =
        suffix.iter().filter(|b| b.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    matches!(
        plain.as_slice(),
        b"" | b"key" | b"accesskey" | b"keybase" | b"token" | b"value" | b"apikey" | b"text"
    )
}

fn strong_key(value: &[u8], foreign_suffix: bool) -> bool {
    let (length, bits) = if foreign_suffix { (20, 3.5) } else { (12, 3.0) };
    value.len() >= length
        && judge::mixed(value)
        && judge::entropy(value) >= bits
        && !judge::wordy(value)
        && !judge::path_like(value)
        && !judge::placeholder(value)
}

fn strong_password(value: &[u8], foreign_suffix: bool) -> bool {
    let length = if foreign_suffix { 12 } else { 8 };
    let letter = value.iter().any(u8::is_ascii_alphabetic);
    let other = value.iter().any(|b| b.is_ascii_digit() || b"!@#$^*?".contains(b));
    value.len() >= length
        && letter
        && other
        && judge::entropy(value) >= 2.5
        && !judge::wordy(value)
        && !judge::path_like(value)
        && !judge::placeholder(value)
}
