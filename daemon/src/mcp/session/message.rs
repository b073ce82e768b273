//! JSON-RPC messages: what is read from a server, what is written to it.
//!
//! Pure. Reads leniently: whatever has the shape of a message is one, and results stay the text that was sent, so
//! nothing in them is lost or has to be understood. Keeps no state and knows no method.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::bounded;

/// Most messages that are taken from one batch.
const MAX_BATCH: usize = 1_000;
/// Longest text of an error, in bytes.
const MAX_ERROR_TEXT: usize = 2 * 1024;
/// Longest data of an error, in bytes; longer ones are dropped.
const MAX_ERROR_DATA: usize = 64 * 1024;

/// An error a server answered with.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// Its code.
    pub code: i64,
    /// Its text, at most 2 KiB.
    pub message: String,
    /// More, as JSON, at most 64 KiB.
    pub data: Option<Box<RawValue>>,
}

impl PartialEq for RpcError {
    fn eq(&self, other: &Self) -> bool {
        let data = |error: &Self| error.data.as_ref().map(|data| data.get().to_owned());
        self.code == other.code && self.message == other.message && data(self) == data(other)
    }
}

impl RpcError {
    /// "Method not found", which says that a server has no such thing.
    pub fn is_method_not_found(&self) -> bool {
        self.code == -32601
    }

    /// One of the codes that only the modern protocol has.
    pub(super) fn is_modern(&self) -> bool {
        (-32_099..=-32_020).contains(&self.code)
    }

    /// The versions listed in an "unsupported protocol version"; none in other errors.
    pub(super) fn supported(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Data {
            supported: Vec<String>,
        }
        let data = self.data.as_ref().and_then(|data| serde_json::from_str::<Data>(data.get()).ok());
        data.map(|data| data.supported).unwrap_or_default()
    }
}

/// What a request got: a result as it was sent, or an error.
pub(super) type Answer = Result<Box<RawValue>, RpcError>;

/// Whom a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The request of this number.
    Id(u64),
    /// Somebody: the server could not read the number.
    Unknown,
    /// Nobody: no number of ours.
    Nobody,
}

/// One message of a server.
#[derive(Debug)]
pub(super) enum Incoming<'a> {
    /// The answer to a request.
    Reply {
        /// Whose.
        whose: For,
        /// What.
        answer: Answer,
    },
    /// A request, which wants an answer.
    Request {
        /// Its number, as it was sent.
        id: &'a RawValue,
        /// What is asked.
        method: Cow<'a, str>,
    },
    /// A notification.
    Notice {
        /// What has happened.
        method: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Tells a null from an absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads one line or body: a message, or a batch of them. None if it is no message at all.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Incoming<'_>>> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'{' => Some(vec![sort(serde_json::from_slice(bytes).ok()?)?]),
        b'[' => {
            let batch: Vec<&RawValue> = serde_json::from_slice(bytes).ok()?;
            let messages: Vec<_> = batch
                .iter()
                .take(MAX_BATCH)
                .filter_map(|one| sort(serde_json::from_str(one.get()).ok()?))
                .collect();
            (!messages.is_empty()).then_some(messages)
        }
        _ => None,
    }
}

fn sort(envelope: Envelope<'_>) -> Option<Incoming<'_>> {
    let Envelope { id, method, result, error } = envelope;
    match (method, id) {
        (Some(method), Some(id)) if id.get() != "null" => Some(Incoming::Request { id, method }),
        (Some(method), _) => Some(Incoming::Notice { method }),
        (None, id) => {
            let answer = match (result, error) {
                (_, Some(error)) if error.get() != "null" => Err(read_error(error)),
                (Some(result), _) => Ok(result.to_owned()),
                _ => return None,
            };
            let whose = id.map_or(For::Unknown, whose);
            // A result without a number belongs to nobody; an error may be about what could not be read.
            let whose = if whose == For::Unknown && answer.is_ok() { For::Nobody } else { whose };
            Some(Incoming::Reply { whose, answer })
        }
    }
}

/// Our numbers, also from servers that send them back as text or with a fraction.
fn whose(id: &RawValue) -> For {
    let text = id.get();
    if text == "null" {
        return For::Unknown;
    }
    let text = text.trim_matches('"');
    let text = text.strip_suffix(".0").unwrap_or(text);
    text.parse().map_or(For::Nobody, For::Id)
}

fn read_error(error: &RawValue) -> RpcError {
    #[derive(Deserialize)]
    struct Sent<'a> {
        #[serde(default)]
        code: Option<f64>,
        #[serde(default)]
        message: Option<String>,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    match serde_json::from_str::<Sent<'_>>(error.get()) {
        Ok(sent) => RpcError {
            code: sent.code.map_or(0, |code| code as i64),
            message: bounded::text(sent.message.unwrap_or_default(), MAX_ERROR_TEXT),
            data: sent.data.filter(|data| data.get().len() <= MAX_ERROR_DATA).map(ToOwned::to_owned),
        },
        // Not the shape of an error, but an answer all the same.
        Err(_) => {
            RpcError { code: 0, message: bounded::text(error.get().to_owned(), MAX_ERROR_TEXT), data: None }
        }
    }
}

#[derive(Serialize)]
struct Outgoing<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    params: &'a Value,
}

/// A request as bytes, without a line end.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    write(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// A notification as bytes, without a line end.
pub(super) fn notice(method: &str, params: &Value) -> Vec<u8> {
    write(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// The answer to a request of the server, as bytes, without a line end.
pub(super) fn reply(id: &RawValue, answer: &Result<Value, (i64, &str)>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Reply<'a> {
        jsonrpc: &'static str,
        id: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
    }
    let error = answer.as_ref().err();
    write(&Reply {
        jsonrpc: "2.0",
        id,
        result: answer.as_ref().ok(),
        error: error.map(|(code, message)| serde_json::json!({"code": code, "message": message})),
    })
}

fn write(message: &impl Serialize) -> Vec<u8> {
    // Maps with text keys and raw JSON always serialise.
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<Incoming<'_>> {
        read(text.as_bytes()).and_then(|mut all| if all.len() == 1 { all.pop() } else { None })
    }

    fn reply_of(text: &str) -> (For, Answer) {
        match one(text) {
            Some(Incoming::Reply { whose, answer }) => (whose, answer),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn replies_find_their_requests() {
        let (whose, answer) = reply_of(r#"{"jsonrpc":"2.0","id":7,"result":{"b":1,"a":1.50}}"#);
        assert_eq!((whose, answer.expect("a result").get()), (For::Id(7), r#"{"b":1,"a":1.50}"#));
        assert_eq!(reply_of(r#"{"id":"7","result":null}"#).0, For::Id(7));
        assert_eq!(reply_of(r#"{"id":7.0,"result":[]}"#).0, For::Id(7));
        assert_eq!(reply_of(r#"{"id":"seven","result":{}}"#).0, For::Nobody);
        assert_eq!(reply_of(r#"{"result":{}}"#).0, For::Nobody);
        let (whose, answer) = reply_of(r#"{"id":null,"error":{"code":-32700,"message":"Parse error"}}"#);
        assert_eq!((whose, answer.expect_err("an error").code), (For::Unknown, -32700));
        let (_, answer) = reply_of(r#"{"id":1,"result":{},"error":null}"#);
        assert!(answer.is_ok());
        let (_, answer) = reply_of(r#"{"id":1,"error":"no"}"#);
        assert_eq!(answer.expect_err("an error").message, "\"no\"");
    }

    #[test]
    fn requests_and_notices_are_told_apart() {
        assert!(
            matches!(one(r#"{"id":"x","method":"ping"}"#), Some(Incoming::Request { method, .. }) if method == "ping")
        );
        assert!(
            matches!(one(r#"{"method":"a\u0041","params":{}}"#), Some(Incoming::Notice { method }) if method == "aA")
        );
        assert!(matches!(one(r#"{"id":null,"method":"n"}"#), Some(Incoming::Notice { .. })));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in [
            "",
            "  ",
            "Server ready",
            "42",
            "\"text\"",
            "{",
            "[]",
            "[1]",
            r#"{"level":"info","msg":"up"}"#,
            r#"{"id":1}"#,
        ] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
        assert!(read(b"{\"id\":1,\"result\":\"\xFF\"}").is_none());
    }

    #[test]
    fn a_batch_is_its_messages() {
        let batch = format!("[{}{{}}]", r#"{"id":1,"result":{}},"#.repeat(2 * MAX_BATCH));
        assert_eq!(read(batch.as_bytes()).expect("messages").len(), MAX_BATCH);
    }

    #[test]
    fn errors_are_bounded() {
        let text =
            format!(r#"{{"id":1,"error":{{"code":1,"message":"{0}","data":"{0}"}}}}"#, "x".repeat(100_000));
        let error = reply_of(&text).1.expect_err("an error");
        assert!(error.message.len() <= MAX_ERROR_TEXT && error.data.is_none());
        let error = reply_of(r#"{"id":1,"error":{"code":-32022,"message":"","data":{"supported":["a"]}}}"#).1;
        let error = error.expect_err("an error");
        assert_eq!((error.is_modern(), error.supported()), (true, vec!["a".to_owned()]));
    }

    #[test]
    fn what_is_written() {
        let params = serde_json::json!({"a": 1});
        assert_eq!(request(3, "m", &params), br#"{"jsonrpc":"2.0","id":3,"method":"m","params":{"a":1}}"#);
        assert_eq!(notice("m", &params), br#"{"jsonrpc":"2.0","method":"m","params":{"a":1}}"#);
        let id = RawValue::from_string("\"x\"".into()).expect("JSON");
        assert_eq!(reply(&id, &Ok(Value::Null)), br#"{"jsonrpc":"2.0","id":"x","result":null}"#);
        let error = reply(&id, &Err((-1, "no")));
        assert_eq!(error, br#"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"no"}}"#);
    }
}
