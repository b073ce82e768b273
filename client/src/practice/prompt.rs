//! What the practice model reads of a prompt and what it can say about it.
//!
//! Figures are over the whole prompt, everything else over the parts that are read. Only letters of the prompt can
//! come back in the account, never its control characters.

use std::collections::{HashMap, HashSet};

use memchr::memmem;

use super::tokens::words;

/// A prompt up to this size is read as a whole.
const READ_BYTES: usize = 256 * 1024;
/// Parts of a longer one, at equal distances from its beginning to its end.
const PARTS: usize = 4;
/// The line that asks for a length.
const WISH: &str = "practice: tokens=";
/// Letters of a word that is named in the account.
const WORD_LETTERS: std::ops::RangeInclusive<usize> = 4..=24;
/// Content words that steer the answer.
const TOPICS: usize = 24;
/// Content words that are named.
const NAMED: usize = 3;

/// Words of the account, for the vocabulary.
pub(super) const FIXED_WORDS: &str = "Your prompt is empty. It has bytes in lines and words; the word it uses most \
     is \"it\", the words it uses most are \"a\", \"b\" and \"c\". The model read bytes of it. 1 byte in 1 line and 1 \
     word, 10, 100";

/// Words that say nothing of what a text is about.
const COMMON: &[&str] = &[
    "about", "after", "again", "also", "although", "always", "another", "because", "been", "before", "being",
    "between", "both", "cannot", "could", "does", "doing", "done", "down", "each", "either", "else", "even",
    "ever", "every", "from", "give", "given", "have", "having", "here", "into", "itself", "just", "know",
    "like", "made", "make", "many", "might", "more", "most", "much", "must", "never", "only", "other",
    "over", "please", "same", "shall", "should", "since", "some", "such", "take", "than", "that", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "under", "until", "upon", "used",
    "using", "very", "want", "well", "were", "what", "when", "where", "whether", "which", "while", "will",
    "with", "within", "without", "would", "your",
];

/// A prompt as the model meets it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    prompt: &'a str,
    /// What is read of it.
    pub(super) parts: Vec<&'a str>,
    /// Its content words in lower case, most frequent first.
    content: Vec<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(prompt: &'a str) -> Self {
        let parts = parts(prompt);
        let content = content_words(&parts);
        Self { prompt, parts, content }
    }

    /// FNV-1a over the size and the parts that are read.
    pub(super) fn seed(&self) -> u64 {
        let size = (self.prompt.len() as u64).to_le_bytes();
        let bytes = size.iter().chain(self.parts.iter().flat_map(|part| part.as_bytes()));
        bytes.fold(0xCBF2_9CE4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
    }

    /// The words that the answer leans to.
    pub(super) fn topics(&self) -> HashSet<String> {
        self.content.iter().cloned().collect()
    }

    /// The number in the first line `practice: tokens=…`, wherever it stands in the prompt.
    pub(super) fn wanted_tokens(&self) -> Option<u64> {
        let blank = [' ', '\t', '\r'];
        memmem::find_iter(self.prompt.as_bytes(), WISH).find_map(|at| {
            // Looks no further than blanks and digits go: a prompt full of wishes costs no more than another.
            let before = self.prompt[..at].trim_end_matches(blank);
            let after = &self.prompt[at + WISH.len()..];
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = &after[..after.len() - rest.len()];
            let rest = rest.trim_start_matches(blank);
            let alone =
                (before.is_empty() || before.ends_with('\n')) && (rest.is_empty() || rest.starts_with('\n'));
            // A number too large for the type is more than the most there is.
            (alone && !digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
        })
    }

    /// A sentence or two on what the prompt is, from real counts.
    pub(super) fn account(&self) -> String {
        if self.prompt.is_empty() {
            return "Your prompt is empty.".to_owned();
        }
        let bytes = self.prompt.as_bytes();
        let line_feeds = memchr::memchr_iter(b'\n', bytes).count();
        let lines = line_feeds + usize::from(!self.prompt.ends_with('\n'));
        let words = count_words(bytes);
        let named: Vec<String> = self.content.iter().take(NAMED).map(|word| format!("\"{word}\"")).collect();
        let uses = match named.as_slice() {
            [] => String::new(),
            [one] => format!("; the word it uses most is {one}"),
            [rest @ .., last] => format!("; the words it uses most are {} and {last}", rest.join(", ")),
        };
        let read: usize = self.parts.iter().map(|part| part.len()).sum();
        let part = if read < bytes.len() {
            format!(" The model read {} of it.", plural(read, "byte"))
        } else {
            String::new()
        };
        format!(
            "Your prompt has {} in {} and {}{uses}.{part}",
            plural(bytes.len(), "byte"),
            plural(lines, "line"),
            plural(words, "word")
        )
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Runs of anything but ASCII white space.
fn count_words(bytes: &[u8]) -> usize {
    let mut before = true;
    bytes.iter().fold(0, |count, b| {
        let space = b.is_ascii_whitespace();
        let starts = before && !space;
        before = space;
        count + usize::from(starts)
    })
}

fn parts(prompt: &str) -> Vec<&str> {
    if prompt.len() <= READ_BYTES {
        return vec![prompt];
    }
    let length = READ_BYTES / PARTS;
    (0..PARTS)
        .map(|n| {
            let start = prompt.ceil_char_boundary((prompt.len() - length) / (PARTS - 1) * n);
            &prompt[start..prompt.floor_char_boundary(start + length)]
        })
        .collect()
}

/// The most frequent words that say something, ties in the order they were met.
fn content_words(parts: &[&str]) -> Vec<String> {
    let mut counts: HashMap<String, (u64, usize)> = HashMap::new();
    for (at, word) in parts.iter().flat_map(|part| words(part)).enumerate() {
        let bare = word.trim_start();
        if bare.starts_with(char::is_alphabetic) && WORD_LETTERS.contains(&bare.chars().count()) {
            let lower = bare.to_lowercase();
            if COMMON.binary_search(&lower.as_str()).is_err() {
                counts.entry(lower).or_insert((0, at)).0 += 1;
            }
        }
    }
    let mut all: Vec<(String, (u64, usize))> = counts.into_iter().collect();
    all.sort_unstable_by_key(|(_, (count, at))| (std::cmp::Reverse(*count), *at));
    all.truncate(TOPICS);
    all.into_iter().map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_sorted() {
        assert!(COMMON.is_sorted());
    }

    #[test]
    fn the_account_is_true() {
        let reading =
            Reading::new("Fix the parser.\nThe parser drops commas; commas matter to the parser.\n");
        assert_eq!(
            reading.account(),
            "Your prompt has 70 bytes in 2 lines and 12 words; the words it uses most are \"parser\", \"commas\" and \
             \"drops\"."
        );
        assert_eq!(Reading::new("").account(), "Your prompt is empty.");
        assert_eq!(Reading::new("x").account(), "Your prompt has 1 byte in 1 line and 1 word.");
    }

    #[test]
    fn a_length_is_asked_for_on_a_line_of_its_own() {
        let wanted = |text| Reading::new(text).wanted_tokens();
        assert_eq!(wanted("hello\n  practice: tokens=5000 \nmore"), Some(5000));
        assert_eq!(wanted("practice: tokens=99999999999999999999999"), Some(u64::MAX));
        assert_eq!(wanted("say practice: tokens=5\npractice: tokens=7"), Some(7));
        assert_eq!(wanted("practice: tokens=\npractice: tokens=-1"), None);
    }

    #[test]
    fn a_large_prompt_is_read_in_parts_and_counted_as_a_whole() {
        let text = "größe über alles\n".repeat(60_000);
        let reading = Reading::new(&text);
        assert_eq!(reading.parts.len(), PARTS);
        assert!(reading.parts.iter().map(|p| p.len()).sum::<usize>() <= READ_BYTES);
        assert!(reading.account().contains(&format!("{} bytes in 60000 lines and 180000 words", text.len())));
    }
}
