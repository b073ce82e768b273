//! Every recorded run of a tool through parser and meter, and the named cases of counting.

use std::path::{Path, PathBuf};

use llmctl_proto::event::CostBasis;
use llmctl_proto::price::PriceRow;
use serde_json::Value;

mod named;

use super::*;
use crate::tool::{Parser, Reader, ToolEnd, ToolSpec};

/// 2026-11-23.
const NOW: UnixMs = UnixMs(1_795_392_000_000);

fn streams() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/streams")
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(streams().join("expected.json")).unwrap()).unwrap()
}

/// The one price of the recordings that belongs to no real model.
fn mock_prices() -> Arc<PriceTable> {
    let mut row = PriceRow::flat("mock-model", PicoUsd(3_000_000), PicoUsd(15_000_000));
    row.rates.cache_read = Some(PicoUsd(300_000));
    row.rates.cache_write_5m = Some(PicoUsd(3_750_000));
    Arc::new(PriceTable::new(vec![row], None).unwrap())
}

struct Run {
    spend: Spend,
    meter: Meter,
    end: Final,
    text: Vec<u8>,
}

fn parser_of(file: &str) -> Parser {
    match file.split('/').next().unwrap() {
        "claude" => ToolSpec::find("claude-code").unwrap().parser(),
        "llm" => Parser::text(false),
        tool => ToolSpec::find(tool).unwrap().parser(),
    }
}

fn run(file: &str, model: Option<&str>, end: ToolEnd) -> Run {
    let mut bytes = std::fs::read(streams().join(file)).unwrap();
    if file == "gemini/json_mode.json" {
        // The document is written over many lines; the stream has one object a line.
        bytes = serde_json::from_slice::<Value>(&bytes).unwrap().to_string().into_bytes();
    }
    let stderr = std::fs::read(streams().join(file).with_extension("stderr")).unwrap_or_default();
    let (mut reader, mut events) = (Reader::new(parser_of(file)), Vec::new());
    reader.stdout(&bytes, &mut events);
    reader.stderr(&stderr, &mut events);
    let end = reader.finish(&end, &mut events);
    let mut meter = Meter::new(model, None, NOW);
    meter.set_prices(mock_prices());
    for event in &events {
        meter.observe(event);
    }
    meter.close(reader.parser().is_closed());
    let text = events.iter().flat_map(|event| match event {
        AdapterEvent::Text(bytes) => bytes.clone(),
        _ => Vec::new(),
    });
    Run { spend: meter.spend(), text: text.collect(), meter, end }
}

/// A process that ended by itself, as the recording's outcome wants it.
fn end_of(outcome: &str) -> ToolEnd {
    match outcome {
        "success" => ToolEnd { exit_code: Some(0), ..ToolEnd::default() },
        "failed" => ToolEnd { exit_code: Some(1), ..ToolEnd::default() },
        _ => ToolEnd { signal: Some(15), ..ToolEnd::default() },
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failed { .. } => "failed",
        Outcome::Stopped => "stopped",
        Outcome::StoppedBudget => "stopped (budget)",
        Outcome::Lost => "lost",
    }
}

fn source_of(text: &str) -> UsageSource {
    match text {
        "reported" => UsageSource::Reported,
        "partial" | "reported (output estimated by the tool)" => UsageSource::Partial,
        "none" | "none needed" => UsageSource::None,
        other => panic!("unknown source {other}"),
    }
}

fn usage_of(tokens: &Value) -> Usage {
    serde_json::from_value(tokens.clone()).unwrap_or_default()
}

/// Recordings that end in the middle of a message, with the tokens that their text promises beyond the one that was
/// reported (84 and 92 bytes, four a token) and what these cost at the model's price of $20 a million.
const CUT: [(&str, u64, i64); 3] = [
    ("claude/sigkill_tool.jsonl", 20, 20 * 20_000_000),
    ("claude/sigterm_stream.jsonl", 22, 22 * 20_000_000),
    ("claude/sigterm_tool.jsonl", 20, 20 * 20_000_000),
];

#[test]
fn every_recorded_run_gives_the_expected_figures() {
    let expected = expected();
    let mut seen = 0;
    for (file, want) in expected["files"].as_object().unwrap() {
        let ours =
            ["claude/", "codex/", "gemini/", "opencode/", "llm/"].iter().any(|tool| file.starts_with(tool));
        // The app-server recordings are of a second mode, which has no parser yet.
        if !ours || file.contains("appserver") {
            continue;
        }
        seen += 1;
        let outcome = want["outcome"].as_str().unwrap();
        let run = run(file, want["model"].as_str(), end_of(outcome));
        assert_eq!(outcome_name(&run.end.outcome), outcome, "{file}: outcome");
        assert_eq!(run.text.len() as u64, want["text_bytes"].as_u64().unwrap(), "{file}: text");
        // The recordings say what was reported; text of a stream that was cut is counted beside it.
        let unreported =
            CUT.iter().find(|(cut, ..)| cut == file).map_or((0, 0), |(_, tokens, pico)| (*tokens, *pico));
        let mut tokens = usage_of(&want["tokens"]);
        tokens.output += unreported.0;
        assert_eq!(run.spend.tokens, tokens, "{file}: tokens");
        assert_eq!(
            run.spend.usage_source,
            source_of(want["usage_source"].as_str().unwrap()),
            "{file}: source"
        );
        let cost = want["cost_pico_usd"].as_i64().map(|pico| pico + unreported.1);
        assert_eq!(run.meter.cost_pico().map(|c| c.0), cost, "{file}: cost");
        assert_eq!(run.spend.cost_nano_usd, cost.map(|pico| PicoUsd(pico).nano()), "{file}: nano");
        let told = PicoUsd::from_json(&want["reported_usd"]).map(PicoUsd::nano);
        assert_eq!(run.spend.reported_cost_nano_usd, told, "{file}: reported");
        assert_eq!(run.meter.drift(), None, "{file}: drift");
        let basis = if run.spend.cost_nano_usd.is_some() { CostBasis::Computed } else { CostBasis::Unknown };
        assert_eq!(run.spend.cost_basis, basis, "{file}: basis");
        for (row, want) in run.meter.rows().iter().zip(want["rows"].as_array().unwrap_or(&Vec::new())) {
            assert_eq!(Some(row.model.as_str()), want["model"].as_str(), "{file}");
            assert_eq!(row.usage, usage_of(&want["tokens"]), "{file}: {}", row.model);
            assert_eq!(row.cost.map(|c| c.0), want["cost_pico_usd"].as_i64(), "{file}: {}", row.model);
        }
    }
    assert_eq!(seen, 45);
}

#[test]
fn router_model_second_row() {
    let run = run("gemini/json_mode.json", None, end_of("success"));
    let costs: Vec<_> = run.meter.rows().iter().map(|row| row.cost.unwrap().0).collect();
    assert_eq!(costs, [277_750_000, 5_789_250_000]);
}

#[test]
fn the_tools_own_figure_counts_where_we_have_no_price() {
    let mut run = run("opencode/text.jsonl", Some("other/some-model"), end_of("success"));
    assert_eq!(run.spend.cost_nano_usd, Some(13_203_600));
    assert_eq!(run.spend.cost_basis, CostBasis::Reported);
    run.meter.set_free();
    assert_eq!(
        (run.meter.spend().cost_nano_usd, run.meter.spend().cost_basis),
        (Some(0), CostBasis::Computed)
    );
    assert_eq!(run.meter.spend().reported_cost_nano_usd, Some(13_203_600));
}

#[test]
fn an_unknown_model_stays_unpriced_although_the_tool_guesses() {
    for file in ["claude/unknown_model.jsonl", "claude/local_model.jsonl"] {
        let run = run(file, None, end_of("success"));
        assert_eq!((run.spend.cost_nano_usd, run.spend.cost_basis), (None, CostBasis::Unknown), "{file}");
        assert!(run.spend.reported_cost_nano_usd.is_some());
        assert_eq!(run.meter.drift(), None);
    }
}

#[test]
fn local_model_free_only_if_declared() {
    let mut meter = meter(Some("smollm2"));
    meter.observe(&usage("m", (10, 0, 0, 5), true));
    meter.close(true);
    assert_eq!(meter.spend().cost_nano_usd, None);
    let row = PriceRow::flat("smollm2", PicoUsd::ZERO, PicoUsd::ZERO);
    meter.set_prices(Arc::new(PriceTable::new(vec![row], None).unwrap()));
    assert_eq!((meter.spend().cost_nano_usd, meter.spend().cost_basis), (Some(0), CostBasis::Computed));
}

fn meter(model: Option<&str>) -> Meter {
    Meter::new(model, None, NOW)
}

fn usage(id: &str, tokens: (u64, u64, u64, u64), complete: bool) -> AdapterEvent {
    let (input, cache_read, cache_write_5m, output) = tokens;
    let usage = Usage { input, cache_read, cache_write_5m, output, ..Usage::default() };
    AdapterEvent::Usage { model: None, message_id: id.to_owned(), usage, complete }
}

fn text(bytes: usize) -> AdapterEvent {
    AdapterEvent::Text(vec![b'x'; bytes])
}

fn total(model: &str, output: u64) -> ModelTotal {
    ModelTotal {
        model: model.to_owned(),
        provider: None,
        usage: Usage { output, ..Usage::default() },
        reported_pico_usd: None,
        known_basis: false,
        estimated: false,
    }
}

#[test]
fn message_delta_replaces_and_output_is_never_lowered() {
    let mut meter = meter(Some("gpt-5"));
    for output in [5, 9, 26, 1] {
        meter.observe(&usage("m", (12, 0, 0, output), false));
    }
    meter.observe(&usage("n", (3, 0, 0, 4), false));
    assert_eq!(meter.spend().tokens, Usage { input: 15, output: 30, ..Usage::default() });
}

#[test]
fn a_model_named_later_belongs_to_the_same_message() {
    let mut meter = meter(None);
    meter.observe(&usage("m", (12, 0, 0, 1), false));
    let AdapterEvent::Usage { message_id, usage, .. } = usage("m", (12, 0, 0, 9), true) else {
        unreachable!()
    };
    meter.observe(&AdapterEvent::Usage {
        model: Some("gpt-5".to_owned()),
        message_id,
        usage,
        complete: true,
    });
    meter.close(true);
    assert_eq!(meter.spend().tokens.total(), 21);
    assert_eq!(meter.rows()[0].model, "gpt-5");
}

#[test]
fn model_totals_replace_everything_before_and_nothing_after() {
    let mut meter = meter(Some("gpt-5"));
    meter.observe(&usage("m", (500, 0, 0, 500), false));
    meter.observe(&AdapterEvent::ModelTotals(vec![total("gpt-5", 10), total("nosuchmodel", 5)]));
    assert_eq!(meter.spend().tokens.total(), 15);
    assert_eq!(meter.spend().cost_nano_usd, None, "one of the models has no price");
    meter.observe(&AdapterEvent::ModelTotals(vec![total("gpt-5", 10)]));
    meter.observe(&usage("n", (0, 0, 0, 7), true));
    meter.close(true);
    assert_eq!(meter.spend().tokens.total(), 17);
    assert_eq!(meter.spend().usage_source, UsageSource::Reported);
    assert_eq!(meter.spend().cost_nano_usd, Some(170_000));
}

#[test]
fn zero_usage_with_text_is_none() {
    let mut meter = meter(Some("gpt-5"));
    meter.observe(&text(18));
    meter.observe(&usage("m", (0, 0, 0, 0), true));
    meter.observe(&AdapterEvent::CostReported { pico_usd: 0, known_basis: true });
    meter.observe(&AdapterEvent::Final(Final::of(Outcome::Success)));
    meter.close(true);
    let spend = meter.spend();
    assert_eq!((spend.usage_source, spend.cost_nano_usd), (UsageSource::None, None));
    assert_eq!(spend.reported_cost_nano_usd, Some(0));
}

#[test]
fn no_usage_chunk_is_none() {
    let mut meter = meter(Some("gpt-5"));
    meter.observe(&text(84));
    assert_eq!(meter.spend().usage_source, UsageSource::Estimated);
    assert_eq!((meter.spend().tokens.output, meter.spend().cost_nano_usd), (21, None));
    meter.close(true);
    assert_eq!(meter.spend(), Spend::default());
}

#[test]
fn the_estimate_grows_with_text_and_gives_way_to_reports() {
    let mut meter = meter(Some("gpt-5"));
    meter.observe(&usage("m", (100, 0, 0, 1), false));
    assert_eq!(meter.spend().usage_source, UsageSource::Partial);
    meter.observe(&text(40));
    let live = meter.spend();
    assert_eq!((live.usage_source, live.tokens.output), (UsageSource::Estimated, 10));
    assert_eq!(live.cost_nano_usd, Some(125_000 + 100_000));
    meter.observe(&usage("m", (100, 0, 0, 12), false));
    assert_eq!((meter.spend().usage_source, meter.spend().tokens.output), (UsageSource::Partial, 12));
    meter.observe(&text(40));
    assert_eq!(meter.spend().tokens.output, 12 + 9);
    meter.close(false);
    // Cut off here, the text that nobody reported is still paid for.
    assert_eq!((meter.spend().usage_source, meter.spend().tokens.output), (UsageSource::Partial, 12 + 9));
}

#[test]
fn provider_charge_wins() {
    let mut meter = Meter::new(Some("gpt-5"), Some("openai"), NOW);
    meter.set_charged_by_provider();
    meter.observe(&usage("m", (800, 0, 0, 10), true));
    meter.observe(&AdapterEvent::CostReported { pico_usd: 1_200_000_000, known_basis: true });
    meter.close(true);
    let spend = meter.spend();
    assert_eq!((spend.cost_nano_usd, spend.cost_basis), (Some(1_200_000), CostBasis::Reported));
    assert_eq!(meter.drift(), Some(Drift { ours: PicoUsd(1_100_000_000), theirs: PicoUsd(1_200_000_000) }));
}

#[test]
fn drift_is_told_above_one_percent_or_a_thousand_nano_dollars() {
    let with = |pico_usd, known_basis| {
        let mut meter = meter(Some("gpt-5"));
        meter.observe(&usage("m", (800, 0, 0, 0), true));
        meter.observe(&AdapterEvent::CostReported { pico_usd, known_basis });
        meter.close(true);
        meter.drift().is_some()
    };
    assert!(!with(1_000_000_000, true));
    assert!(!with(1_001_000_000, true));
    assert!(with(1_001_000_001, true));
    assert!(with(998_999_999, true));
    assert!(!with(2_000_000_000, false));
    // A cheap run: one percent is less than a thousand nano-dollars.
    let mut cheap = meter(Some("gpt-5"));
    cheap.observe(&usage("m", (8, 0, 0, 0), true));
    cheap.observe(&AdapterEvent::CostReported { pico_usd: 10_200_000, known_basis: true });
    assert!(cheap.drift().is_some());
}

#[test]
fn a_refusal_costs_nothing_but_work_before_it_does() {
    let refused = AdapterEvent::Final(Final {
        http_status: Some(429),
        ..Final::of(Outcome::Failed { class: ErrorClass::RateLimit, message: String::new() })
    });
    let mut meter_a = meter(Some("gpt-5"));
    meter_a.observe(&refused);
    assert_eq!(meter_a.spend().cost_nano_usd, None, "not before the end is known");
    meter_a.close(true);
    assert_eq!(meter_a.spend().cost_nano_usd, Some(0));
    let mut meter_b = meter(Some("gpt-5"));
    meter_b.observe(&AdapterEvent::Thinking);
    meter_b.observe(&refused);
    meter_b.close(true);
    assert_eq!(meter_b.spend().cost_nano_usd, None);
}

#[test]
fn another_seller_has_another_price() {
    let spent = |provider: &str, told: Option<i64>| {
        let mut meter = meter(None);
        let row = ModelTotal {
            provider: Some(provider.to_owned()),
            reported_pico_usd: told,
            known_basis: told.is_some(),
            ..total("claude-opus-5-5", 10)
        };
        meter.observe(&AdapterEvent::ModelTotals(vec![row]));
        (meter.spend().cost_nano_usd, meter.spend().cost_basis)
    };
    assert_eq!(spent("firstParty", None), (Some(200_000), CostBasis::Computed));
    assert_eq!(spent("bedrock", None), (Some(220_000), CostBasis::Computed));
    // No list of this seller is known: the maker's would be a guess.
    assert_eq!(spent("some-reseller", None), (None, CostBasis::Unknown));
    assert_eq!(spent("some-reseller", Some(230_000_000)), (Some(230_000), CostBasis::Reported));
}

#[test]
fn overflow_is_unknown_and_nothing_wraps() {
    let mut meter = meter(Some("gpt-5"));
    for id in ["a", "b"] {
        meter.observe(&usage(id, (u64::MAX, u64::MAX, 1 << 63, u64::MAX), true));
    }
    meter.close(true);
    assert_eq!(meter.spend().tokens.input, u64::MAX);
    assert_eq!((meter.spend().cost_nano_usd, meter.spend().cost_basis), (None, CostBasis::Unknown));
}

#[test]
fn many_messages_are_added_up_in_bounded_memory() {
    let mut meter = meter(Some("gpt-5"));
    for n in 0..MAX_MESSAGES * 2 {
        meter.observe(&usage(&n.to_string(), (1, 0, 0, 1), true));
    }
    meter.close(true);
    assert_eq!(meter.messages.len(), MAX_MESSAGES);
    assert_eq!(meter.spend().tokens.total(), 4 * MAX_MESSAGES as u64);
    assert_eq!(meter.rows().len(), 1);
    assert_eq!(meter.spend().cost_nano_usd, Some(2 * MAX_MESSAGES as i64 * 11_250));
}

#[test]
fn tier_per_request_not_per_operation() {
    let mut requests = meter(Some("gemini-2.5-pro"));
    for id in ["a", "b", "c"] {
        requests.observe(&usage(id, (100_000, 0, 0, 0), true));
    }
    let spend = requests.spend();
    assert_eq!((spend.cost_nano_usd, spend.cost_basis), (Some(375_000_000), CostBasis::Computed));
    requests.observe(&usage("d", (200_001, 0, 0, 0), true));
    assert_eq!(requests.spend().cost_nano_usd, Some(375_000_000 + 500_002_500));
    // A tool that gives only the total of a turn, as Codex does.
    let mut total = meter(Some("gemini-2.5-pro"));
    total.set_messages_are_totals();
    total.observe(&usage("turn-1", (300_000, 0, 0, 0), true));
    let spend = total.spend();
    assert_eq!((spend.cost_nano_usd, spend.cost_basis), (Some(375_000_000), CostBasis::Derived));
    total.observe(&usage("turn-1", (200_000, 0, 0, 0), true));
    assert_eq!(total.spend().cost_basis, CostBasis::Computed);
}

#[test]
fn searches_and_the_tier_that_served_are_priced() {
    let spend = |tier: Option<&str>, web_searches| {
        let mut meter = Meter::new(Some("claude-opus-5-5"), Some("anthropic"), NOW);
        if let Some(tier) = tier {
            meter.observe(&AdapterEvent::ServiceTier(tier.to_owned()));
        }
        let usage = Usage { input: 1_000_000, web_searches, ..Usage::default() };
        meter.observe(&AdapterEvent::Usage { model: None, message_id: "m".into(), usage, complete: true });
        meter.close(true);
        meter.cost_pico().expect("a price").0
    };
    let plain = spend(None, 0);
    assert_eq!(spend(Some("standard"), 0), plain);
    assert_eq!(spend(Some("batch"), 0) * 2, plain);
    // $10 for a thousand searches.
    assert_eq!(spend(None, 3), plain + 3 * 10_000_000_000);
}
