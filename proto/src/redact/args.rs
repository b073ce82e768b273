//! Redaction of command lines, word by word.
//!
//! A word that follows a key-like flag goes whole, whatever it looks like; other words are searched like text.

use super::Redactor;
use super::known::key_like;

const HIDDEN: &str = "[redacted:argument]";

impl Redactor {
    /// The words of a command with their secrets replaced: what follows `--api-key`, `--token`, `-H` or `--header`
    /// goes whole, so does the value of `--token=…`, `API_KEY=…` and `password=…`; in all other words secrets are
    /// looked for as in text.
    pub fn redact_args(&self, args: &[String]) -> Vec<String> {
        let mut hide_next = false;
        args.iter()
            .map(|word| {
                let hidden = std::mem::replace(&mut hide_next, takes_secret(word));
                if hidden { HIDDEN.to_owned() } else { self.word(word) }
            })
            .collect()
    }

    fn word(&self, word: &str) -> String {
        if let Some((name, value)) = word.split_once('=')
            && !value.is_empty()
            && (key_like(name) || name == "--header" || name == "--user")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            return format!("{name}={HIDDEN}");
        }
        if let Some(header) = word.strip_prefix("-H")
            && !header.is_empty()
        {
            return format!("-H{HIDDEN}");
        }
        self.redact_str(word).into_owned()
    }
}

/// Whether the word is a flag whose value, the next word, is or may be a secret.
fn takes_secret(word: &str) -> bool {
    let flag = word.len() > 2 && word.starts_with('-') && !word.contains('=');
    matches!(word, "-H" | "--header" | "-u" | "--user") || (flag && key_like(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        Redactor::new(["hunter2hunter2".to_owned()]).redact_args(&words)
    }

    #[test]
    fn what_follows_a_key_flag_goes_whole() {
        assert_eq!(
            redacted(&["x", "--api-key", "abc", "--verbose"]),
            ["x", "--api-key", HIDDEN, "--verbose"]
        );
        assert_eq!(redacted(&["-H", "X: y", "-HX: y"]), ["-H", HIDDEN, &format!("-H{HIDDEN}")]);
        assert_eq!(redacted(&["--token", "--secret", "s"]), ["--token", HIDDEN, HIDDEN]);
        assert_eq!(redacted(&["-u", "me:pw"]), ["-u", HIDDEN]);
    }

    #[test]
    fn assignments_keep_their_name() {
        let want: Vec<String> =
            ["--token", "password", "MY_API_KEY"].iter().map(|n| format!("{n}={HIDDEN}")).collect();
        assert_eq!(redacted(&["--token=a b", "password=x", "MY_API_KEY=1"]), want);
    }

    #[test]
    fn other_words_are_searched_and_otherwise_kept() {
        assert_eq!(
            redacted(&["say hunter2hunter2!", "--max-tokens", "4096"]),
            ["say [redacted:known]!", "--max-tokens", "4096"]
        );
        assert_eq!(redacted(&["--model=a", "", "a=b", "--", "-"]), ["--model=a", "", "a=b", "--", "-"]);
    }
}
