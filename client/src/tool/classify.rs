//! Brings what tools say about a failure into the classes that routing and display know.
//!
//! Works on words a tool wrote for people, so it only ever decides between kinds of failure, never whether
//! something failed.

use super::event::ErrorClass;

/// Words that name a class, tried in order; the first hit decides.
const WORDS: &[(ErrorClass, &[&str])] = &[
    (
        ErrorClass::Quota,
        &[
            "insufficient_quota",
            "credit balance",
            "billing_error",
            "payment required",
            "insufficient credits",
        ],
    ),
    (
        ErrorClass::ContextWindow,
        &[
            "context_length",
            "context length",
            "context window",
            "prompt is too long",
            "maximum context",
            "input token count",
            "maximum number of tokens",
        ],
    ),
    (
        ErrorClass::RateLimit,
        &["rate limit", "rate_limit", "ratelimit", "too many requests", "resource_exhausted", "usage limit"],
    ),
    (ErrorClass::Overloaded, &["overloaded", "service unavailable"]),
    (
        ErrorClass::Auth,
        &[
            "not logged in",
            "please run /login",
            "authentication",
            "unauthorized",
            "unauthenticated",
            "api key not valid",
            "invalid api key",
            "invalid x-api-key",
            "api key is invalid",
            "permission_denied",
            "forbidden",
        ],
    ),
    (
        ErrorClass::ModelUnavailable,
        &[
            "model_not_found",
            "unknown model",
            "model not found",
            "model is not available",
            "model_not_available",
        ],
    ),
    (
        ErrorClass::Network,
        &[
            "stream disconnected",
            "connection",
            "timed out",
            "timeout",
            "econnre",
            "enotfound",
            "eai_again",
            "fetch failed",
            "network",
            "dns error",
        ],
    ),
    (ErrorClass::Server, &["internal server error", "internal_server_error", "bad gateway"]),
];

/// Names the class of a failure from its HTTP status, if known, and the tool's sentence.
pub(super) fn class_of(status: Option<u16>, text: &str) -> Option<ErrorClass> {
    let text = text.to_ascii_lowercase();
    let by_words = || {
        let hit = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let known = WORDS.iter().find(|(_, words)| hit(words)).map(|(class, _)| *class);
        let missing = text.contains("model") && (hit(&["not found", "does not exist", "not supported"]));
        known.or(missing.then_some(ErrorClass::ModelUnavailable))
    };
    match status {
        // These say little by themselves: the body tells a wrong key or a long prompt from a wrong request.
        Some(status @ (400 | 413 | 422)) => by_words()
            .filter(|class| !matches!(class, ErrorClass::Network | ErrorClass::Server))
            .or(Some(ErrorClass::of_status(status))),
        // OpenAI answers 429 when no credit is left; waiting would not help.
        Some(429) if by_words() == Some(ErrorClass::Quota) => Some(ErrorClass::Quota),
        Some(status) => Some(ErrorClass::of_status(status)),
        None => by_words(),
    }
}

/// Finds an HTTP error status in a sentence: `last status: 429 Too Many Requests`, `{"code":401,…}`, `(529)`.
///
/// A bare number is not enough, it may count anything: a word that announces a status must stand just before it.
pub(super) fn status_in(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(2)).find_map(|start| {
        let digits = &bytes[start..start + 3];
        let alone = !start.checked_sub(1).is_some_and(|at| bytes[at].is_ascii_alphanumeric())
            && !bytes.get(start + 3).is_some_and(u8::is_ascii_alphanumeric);
        if !alone || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let announced = announced(&bytes[start.saturating_sub(16)..start], bytes.get(start + 3).copied());
        ((400..600).contains(&value) && announced).then_some(value)
    })
}

fn announced(before: &[u8], after: Option<u8>) -> bool {
    let text: String = before.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let tail = text.trim_end_matches([' ', ':', '"', '=', '\\']);
    let word = ["status", "code", "statuscode", "http", "http error"].iter().any(|word| tail.ends_with(word));
    word || (text.ends_with('(') && after == Some(b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_only_where_a_word_announces_it() {
        for (text, status) in [
            ("exceeded retry limit, last status: 429 Too Many Requests, request id: req_mock", Some(429)),
            ("unexpected status 401 Unauthorized: invalid x-api-key", Some(401)),
            (r#"[API Error: {"error":{"code":401,"message":"invalid x-api-key"}}]"#, Some(401)),
            ("API Error: Request rejected (429) · This request", Some(429)),
            ("Attempt 1 failed with status 503. Retrying", Some(503)),
            ("statusCode: 404", Some(404)),
            ("listening on port 500", None),
            ("used 429 tokens", None),
            ("status 4290", None),
            ("status 200", None),
            ("529", None),
            ("é(500)", Some(500)),
        ] {
            assert_eq!(status_in(text), status, "{text}");
        }
    }

    #[test]
    fn classes_follow_status_and_words() {
        use ErrorClass::*;
        for (status, text, class) in [
            (Some(401), "", Some(Auth)),
            (Some(429), "rate_limit_error", Some(RateLimit)),
            (Some(429), "You have insufficient_quota", Some(Quota)),
            (Some(529), "overloaded_error", Some(Overloaded)),
            (Some(500), "", Some(Server)),
            (Some(400), "prompt is too long: 210000 tokens", Some(ContextWindow)),
            (Some(400), "API key not valid", Some(Auth)),
            (Some(400), "something else", Some(Invalid)),
            (Some(404), "", Some(ModelUnavailable)),
            (None, "Not logged in · Please run /login", Some(Auth)),
            (None, "stream disconnected before completion: idle timeout waiting for SSE", Some(Network)),
            (None, "The model `x` does not exist", Some(ModelUnavailable)),
            (None, "it broke", None),
        ] {
            assert_eq!(class_of(status, text), class, "{status:?} {text}");
        }
    }
}
