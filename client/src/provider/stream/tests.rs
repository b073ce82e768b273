use super::*;
use crate::provider::fixture::{Fixture, piece, reply, stream_head};
use crate::provider::{Api, Secret};

fn spec(api: Api, base_url: String) -> ProviderSpec {
    ProviderSpec {
        name: "test".into(),
        api,
        base_url,
        key: Some(Secret::new("secret-key-1")),
        key_env: None,
        headers: Vec::new(),
    }
}

fn ask() -> ChatRequest {
    ChatRequest { model: "m".into(), prompt: "Hi".into(), max_output_tokens: None }
}

async fn call(api: Api, fixture: &Fixture) -> Result<Streaming, ProviderError> {
    open(&spec(api, fixture.url()), &ask(), Limits::default()).await
}

async fn refusal(bytes: Vec<u8>) -> ProviderError {
    let fixture = Fixture::serve(bytes).await;
    call(Api::Chat, &fixture).await.expect_err("no stream")
}

/// The raw bytes, the text and the outcome of a whole stream.
async fn drain(streaming: &mut Streaming) -> (Vec<u8>, String, Outcome, Vec<AdapterEvent>) {
    let (mut raw, mut text, mut all, mut outcome) = (Vec::new(), Vec::new(), Vec::new(), None);
    while let Some(chunk) = streaming.next().await {
        raw.extend_from_slice(&chunk.raw);
        for event in chunk.events {
            match &event {
                AdapterEvent::Text(piece) => text.extend_from_slice(piece),
                AdapterEvent::Final(end) => {
                    assert!(outcome.is_none(), "two ends");
                    outcome = Some(end.outcome.clone());
                }
                _ => {}
            }
            all.push(event);
        }
    }
    (raw, String::from_utf8(text).expect("UTF-8"), outcome.expect("an end"), all)
}

const TEXT: &[u8] = include_bytes!("../../../../tests/fixtures/streams/http/anthropic_text.sse");

fn chunked(body: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut pieces = vec![stream_head("text/event-stream; charset=utf-8")];
    pieces.extend(body.chunks(size).map(piece));
    pieces
}

#[tokio::test]
async fn a_stream_in_tiny_pieces_is_whole_raw_and_decoded() {
    for size in [1, 7, 4096] {
        let mut pieces = chunked(TEXT, size);
        pieces.push(piece(b""));
        let fixture = Fixture::pieces(pieces).await;
        let mut streaming = call(Api::Anthropic, &fixture).await.expect("a stream");
        assert_eq!(streaming.request_id(), Some("req_1"));
        let (raw, text, outcome, _) = drain(&mut streaming).await;
        // What follows the terminal frame is not waited for: at most the blank line that ends the stream.
        assert!(TEXT.starts_with(&raw) && TEXT.len() - raw.len() <= 2);
        assert_eq!((text.len(), outcome), (84, Outcome::Success));
        assert!(streaming.next().await.is_none());
        let request = fixture.request().await;
        assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains(&format!("host: {}\r\n", fixture.address)), "{request}");
        assert!(request.contains("x-api-key: secret-key-1\r\n"), "{request}");
        assert!(request.ends_with(r#""stream":true}"#), "{request}");
    }
}

#[tokio::test]
async fn the_connection_closes_with_the_terminal_frame_and_with_a_drop() {
    let mut bytes = chunked(TEXT, 4096).concat();
    let fixture = Fixture::stall(bytes.clone()).await;
    let mut streaming = call(Api::Anthropic, &fixture).await.expect("a stream");
    assert_eq!(drain(&mut streaming).await.2, Outcome::Success);
    fixture.client_gone().await;

    bytes.truncate(1500);
    let fixture = Fixture::stall(bytes).await;
    let mut streaming = call(Api::Anthropic, &fixture).await.expect("a stream");
    assert!(streaming.next().await.is_some());
    drop(streaming);
    fixture.client_gone().await;
}

#[tokio::test]
async fn a_cut_stream_is_lost_and_keeps_what_it_said() {
    let cut = TEXT.len() / 2;
    // Cut within a chunked body, and at the end of a body without a length.
    let broken = Fixture::pieces(chunked(&TEXT[..cut], 300)).await;
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    bytes.extend_from_slice(&TEXT[..cut]);
    let ended = Fixture::serve(bytes).await;
    for (fixture, warns) in [(broken, true), (ended, false)] {
        let mut streaming = call(Api::Anthropic, &fixture).await.expect("a stream");
        let (_, text, outcome, events) = drain(&mut streaming).await;
        assert!(!text.is_empty() && text.len() < 84);
        assert_eq!(outcome, Outcome::Lost);
        assert!(
            events
                .iter()
                .any(|event| matches!(event, AdapterEvent::Usage { usage, .. } if usage.input == 12))
        );
        let warned =
            events.iter().any(|event| matches!(event, AdapterEvent::Warning(why) if why.contains("broke")));
        assert_eq!(warned, warns);
    }
}

#[tokio::test]
async fn a_silent_stream_is_lost_even_if_the_reader_keeps_dropping_its_future() {
    let fixture = Fixture::stall(chunked(&TEXT[..1000], 1000).concat()).await;
    let limits = Limits { idle: Duration::from_millis(300), ..Limits::default() };
    let mut streaming = open(&spec(Api::Anthropic, fixture.url()), &ask(), limits).await.expect("a stream");
    let mut ends = Vec::new();
    while ends.is_empty() {
        if let Ok(Some(chunk)) = timeout(Duration::from_millis(5), streaming.next()).await {
            ends.extend(chunk.events.into_iter().filter(|event| matches!(event, AdapterEvent::Final(_))));
        }
    }
    assert!(matches!(&ends[0], AdapterEvent::Final(end) if end.outcome == Outcome::Lost));
    fixture.client_gone().await;
}

#[tokio::test]
async fn a_head_that_never_comes_is_a_network_error() {
    let fixture = Fixture::stall(b"HTTP/1.1 200 OK\r\n".to_vec()).await;
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let error = open(&spec(Api::Chat, fixture.url()), &ask(), limits).await.expect_err("silence");
    assert_eq!(error.class, ErrorClass::Network);
    fixture.client_gone().await;
}

#[tokio::test]
async fn captured_refusals_keep_class_status_and_wait() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/streams/http/");
    for (file, class, status, wait) in [
        ("anthropic_401.http", ErrorClass::Auth, 401, None),
        ("anthropic_429.http", ErrorClass::RateLimit, 429, Some(1000)),
        ("anthropic_529.http", ErrorClass::Overloaded, 529, Some(1000)),
        ("openai_429.http", ErrorClass::RateLimit, 429, Some(1000)),
        ("gemini_429.http", ErrorClass::RateLimit, 429, Some(1000)),
    ] {
        let text = std::fs::read_to_string(format!("{root}{file}")).expect("fixture").replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").expect("head");
        let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("content-length")).collect();
        let head = lines.join("\r\n");
        let error = refusal(format!("{head}\r\n\r\n{body}").into_bytes()).await;
        assert_eq!(
            (error.class, error.http_status, error.retry_after_ms),
            (class, Some(status), wait),
            "{file}"
        );
        assert!(!error.message.is_empty());
    }
}

#[tokio::test]
async fn the_key_is_hidden_when_a_provider_repeats_it() {
    let body = r#"{"error":{"message":"Incorrect API key provided: secret-key-1"}}"#;
    let error = refusal(reply("401 Unauthorized", &[], body)).await;
    assert_eq!(error.message, "Incorrect API key provided: [redacted] (HTTP 401)");
}

#[tokio::test]
async fn a_redirect_is_an_error_that_names_the_host() {
    let error =
        refusal(reply("307 Temporary Redirect", &[("location", "https://other.example/v1?k=1")], "")).await;
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("https://other.example,"), "{}", error.message);
    assert!(!error.message.contains("k=1"));
    let error = refusal(reply("301 Moved Permanently", &[("location", "/v2")], "")).await;
    assert!(error.message.contains("another path of 127.0.0.1"), "{}", error.message);
}

#[tokio::test]
async fn heads_beyond_the_limit_and_other_protocols_are_refused() {
    let header = |bytes: usize| reply("200 OK", &[("x-long", &"x".repeat(bytes))], "data: [DONE]\n\n");
    let fixture = Fixture::serve(header(60 * 1024)).await;
    let mut streaming = call(Api::Chat, &fixture).await.expect("below the limit");
    assert_eq!(drain(&mut streaming).await.2, Outcome::Success);
    let error = refusal(header(64 * 1024)).await;
    assert_eq!(error.class, ErrorClass::InvalidOutput, "{error}");
    assert_eq!(refusal(header(2 * 1024 * 1024)).await.class, ErrorClass::InvalidOutput);
    let many: Vec<(&str, &str)> = vec![("x-a", "b"); 200];
    assert_eq!(refusal(reply("200 OK", &many, "")).await.class, ErrorClass::InvalidOutput);
    assert_eq!(refusal(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()).await.class, ErrorClass::InvalidOutput);
    assert_eq!(refusal(Vec::new()).await.class, ErrorClass::Network);
}

#[tokio::test]
async fn nobody_listening_is_a_network_error_that_names_the_place() {
    let address = Fixture::refused().await;
    let spec = spec(Api::Chat, format!("http://{address}/v1"));
    let error = open(&spec, &ask(), Limits::default()).await.expect_err("refused");
    assert_eq!(error.class, ErrorClass::Network);
    assert!(error.message.contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_line_beyond_the_limit_fails_the_answer() {
    let body = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {}",
        "x".repeat(MAX_LINE_BYTES)
    );
    let fixture = Fixture::serve(reply("200 OK", &[("content-type", "text/event-stream")], &body)).await;
    let mut streaming = call(Api::Chat, &fixture).await.expect("a stream");
    let (_, text, outcome, _) = drain(&mut streaming).await;
    assert_eq!(text, "a");
    assert!(matches!(outcome, Outcome::Failed { class: ErrorClass::InvalidOutput, .. }));
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_refused() {
    let kind = |kind| [("content-type", kind)];
    let error = refusal(reply("200 OK", &kind("text/html"), "<html>")).await;
    assert_eq!(error.class, ErrorClass::InvalidOutput);
    assert!(error.message.contains("text/html"), "{error}");
    let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let error = refusal(reply("200 OK", &kind("application/json"), body)).await;
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::RateLimit, "slow down"));
    let error = refusal(reply("200 OK", &[("content-encoding", "gzip")], "x")).await;
    assert_eq!(error.class, ErrorClass::InvalidOutput);
    let fixture = Fixture::serve(reply("200 OK", &kind("application/json"), "{\"done\":true}\n")).await;
    let mut streaming = call(Api::Ollama, &fixture).await.expect("Ollama's type is JSON");
    assert_eq!(drain(&mut streaming).await.2, Outcome::Success);
}

#[tokio::test]
async fn an_error_without_end_still_gives_its_status() {
    let mut bytes = b"HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(piece(&vec![b'x'; 70 * 1024]));
    let fixture = Fixture::stall(bytes).await;
    let error = call(Api::Chat, &fixture).await.expect_err("500");
    assert_eq!((error.class, error.http_status), (ErrorClass::Server, Some(500)));
    fixture.client_gone().await;
}

/// A proxy that strips the type once had every turn asked for, and billed, twice.
#[tokio::test]
async fn an_answer_whose_content_type_was_stripped_is_read_as_it_is() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
                data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    let fixture = Fixture::serve(reply("200 OK", &[], body)).await;
    let mut streaming = call(Api::Chat, &fixture).await.expect("a stream");
    let (_, text, outcome, _) = drain(&mut streaming).await;
    assert_eq!((text.as_str(), outcome), ("a", Outcome::Success));
}
