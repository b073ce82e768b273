//! Keys with a form of their own: a fixed prefix and a body.
//!
//! A shape is found by its keyword, takes the whole run of its byte class that follows, and is decided by a regular
//! expression over that run. The expression is compiled at the first keyword hit, so a run that never meets a
//! keyword pays nothing. The whole run is replaced: what sticks to a key is never left over.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::bytes::{Regex, RegexBuilder};

use super::ahead::{Ahead, ByteSet, More};
use super::judge;
use super::scan::{Rest, Secret};

/// Bytes a shape is decided on; what follows in the same run is dropped without being kept.
const CAP: usize = 512;
/// The same for tokens whose first parts may be long.
const LONG_CAP: usize = 2_048;

static KEY: ByteSet = ByteSet::alnum(b"_-");
static DOTTED: ByteSet = ByteSet::alnum(b"_-.");
static ALNUM: ByteSet = ByteSet::alnum(b"");
static WORD: ByteSet = ByteSet::alnum(b"_");
static PATH: ByteSet = ByteSet::alnum(b"_-./");
static BASE64: ByteSet = ByteSet::alnum(b"+/-_=");

/// One form of key.
#[derive(Debug)]
pub(super) struct Shape {
    /// Names it in the replacement.
    pub(super) rule: &'static str,
    /// What it begins with, in its true case.
    pub(super) keywords: &'static [&'static str],
    body: &'static ByteSet,
    cap: usize,
    pattern: &'static str,
    when: When,
    compiled: OnceLock<Option<Regex>>,
}

/// What must hold besides the pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    /// The prefix is enough.
    Always,
    /// The body has this entropy in bits a byte at least.
    Entropy(f64),
    /// The prefix is so short that a word must begin there, and the body must look drawn at random.
    WordStart,
}

const fn shape(
    rule: &'static str,
    keywords: &'static [&'static str],
    body: &'static ByteSet,
    pattern: &'static str,
    when: When,
) -> Shape {
    Shape { rule, keywords, body, cap: CAP, pattern, when, compiled: OnceLock::new() }
}

const fn long_shape(
    rule: &'static str,
    keywords: &'static [&'static str],
    body: &'static ByteSet,
    pattern: &'static str,
    when: When,
) -> Shape {
    Shape { rule, keywords, body, cap: LONG_CAP, pattern, when, compiled: OnceLock::new() }
}

const LOW: When = When::Entropy(3.0);

/// All shapes. Where two begin alike, each is tried.
pub(super) static SHAPES: [Shape; 37] = [
    shape("anthropic-key", &["sk-ant-"], &KEY, r"^sk-ant-(?:[a-z]{2,8}\d{2}-)?[\w-]{20,}", LOW),
    shape("openai-key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], &KEY, r"-[\w-]{20,}$", LOW),
    shape("openai-key", &["sk-"], &KEY, r"^sk-[\w-]*T3BlbkFJ", When::Always),
    shape("openrouter-key", &["sk-or-v1-"], &KEY, r"^sk-or-v1-[0-9a-f]{32,}", LOW),
    shape("secret-key", &["sk-"], &KEY, r"^sk-[A-Za-z0-9][\w-]{19,}$", When::WordStart),
    shape("google-api-key", &["AIza"], &KEY, r"^AIza[\w-]{33,}$", LOW),
    shape("google-api-key", &["AQ.Ab"], &DOTTED, r"^AQ\.Ab[\w-]{30,}", LOW),
    shape("google-oauth", &["GOCSPX-"], &KEY, r"^GOCSPX-[\w-]{20,}$", LOW),
    shape("google-oauth", &["ya29."], &DOTTED, r"^ya29\.[\w.-]{30,}$", LOW),
    shape("aws-key-id", &["AKIA", "ASIA", "ABIA", "ACCA"], &ALNUM, r"^A[KSBC][IC]A[A-Z0-9]{16}$", LOW),
    shape("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], &WORD, r"^gh[pousr]_\w{30,}$", LOW),
    shape("github-token", &["github_pat_"], &WORD, r"^github_pat_\w{30,}$", LOW),
    shape(
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glsoat-", "glcbt-", "glimt-", "glagent-"],
        &DOTTED,
        r"^gl[a-z]+-[\w.-]{20,}$",
        LOW,
    ),
    shape("huggingface-token", &["hf_"], &ALNUM, r"^hf_[A-Za-z0-9]{30,}$", LOW),
    shape("perplexity-key", &["pplx-"], &KEY, r"^pplx-[A-Za-z0-9]{32,}$", LOW),
    shape(
        "slack-token",
        &["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"],
        &KEY,
        r"-[\w-]{20,}$",
        LOW,
    ),
    shape("slack-token", &["xapp-"], &KEY, r"^xapp-\d-[\w-]{20,}$", LOW),
    shape("slack-webhook", &["hooks.slack.com/services/"], &PATH, r"/T\w+/B\w+/\w{16,}", LOW),
    shape(
        "stripe-key",
        &["sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "whsec_"],
        &KEY,
        r"_[A-Za-z0-9]{16,}$",
        LOW,
    ),
    shape("npm-token", &["npm_"], &ALNUM, r"^npm_[A-Za-z0-9]{30,}$", LOW),
    shape("pypi-token", &["pypi-AgE"], &KEY, r"^pypi-AgE[\w-]{40,}$", LOW),
    long_shape("jwt", &["eyJ"], &DOTTED, r"^eyJ[\w-]{10,}\.(?:eyJ[\w-]{2,}|[\w-]*\.[\w-]{8,})", LOW),
    shape("groq-key", &["gsk_"], &ALNUM, r"^gsk_[A-Za-z0-9]{40,}$", LOW),
    shape("xai-key", &["xai-"], &KEY, r"^xai-[A-Za-z0-9]{60,}$", LOW),
    shape("replicate-token", &["r8_"], &ALNUM, r"^r8_[A-Za-z0-9]{36,}$", LOW),
    shape("tavily-key", &["tvly-"], &KEY, r"^tvly-[\w-]{24,}$", LOW),
    shape(
        "langsmith-key",
        &["lsv2_pt_", "lsv2_sk_"],
        &WORD,
        r"^lsv2_[ps][tk]_[0-9a-f]{32}_[0-9a-f]{10}$",
        LOW,
    ),
    shape("sendgrid-key", &["SG."], &DOTTED, r"^SG\.[\w-]{16,}\.[\w-]{16,}$", When::Entropy(3.5)),
    shape("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], &WORD, r"_v1_[0-9a-f]{64}$", LOW),
    shape("databricks-token", &["dapi"], &KEY, r"^dapi[0-9a-f]{32}(?:-\d)?$", LOW),
    shape("vault-token", &["hvs.", "hvb."], &DOTTED, r"^hv[sb]\.[\w-]{24,}$", LOW),
    shape("tailscale-key", &["tskey-"], &KEY, r"^tskey-[a-z]+-[\w-]{16,}$", LOW),
    shape("linear-key", &["lin_api_"], &WORD, r"^lin_api_[A-Za-z0-9]{32,}$", LOW),
    shape("notion-key", &["ntn_"], &ALNUM, r"^ntn_[A-Za-z0-9]{40,}$", LOW),
    shape("postman-key", &["PMAK-"], &KEY, r"^PMAK-[0-9a-f]{24}-[0-9a-f]{34}$", LOW),
    shape(
        "shopify-token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        &WORD,
        r"^shp\w\w_[0-9a-fA-F]{32}$",
        LOW,
    ),
    shape("age-key", &["AGE-SECRET-KEY-1"], &KEY, r"^AGE-SECRET-KEY-1[0-9A-Z]{40,}$", LOW),
];

impl Shape {
    /// Decides the shape whose keyword, `keyword_len` bytes long, begins at `start`.
    pub(super) fn read(
        &self,
        buf: &[u8],
        start: usize,
        keyword_len: usize,
        last: bool,
    ) -> Result<Option<Secret>, More> {
        let keyword = &buf[start..start + keyword_len];
        if !self.keywords.iter().any(|k| k.as_bytes() == keyword) {
            return Ok(None);
        }
        let mut ahead = Ahead::new(buf, start + keyword_len, self.cap, last);
        ahead.run(self.body)?;
        let rest = ahead.capped().then_some(Rest::Run(self.body));
        let mut end = ahead.pos();
        while rest.is_none() && end > start + keyword_len && matches!(buf[end - 1], b'.' | b'/') {
            end -= 1;
        }
        let (run, body) = (&buf[start..end], &buf[start + keyword_len..end]);
        Ok((body.len() >= 16 && self.judge(&buf[..start], body) && self.matches(run)).then_some(Secret {
            start,
            end,
            rule: self.rule,
            rest,
        }))
    }

    fn judge(&self, left: &[u8], body: &[u8]) -> bool {
        match self.when {
            When::Always => true,
            When::Entropy(bits) => judge::entropy(body) >= bits,
            When::WordStart => {
                judge::word_may_start_after(left)
                    && judge::entropy(body) >= 3.0
                    && judge::mixed(body)
                    && !judge::wordy(body)
            }
        }
    }

    /// A pattern that did not compile would match everything: rather a false alarm than a leak.
    fn matches(&self, run: &[u8]) -> bool {
        self.compiled.get_or_init(|| compile(self.pattern)).as_ref().is_none_or(|r| r.is_match(run))
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).unicode(false).build().ok()
}

/// What the Base64 of a text that begins with `prefix` begins with: the characters that the prefix alone decides,
/// 16 at most.
pub(super) fn base64_prefix(prefix: &str) -> String {
    let mut encoded = lenient().encode(prefix);
    encoded.truncate((prefix.len() * 8 / 6).min(16));
    encoded
}

fn lenient() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

/// Decides a run of Base64 that begins at `start` and may hold a key or a PEM block: decoded, and judged as what
/// it then is.
pub(super) fn read_base64(buf: &[u8], start: usize, last: bool) -> Result<Option<Secret>, More> {
    let mut ahead = Ahead::new(buf, start, CAP, last);
    let run = ahead.run(&BASE64)?;
    let rest = ahead.capped().then_some(Rest::Run(&BASE64));
    let mut digits: Vec<u8> = run
        .iter()
        .take_while(|&&b| b != b'=')
        .map(|&b| match b {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    let Ok(text) = lenient().decode(&digits) else { return Ok(None) };
    let rule = if text.starts_with(b"-----BEGIN ") {
        memchr::memmem::find(&text[..text.len().min(80)], b"PRIVATE KEY").map(|_| "private-key")
    } else {
        shape_of(&text)
    };
    Ok(rule.map(|rule| Secret { start, end: ahead.pos(), rule, rest }))
}

fn shape_of(text: &[u8]) -> Option<&'static str> {
    SHAPES.iter().find_map(|shape| {
        let keyword = shape.keywords.iter().find(|k| text.starts_with(k.as_bytes()))?;
        let found = shape.read(text, 0, keyword.len(), true).ok().flatten()?;
        Some(found.rule)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for shape in &SHAPES {
            assert!(compile(shape.pattern).is_some(), "{}", shape.pattern);
        }
    }

    #[test]
    fn base64_prefixes_hold_whatever_follows() {
        for shape in &SHAPES {
            for keyword in shape.keywords {
                let whole = lenient().encode(format!("{keyword}xyz"));
                assert!(whole.starts_with(&base64_prefix(keyword)), "{keyword}");
            }
        }
    }
}
