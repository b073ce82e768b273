//! The rule by which a table's model or provider recognises names.
//!
//! Owns its compact text: prefix notation, one token a node, separated by spaces. `=x` equals, `^x` starts with,
//! `$x` ends with, `~x` contains, `/x` is found by the regular expression, `&n` and `|n` join the next n rules,
//! `!` denies the next. Names are compared in lower case, control characters, spaces and `%;@` are written as `%20`.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// Most rules inside each other.
const MAX_DEPTH: u32 = 16;
/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 1_024;
/// Most memory of one compiled expression.
const MAX_COMPILED: usize = 256 * 1024;

/// How names are recognised.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Found(Regex),
}

impl Rule {
    /// Whether the rule recognises a name in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.matches(name)),
            Self::Any(rules) => rules.iter().any(|rule| rule.matches(name)),
            Self::Not(rule) => !rule.matches(name),
            Self::Equals(text) => name == text,
            Self::StartsWith(text) => name.starts_with(text.as_str()),
            Self::EndsWith(text) => name.ends_with(text.as_str()),
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Found(regex) => regex.is_match(name.as_bytes()),
        }
    }

    /// A rule of a regular expression.
    ///
    /// A negative look-ahead at the start, which the expressions of tables use and ours do not know, becomes a
    /// denied rule of its own.
    pub(super) fn regex(pattern: &str) -> Option<Self> {
        if let Some(rest) = pattern.strip_prefix("^(?!") {
            let close = closing(rest)?;
            let denied = Self::Not(Box::new(Self::regex(&format!("^(?:{})", &rest[..close]))?));
            return match &rest[close + 1..] {
                "" => Some(denied),
                rest => Some(Self::All(vec![denied, Self::regex(&format!("^(?:{rest})"))?])),
            };
        }
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        // Names are ASCII but for a few, and `\d` of other scripts is no date.
        let regex = RegexBuilder::new(pattern).unicode(false).size_limit(MAX_COMPILED).build().ok()?;
        Some(Self::Found(regex))
    }

    /// Reads compact text; none when it is not valid.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut tokens = text.split(' ');
        let rule = Self::next(&mut tokens, 0)?;
        tokens.next().is_none().then_some(rule)
    }

    fn next<'a>(tokens: &mut impl Iterator<Item = &'a str>, depth: u32) -> Option<Self> {
        let token = tokens.next().filter(|_| depth < MAX_DEPTH)?;
        let rest = token.get(1..)?;
        let text = || unescape(rest);
        Some(match token.as_bytes().first()? {
            b'=' => Self::Equals(text()?),
            b'^' => Self::StartsWith(text()?),
            b'$' => Self::EndsWith(text()?),
            b'~' => Self::Contains(text()?),
            b'/' => Self::regex(&text()?)?,
            b'!' => Self::Not(Box::new(Self::next(tokens, depth + 1)?)),
            b'&' => Self::All(Self::list(rest, tokens, depth)?),
            b'|' => Self::Any(Self::list(rest, tokens, depth)?),
            _ => return None,
        })
    }

    fn list<'a>(count: &str, tokens: &mut impl Iterator<Item = &'a str>, depth: u32) -> Option<Vec<Self>> {
        let count: u16 = count.parse().ok()?;
        (0..count).map(|_| Self::next(tokens, depth + 1)).collect()
    }

    /// Writes compact text.
    pub(super) fn write(&self, out: &mut String) {
        let mut leaf = |sign: char, text: &str| {
            out.push(sign);
            escape(text, out);
        };
        match self {
            Self::Equals(text) => leaf('=', text),
            Self::StartsWith(text) => leaf('^', text),
            Self::EndsWith(text) => leaf('$', text),
            Self::Contains(text) => leaf('~', text),
            Self::Found(regex) => leaf('/', regex.as_str()),
            Self::Not(rule) => {
                out.push_str("! ");
                rule.write(out);
            }
            Self::All(rules) | Self::Any(rules) => {
                let sign = if matches!(self, Self::All(_)) { '&' } else { '|' };
                // Writing to a string cannot fail.
                let _ = write!(out, "{sign}{}", rules.len());
                for rule in rules {
                    out.push(' ');
                    rule.write(out);
                }
            }
        }
    }
}

/// The whole names that compact text accepts, each decoded; not those under `&` or `!`, which need more.
pub(super) fn equal_names(text: &str) -> impl Iterator<Item = String> {
    let plain = !text.split(' ').any(|token| token.starts_with(['&', '!']));
    text.split(' ').filter(move |_| plain).filter_map(|token| unescape(token.strip_prefix('=')?))
}

/// Where the group that is open at the start of `text` closes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped, mut class) = (1_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Writes text so that it holds no byte that separates, not even a space.
pub(super) fn escape(text: &str, out: &mut String) {
    escape_all(text, out, |c| c == ' ' || c == ';' || c == '@');
}

/// Writes text so that it holds no byte that separates fields.
pub(super) fn escape_field(text: &str, out: &mut String) {
    escape_all(text, out, |_| false);
}

fn escape_all(text: &str, out: &mut String, also: impl Fn(char) -> bool) {
    for c in text.chars() {
        if c.is_ascii_control() || c == '%' || also(c) {
            let _ = write!(out, "%{:02x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// Reads text that `escape` or `escape_field` wrote.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok().filter(u8::is_ascii)?;
        out.push(char::from(code));
        out.push_str(&part[2..]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(rule: &Rule) -> Rule {
        let mut text = String::new();
        rule.write(&mut text);
        Rule::read(&text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn each_kind_matches_after_a_round_trip() {
        for (text, yes, no) in [
            ("=gpt-5", "gpt-5", "gpt-5x"),
            ("^gpt-", "gpt-5", "xgpt-5"),
            ("$-tts", "a-tts", "a-tts-b"),
            ("~claude", "a-claude-b", "a-b"),
            ("/^o[134]", "o3-mini", "o2"),
            ("|2 =a &2 ^b $c", "bxc", "bx"),
            ("! ~x", "a", "axe"),
            ("=a%20b%25", "a b%", "ab"),
        ] {
            let rule = both(&Rule::read(text).unwrap());
            assert!(rule.matches(yes) && !rule.matches(no), "{text}");
        }
        for text in ["", "gpt", "=a =b", "|2 =a", "&x =a", "/(", "=%2", "=%ff", "!"] {
            assert!(Rule::read(text).is_none(), "{text}");
        }
        assert!(Rule::read(&"! ".repeat(20)).is_none());
    }

    #[test]
    fn a_negative_look_ahead_becomes_a_denied_rule() {
        let tts = both(&Rule::regex("^(?!.*-[tT][tT][sS](?:$|-))").unwrap());
        assert!(tts.matches("gemini-3.8-flash") && !tts.matches("gemini-3.8-flash-tts"));
        assert!(!tts.matches("gemini-tts-x") && tts.matches("gemini-ttsx"));
        let maker = both(&Rule::regex("^(?![^/]+/)(?:labs-)?(?:(?:mi|dev)stral|mixtral)").unwrap());
        assert!(maker.matches("labs-devstral-2") && maker.matches("mixtral"));
        assert!(!maker.matches("a/mistral") && !maker.matches("xmistral"));
        assert!(Rule::regex("a(?!b)").is_none());
        assert!(Rule::regex("^(?!b").is_none());
    }

    #[test]
    fn whole_names_are_listed_where_they_suffice() {
        let names = |text| equal_names(text).collect::<Vec<_>>();
        assert_eq!(names("|3 =a ^b =c%20d"), ["a", "c d"]);
        assert!(names("&2 =a ^b").is_empty() && names("! =a").is_empty() && names("^a").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[=^$~/&|!%0-9a-z ]{0,40}") {
            if let Some(rule) = Rule::read(&text) {
                let _ = both(&rule).matches(&text);
            }
        }

        #[test]
        fn escaped_text_reads_back(text in ".{0,40}") {
            let mut out = String::new();
            escape(&text, &mut out);
            prop_assert!(!out.contains([' ', '\t', '\n', ';']));
            prop_assert_eq!(unescape(&out), Some(text));
        }
    }
}
