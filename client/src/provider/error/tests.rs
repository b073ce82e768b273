use super::*;
use http::{HeaderName, HeaderValue};

fn error(status: u16, headers: &[(&str, &str)], body: &str) -> ProviderError {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("name");
        map.insert(name, HeaderValue::from_str(value).expect("value"));
    }
    let status = StatusCode::from_u16(status).expect("status");
    ProviderError::of_response(status, &map, body.as_bytes(), 1_795_397_422_000)
}

#[test]
fn classes_follow_the_table() {
    let cases = [
        (
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            ErrorClass::Auth,
        ),
        (403, r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#, ErrorClass::Auth),
        (
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            ErrorClass::Auth,
        ),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#, ErrorClass::Quota),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            ErrorClass::Quota,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            ErrorClass::Quota,
        ),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#,
            ErrorClass::ModelUnavailable,
        ),
        (
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
            ErrorClass::ModelUnavailable,
        ),
        (404, r#"{"error":"model 'x' not found"}"#, ErrorClass::ModelUnavailable),
        (
            400,
            r#"{"error":{"message":"x is not a valid model ID","code":400}}"#,
            ErrorClass::ModelUnavailable,
        ),
        (404, "<html>", ErrorClass::Invalid),
        (404, r#"{"error":{"message":"no such route"}}"#, ErrorClass::Invalid),
        (
            400,
            r#"{"error":{"message":"too big","code":"context_length_exceeded"}}"#,
            ErrorClass::ContextWindow,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ErrorClass::ContextWindow,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}"#,
            ErrorClass::ContextWindow,
        ),
        (413, "", ErrorClass::ContextWindow),
        (
            422,
            r#"{"object":"error","message":{"detail":[{"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}"#,
            ErrorClass::Invalid,
        ),
        (
            429,
            r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#,
            ErrorClass::RateLimit,
        ),
        (
            429,
            r#"{"error":{"message":"too many tokens per minute for this model, not found"}}"#,
            ErrorClass::RateLimit,
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            ErrorClass::Overloaded,
        ),
        (500, r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#, ErrorClass::Overloaded),
        (503, "", ErrorClass::Overloaded),
        (502, "<html>bad gateway</html>", ErrorClass::Server),
        (408, "", ErrorClass::Network),
    ];
    for (status, body, class) in cases {
        assert_eq!(error(status, &[], body).class, class, "{status} {body}");
    }
}

#[test]
fn the_sentence_is_the_providers_and_fit_for_a_terminal() {
    let said = error(400, &[], "{\"error\":{\"message\":\"bad\\u001b[31m\\nline\"}}");
    assert_eq!(said.message, "bad [31m line (HTTP 400)");
    assert!(error(400, &[], &format!("{{\"error\":\"{}\"}}", "é".repeat(9000))).message.len() < 2100);
    assert_eq!(error(502, &[], "").message, "the provider answered HTTP 502 without a reason");
    let detail = error(422, &[], r#"{"detail":[{"msg":"a"},{"msg":"b"}]}"#);
    assert_eq!(detail.message, "a; b (HTTP 422)");
}

#[test]
fn waits_are_read_from_every_form() {
    let wait = |headers: &[(&str, &str)], body: &str| error(429, headers, body).retry_after_ms;
    assert_eq!(wait(&[("retry-after", "7")], ""), Some(7000));
    assert_eq!(wait(&[("retry-after", "0.25")], ""), Some(250));
    assert_eq!(wait(&[("retry-after-ms", "1500")], ""), Some(1500));
    assert_eq!(wait(&[("retry-after-ms", "1500.7"), ("retry-after", "1")], ""), Some(1500));
    let date = ("date", "Mon, 23 Nov 2026 01:30:22 GMT");
    assert_eq!(wait(&[date, ("retry-after", "Mon, 23 Nov 2026 01:31:22 GMT")], ""), Some(60_000));
    assert_eq!(wait(&[("retry-after", "Mon, 23 Nov 2026 01:31:22 GMT")], ""), Some(60_000));
    assert_eq!(wait(&[date, ("retry-after", "Mon, 23 Nov 2026 01:00:00 GMT")], ""), Some(0));
    let info =
        r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7.5s"}]}}"#;
    assert_eq!(wait(&[], info), Some(7500));
    assert_eq!(wait(&[("retry-after", "99999999999999999999")], ""), Some(86_400_000));
    for nonsense in ["soon", "-1", "", "1.x", "."] {
        assert_eq!(wait(&[("retry-after", nonsense)], ""), None, "{nonsense}");
    }
}

#[test]
fn request_ids_are_kept() {
    assert_eq!(error(401, &[("request-id", "req_1")], "").request_id.as_deref(), Some("req_1"));
    assert_eq!(error(401, &[("x-request-id", "req_2")], "").request_id.as_deref(), Some("req_2"));
}

#[test]
fn errors_in_a_stream_have_a_class_without_a_status() {
    let of = |body: &str| of_stream(&serde_json::from_str(body).expect("json"));
    assert_eq!(of(r#"{"error":{"code":"server_error","message":"x"}}"#).0, ErrorClass::Server);
    assert_eq!(of(r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#).0, ErrorClass::RateLimit);
    assert_eq!(of(r#"{"type":"error","code":"invalid_prompt","message":"x"}"#).0, ErrorClass::Invalid);
    assert_eq!(of(r#"{"error":{"code":502,"message":"x"}}"#), (ErrorClass::Server, "x".into(), Some(502)));
    assert_eq!(of("{}").0, ErrorClass::Server);
}
