//! Finds the next secret: one search for all keywords, then the matchers whose keyword was found.
//!
//! The rule that makes every cut of a text give the same result: places are decided from left to right, each only
//! from bytes that have arrived, and a place that needs more is decided before anything behind it.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, StartKind};

use super::ahead::{ByteSet, More};
use super::known::Known;
use super::pem::{self, Pem};
use super::shapes::{self, SHAPES};
use super::structure::{self, Structure};

/// No keyword is longer: that much is held at the end of a piece at most when no keyword is complete.
const LONGEST_KEYWORD: usize = 32;

/// A secret in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secret {
    pub(super) start: usize,
    /// Behind the last byte that was decided on.
    pub(super) end: usize,
    pub(super) rule: &'static str,
    /// What of the bytes from `end` on belongs to it too.
    pub(super) rest: Option<Rest>,
}

/// The part of a secret that is dropped as it arrives, without being kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rest {
    /// All bytes of the set.
    Run(&'static ByteSet),
    /// A PEM block.
    Pem(Pem),
}

impl Rest {
    /// Drops what belongs to the secret; returns where it stopped and whether the secret is over.
    pub(super) fn swallow(&mut self, buf: &[u8], pos: usize) -> (usize, bool) {
        match self {
            Self::Pem(block) => block.swallow(buf, pos),
            Self::Run(set) => {
                let length = buf[pos..].iter().take_while(|&&b| set.has(b)).count();
                (pos + length, pos + length < buf.len())
            }
        }
    }
}

/// What lies ahead in the text.
#[derive(Debug)]
pub(super) enum Found {
    /// A secret; what is before it is clean.
    Secret(Secret),
    /// Everything before this place is clean; what follows cannot be decided yet.
    Clean(usize),
}

/// A matcher to be tried, and the length of its keyword.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    matcher: Matcher,
    keyword: usize,
}

#[derive(Debug, Clone, Copy)]
enum Matcher {
    Known,
    Shape(usize),
    Base64,
    Pem,
    Structure(Structure),
}

/// All keywords and what each may begin.
pub(super) struct Scanner {
    search: AhoCorasick,
    /// In lower case, sorted; the place is the search's pattern number.
    keywords: Vec<Vec<u8>>,
    /// By pattern number: the matchers of the keyword, then of all keywords that it begins with, longest first.
    candidates: Vec<Vec<Candidate>>,
    longest: usize,
    /// First bytes of keywords.
    begins: [bool; 256],
    /// First two bytes of keywords, a bit for each pair.
    pairs: Vec<u64>,
    known: Known,
}

impl Scanner {
    pub(super) fn new(known: Known) -> Self {
        let table = keyword_table(&known);
        let keywords: Vec<Vec<u8>> = table.keys().cloned().collect();
        let candidates = keywords
            .iter()
            .map(|keyword| {
                let prefixes = (1..=keyword.len()).rev().filter_map(|n| table.get(&keyword[..n]));
                prefixes.flatten().copied().collect()
            })
            .collect();
        let mut begins = [false; 256];
        let mut pairs = vec![0; 65_536 / 64];
        for keyword in &keywords {
            let pair = pair(keyword[0], keyword[1]);
            begins[usize::from(keyword[0])] = true;
            pairs[pair / 64] |= 1 << (pair % 64);
        }
        Self {
            search: automaton(&keywords),
            longest: keywords.iter().map(Vec::len).max().unwrap_or(0),
            keywords,
            candidates,
            begins,
            pairs,
            known,
        }
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Whether no keyword stands anywhere in `text`; then it is clean as a whole.
    pub(super) fn is_clean(&self, text: &[u8]) -> bool {
        !self.search.is_match(text)
    }

    /// Looks for the next secret from `from` on; `last` says that nothing follows `buf`.
    pub(super) fn next(&self, buf: &[u8], from: usize, last: bool) -> Found {
        let open = if last { buf.len() } else { self.open_end(buf, from) };
        let mut at = from;
        while let Some(hit) = self.search.find(Input::new(buf).range(at..)) {
            if hit.start() >= open {
                break;
            }
            match self.decide(buf, hit.start(), hit.pattern().as_usize(), last) {
                Ok(Some(secret)) => return Found::Secret(secret),
                Ok(None) => at = hit.start() + 1,
                Err(More) => return Found::Clean(hit.start()),
            }
        }
        Found::Clean(open)
    }

    /// Where the shortest tail begins that holds every keyword that may still be incomplete.
    fn open_end(&self, buf: &[u8], from: usize) -> usize {
        let tail = from.max(buf.len().saturating_sub(self.longest.saturating_sub(1)));
        let mut room = [0_u8; LONGEST_KEYWORD];
        let lower = &mut room[..buf.len() - tail];
        lower.copy_from_slice(&buf[tail..]);
        lower.make_ascii_lowercase();
        let open = (0..lower.len()).find(|&i| match lower[i..] {
            [only] => self.begins[usize::from(only)],
            ref text => self.begins_with_pair(text[0], text[1]) && self.is_begun(text),
        });
        open.map_or(buf.len(), |i| tail + i)
    }

    fn begins_with_pair(&self, first: u8, second: u8) -> bool {
        let pair = pair(first, second);
        self.pairs[pair / 64] & (1 << (pair % 64)) != 0
    }

    /// Whether a keyword begins with `text` and is longer.
    fn is_begun(&self, text: &[u8]) -> bool {
        let at = self.keywords.partition_point(|k| k.as_slice() <= text);
        self.keywords.get(at).is_some_and(|k| k.starts_with(text))
    }

    fn decide(&self, buf: &[u8], start: usize, pattern: usize, last: bool) -> Result<Option<Secret>, More> {
        let mut best: Option<Secret> = None;
        for candidate in &self.candidates[pattern] {
            let after = start + candidate.keyword;
            let found = match candidate.matcher {
                Matcher::Known => self.known.at(buf, start, last)?,
                Matcher::Shape(i) => SHAPES[i].read(buf, start, candidate.keyword, last)?,
                Matcher::Base64 => shapes::read_base64(buf, start, last)?,
                Matcher::Pem => pem::read(buf, start, candidate.keyword, last)?,
                Matcher::Structure(rule) => rule.read(buf, after, last)?,
            };
            if let Some(found) = found
                && best.is_none_or(|b| rank(&found) < rank(&b))
            {
                best = Some(found);
            }
        }
        if let Some(secret) = &mut best
            && !matches!(secret.rest, Some(Rest::Pem(_)))
        {
            self.known.widen(buf, start, secret, last)?;
        }
        Ok(best)
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The earliest beginning, then the one that goes furthest.
fn rank(secret: &Secret) -> (usize, bool, std::cmp::Reverse<usize>) {
    (secret.start, secret.rest.is_none(), std::cmp::Reverse(secret.end))
}

fn keyword_table(known: &Known) -> BTreeMap<Vec<u8>, Vec<Candidate>> {
    let mut table: BTreeMap<Vec<u8>, Vec<Candidate>> = BTreeMap::new();
    let mut add = |keyword: &[u8], matcher: Matcher, once: bool| {
        debug_assert!(
            (2..=LONGEST_KEYWORD).contains(&keyword.len()),
            "a keyword has 2 to {LONGEST_KEYWORD} bytes"
        );
        let row = table.entry(keyword.to_ascii_lowercase()).or_default();
        let same = |c: &Candidate| std::mem::discriminant(&c.matcher) == std::mem::discriminant(&matcher);
        if !(once && row.iter().any(same)) {
            row.push(Candidate { matcher, keyword: keyword.len() });
        }
    };
    for anchor in known.anchors() {
        add(anchor, Matcher::Known, true);
    }
    for (i, shape) in SHAPES.iter().enumerate() {
        for keyword in shape.keywords {
            add(keyword.as_bytes(), Matcher::Shape(i), false);
            add(shapes::base64_prefix(keyword).as_bytes(), Matcher::Base64, true);
        }
    }
    add(b"-----BEGIN", Matcher::Pem, true);
    add(shapes::base64_prefix("-----BEGIN").as_bytes(), Matcher::Base64, true);
    for (keyword, rule) in structure::KEYWORDS {
        add(keyword.as_bytes(), Matcher::Structure(*rule), false);
    }
    table
}

/// A contiguous automaton is built in half the time of a table and a fraction of its memory, and still searches
/// several times faster than any tool writes.
fn automaton(keywords: &[Vec<u8>]) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .start_kind(StartKind::Unanchored)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(keywords)
        .expect("the keywords are bounded in number and length, far below the automaton's limits")
}
