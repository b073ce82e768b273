//! Every captured stream, decoded whole and in pieces, against the recorded totals.

use std::path::PathBuf;

use llmctl_proto::usage::Usage;
use proptest::prelude::*;
use serde_json::Value;

use super::sse::Splitter;
use super::{Api, Decoder};
use crate::tool::{AdapterEvent, Outcome};

fn streams() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/streams")
}

fn api_of(name: &str) -> Api {
    let of = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if of(&["anthropic", "messages"]) {
        Api::Anthropic
    } else if of(&["responses"]) {
        Api::Responses
    } else if of(&["gemini"]) {
        Api::Gemini
    } else if of(&["ollama"]) {
        Api::Ollama
    } else {
        Api::Chat
    }
}

/// Name, bytes and expectation of each captured stream.
fn captures() -> Vec<(String, Vec<u8>, Value)> {
    let text = std::fs::read(streams().join("expected.json")).expect("expected.json");
    let expected: Value = serde_json::from_slice(&text).expect("JSON");
    let files = expected["files"].as_object().expect("files").iter();
    let streams_of_http =
        files.filter(|(name, _)| name.starts_with("http/") && name.rsplit('.').next() != Some("http"));
    let found: Vec<_> = streams_of_http
        .map(|(name, want)| {
            (name.clone(), std::fs::read(streams().join(name)).expect("capture"), want.clone())
        })
        .collect();
    assert_eq!(found.len(), 21);
    found
}

fn decode(api: Api, parts: &[&[u8]]) -> Vec<AdapterEvent> {
    let mut splitter = Splitter::new(api.framing());
    let mut decoder = Decoder::new(api);
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    for part in parts {
        splitter.push(part, &mut frames).expect("lines below the limit");
        for frame in frames.drain(..) {
            decoder.event(frame.name.as_deref(), &frame.data, &mut events);
        }
    }
    splitter.finish(&mut frames).expect("lines below the limit");
    for frame in frames.drain(..) {
        decoder.event(frame.name.as_deref(), &frame.data, &mut events);
    }
    decoder.finish(&mut events);
    events
}

#[test]
fn captures_give_the_recorded_totals() {
    for (name, bytes, want) in captures() {
        let events = decode(api_of(&name), &[&bytes]);
        let (mut text, mut usage, mut complete, mut model, mut ends) = (0, None, false, None, Vec::new());
        for event in &events {
            match event {
                AdapterEvent::Text(piece) => text += piece.len() as u64,
                AdapterEvent::Usage { usage: last, complete: whole, model: of, .. } => {
                    (usage, complete) = (Some(*last), *whole);
                    assert_eq!(*of, model, "{name}: usage and init name the same model");
                }
                AdapterEvent::Init { model: named, .. } => {
                    assert!(model.is_none(), "{name}: the model is named once");
                    model.clone_from(named);
                }
                AdapterEvent::Final(end) => ends.push(end.outcome.clone()),
                AdapterEvent::Unknown(what) => panic!("{name}: unknown frame {what}"),
                AdapterEvent::Warning(what) => assert!(what.contains("cut short"), "{name}: {what}"),
                _ => {}
            }
        }
        assert_eq!(Some(text), want["text_bytes"].as_u64(), "{name}: text");
        assert_eq!(model.as_deref(), want["model"].as_str(), "{name}: model");
        let outcome = match &ends[..] {
            [Outcome::Success] => "success",
            [Outcome::Failed { .. }] => "failed",
            [Outcome::Lost] => "lost",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(Some(outcome), want["outcome"].as_str(), "{name}: outcome");
        if want["tokens"].is_null() {
            // Zeros beside text are handed on; it is the meter that takes them for silence.
            assert!(usage.is_none_or(|usage| usage.is_zero()), "{name}: {usage:?}");
        } else {
            let tokens: Usage = serde_json::from_value(want["tokens"].clone()).expect("tokens");
            assert_eq!(usage, Some(tokens), "{name}: tokens");
            assert_eq!(complete, want["usage_source"] == "reported", "{name}: complete");
        }
    }
}

#[test]
fn captured_calls_are_shown() {
    let call = |name: &str| {
        let bytes = std::fs::read(streams().join("http").join(name)).expect("capture");
        let mut calls = decode(api_of(name), &[&bytes]).into_iter().filter_map(|event| match event {
            AdapterEvent::ToolStart(call) => Some((call.call_id, call.name, call.summary)),
            _ => None,
        });
        let first = calls.next().expect("a call");
        assert_eq!(calls.next(), None, "{name}");
        first
    };
    let owned = |id: &str, name: &str, summary: &str| (id.to_owned(), name.to_owned(), summary.to_owned());
    assert_eq!(call("anthropic_tool.sse"), owned("toolu_mock2", "Bash", "echo hello-from-tool"));
    assert_eq!(
        call("openai_responses_tool.sse"),
        owned("call_mock9", "shell", "bash -lc echo hello-from-tool")
    );
    assert_eq!(call("gemini_tool.sse"), owned("call-1", "run_shell_command", "echo hello-from-tool"));
}

#[test]
fn reasoning_is_shown_as_thinking() {
    let bytes = std::fs::read(streams().join("http/openai_responses_text.sse")).expect("capture");
    assert!(decode(Api::Responses, &[&bytes]).contains(&AdapterEvent::Thinking));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_chunking_gives_the_same_events(
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40),
    ) {
        for (name, bytes, _) in captures() {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let parts: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let api = api_of(&name);
            prop_assert_eq!(decode(api, &parts), decode(api, &[&bytes]), "{}", name);
        }
    }

    #[test]
    fn a_stream_cut_anywhere_ends_once(at in any::<proptest::sample::Index>()) {
        for (name, bytes, _) in captures() {
            let events = decode(api_of(&name), &[&bytes[..at.index(bytes.len() + 1)]]);
            let ends = events.iter().filter(|event| matches!(event, AdapterEvent::Final(_))).count();
            prop_assert_eq!(ends, 1, "{}", name);
        }
    }

    #[test]
    fn damaged_streams_do_no_harm(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..60),
        words in proptest::collection::vec(("[a-z.]{0,12}", "(\\{\"[a-z]{1,8}\":)?[\\[\\]{}\",:0-9a-z]{0,30}"), 0..6),
    ) {
        for (name, mut bytes, _) in captures() {
            for (place, byte) in &damage {
                let at = place.index(bytes.len());
                bytes[at] = *byte;
            }
            let api = api_of(&name);
            let events = decode(api, &[&bytes]);
            let ends = events.iter().filter(|event| matches!(event, AdapterEvent::Final(_))).count();
            prop_assert_eq!(ends, 1, "{}", name);
            let mut decoder = Decoder::new(api);
            let mut out = Vec::new();
            for (word, data) in &words {
                decoder.event(Some(word), data, &mut out);
            }
        }
    }
}
