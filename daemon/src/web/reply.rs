//! Responses: the headers that every one has, JSON bodies, errors.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

use super::gate::Refusal;
use crate::hub::HubError;
use crate::operations::VerbError;
use crate::store::StoreError;

pub(super) type Reply = Response<Full<Bytes>>;

/// What the page may do; the vendored template library's policy is the only one that may make markup.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                   trusted-types lit-html";

/// Puts the headers on that every response has, errors included.
pub(super) fn harden(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(CSP));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
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
    let mut reply = Response::new(Full::new(Bytes::new()));
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
    error(refusal.status, refusal.code, refusal.text, hint)
}

pub(super) fn verb_error(failed: &VerbError) -> Reply {
    let status = match failed.code {
        "operation_not_found" => StatusCode::NOT_FOUND,
        "timeout" => StatusCode::GATEWAY_TIMEOUT,
        "stopping" | "store_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    error(status, failed.code, &failed.message, None)
}

pub(super) fn stopping(_: HubError) -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The daemon is stopping.", None)
}

pub(super) fn store_gone(_: StoreError) -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "The history cannot be read now.", None)
}
