//! An interpolated n-gram model over words, up to four words long, of the corpus and the prompt together.
//!
//! Training is an index of where each word stands; the counts of a context are taken when they are needed. All
//! arithmetic is in integers and all orders are fixed, so the same seed gives the same words on every machine.

use std::collections::{HashMap, HashSet};

use super::tokens::words;

/// Where a text breaks off; never spoken.
const BREAK: u32 = 0;
/// Places of one word that are looked at, in each of corpus and prompt.
const PLACES: usize = 512;
/// Shares of the orders two, three and four.
const ORDERS: [u64; 3] = [1, 6, 16];
/// Shares of corpus and prompt where both know the context.
const CORPUS_SHARE: u64 = 3;
const PROMPT_SHARE: u64 = 1;
/// How much likelier a word becomes that the prompt is about.
const TOPIC: u64 = 3;
/// Words of a sentence after which it is ended.
const LONGEST_SENTENCE: usize = 48;
const SCALE: u64 = 1 << 24;

/// SplitMix64: a generator of pseudo-random numbers of one word of state.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`, which is not 0.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % sides.max(1)
    }
}

/// A sentence of the corpus to begin with.
#[derive(Debug)]
struct Opening {
    at: usize,
    /// How well it fits the prompt.
    fit: u64,
    used: u64,
}

/// The trained model and the sentence it is in.
#[derive(Debug)]
pub(super) struct Model {
    spoken: Vec<String>,
    /// Corpus, then prompt, as numbers of words.
    text: Vec<u32>,
    corpus_len: usize,
    /// Places of word `w` in `text`: `places[first[w]..first[w + 1]]`, in order.
    places: Vec<u32>,
    first: Vec<u32>,
    topic: Vec<bool>,
    openings: Vec<Opening>,
    context: [u32; 3],
    sentence: usize,
    pending: Vec<u32>,
}

impl Model {
    /// Learns from the corpus and from what was read of the prompt; `topics` are the prompt's content words in
    /// lower case.
    pub(super) fn new<'a>(
        corpus: &str,
        prompt: impl IntoIterator<Item = &'a str>,
        topics: &HashSet<String>,
    ) -> Self {
        let mut reader = Reader::new();
        reader.read(corpus);
        let corpus_len = reader.text.len();
        for part in prompt {
            reader.read(part);
        }
        let Reader { text, spoken, .. } = reader;
        let topic: Vec<bool> =
            spoken.iter().map(|w| topics.contains(w.trim_start().to_lowercase().as_str())).collect();
        let (places, first) = index(&text, spoken.len());
        let openings = openings(&text[..corpus_len], &spoken, &topic);
        Self {
            spoken,
            text,
            corpus_len,
            places,
            first,
            topic,
            openings,
            context: [BREAK; 3],
            sentence: 0,
            pending: Vec::new(),
        }
    }

    /// The next word, with the space before it; `.` ends a sentence.
    pub(super) fn next_word(&mut self, dice: &mut Dice) -> &str {
        let word = match self.pending.pop() {
            Some(word) => word,
            None if self.context[2] == BREAK => self.open(dice),
            None if self.sentence >= LONGEST_SENTENCE => BREAK,
            None => self.follow(dice),
        };
        let ends = word == BREAK || is_end(&self.spoken[word as usize]);
        if ends {
            self.context = [BREAK; 3];
            self.sentence = 0;
        } else {
            self.context = [self.context[1], self.context[2], word];
            self.sentence += 1;
        }
        if word == BREAK { "." } else { &self.spoken[word as usize] }
    }

    /// Begins a sentence with the first two words of one that fits the prompt and was not used much.
    fn open(&mut self, dice: &mut Dice) -> u32 {
        let weight = |o: &Opening| (o.fit * 64 / (1 + 4 * o.used)).max(1);
        let all: u64 = self.openings.iter().map(weight).sum();
        let mut left = dice.below(all);
        let chosen = self.openings.iter_mut().find(|o| {
            let weight = weight(o);
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        });
        let Some(opening) = chosen else { return BREAK };
        opening.used += 1;
        let at = opening.at;
        if let Some(&second) = self.text.get(at + 1) {
            self.pending.push(second);
        }
        self.text[at]
    }

    fn follow(&self, dice: &mut Dice) -> u32 {
        let last = self.context[2] as usize;
        let places = &self.places[self.first[last] as usize..self.first[last + 1] as usize];
        let split = places.partition_point(|&p| (p as usize) < self.corpus_len);
        let (corpus, prompt) = places.split_at(split);
        let mut chances = Vec::with_capacity(corpus.len().min(PLACES) + prompt.len().min(PLACES));
        self.weigh(corpus, CORPUS_SHARE, &mut chances);
        self.weigh(prompt, PROMPT_SHARE, &mut chances);
        let all: u64 = chances.iter().map(|&(_, weight)| weight).sum();
        let mut left = dice.below(all);
        for (word, weight) in chances {
            if left < weight {
                return word;
            }
            left -= weight;
        }
        BREAK
    }

    /// Adds what follows each place, weighed by how many words before it agree with the context.
    fn weigh(&self, places: &[u32], share: u64, chances: &mut Vec<(u32, u64)>) {
        let agree = |place: u32| {
            let at = place as usize;
            let same = |back: usize| at >= back && self.text[at - back] == self.context[2 - back];
            if !same(1) {
                0
            } else if same(2) {
                2
            } else {
                1
            }
        };
        let places = &places[..places.len().min(PLACES)];
        let mut counts = [0_u64; 3];
        for &place in places {
            for count in &mut counts[..=agree(place)] {
                *count += 1;
            }
        }
        for &place in places {
            let Some(&word) = self.text.get(place as usize + 1) else { continue };
            let orders = 0..=agree(place);
            let chance: u64 = orders.map(|order| SCALE * ORDERS[order] / counts[order].max(1)).sum();
            let topic = if self.topic[word as usize] { TOPIC } else { 1 };
            chances.push((word, chance * share * topic));
        }
    }
}

/// Whether the word ends a sentence.
fn is_end(word: &str) -> bool {
    matches!(word.trim_start(), "." | "!" | "?")
}

/// Turns text into numbers of words.
struct Reader {
    text: Vec<u32>,
    spoken: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Reader {
    fn new() -> Self {
        Self { text: vec![BREAK], spoken: vec![String::new()], numbers: HashMap::new() }
    }

    /// Only letters, numbers and the marks of sentences are learnt; anything else, control characters above all,
    /// is a break and cannot be spoken.
    fn read(&mut self, text: &str) {
        for word in words(text) {
            let bare = word.strip_prefix(' ').unwrap_or(word);
            let speakable = bare.chars().all(char::is_alphanumeric) || ",.;:!?'-".contains(bare);
            if bare.is_empty() || bare.chars().all(|c| c == ' ') {
                continue;
            }
            if !speakable {
                self.pause();
            } else if self.text.last() == Some(&BREAK) && bare.starts_with(char::is_alphanumeric) {
                self.push(&format!(" {bare}"));
            } else {
                self.push(word);
            }
            if is_end(bare) {
                self.pause();
            }
        }
        self.pause();
    }

    fn push(&mut self, word: &str) {
        let number = self.numbers.get(word).copied().unwrap_or_else(|| {
            let number = self.spoken.len() as u32;
            self.spoken.push(word.to_owned());
            self.numbers.insert(word.to_owned(), number);
            number
        });
        self.text.push(number);
    }

    fn pause(&mut self) {
        if self.text.last() != Some(&BREAK) {
            self.text.push(BREAK);
        }
    }
}

fn index(text: &[u32], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0_u32; count + 1];
    for &word in text {
        first[word as usize + 1] += 1;
    }
    for at in 1..first.len() {
        first[at] += first[at - 1];
    }
    let mut next = first.clone();
    let mut places = vec![0_u32; text.len()];
    for (at, &word) in text.iter().enumerate() {
        let slot = &mut next[word as usize];
        places[*slot as usize] = at as u32;
        *slot += 1;
    }
    (places, first)
}

fn openings(corpus: &[u32], spoken: &[String], topic: &[bool]) -> Vec<Opening> {
    let mut all = Vec::new();
    let mut at = 0;
    for sentence in corpus.split(|&w| w == BREAK) {
        if sentence.len() > 3 && spoken[sentence[0] as usize].trim_start().starts_with(char::is_uppercase) {
            let fits = sentence.iter().filter(|&&w| topic[w as usize]).count() as u64;
            all.push(Opening { at, fit: 1 + 8 * fits, used: 0 });
        }
        at += sentence.len() + 1;
    }
    all
}
