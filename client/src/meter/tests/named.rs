//! Named cases of counting on recorded runs, each with the lines that make it.

use super::*;

fn recorded(file: &str, outcome: &str) -> Run {
    run(file, None, end_of(outcome))
}

/// Whole frames of a recording that hold `text`.
fn frames(file: &str, text: &str) -> Vec<Value> {
    let all = std::fs::read_to_string(streams().join(file)).unwrap();
    all.lines().filter(|line| line.contains(text)).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn interrupted_uses_model_usage() {
    let file = "claude/sigint_stream.jsonl";
    let result = frames(file, r#""type":"result""#).remove(0);
    assert_eq!(result["usage"]["output_tokens"], 0);
    assert_eq!(result["modelUsage"]["claude-opus-5-5"]["outputTokens"], 31);
    let run = recorded(file, "stopped");
    assert_eq!((run.spend.tokens.output, run.spend.usage_source), (31, UsageSource::Partial));
    assert_eq!(run.spend.cost_nano_usd, Some(4_674_800));
}

#[test]
fn blocks_share_message_id() {
    let file = "claude/tool.jsonl";
    let ids: Vec<Value> =
        frames(file, r#""type":"assistant""#).iter().map(|f| f["message"]["id"].clone()).collect();
    assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] != ids[2]);
    // Cut before the closing account, so that only the messages count: each once.
    let bytes = std::fs::read(streams().join(file)).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut reader, mut events) = (Reader::new(parser_of(file)), Vec::new());
    for line in &lines[..lines.len() - 1] {
        reader.stdout(line, &mut events);
    }
    let mut meter = meter(None);
    for event in &events {
        meter.observe(event);
    }
    assert_eq!(meter.rows().iter().map(|row| row.usage.input).sum::<u64>(), 24);
    assert_eq!(recorded(file, "success").spend.tokens.input, 24);
}

#[test]
fn message_delta_replaces() {
    let mut meter = meter(Some("gpt-5"));
    for output in [5, 9, 26] {
        meter.observe(&usage("m", (12, 0, 0, output), false));
    }
    assert_eq!(meter.spend().tokens.output, 26);
}

#[test]
fn output_never_lowered() {
    let mut meter = meter(Some("gpt-5"));
    meter.observe(&usage("m", (12, 0, 0, 26), false));
    meter.observe(&usage("m", (12, 0, 0, 1), true));
    assert_eq!(meter.spend().tokens.output, 26);
}

#[test]
fn retry_midstream_counts_once() {
    let file = "claude/error_midstream.jsonl";
    let result = frames(file, r#""type":"result""#).remove(0);
    assert_eq!(result["usage"]["input_tokens"], 24, "the tool adds the attempt that broke off");
    let run = recorded(file, "success");
    assert_eq!((run.spend.tokens.input, run.spend.tokens.output), (12, 25));
}

#[test]
fn gemini_thoughts_beside_candidates() {
    // The provider says 26 and 5; the tool's own stream shows 26 and hides the rest in its total.
    let file = "gemini/text_thoughts.jsonl";
    let stats = frames(file, r#""type":"result""#).remove(0)["stats"].clone();
    assert_eq!(stats["output_tokens"], 26);
    let run = recorded(file, "success");
    assert_eq!((run.spend.tokens.output, run.spend.tokens.reasoning), (31, 5));
}
