//! What every parser keeps to: any cutting gives the same events, nothing a program writes makes it fail.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn streams() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/streams")
}

fn recording(file: &str) -> Vec<u8> {
    std::fs::read(streams().join(file)).unwrap()
}

fn parser(tool: &str) -> Parser {
    ToolSpec::find(tool).map_or_else(|| Parser::text(false), ToolSpec::parser)
}

const TOOLS: [&str; 5] = ["claude-code", "codex", "gemini", "opencode", "text"];

/// Events of a run; neighbouring pieces of text are one, since a text stream is cut as it comes.
fn events(tool: &str, pieces: &[&[u8]], end: ToolEnd) -> Vec<AdapterEvent> {
    let (mut reader, mut out) = (Reader::new(parser(tool)), Vec::new());
    for piece in pieces {
        reader.stdout(piece, &mut out);
    }
    reader.finish(&end, &mut out);
    let mut joined: Vec<AdapterEvent> = Vec::new();
    for event in out {
        match (joined.last_mut(), event) {
            (Some(AdapterEvent::Text(before)), AdapterEvent::Text(more)) if tool == "text" => {
                before.extend(more);
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

fn run(tool: &str, frames: &[serde_json::Value], end: ToolEnd) -> Vec<AdapterEvent> {
    let lines: Vec<String> = frames.iter().map(ToString::to_string).collect();
    events(tool, &[lines.join("\n").as_bytes()], end)
}

fn text_of(events: &[AdapterEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        AdapterEvent::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    });
    texts.collect()
}

fn last(events: &[AdapterEvent]) -> &Outcome {
    match events.last() {
        Some(AdapterEvent::Final(end)) => &end.outcome,
        other => panic!("no closing event: {other:?}"),
    }
}

fn exit(code: i32) -> ToolEnd {
    ToolEnd { exit_code: Some(code), ..ToolEnd::default() }
}

fn class(outcome: &Outcome) -> Option<ErrorClass> {
    match outcome {
        Outcome::Failed { class, .. } => Some(*class),
        _ => None,
    }
}

#[test]
fn failures_have_the_class_the_tool_names() {
    for (tool, file, want, status) in [
        ("claude-code", "claude/error_429.jsonl", ErrorClass::RateLimit, Some(429)),
        ("claude-code", "claude/error_529.jsonl", ErrorClass::Overloaded, Some(529)),
        ("claude-code", "claude/no_key.jsonl", ErrorClass::Auth, None),
        ("codex", "codex/error_429.jsonl", ErrorClass::RateLimit, Some(429)),
        ("codex", "codex/error_401.jsonl", ErrorClass::Auth, Some(401)),
        ("codex", "codex/dropped.jsonl", ErrorClass::Network, None),
        ("codex", "codex/error_midstream.jsonl", ErrorClass::Network, None),
        ("gemini", "gemini/error_401.jsonl", ErrorClass::Auth, Some(401)),
        ("opencode", "opencode/error_401.jsonl", ErrorClass::Auth, Some(401)),
    ] {
        let seen = events(tool, &[&recording(file)], exit(1));
        assert_eq!(class(last(&seen)), Some(want), "{file}");
        let Some(AdapterEvent::Final(end)) = seen.last() else { unreachable!() };
        assert_eq!(end.http_status, status, "{file}");
    }
}

#[test]
fn retries_are_told() {
    let retries = |tool: &str, file: &str| -> Vec<(u32, Option<u32>, Option<u16>)> {
        let seen = events(tool, &[&recording(file)], exit(1));
        let retry = |event: &AdapterEvent| match event {
            AdapterEvent::Retry { attempt, max, status, .. } => Some((*attempt, *max, *status)),
            _ => None,
        };
        seen.iter().filter_map(retry).collect()
    };
    let claude = retries("claude-code", "claude/error_429.jsonl");
    assert_eq!(claude, [(1, Some(2), Some(429)), (2, Some(2), Some(429))]);
    assert_eq!(retries("codex", "codex/error_429.jsonl"), [(1, Some(1), Some(429))]);
    assert_eq!(retries("codex", "codex/dropped.jsonl"), [(1, Some(1), None)]);

    let (mut reader, mut out) = (Reader::new(parser("gemini")), Vec::new());
    reader.stderr(&recording("gemini/error_429_retrying.stderr"), &mut out);
    let first = AdapterEvent::Retry { attempt: 1, max: None, delay_ms: None, status: Some(429) };
    assert_eq!(out.first(), Some(&first));
    assert!(out.len() > 3);
}

#[test]
fn sessions_and_models_are_known() {
    for (tool, file, session, model) in [
        ("claude-code", "claude/text.jsonl", "80443d82-1169-46fb-a504-c355eaf87d71", Some("claude-opus-5-5")),
        ("codex", "codex/text.jsonl", "01a205c9-e577-7972-8dd9-ed75b2f23500", None),
        ("gemini", "gemini/tool.jsonl", "48833cd3-9fcd-4c47-a707-b71639acc865", Some("gemini-2.5-flash")),
        ("opencode", "opencode/text.jsonl", "ses_dfa2d9a65ffevAfhgmVtA5fhPd", None),
    ] {
        let (mut reader, mut out) = (Reader::new(parser(tool)), Vec::new());
        reader.stdout(&recording(file), &mut out);
        assert_eq!(reader.parser().session_id(), Some(session), "{file}");
        assert_eq!(reader.parser().model(), model, "{file}");
        assert!(ToolSpec::find(tool).unwrap().resume_command(session).unwrap().ends_with(session));
    }
}

#[test]
fn tool_calls_begin_and_end() {
    for (tool, file, name, summary) in [
        ("claude-code", "claude/tool.jsonl", "Bash", "echo hello-from-tool"),
        ("codex", "codex/tool.jsonl", "command_execution", "/bin/bash -lc 'echo hello-from-tool'"),
        ("gemini", "gemini/tool.jsonl", "run_shell_command", "echo hello-from-tool"),
    ] {
        let seen = events(tool, &[&recording(file)], exit(0));
        let starts: Vec<_> = seen
            .iter()
            .filter_map(|e| if let AdapterEvent::ToolStart(c) = e { Some(c) } else { None })
            .collect();
        let ends: Vec<_> = seen
            .iter()
            .filter_map(|e| if let AdapterEvent::ToolEnd(c) = e { Some(c) } else { None })
            .collect();
        assert_eq!((starts.len(), ends.len()), (1, 1), "{file}");
        assert_eq!((starts[0].name.as_str(), starts[0].kind), (name, ToolKind::Shell), "{file}");
        assert_eq!(starts[0].summary, summary, "{file}");
        assert!(ends[0].ok && ends[0].call_id == starts[0].call_id && ends[0].output_bytes >= 15, "{file}");
    }
    let killed = events("claude-code", &[&recording("claude/sigterm_tool.jsonl")], exit(143));
    assert!(
        killed.iter().any(|e| matches!(e, AdapterEvent::ToolEnd(c) if !c.ok && c.exit_code == Some(137)))
    );
}

#[test]
fn the_closing_frame_decides_and_not_the_exit_code() {
    let ok = recording("claude/text.jsonl");
    assert_eq!(last(&events("claude-code", &[&ok], exit(1))), &Outcome::Success);
    let stopped = recording("claude/sigint_stream.jsonl");
    assert_eq!(last(&events("claude-code", &[&stopped], exit(0))), &Outcome::Stopped);
    let asked = ToolEnd { stop_requested: true, ..exit(0) };
    for (tool, file) in [("gemini", "gemini/sigint_group.jsonl"), ("codex", "codex/sigint_stream.jsonl")] {
        assert_eq!(last(&events(tool, &[&recording(file)], exit(0))), &Outcome::Lost, "{file}");
        assert_eq!(last(&events(tool, &[&recording(file)], exit(1))), &Outcome::Lost, "{file}");
        assert_eq!(last(&events(tool, &[&recording(file)], asked)), &Outcome::Stopped, "{file}");
    }
}

#[test]
fn a_tool_that_never_began_its_stream_failed() {
    let mut out = Vec::new();
    let mut reader = Reader::new(parser("claude-code"));
    reader.stderr(b"Error: something requires --verbose\n", &mut out);
    let end = reader.finish(&exit(1), &mut out);
    assert_eq!(
        end.outcome,
        Outcome::Failed {
            class: ErrorClass::ExitCode,
            message: "the tool left with code 1: Error: something requires --verbose".to_owned()
        }
    );
    assert_eq!(class(last(&events("gemini", &[], exit(41)))), Some(ErrorClass::Auth));
    assert_eq!(class(last(&events("gemini", &[], exit(55)))), Some(ErrorClass::Invalid));
    assert_eq!(last(&events("codex", &[], exit(0))), &Outcome::Lost);
}

#[test]
fn a_text_tool_ends_as_its_exit_code_says() {
    let text = |bytes: &'static [u8], end| last(&events("text", &[bytes], end)).clone();
    assert_eq!(text(b"no line end", exit(0)), Outcome::Success);
    assert_eq!(class(&text(b"", exit(0))), Some(ErrorClass::InvalidOutput));
    assert_eq!(class(&text(b"half", exit(3))), Some(ErrorClass::ExitCode));
    assert_eq!(text(b"half", ToolEnd { signal: Some(9), ..ToolEnd::default() }), Outcome::Lost);
    assert_eq!(text(b"half", ToolEnd { stop_requested: true, ..exit(1) }), Outcome::Stopped);
    let mut out = Vec::new();
    assert_eq!(Parser::text(true).finish(&exit(0), &mut out).outcome, Outcome::Success);
    assert!(!Parser::text(false).wants_lines());
}

#[test]
fn text_comes_from_deltas_or_from_whole_messages_never_from_both() {
    let start =
        |id: &str| json!({"type": "stream_event", "event": {"type": "message_start", "message": {"id": id}}});
    let delta = |text: &str| json!({"type": "stream_event", "event": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}});
    let whole = |id: &str, text: &str| json!({"type": "assistant", "message": {"id": id, "content": [{"type": "text", "text": text}]}});
    let result = json!({"type": "result", "subtype": "success", "is_error": false, "result": "b"});
    let frames = [
        start("1"),
        delta("a"),
        whole("1", "a"),
        whole("2", "b"),
        start("3"),
        whole("3", "c"),
        result.clone(),
    ];
    assert_eq!(text_of(&run("claude-code", &frames, exit(0))), "abc");
    assert_eq!(text_of(&run("claude-code", &[result], exit(0))), "b");
}

#[test]
fn subagent_tokens_count_text_not() {
    let event = |parent: serde_json::Value, event: serde_json::Value| json!({"type": "stream_event", "parent_tool_use_id": parent, "event": event});
    let start = |id: &str| json!({"type": "message_start", "message": {"id": id, "usage": {"input_tokens": 5, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hidden"}});
    let delta = |output: u64| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}});
    let frames = [
        event(json!(null), start("main")),
        event(json!("toolu_1"), start("sub")),
        event(json!("toolu_1"), text),
        event(json!("toolu_1"), delta(20)),
        event(json!(null), delta(7)),
        event(json!("toolu_1"), json!({"type": "message_stop"})),
    ];
    let seen = run("claude-code", &frames, exit(0));
    assert_eq!(text_of(&seen), "");
    let last_of = |id: &str| {
        seen.iter().rev().find_map(|e| match e {
            AdapterEvent::Usage { message_id, usage, complete, .. } if message_id == id => {
                Some((usage.output, *complete))
            }
            _ => None,
        })
    };
    assert_eq!((last_of("main"), last_of("sub")), (Some((7, false)), Some((20, true))));
}

#[test]
fn a_synthetic_message_is_no_answer() {
    for file in ["claude/error_429.jsonl", "claude/no_key.jsonl"] {
        assert_eq!(text_of(&events("claude-code", &[&recording(file)], exit(1))), "", "{file}");
    }
}

#[test]
fn noise_on_the_error_stream_is_no_error() {
    let (mut reader, mut out) = (Reader::new(parser("codex")), Vec::new());
    reader.stderr(&recording("codex/text.stderr"), &mut out);
    reader.stdout(&recording("codex/text.jsonl"), &mut out);
    assert_eq!(reader.finish(&exit(0), &mut out).outcome, Outcome::Success);
    let warnings = out.iter().filter(|event| matches!(event, AdapterEvent::Warning(_))).count();
    assert_eq!(warnings, 1, "the one about the model's metadata");
}

#[test]
fn what_is_no_frame_is_a_bounded_number_of_warnings() {
    for tool in &TOOLS[..4] {
        let noise = b"this is no JSON\n42\n[]\nnull\n".repeat(100);
        let seen = events(tool, &[&noise], exit(0));
        assert_eq!(
            seen.iter().filter(|event| matches!(event, AdapterEvent::Warning(_))).count(),
            21,
            "{tool}"
        );
        let Some(AdapterEvent::Warning(rest)) = seen.iter().rfind(|e| matches!(e, AdapterEvent::Warning(_)))
        else {
            panic!("no warning")
        };
        assert_eq!(rest, "380 more warnings were left out", "{tool}");
    }
}

#[test]
fn an_unknown_frame_is_kept_apart() {
    for tool in &TOOLS[..4] {
        let seen = run(tool, &[json!({"type": "from_the_future", "x": 1})], exit(0));
        assert_eq!(seen[0], AdapterEvent::Unknown("from_the_future".to_owned()), "{tool}");
    }
}

#[test]
fn hostile_lines_do_no_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", r#"{"type":"#.repeat(10_000), "}".repeat(10_000));
    let long = vec![b'x'; 17 * 1024 * 1024];
    for tool in TOOLS {
        for hostile in [
            deep.as_bytes(),
            deep_object.as_bytes(),
            &long,
            b"\xff\xfe\x00",
            b"{\"type\":\"result\"",
            b"\xef\xbb\xbf{}",
        ] {
            let seen = events(tool, &[hostile, b"\n{}\n"], exit(0));
            assert!(matches!(seen.last(), Some(AdapterEvent::Final(_))), "{tool}");
        }
    }
    let seen = events("codex", &[&long, b"\n"], exit(0));
    assert!(matches!(&seen[0], AdapterEvent::Warning(text) if text.contains("was cut")), "{:?}", seen[0]);
}

#[test]
fn every_field_may_be_null_or_of_a_wrong_type() {
    let files = [
        ("claude-code", "claude/text_partial.jsonl"),
        ("claude-code", "claude/tool.jsonl"),
        ("claude-code", "claude/error_429.jsonl"),
        ("codex", "codex/tool.jsonl"),
        ("codex", "codex/error_429.jsonl"),
        ("gemini", "gemini/tool.jsonl"),
        ("opencode", "opencode/text.jsonl"),
        ("opencode", "opencode/error_401.jsonl"),
    ];
    let wrong = [
        json!(null),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!([]),
        json!([null]),
        json!({"a": {}}),
        json!(true),
        json!(1e300),
    ];
    for (tool, file) in files {
        for line in recording(file).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let frame: serde_json::Value = serde_json::from_slice(line).unwrap();
            for path in paths(&frame) {
                for value in &wrong {
                    let mut changed = frame.clone();
                    *changed.pointer_mut(&path).unwrap() = value.clone();
                    run(tool, &[changed], exit(0));
                }
            }
        }
    }
}

/// Every place in a frame, but those of the long lists that no parser reads.
fn paths(value: &serde_json::Value) -> Vec<String> {
    const UNREAD: [&str; 7] =
        ["tools", "slash_commands", "skills", "agents", "capabilities", "plugins", "terminal_slash_commands"];
    let mut found = Vec::new();
    let children: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !UNREAD.contains(&key.as_str()))
            .map(|(key, v)| (key.replace('/', "~1"), v))
            .collect(),
        serde_json::Value::Array(list) => list.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        found.push(format!("/{key}"));
        found.extend(paths(child).into_iter().map(|path| format!("/{key}{path}")));
    }
    found
}

const RECORDINGS: [(&str, &str); 16] = [
    ("claude-code", "claude/text_partial.jsonl"),
    ("claude-code", "claude/tool.jsonl"),
    ("claude-code", "claude/sigint_stream.jsonl"),
    ("claude-code", "claude/error_529.jsonl"),
    ("claude-code", "claude/budget.jsonl"),
    ("claude-code", "claude/sigterm_tool.jsonl"),
    ("codex", "codex/tool.jsonl"),
    ("codex", "codex/dropped.jsonl"),
    ("codex", "codex/sigint_tool.jsonl"),
    ("gemini", "gemini/tool.jsonl"),
    ("gemini", "gemini/error_401.jsonl"),
    ("gemini", "gemini/sigint_group.jsonl"),
    ("opencode", "opencode/text.jsonl"),
    ("opencode", "opencode/error_401.jsonl"),
    ("text", "llm/text.stdout"),
    ("text", "llm/sigint.stdout"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_gives_the_same_events(
        which in 0..RECORDINGS.len(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        crlf: bool,
    ) {
        let (tool, file) = RECORDINGS[which];
        let mut bytes = recording(file);
        let whole = events(tool, &[&bytes], exit(0));
        if crlf && tool != "text" {
            bytes = String::from_utf8(bytes).unwrap().replace('\n', "\r\n\r\n").into_bytes();
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        prop_assert_eq!(events(tool, &pieces, exit(0)), whole);
    }

    #[test]
    fn a_truncated_recording_never_succeeds_and_never_panics(which in 0..14_usize, at: prop::sample::Index) {
        let (tool, file) = RECORDINGS[which];
        let bytes = recording(file);
        let end = bytes.iter().rposition(|byte| *byte == b'{').unwrap();
        let seen = events(tool, &[&bytes[..at.index(end)]], exit(0));
        prop_assert!(!matches!(last(&seen), Outcome::Success));
    }

    #[test]
    fn garbage_never_panics(which in 0..TOOLS.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        events(TOOLS[which], &[&bytes], exit(0));
    }
}

#[test]
fn one_byte_at_a_time_gives_the_same_events() {
    for (tool, file) in RECORDINGS {
        let bytes = recording(file);
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(events(tool, &pieces, exit(0)), events(tool, &[&bytes], exit(0)), "{file}");
    }
}

#[test]
fn a_limit_of_turns_is_a_failure_whatever_the_flag_says() {
    let frame = json!({"type": "result", "subtype": "error_max_turns", "is_error": false, "result": ""});
    let seen = run("claude-code", &[frame], exit(0));
    let Outcome::Failed { class, message } = last(&seen) else { panic!("{seen:?}") };
    assert_eq!((*class, message.as_str()), (ErrorClass::ExitCode, "error_max_turns"));
}

#[test]
fn only_a_closing_frame_closes_a_stream() {
    let closed = |tool: &str, file: &str, end| {
        let (mut reader, mut out) = (Reader::new(parser(tool)), Vec::new());
        reader.stdout(&recording(file), &mut out);
        reader.finish(&end, &mut out);
        reader.parser().is_closed()
    };
    assert!(closed("claude-code", "claude/sigint_stream.jsonl", exit(0)));
    assert!(!closed(
        "claude-code",
        "claude/sigterm_stream.jsonl",
        ToolEnd { stop_requested: true, ..exit(143) }
    ));
    assert!(closed("opencode", "opencode/text.jsonl", exit(0)));
    assert!(!closed("text", "llm/sigint.stdout", exit(1)));
}
