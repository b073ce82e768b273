//! Splits a command that is written as one text into words, as command templates are split: POSIX quoting, nothing
//! expanded. A reference `${…}` stays in one piece, blanks included. Nothing is ever run by a shell, so what only a
//! shell could do is an error.

/// Longest command that is split, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Words that would be operators of a shell.
const OPERATORS: [&str; 11] = ["|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "|&"];

/// A text that cannot be split into the words of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadWords {
    /// Longer than 64 KiB.
    #[error("the command is longer than 64 KiB")]
    TooLong,
    /// A quote is opened and not closed.
    #[error("the command has an open {0} quote")]
    OpenQuote(char),
    /// Only a shell could do this.
    #[error("`{0}` needs a shell, and a command is run without one")]
    Shell(String),
}

/// Splits a command; a text without a word gives none.
///
/// # Errors
/// It is too long, has an open quote, or something only a shell could do.
pub(super) fn split(text: &str) -> Result<Vec<String>, BadWords> {
    if text.len() > MAX_BYTES {
        return Err(BadWords::TooLong);
    }
    let (mut words, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        // A backslash before the end of a line joins the lines.
        if let Some(joined) = rest.strip_prefix("\\\n") {
            rest = joined;
            continue;
        }
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, quoted, after) = word(rest)?;
        if !quoted && OPERATORS.contains(&word.as_str()) {
            return Err(BadWords::Shell(word));
        }
        words.push(word);
        rest = after;
    }
}

/// The first word, whether any of it was quoted, and what follows it.
fn word(text: &str) -> Result<(String, bool, &str), BadWords> {
    let (mut word, mut quoted, mut rest) = (String::new(), false, text);
    while let Some(c) = rest.chars().next() {
        if let Some(reference) = reference(rest) {
            word.push_str(reference);
            rest = &rest[reference.len()..];
            continue;
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => break,
            '\'' | '"' => {
                quoted = true;
                rest = quote(&rest[1..], c, &mut word)?;
                continue;
            }
            '\\' => {
                quoted = true;
                rest = &rest[1..];
                match rest.chars().next() {
                    Some(next) if next != '\n' => word.push(next),
                    _ => {}
                }
                rest = rest.chars().next().map_or(rest, |next| &rest[next.len_utf8()..]);
                continue;
            }
            c => word.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok((word, quoted, rest))
}

/// Takes what is inside a quote; gives what follows it.
fn quote<'a>(text: &'a str, quote: char, word: &mut String) -> Result<&'a str, BadWords> {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            c if c == quote => return Ok(rest),
            '\\' if quote == '"' => {
                let Some(next) = rest.chars().next() else { break };
                rest = &rest[next.len_utf8()..];
                if !matches!(next, '"' | '\\' | '$' | '`' | '\n') {
                    word.push('\\');
                }
                if next != '\n' {
                    word.push(next);
                }
            }
            c => word.push(c),
        }
    }
    Err(BadWords::OpenQuote(quote))
}

/// The reference that a text begins with.
fn reference(text: &str) -> Option<&str> {
    let end = text.strip_prefix("${")?.find('}')? + 3;
    let reference = &text[..end];
    super::expand::references(reference).is_ok().then_some(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_blanks() {
        for (text, words) in [
            ("", &[][..]),
            ("  \n ", &[]),
            ("npx -y  thing", &["npx", "-y", "thing"]),
            ("a 'b c' \"d \\\" e\" f\\ g", &["a", "b c", "d \" e", "f g"]),
            ("a '' b\"\"", &["a", "", "b"]),
            ("a \"\\n\" '\\n'", &["a", "\\n", "\\n"]),
            ("run ${X:-a b} '|' --k=${Y}", &["run", "${X:-a b}", "|", "--k=${Y}"]),
            ("sh -c 'a | b'", &["sh", "-c", "a | b"]),
            ("a \\\n b c\\\nd", &["a", "b", "cd"]),
            ("ä ö", &["ä", "ö"]),
        ] {
            assert_eq!(split(text).expect(text), words, "{text}");
        }
    }

    #[test]
    fn what_is_no_command() {
        assert_eq!(split("a 'b"), Err(BadWords::OpenQuote('\'')));
        assert_eq!(split("a \"b\\"), Err(BadWords::OpenQuote('"')));
        assert_eq!(split("a && b"), Err(BadWords::Shell("&&".to_owned())));
        assert_eq!(split(&"x".repeat(MAX_BYTES + 1)), Err(BadWords::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn what_is_in_single_quotes_is_one_word(words in proptest::collection::vec("[^'$]{0,20}", 0..6)) {
            let text: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            proptest::prop_assert_eq!(split(&text.join(" ")), Ok(words));
        }

        #[test]
        fn any_text_is_split_or_refused(text in "[a-z '\"\\\\${}|é\n]{0,60}") {
            let _ = split(&text);
        }
    }
}
