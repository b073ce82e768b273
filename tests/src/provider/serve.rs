//! One connection of the provider: routes, refusals, and the paced sending of an answer.
//!
//! Owns the tasks that send; each ends with its body, with the client, or when the provider stops. Pauses here
//! are part of a scenario, not waiting for anything.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::body::{self, ChannelBody, Sender};
use super::ledger::{End, Ledger, Served};
use super::request::{Api, Ask};
use super::scenario::{Fault, Scenario};
use super::wire::{Answer, Carries, Step, error_body, refusal};

/// Bytes of one request.
const MAX_REQUEST: usize = 32 << 20;
/// Long enough for the connection to write what it has before the next write or the break.
const FLUSH_PAUSE: Duration = Duration::from_millis(5);
const MODELS: [&str; 4] = ["claude-opus-5-5", "gpt-5", "gemini-2.5-flash", "smollm2"];

/// Serves one connection until it closes or the provider stops.
pub(super) async fn connection(stream: TcpStream, ledger: Arc<Ledger>, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let ledger = Arc::clone(&ledger);
        async move { Ok::<_, Infallible>(respond(request, ledger).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is an ordinary end here; the ledger says so.
    let _ = watcher.watch(connection).await;
}

async fn respond(request: Request<Incoming>, ledger: Arc<Ledger>) -> Response<ChannelBody> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if path == "/__ledger" {
        return json_response(200, &json!({"requests": ledger.all(), "dropped": ledger.dropped()}));
    }
    if head.method == Method::HEAD || path == "/health" || path == "/" {
        return json_response(200, &json!({"status": "ok"}));
    }
    let body = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => return json_response(413, &error_body(Api::Other, 413)),
    };
    let json = serde_json::from_slice::<Value>(&body);
    let with_query = head.uri.path_and_query().map_or(path.clone(), ToString::to_string);
    let mut entry = blank_entry(head.method.as_str(), with_query);
    if head.method == Method::GET {
        return listed(&path, entry, &ledger);
    }
    let json = match (json, api_of(&path)) {
        (Ok(json), Some((api, model, streamed))) => {
            let ask = Ask::read(api, &json, model, streamed);
            return answer(&ask, entry, ledger);
        }
        (Ok(json), None) => json,
        (Err(_), _) => {
            (entry.status, entry.end) = (400, End::Refused);
            ledger.open(entry);
            return json_response(400, &error_body(Api::Other, 400));
        }
    };
    if path.ends_with("/count_tokens") || path.ends_with(":countTokens") {
        let tokens = json.to_string().len() / 4;
        ledger.open(entry);
        return json_response(200, &json!({"input_tokens": tokens, "totalTokens": tokens}));
    }
    (entry.status, entry.end) = (404, End::Refused);
    ledger.open(entry);
    json_response(404, &error_body(Api::Other, 404))
}

/// The wire format of a path, the model in it, and whether it asks for a stream.
fn api_of(path: &str) -> Option<(Api, Option<&str>, bool)> {
    Some(match path {
        "/v1/messages" => (Api::Anthropic, None, false),
        "/v1/responses" => (Api::Responses, None, false),
        "/v1/chat/completions" => (Api::Chat, None, false),
        "/api/chat" => (Api::Ollama, None, false),
        _ => {
            let (before, verb) = path.rsplit_once(':')?;
            let model = before.strip_prefix("/v1beta/models/").or(before.strip_prefix("/v1/models/"))?;
            match verb {
                "streamGenerateContent" => (Api::Gemini, Some(model), true),
                "generateContent" => (Api::Gemini, Some(model), false),
                _ => return None,
            }
        }
    })
}

/// Lists of models, in the shapes of those who ask.
fn listed(path: &str, mut entry: Served, ledger: &Ledger) -> Response<ChannelBody> {
    let list = |each: fn(&str) -> Value| MODELS.iter().map(|m| each(m)).collect::<Vec<_>>();
    let body = match path {
        "/v1/models" => json!({"object": "list", "has_more": false, "data": list(|m| {
            json!({"id": m, "object": "model", "type": "model", "display_name": m, "created": 1_795_000_000,
                "owned_by": "fixture"})
        })}),
        "/v1beta/models" => json!({"models": list(|m| json!({"name": format!("models/{m}")}))}),
        "/api/tags" => json!({"models": list(|m| {
            json!({"name": format!("{m}:latest"), "model": format!("{m}:latest"), "size": 1, "digest": "0",
                "details": {"family": "fixture", "parameter_size": "1B"}})
        })}),
        "/api/version" => json!({"version": "0.14.0"}),
        _ => {
            (entry.status, entry.end) = (404, End::Refused);
            ledger.open(entry);
            return json_response(404, &error_body(Api::Other, 404));
        }
    };
    ledger.open(entry);
    json_response(200, &body)
}

fn answer(ask: &Ask, entry: Served, ledger: Arc<Ledger>) -> Response<ChannelBody> {
    let mut scenario = Scenario::of(&ask.prompt, ask.after_tool);
    if let Some((fault, limit)) = scenario.fault {
        let key = format!("{:?} {fault:?} {} {}", ask.api, ask.turn, ask.prompt);
        if !ledger.may_fail(&key, limit) {
            scenario.fault = None;
        }
    }
    let refused = scenario.fault.and_then(|(fault, _)| refusal(ask.api, fault));
    let number = ledger.open(Served {
        api: ask.api,
        model: ask.model.clone(),
        prompt: ask.short_prompt(),
        prompt_bytes: ask.prompt.trim().len() as u64,
        after_tool: ask.after_tool,
        stream: ask.stream,
        status: refused.unwrap_or(200),
        end: if refused.is_some() { End::Refused } else { End::Open },
        ..entry
    });
    if let Some(status) = refused {
        return refusal_response(ask.api, status);
    }
    let answer = Answer::new(ask, &scenario, number);
    if !ask.stream {
        let whole = answer.whole();
        ledger.change(number, |entry| {
            entry.add_text(&scenario.text());
            entry.usage = answer.usage;
            entry.calls.extend(answer.call.clone());
            entry.end = End::Complete;
        });
        return json_response(200, &whole);
    }
    let (sender, body) = body::channel();
    let response = Response::builder()
        .header("content-type", answer.stream_type())
        .header("cache-control", "no-cache")
        .header("request-id", format!("req_fixture{number}"))
        .header("x-request-id", format!("req_fixture{number}"));
    let (steps, mid_error) = (answer.steps(), answer.mid_error());
    tokio::spawn(async move {
        let mut sending = Sending { sender, ledger: &ledger, number, scenario: &scenario };
        let end = sending.run(steps, mid_error).await.unwrap_or(End::ClientGone);
        ledger.change(number, |entry| entry.end = end);
        // The break comes after the ledger knows of it, so that a client that saw it can read it there.
        if end == End::Cut {
            let _ = sending.sender.send(Err(io::Error::other("broken on purpose"))).await;
        }
    });
    response.body(body).unwrap_or_else(|_| json_response(500, &error_body(Api::Other, 500)))
}

/// An answer on its way.
struct Sending<'a> {
    sender: Sender,
    ledger: &'a Ledger,
    number: u64,
    scenario: &'a Scenario,
}

/// The client closed the connection.
struct Gone;

impl Sending<'_> {
    async fn run(&mut self, steps: Vec<Step>, mid_error: Bytes) -> Result<End, Gone> {
        let fault = self.scenario.fault.map(|(fault, _)| fault);
        let mut pieces = 0;
        for step in steps {
            let is_text = matches!(step.carries, Carries::Text(_));
            if is_text && fault.is_some() && pieces == self.scenario.pieces_before_fault() {
                break;
            }
            if is_text && pieces > 0 {
                self.pause(self.scenario.pace).await?;
            }
            pieces += usize::from(is_text);
            self.send(step).await?;
        }
        match fault {
            None => Ok(End::Complete),
            Some(Fault::MidError) => {
                self.write(mid_error).await?;
                Ok(End::MidError)
            }
            Some(Fault::Stall) => {
                self.sender.closed().await;
                Err(Gone)
            }
            Some(_) => {
                // Broken at once, the last frames would not leave the server's own buffer.
                self.pause(FLUSH_PAUSE * 4).await?;
                Ok(End::Cut)
            }
        }
    }

    async fn send(&mut self, step: Step) -> Result<(), Gone> {
        let bytes = if self.scenario.crlf { with_crlf(&step.bytes) } else { step.bytes };
        // Told before it is sent: a client that saw the last frame finds the whole answer in the ledger.
        self.ledger.change(self.number, |entry| match &step.carries {
            Carries::Nothing => {}
            Carries::Text(piece) => entry.add_text(piece),
            Carries::Call(call) => entry.calls.push(call.clone()),
            Carries::EarlyUsage(usage) => entry.early_usage = Some(*usage),
            Carries::Usage(usage) => entry.usage = Some(*usage),
        });
        match inside_character(&bytes).filter(|_| self.scenario.split_characters) {
            Some(at) => {
                self.write(bytes.slice(..at)).await?;
                self.pause(FLUSH_PAUSE).await?;
                self.write(bytes.slice(at..)).await
            }
            None => self.write(bytes).await,
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Gone> {
        self.sender.send(Ok(bytes)).await.map_err(|_| Gone)
    }

    /// Waits, unless the client goes away.
    async fn pause(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.sender.closed() => Err(Gone),
        }
    }
}

/// A place after the first byte of the first character that has several.
fn inside_character(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b >= 0xC0).map(|at| at + 1)
}

fn with_crlf(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out.into()
}

fn refusal_response(api: Api, status: u16) -> Response<ChannelBody> {
    let mut response = json_response(status, &error_body(api, status));
    let mut header = |name: &'static str, value: &'static str| {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    };
    header("request-id", "req_fixture");
    header("x-request-id", "req_fixture");
    if status == 429 {
        header("retry-after", "1");
        header("anthropic-ratelimit-tokens-remaining", "0");
        header("x-ratelimit-remaining-tokens", "0");
    }
    response
}

fn json_response(status: u16, value: &Value) -> Response<ChannelBody> {
    let text = value.to_string();
    let mut response = Response::new(ChannelBody::full(text));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

fn blank_entry(method: &str, path: String) -> Served {
    Served {
        number: 0,
        api: Api::Other,
        method: method.to_owned(),
        path,
        model: String::new(),
        prompt: String::new(),
        prompt_bytes: 0,
        after_tool: false,
        stream: false,
        status: 200,
        usage: None,
        early_usage: None,
        text: String::new(),
        text_bytes: 0,
        calls: Vec::new(),
        end: End::Complete,
    }
}
