//! The practice model: what `llmctl execute` runs on where there is no tool, no key and no local server.
//!
//! It is a table of words that follow one another, learnt at the start from a built-in text and the prompt, and it
//! says so first. Its tokens are its own tokenizer's, so the token figures of such an operation are exact. It reads
//! no file, opens no connection and costs nothing; pacing and printing are the runner's.

mod model;
mod prompt;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::VecDeque;
use std::sync::LazyLock;

use model::{Dice, Model};
use prompt::Reading;
use tokens::{Tokenizer, words};

/// Name of the model in events and prices.
pub const MODEL: &str = "practice";

/// Time between two tokens, in milliseconds, unless `TOKEN_MS_ENV` says otherwise.
pub const TOKEN_MS: u64 = 12;

/// Environment variable that overrides `TOKEN_MS`; 0 means without a pause.
pub const TOKEN_MS_ENV: &str = "LLMCTL_PRACTICE_TOKEN_MS";

/// The most tokens that `practice: tokens=…` in a prompt can ask for.
pub const MOST_TOKENS: u64 = 100_000;

/// Tokens of the generated part when the prompt does not say: at least, and how many more at most.
const FEWEST: u64 = 60;
const SPREAD: u64 = 41;
/// Tokens more that a sentence may take to come to its end.
const GRACE: u64 = 19;
/// Sentences of a paragraph.
const PARAGRAPH: u32 = 4;

const CORPUS: &str = include_str!("corpus.txt");

const WHAT_IT_IS: &str = "This is llmctl's built-in practice model, not an LLM: it strings words together by how \
     often they follow one another, and it understands nothing.";

const WHAT_FOLLOWS: &str = "The rest only shows how an answer streams and is counted.";

const WAYS_OUT: &str = "For a real model, take one of these ways and run the command again:\n\
     - install a tool: npm i -g @anthropic-ai/claude-code\n\
     - set a provider's key in the environment, such as ANTHROPIC_API_KEY\n\
     - start a local server: ollama serve\n";

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    Tokenizer::new(&[CORPUS, WHAT_IT_IS, prompt::FIXED_WORDS, WHAT_FOLLOWS, WAYS_OUT].join("\n"))
});

/// One answer of the practice model: an iterator over its tokens.
///
/// The same prompt gives the same tokens on every machine. No token holds a control character but the line feed,
/// whatever the prompt holds.
#[derive(Debug)]
pub struct Practice {
    input_tokens: u64,
    output_tokens: u64,
    model: Model,
    dice: Dice,
    length: Length,
    generated: u64,
    sentences: u32,
    at_line_start: bool,
    waiting: VecDeque<String>,
    stage: Stage,
}

/// How long the generated part becomes.
#[derive(Debug, Clone, Copy)]
enum Length {
    /// To the end of the sentence after so many tokens.
    About(u64),
    /// As many as the prompt asked for.
    Exactly(u64),
}

impl Length {
    fn most(self) -> u64 {
        match self {
            Self::About(tokens) => tokens + GRACE,
            Self::Exactly(tokens) => tokens,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Generated,
    Closing,
    Done,
}

impl Practice {
    /// Reads the prompt and learns from it. Of a prompt beyond 256 KiB the model reads four parts of 64 KiB; bytes,
    /// lines and words are counted over all of it.
    pub fn new(prompt: &str) -> Self {
        let reading = Reading::new(prompt);
        let mut dice = Dice::new(reading.seed());
        let model = Model::new(CORPUS, reading.parts.iter().copied(), &reading.topics());
        let length = match reading.wanted_tokens() {
            Some(tokens) => Length::Exactly(tokens.clamp(1, MOST_TOKENS)),
            None => Length::About(FEWEST + dice.below(SPREAD)),
        };
        let mut practice = Self {
            input_tokens: reading.parts.iter().map(|part| TOKENIZER.count(part)).sum(),
            output_tokens: 0,
            model,
            dice,
            length,
            generated: 0,
            sentences: 0,
            at_line_start: true,
            waiting: VecDeque::new(),
            stage: Stage::Generated,
        };
        practice.say(&format!("{WHAT_IT_IS} {} {WHAT_FOLLOWS}\n\n", reading.account()));
        practice
    }

    /// Tokens of the prompt that the model read, exact.
    pub fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    /// Tokens that were yielded so far.
    pub fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    fn say(&mut self, text: &str) {
        self.waiting.extend(words(text).flat_map(|word| TOKENIZER.pieces(word)).map(str::to_owned));
    }

    /// Puts the next generated word into `waiting`, or a full stop where the length is reached.
    fn generate(&mut self) {
        let left = self.length.most() - self.generated;
        let enough =
            matches!(self.length, Length::About(tokens) if self.generated >= tokens && self.at_line_start);
        if left == 0 || enough {
            self.stage = Stage::Closing;
            self.say("\n\n");
            self.say(WAYS_OUT);
            return;
        }
        if left == 1 {
            self.waiting.push_back(".".to_owned());
            self.generated += 1;
            return;
        }
        let paragraph = self.at_line_start
            && left > 2 * GRACE
            && self.sentences > 0
            && self.sentences.is_multiple_of(PARAGRAPH);
        if paragraph {
            self.waiting.push_back("\n\n".to_owned());
            self.generated += 1;
        }
        let word = self.model.next_word(&mut self.dice);
        let ends = word == ".";
        let word = if self.generated == 0 || paragraph { word.trim_start() } else { word };
        let room = (self.length.most() - self.generated - 1) as usize;
        let pieces: Vec<String> = TOKENIZER.pieces(word).take(room).map(str::to_owned).collect();
        self.generated += pieces.len() as u64;
        self.waiting.extend(pieces);
        self.at_line_start = ends;
        self.sentences += u32::from(ends);
    }
}

impl Iterator for Practice {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.waiting.is_empty() {
            match self.stage {
                Stage::Generated => self.generate(),
                Stage::Closing | Stage::Done => {
                    self.stage = Stage::Done;
                    return None;
                }
            }
        }
        self.output_tokens += 1;
        self.waiting.pop_front()
    }
}
