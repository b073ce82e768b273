//! The fixture provider serves what it says: each wire format is read here by hand and compared with its ledger.

use std::time::Duration;

use llmctl_proto::usage::Usage;
use llmctl_tests::http::{self, SILENCE};
use llmctl_tests::provider::{Api, End, Provider, Served, scenario};
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

fn provider() -> Provider {
    Provider::spawn().expect("a loopback port is free")
}

/// A request in one of the formats: path and body.
fn ask(api: Api, prompt: &str, stream: bool) -> (String, Value) {
    let messages = json!([{"role": "user", "content": prompt}]);
    let schema = json!({"type": "object", "properties": {"command": {"type": "string"}}});
    let function = json!([{"type": "function", "function": {"name": "shell", "parameters": schema}}]);
    match api {
        Api::Anthropic => (
            "/v1/messages".to_owned(),
            json!({"model": "claude-opus-5-5", "max_tokens": 100, "stream": stream, "messages": messages,
                "tools": [{"name": "Bash", "input_schema": schema}]}),
        ),
        Api::Responses => (
            "/v1/responses".to_owned(),
            json!({"model": "gpt-5", "stream": stream, "input": prompt,
                "tools": [{"type": "function", "name": "shell", "parameters": schema}]}),
        ),
        Api::Chat => (
            "/v1/chat/completions".to_owned(),
            json!({"model": "gpt-5", "stream": stream, "messages": messages, "tools": function,
                "stream_options": {"include_usage": true}}),
        ),
        Api::Gemini => (
            format!(
                "/v1beta/models/gemini-2.5-flash:{}",
                if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
            ),
            json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}],
                "tools": [{"functionDeclarations": [{"name": "run_shell_command", "parameters": schema}]}]}),
        ),
        Api::Ollama | Api::Other => (
            "/api/chat".to_owned(),
            json!({"model": "smollm2", "stream": stream, "messages": messages, "tools": function}),
        ),
    }
}

fn post(provider: &Provider, api: Api, prompt: &str, stream: bool) -> http::Answer {
    let (path, body) = ask(api, prompt, stream);
    http::post(provider.addr(), &path, &body).expect("the provider answers")
}

/// The last entry, once its answer has ended.
fn last(provider: &Provider) -> Served {
    wait_for(SOON, "the answer's end in the ledger", || {
        provider.ledger().pop().filter(|entry| entry.end != End::Open)
    })
}

const ALL: [Api; 5] = [Api::Anthropic, Api::Responses, Api::Chat, Api::Gemini, Api::Ollama];

/// Text in the frames of a stream.
fn streamed_text(api: Api, events: &[Value]) -> String {
    let piece = |event: &Value| {
        let place = match api {
            Api::Anthropic => "/delta/text",
            Api::Responses if event["type"] == "response.output_text.delta" => "/delta",
            Api::Responses => return None,
            Api::Chat => "/choices/0/delta/content",
            Api::Gemini => "/candidates/0/content/parts/0/text",
            Api::Ollama | Api::Other => "/message/content",
        };
        event.pointer(place).and_then(Value::as_str).map(str::to_owned)
    };
    events.iter().filter_map(piece).collect()
}

fn number(value: &Value, place: &str) -> u64 {
    value.pointer(place).and_then(Value::as_u64).unwrap_or_default()
}

/// Usage in the frames of a stream, brought into disjoint classes.
fn streamed_usage(api: Api, events: &[Value]) -> Usage {
    let find = |place: &str| events.iter().rev().find_map(|e| e.pointer(place).filter(|u| u.is_object()));
    let found = match api {
        Api::Anthropic | Api::Chat => find("/usage"),
        Api::Responses => find("/response/usage"),
        Api::Gemini => find("/usageMetadata"),
        Api::Ollama | Api::Other => events.last(),
    };
    let u = found.expect("the stream has usage");
    match api {
        Api::Anthropic => {
            let start = find("/message/usage").expect("the start has usage");
            let cached = number(start, "/cache_creation/ephemeral_5m_input_tokens");
            let hour = number(start, "/cache_creation/ephemeral_1h_input_tokens");
            assert_eq!(number(u, "/cache_creation_input_tokens"), cached + hour);
            Usage {
                input: number(u, "/input_tokens"),
                cache_read: number(u, "/cache_read_input_tokens"),
                cache_write_5m: cached,
                cache_write_1h: hour,
                output: number(u, "/output_tokens"),
                reasoning: number(u, "/output_tokens_details/thinking_tokens"),
                ..Usage::default()
            }
        }
        Api::Responses => openai(u, ["input", "output"]),
        Api::Chat => openai(u, ["prompt", "completion"]),
        Api::Gemini => Usage {
            input: number(u, "/promptTokenCount") - number(u, "/cachedContentTokenCount"),
            cache_read: number(u, "/cachedContentTokenCount"),
            output: number(u, "/candidatesTokenCount") + number(u, "/thoughtsTokenCount"),
            reasoning: number(u, "/thoughtsTokenCount"),
            ..Usage::default()
        },
        Api::Ollama | Api::Other => Usage {
            input: number(u, "/prompt_eval_count"),
            output: number(u, "/eval_count"),
            ..Usage::default()
        },
    }
}

fn openai(usage: &Value, [input, output]: [&str; 2]) -> Usage {
    let cache_read = number(usage, &format!("/{input}_tokens_details/cached_tokens"));
    Usage {
        input: number(usage, &format!("/{input}_tokens")) - cache_read,
        cache_read,
        output: number(usage, &format!("/{output}_tokens")),
        reasoning: number(usage, &format!("/{output}_tokens_details/reasoning_tokens")),
        ..Usage::default()
    }
}

#[test]
fn every_format_streams_the_text_and_usage_of_the_ledger() {
    let provider = provider();
    for api in ALL {
        for prompt in ["Say hi", "THINK and UNICODE", "WORDS:40 CRLF"] {
            let answer = post(&provider, api, prompt, true);
            assert!(answer.complete && answer.status == 200, "{api:?} {prompt}");
            let entry = last(&provider);
            assert_eq!((entry.api, entry.end, entry.stream), (api, End::Complete, true));
            let mut events = answer.events();
            if prompt.starts_with("THINK") && api == Api::Gemini {
                assert_eq!(
                    events.remove(0).pointer("/candidates/0/content/parts/0/thought"),
                    Some(&json!(true))
                );
            }
            assert_eq!(streamed_text(api, &events), entry.text, "{api:?} {prompt}");
            assert_eq!(entry.text_bytes, entry.text.len() as u64);
            assert_eq!(Some(streamed_usage(api, &events)), entry.usage, "{api:?} {prompt}");
        }
    }
}

#[test]
fn whole_answers_have_the_same_text() {
    let provider = provider();
    for api in ALL {
        let answer = post(&provider, api, "Say hi", false);
        let text = match api {
            Api::Anthropic => "/content/0/text",
            Api::Responses => "/output/0/content/0/text",
            Api::Chat => "/choices/0/message/content",
            Api::Gemini => "/candidates/0/content/parts/0/text",
            Api::Ollama | Api::Other => "/message/content",
        };
        assert_eq!(answer.json().pointer(text), Some(&json!(scenario::PLAIN_TEXT)), "{api:?}");
        assert_eq!(last(&provider).text, scenario::PLAIN_TEXT);
    }
}

#[test]
fn figures_are_the_same_for_the_same_request() {
    let provider = provider();
    for api in ALL {
        post(&provider, api, "Say hi", true);
        let first = last(&provider).usage;
        post(&provider, api, "Say hi", true);
        assert_eq!(last(&provider).usage, first, "{api:?}");
    }
}

#[test]
fn tool_calls_come_in_pieces_and_stand_in_the_ledger() {
    let provider = provider();
    for api in ALL {
        let events = post(&provider, api, "TOOLCALL please", true).events();
        let entry = last(&provider);
        assert_eq!(entry.calls.len(), 1, "{api:?}");
        assert_eq!(entry.calls[0].arguments["command"], scenario::TOOL_COMMAND);
        let pieces: String = events
            .iter()
            .filter_map(|event| match api {
                Api::Anthropic => event.pointer("/delta/partial_json"),
                Api::Responses if event["type"] == "response.function_call_arguments.delta" => {
                    event.pointer("/delta")
                }
                Api::Chat => event.pointer("/choices/0/delta/tool_calls/0/function/arguments"),
                Api::Gemini => event.pointer("/candidates/0/content/parts/0/functionCall/args"),
                Api::Ollama | Api::Other => event.pointer("/message/tool_calls/0/function/arguments"),
                Api::Responses => None,
            })
            .map(|piece| piece.as_str().map_or_else(|| piece.to_string(), str::to_owned))
            .collect();
        let arguments: Value = serde_json::from_str(&pieces).expect("the pieces are one JSON text");
        assert_eq!(arguments, entry.calls[0].arguments, "{api:?}");
    }
}

#[test]
fn after_a_tool_the_answer_is_text() {
    let provider = provider();
    let body = json!({"model": "claude-opus-5-5", "stream": true, "max_tokens": 9,
        "tools": [{"name": "Bash", "input_schema": {"properties": {"command": {}}}}],
        "messages": [{"role": "user", "content": "TOOLCALL"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]});
    let answer = http::post(provider.addr(), "/v1/messages", &body).expect("the provider answers");
    assert_eq!(streamed_text(Api::Anthropic, &answer.events()), scenario::AFTER_TOOL_TEXT);
    let entry = last(&provider);
    assert!(entry.after_tool && entry.calls.is_empty());
}

#[test]
fn characters_are_split_between_writes() {
    let provider = provider();
    for api in ALL {
        let answer = post(&provider, api, "UNICODE", true);
        let split = answer.chunks.iter().filter(|chunk| std::str::from_utf8(chunk).is_err()).count();
        assert!(split > 10, "{api:?}: {split} chunks end inside a character");
        assert_eq!(streamed_text(api, &answer.events()), scenario::UNICODE_TEXT);
    }
}

#[test]
fn refusals_have_their_status_shape_and_headers() {
    let provider = provider();
    for api in ALL {
        let overload = if api == Api::Anthropic { 529 } else { 503 };
        for (word, status) in [("RATELIMIT", 429), ("OVERLOAD", overload), ("UNAUTH", 401), ("BROKEN", 500)] {
            let answer = post(&provider, api, word, true);
            assert_eq!(answer.status, status, "{api:?} {word}");
            assert_eq!(answer.header("retry-after").is_some(), status == 429);
            assert!(!answer.json()["error"].is_null());
            let entry = last(&provider);
            assert_eq!((entry.status, entry.end, entry.usage), (status, End::Refused, None));
        }
    }
}

#[test]
fn a_failing_word_with_a_number_fails_so_many_times() {
    let provider = provider();
    let statuses = || post(&provider, Api::Anthropic, "RATELIMIT:2 now", true).status;
    assert_eq!([statuses(), statuses(), statuses(), statuses()], [429, 429, 200, 200]);
    let complete = || post(&provider, Api::Chat, "CUT:1", true).complete;
    assert_eq!([complete(), complete()], [false, true]);
}

#[test]
fn cut_and_error_in_the_middle_leave_part_of_the_text() {
    let provider = provider();
    for api in ALL {
        let cut = post(&provider, api, "CUT", true);
        assert!(!cut.complete, "{api:?}");
        let entry = last(&provider);
        assert_eq!((entry.end, entry.usage), (End::Cut, None));
        let text = streamed_text(api, &cut.events());
        assert_eq!(text, entry.text);
        assert!(!text.is_empty() && text.len() < scenario::PLAIN_TEXT.len());

        let error = post(&provider, api, "MIDERROR", true);
        assert!(error.complete && error.status == 200);
        assert_eq!(last(&provider).end, End::MidError);
        let end = error.events().pop().expect("there is a last event");
        let failed = !end["error"].is_null() || !end["response"]["error"].is_null();
        assert!(failed, "{api:?}: {end}");
    }
}

#[test]
fn a_stalled_answer_ends_with_its_client() {
    let provider = provider();
    let (path, body) = ask(Api::Anthropic, "STALL", true);
    let mut reading =
        http::post_reading(provider.addr(), &path, &body, SILENCE).expect("the provider answers");
    assert!(reading.read_until(|text| text.contains("answer: ")));
    assert_eq!(provider.ledger()[0].end, End::Open);
    assert_eq!(provider.ledger()[0].early_usage.map(|u| (u.input, u.output)), Some((12, 1)));
    drop(reading);
    assert_eq!(last(&provider).end, End::ClientGone);
}

#[test]
fn slow_answers_come_bit_by_bit_and_stop_with_the_client() {
    let provider = provider();
    let (path, body) = ask(Api::Responses, "SLOWLY", true);
    let mut reading =
        http::post_reading(provider.addr(), &path, &body, SILENCE).expect("the provider answers");
    assert!(reading.read_until(|text| text.contains("word3 ")));
    assert!(!reading.so_far().text().contains("word300 "));
    drop(reading);
    let entry = last(&provider);
    assert_eq!((entry.end, entry.usage), (End::ClientGone, None));
    assert!(entry.text.starts_with("word1 word2 word3 "));
}

#[test]
fn long_answers_are_whole() {
    let provider = provider();
    let answer = post(&provider, Api::Chat, "LONG:300", true);
    let entry = last(&provider);
    assert_eq!(streamed_text(Api::Chat, &answer.events()), scenario::long_text(300));
    assert_eq!(entry.text_bytes, 300 * 1024);
}

#[test]
fn usage_is_left_out_on_request() {
    let provider = provider();
    for api in ALL {
        post(&provider, api, "NOUSAGE", true);
        assert_eq!(last(&provider).usage, None, "{api:?}");
    }
    let (path, mut body) = ask(Api::Chat, "Say hi", true);
    body["stream_options"] = Value::Null;
    let answer = http::post(provider.addr(), &path, &body).expect("the provider answers");
    assert!(answer.events().iter().all(|event| event["usage"].is_null()));
    assert_eq!(last(&provider).usage, None);
}

#[test]
fn lists_counts_and_unknown_addresses() {
    let provider = provider();
    for (path, place) in [("/v1/models", "/data/0/id"), ("/api/tags", "/models/0/name")] {
        let answer = http::get(provider.addr(), path).expect("the provider answers");
        assert!(answer.json().pointer(place).is_some_and(Value::is_string), "{path}");
    }
    let (_, body) = ask(Api::Anthropic, "Say hi", false);
    let count =
        http::post(provider.addr(), "/v1/messages/count_tokens", &body).expect("the provider answers");
    assert!(count.json()["input_tokens"].as_u64() > Some(10));
    assert_eq!(http::get(provider.addr(), "/nowhere").expect("the provider answers").status, 404);
    let ledger = http::get(provider.addr(), "/__ledger").expect("the provider answers").json();
    assert_eq!(ledger["requests"].as_array().map(Vec::len), Some(4));
    let read: Vec<Served> = serde_json::from_value(ledger["requests"].clone()).expect("entries read back");
    assert_eq!(read, provider.ledger());
}

#[tokio::test]
async fn stopping_cuts_what_stalls_and_closes_the_port() {
    let provider = Provider::start().await.expect("a loopback port is free");
    let addr = provider.addr();
    let (path, body) = ask(Api::Anthropic, "STALL", true);
    let stalled = tokio::task::spawn_blocking(move || {
        http::post_reading(addr, &path, &body, SILENCE).expect("the provider answers").finish()
    });
    let asked = || !provider.ledger().is_empty();
    wait_until(SOON, "the request", asked);
    provider.stop().await;
    assert!(!stalled.await.expect("the client does not panic").complete);
    assert!(http::get(addr, "/health").is_err());
}
