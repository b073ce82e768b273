//! Responses: the headers that every one has, JSON bodies, recorded files, errors.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;
use serde_json::json;

use super::export::Written;
use super::files::FileBody;
use super::gate::Refusal;
use crate::hub::HubError;
use crate::operations::VerbError;
use crate::store::StoreError;

pub(super) type Reply = Response<Either<Full<Bytes>, Either<FileBody, Written>>>;

/// A refusal on its way to the caller.
pub(super) type Refused = Box<Reply>;

/// What the page may do; the vendored template library's policy is the only one that may make markup.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                   trusted-types lit-html";

/// Headers of every response.
const HARDENING: [(&str, &str); 6] = [
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Puts the headers on that every response has, errors included.
pub(super) fn harden(mut reply: Reply) -> Reply {
    let again = matches!(reply.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let headers = reply.headers_mut();
    for (name, value) in HARDENING {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if again {
        headers.entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }
    reply
}

/// An error as bytes of HTTP/1.1, for a connection that is closed before it is served.
pub(super) fn last_words(status: StatusCode, code: &str, text: &str) -> Vec<u8> {
    let body = json!({"error": text, "code": code}).to_string();
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    head.push_str("Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\n");
    for (name, value) in HARDENING {
        // Writing to a string cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        head.push_str("Retry-After: 1\r\n");
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// A part of a recorded file, read while it is sent.
pub(super) fn file(status: StatusCode, content_type: &'static str, body: FileBody) -> Reply {
    let mut reply = Response::new(Either::Right(Either::Left(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A body that is made while it is sent.
pub(super) fn written(status: StatusCode, content_type: &'static str, body: Written) -> Reply {
    let mut reply = Response::new(Either::Right(Either::Right(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let text = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
    bytes(status, "application/json; charset=utf-8", text)
}

pub(super) fn ok(value: &impl Serialize) -> Reply {
    json(StatusCode::OK, value)
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

pub(super) fn error(status: StatusCode, code: &str, text: &str, hint: Option<&str>) -> Reply {
    let mut body = json!({"error": text, "code": code});
    if let Some(hint) = hint {
        body["hint"] = hint.into();
    }
    json(status, &body)
}

pub(super) fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.", None)
}

pub(super) fn bad(code: &str, text: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, code, text, None)
}

pub(super) fn refused(refusal: Refusal) -> Reply {
    let hint = (refusal.code == "session_required").then_some("llmctl dashboard open");
    let mut reply = error(refusal.status, refusal.code, refusal.text, hint);
    if refusal.code == "too_many_failures" {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    reply
}

pub(super) fn too_many_feeds() -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many dashboards are open.", None)
}

pub(super) fn verb_error(failed: &VerbError) -> Reply {
    let status = match failed.code {
        "operation_not_found" => StatusCode::NOT_FOUND,
        "timeout" => StatusCode::GATEWAY_TIMEOUT,
        "stopping" | "store_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    let mut body = json!({"error": failed.message, "code": failed.code});
    if let Some(operation) = &failed.operation {
        body["detail"] = json!({"operation_id": operation.operation_id, "state": operation.state});
    }
    json(status, &body)
}

pub(super) fn unreadable(error: &std::io::Error) -> Reply {
    // The path stays in the log; an answer names none.
    tracing::warn!(error = %error, "a recorded file cannot be read");
    let text = format!("The recorded file cannot be read: {}.", error.kind());
    self::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &text, None)
}

pub(super) fn stopping(_: HubError) -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The daemon is stopping.", None)
}

pub(super) fn store_gone(_: StoreError) -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "The history cannot be read now.", None)
}
