//! Reads what a provider says when it refuses: class, a sentence, and how long to wait.
//!
//! Pure: status, headers and at most the first 64 KiB of the body come in. Never retries; that is routing's work.

use std::fmt;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::decode::{clip, string};
use crate::tool::ErrorClass;

/// Longest sentence kept of a provider's own words, in bytes.
const MESSAGE_BYTES: usize = 2048;

/// Longest wait believed, in milliseconds: a day.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The reason, for routing.
    pub class: ErrorClass,
    /// A sentence for people: no control characters, not yet redacted.
    pub message: String,
    /// HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// The least time to wait before another try, in milliseconds, as the provider asks.
    pub retry_after_ms: Option<u64>,
    /// The provider's name for the request.
    pub request_id: Option<String>,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProviderError {}

impl ProviderError {
    /// An error that no provider worded.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), http_status: None, retry_after_ms: None, request_id: None }
    }

    /// Reads an answer that is not 200. `now_ms` is the clock in Unix milliseconds, used for a `retry-after`
    /// date when the answer has no `date` of its own.
    pub fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Self {
        let value = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        // Gemini without `alt=sse` wraps its error in an array.
        let value = if value.is_array() { &value[0] } else { &value };
        let words = Words::of(value);
        let status = status.as_u16();
        let class = words.class(Some(status));
        let message = match words.message.is_empty() {
            false => format!("{} (HTTP {status})", words.message),
            true if status == 404 => "nothing is at this address (HTTP 404); check base_url".to_owned(),
            true => format!("the provider answered HTTP {status} without a reason"),
        };
        Self {
            class,
            message,
            http_status: Some(status),
            retry_after_ms: retry_after_ms(headers, value, now_ms),
            request_id: request_id(headers),
        }
    }
}

/// The provider's name for a request, from the headers of its answer.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = ["request-id", "x-request-id", "x-goog-request-id"];
    let value = names.iter().find_map(|name| headers.get(*name))?;
    value.to_str().ok().map(|id| sentence(clip(id, 200)))
}

/// Class, sentence and status of an error written into a stream under HTTP 200.
pub(super) fn of_stream(value: &Value) -> (ErrorClass, String, Option<u16>) {
    let words = Words::of(value);
    let class = words.class(words.status);
    let status = words.status;
    let message = Some(words.message).filter(|message| !message.is_empty());
    let message =
        message.unwrap_or_else(|| "the provider broke off with an error without a reason".to_owned());
    (class, message, status)
}

/// The parts of an error that decide its class, whatever shape it came in.
#[derive(Default)]
struct Words {
    message: String,
    /// `type`, `code` and `status` of the error, and reasons in its details, in lower case.
    kinds: Vec<String>,
    status: Option<u16>,
}

impl Words {
    fn of(value: &Value) -> Self {
        let error = match value.get("error") {
            Some(error) if !error.is_null() => error,
            _ => value,
        };
        let mut words = Self::default();
        let said = match error {
            Value::String(text) => text.clone(),
            error => message_of(error),
        };
        words.message = sentence(&said);
        for field in ["type", "code", "status", "reason"] {
            match &error[field] {
                Value::String(text) => words.kinds.push(clip(text, 100).to_lowercase()),
                Value::Number(number) => {
                    let code = number.as_u64().and_then(|code| u16::try_from(code).ok());
                    words.status = words.status.or(code.filter(|code| (400..600).contains(code)));
                }
                _ => {}
            }
        }
        for detail in error["details"].as_array().into_iter().flatten().take(16) {
            words.kinds.extend(string(detail, "reason").map(|reason| clip(reason, 100).to_lowercase()));
        }
        words
    }

    fn class(&self, status: Option<u16>) -> ErrorClass {
        self.class_by_kind().or_else(|| self.class_by_message(status)).unwrap_or_else(|| match status {
            Some(404) if self.message.is_empty() => ErrorClass::Invalid,
            // A whole request that is too large is a prompt that is too long.
            Some(413) => ErrorClass::ContextWindow,
            Some(404) if !self.says(&["model"]) => ErrorClass::Invalid,
            Some(408) => ErrorClass::Network,
            Some(status) => ErrorClass::of_status(status),
            None => self.class_by_loose_kind(),
        })
    }

    /// Codes whose meaning is the same under any status.
    fn class_by_kind(&self) -> Option<ErrorClass> {
        self.kinds.iter().find_map(|kind| match kind.as_str() {
            "insufficient_quota"
            | "billing_error"
            | "billing_not_active"
            | "billing_hard_limit_reached"
            | "insufficient_balance" => Some(ErrorClass::Quota),
            "context_length_exceeded" | "exceed_context_size_error" | "request_too_large" => {
                Some(ErrorClass::ContextWindow)
            }
            "model_not_found" => Some(ErrorClass::ModelUnavailable),
            "authentication_error" | "invalid_api_key" | "api_key_invalid" | "unauthenticated" => {
                Some(ErrorClass::Auth)
            }
            "overloaded_error" => Some(ErrorClass::Overloaded),
            _ => None,
        })
    }

    /// Complaints that only the sentence tells apart from other bad requests.
    fn class_by_message(&self, status: Option<u16>) -> Option<ErrorClass> {
        if matches!(status, Some(401 | 403 | 429 | 500..)) {
            return None;
        }
        const TOO_LONG: &[&str] = &[
            "prompt is too long",
            "input is too long",
            "context length",
            "context size",
            "context window",
            "maximum context",
            "input length",
            "exceeds the maximum number of tokens",
            "too many tokens",
        ];
        const NO_MODEL: &[&str] = &[
            "not found",
            "not exist",
            "not a valid model",
            "invalid model",
            "unknown model",
            "no longer available",
        ];
        if self.says(TOO_LONG) {
            Some(ErrorClass::ContextWindow)
        } else if self.says(&["credit balance", "insufficient balance", "insufficient credits"]) {
            Some(ErrorClass::Quota)
        } else if self.says(&["model"]) && self.says(NO_MODEL) {
            Some(ErrorClass::ModelUnavailable)
        } else if self.says(&["api key not valid", "invalid api key", "incorrect api key"]) {
            Some(ErrorClass::Auth)
        } else {
            None
        }
    }

    /// Where there is no status, the remaining codes.
    fn class_by_loose_kind(&self) -> ErrorClass {
        let known = self.kinds.iter().find_map(|kind| match kind.as_str() {
            "rate_limit_error" | "rate_limit_exceeded" | "resource_exhausted" | "too_many_requests" => {
                Some(ErrorClass::RateLimit)
            }
            "unavailable" | "server_overloaded" | "slow_down" => Some(ErrorClass::Overloaded),
            "permission_error" | "permission_denied" => Some(ErrorClass::Auth),
            "not_found_error" | "not_found" => Some(ErrorClass::ModelUnavailable),
            "invalid_request_error" | "invalid_argument" | "invalid_prompt" => Some(ErrorClass::Invalid),
            _ => None,
        });
        known.unwrap_or(ErrorClass::Server)
    }

    fn says(&self, any: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        any.iter().any(|word| message.contains(word))
    }
}

/// The sentence in an error object: `message` as text, or FastAPI's `detail` as text or as a list of complaints.
fn message_of(error: &Value) -> String {
    let message = [&error["message"], &error["detail"], &error["message"]["detail"]];
    for value in message {
        match value {
            Value::String(text) if !text.is_empty() => return text.clone(),
            Value::Array(complaints) => {
                let said = complaints.iter().filter_map(|one| string(one, "msg").or(one.as_str())).take(4);
                return said.collect::<Vec<_>>().join("; ");
            }
            _ => {}
        }
    }
    String::new()
}

/// One line without control characters, of at most 2 KiB: it may be written to a terminal.
fn sentence(text: &str) -> String {
    let flat: String =
        clip(text, MESSAGE_BYTES * 2).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clip(flat.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), MESSAGE_BYTES).to_owned()
}

/// The longest of the waits the answer asks for: `retry-after-ms`, `retry-after`, Gemini's `RetryInfo`.
fn retry_after_ms(headers: &HeaderMap, body: &Value, now_ms: i64) -> Option<u64> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let exact = header("retry-after-ms").and_then(|text| seconds_to_ms(text).map(|ms| ms / 1000));
    let usual = header("retry-after").and_then(|text| {
        seconds_to_ms(text).or_else(|| {
            let now = header("date").and_then(http_date_ms).unwrap_or(now_ms);
            Some(u64::try_from(http_date_ms(text)?.saturating_sub(now)).unwrap_or(0))
        })
    });
    let details = body["error"]["details"].as_array().into_iter().flatten();
    let info = details
        .filter_map(|detail| string(detail, "retryDelay"))
        .find_map(|delay| seconds_to_ms(delay.strip_suffix('s')?));
    [exact, usual, info].into_iter().flatten().max().map(|ms| ms.min(LONGEST_WAIT_MS))
}

/// Milliseconds of a decimal number of seconds such as `7` or `0.5`.
fn seconds_to_ms(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let millis: u64 = format!("{:0<3}", clip(fraction, 3)).parse().ok()?;
    Some(whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000).saturating_add(millis))
}

/// Unix milliseconds of an HTTP date.
fn http_date_ms(text: &str) -> Option<i64> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    Some(parser.parse_timestamp(text).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests;
