//! The practice model's tokenizer: text to words, words to pieces.
//!
//! A word is a run of letters, up to three digits, a single other character or white space; one space before a
//! word belongs to it. A word of the vocabulary is one token; another word is cut into the longest pieces of the
//! vocabulary, and what no piece covers costs one token a character. No table is shipped: the vocabulary comes
//! from the corpus.

use std::collections::HashSet;

/// Letters of one word; a longer run is cut.
const LONGEST_WORD: usize = 64;
/// Characters of white space of one token.
const LONGEST_SPACE: usize = 16;
/// Letters of a piece within a word that is not in the vocabulary.
const LONGEST_PIECE: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Space,
    Other,
}

fn class(c: char) -> Class {
    match c {
        c if c.is_alphabetic() => Class::Letter,
        '0'..='9' => Class::Digit,
        c if c.is_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// The words of a text, in order and without a gap.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(word_len(rest));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn word_len(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let Some((_, first)) = chars.next() else { return 0 };
    let mut kind = class(first);
    if first == ' '
        && let Some(&(_, second)) = chars.peek()
        && class(second) != Class::Space
    {
        kind = class(second);
        chars.next();
    } else if kind == Class::Space {
        return space_len(text);
    }
    let most = match kind {
        Class::Letter => LONGEST_WORD,
        Class::Digit => 3,
        Class::Space | Class::Other => 1,
    };
    for (taken, (at, c)) in (1..).zip(chars) {
        if taken >= most || class(c) != kind {
            return at;
        }
    }
    text.len()
}

/// White space up to the next word, whose own space is left to it.
fn space_len(text: &str) -> usize {
    let mut last = (0, ' ');
    for (n, (at, c)) in text.char_indices().enumerate() {
        if class(c) != Class::Space {
            return if last.1 == ' ' && last.0 > 0 { last.0 } else { at };
        }
        if n == LONGEST_SPACE {
            return at;
        }
        last = (at, c);
    }
    text.len()
}

/// Knows which words and pieces are one token.
#[derive(Debug)]
pub(super) struct Tokenizer {
    vocabulary: HashSet<String>,
    longest: usize,
}

impl Tokenizer {
    /// The words of `corpus`, with and without their space, and the beginnings and ends of its longer words.
    pub(super) fn new(corpus: &str) -> Self {
        let whole: HashSet<&str> = words(corpus).collect();
        let mut vocabulary = HashSet::with_capacity(whole.len() * 6);
        for word in whole {
            let bare = word.strip_prefix(' ').unwrap_or(word);
            vocabulary.insert(bare.to_owned());
            vocabulary.insert(format!(" {bare}"));
            let cuts: Vec<usize> = bare.char_indices().map(|(at, _)| at).skip(2).collect();
            for &cut in cuts.iter().take(LONGEST_PIECE - 1) {
                vocabulary.insert(bare[..cut].to_owned());
                vocabulary.insert(format!(" {}", &bare[..cut]));
            }
            for &cut in cuts.iter().rev().take(LONGEST_PIECE - 1) {
                vocabulary.insert(bare[cut..].to_owned());
            }
        }
        let longest = vocabulary.iter().map(String::len).max().unwrap_or(1);
        Self { vocabulary, longest }
    }

    /// The tokens of one word.
    pub(super) fn pieces<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let mut rest = word;
        std::iter::from_fn(move || {
            let (piece, after) = rest.split_at(self.piece_len(rest));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn piece_len(&self, word: &str) -> usize {
        if word.chars().all(char::is_whitespace) {
            return word.len();
        }
        let first = word.chars().next().map_or(0, char::len_utf8);
        (first + 1..=word.len().min(self.longest))
            .rev()
            .filter(|&end| word.is_char_boundary(end))
            .find(|&end| self.vocabulary.contains(&word[..end]))
            .unwrap_or(first)
    }

    /// How many tokens a text has.
    pub(super) fn count(&self, text: &str) -> u64 {
        words(text).map(|word| self.pieces(word).count() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_keep_their_space_and_digits_come_in_threes() {
        let text = "Say  12345 tokens, don't\n\n  stop";
        let all: Vec<&str> = words(text).collect();
        assert_eq!(all, ["Say", " ", " 123", "45", " tokens", ",", " don", "'", "t", "\n\n ", " stop"]);
    }

    #[test]
    fn unknown_words_fall_back_to_pieces_and_characters() {
        let tokenizer = Tokenizer::new("operation token journal");
        let pieces = |word| tokenizer.pieces(word).collect::<Vec<&str>>();
        assert_eq!(pieces(" operation"), [" operation"]);
        assert_eq!(pieces(" operator"), [" opera", "to", "r"]);
        assert_eq!(pieces("日本"), ["日", "本"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in any::<String>()) {
            let tokenizer = Tokenizer::new("a token is a piece of text, operation, journal");
            prop_assert_eq!(words(&text).collect::<String>(), text.clone());
            let joined: String = words(&text).flat_map(|word| tokenizer.pieces(word)).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
