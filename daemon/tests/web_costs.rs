//! Costs, models and exports over HTTP: sums that add up whatever they are looked at by, figures against the operations
//! they are made of, files that are whole and safe to open.

mod common;

use common::{Answer, Stage, completed, stage, started};
use llmctl_proto::event::{CostRecorded, Spend};
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::LedgerRow;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::{Usage, UsageSource};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
/// 2026-11-23T00:31:59.133Z.
const NOW: i64 = 1_795_393_919_133;

fn id(n: usize) -> OperationId {
    format!("exec-00{n:06}").parse().expect("an id")
}

async fn get(stage: &Stage, path: &str) -> Answer {
    stage.send("GET", path, &[stage.bearer()], "").await
}

async fn value(stage: &Stage, path: &str) -> Value {
    let answer = get(stage, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The body of an answer that was sent in pieces.
fn whole(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let (mut rest, mut body) = (answer.bytes.as_slice(), Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("the length of a piece");
        let text = std::str::from_utf8(&rest[..end]).expect("a length");
        let length = usize::from_str_radix(text, 16).expect("a length");
        if length == 0 {
            return String::from_utf8(body).expect("text");
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
}

fn row(model: &str, output: u64, pico: Option<i64>) -> LedgerRow {
    LedgerRow {
        model: model.into(),
        tokens: Usage { output, ..Usage::default() },
        usage_source: UsageSource::Reported,
        cost_pico_usd: pico.map(PicoUsd),
        ..LedgerRow::default()
    }
}

fn record(n: usize, at: i64, rows: Vec<LedgerRow>) -> CostRecorded {
    CostRecorded {
        operation_id: id(n),
        attempt: 1,
        tool: ["claude-code", "codex"][n % 2].into(),
        provider: Some("anthropic".into()),
        agent: n.is_multiple_of(3).then(|| "=cmd|' /C calc'!A0".to_owned()),
        project: None,
        task_type: None,
        task_id: None,
        policy: None,
        started_at: UnixMs(at),
        recorded_at: UnixMs(at),
        rows,
        cost_nano_usd: None,
        drift: None,
    }
}

/// 700 attempts over ten days, with amounts that do not round by themselves; every hundredth has an unknown part.
async fn spend(stage: &Stage) -> i64 {
    let mut pico = 0;
    for n in 0..700_usize {
        let cost = 1_234_567 + 333 * n as i64;
        let mut rows = vec![row(["a", "b", "c"][n % 3], 7, Some(cost))];
        if n % 100 == 0 {
            rows.push(row("nobody-knows", 9, None));
        }
        pico += cost;
        stage.publish(record(n, NOW - (n as i64 % 10) * DAY, rows)).await;
    }
    pico
}

fn sum(rows: &Value, key: &str) -> i64 {
    rows.as_array().expect("rows").iter().map(|row| row[key].as_i64().expect("an integer")).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_costs_add_up_by_time_and_in_all() {
    let stage = stage().await;
    let pico = spend(&stage).await;
    let total = PicoUsd(pico).nano();
    for by in ["model", "tool", "agent", "project", "provider"] {
        for bucket in ["all", "hour", "day", "month"] {
            let answer = value(&stage, &format!("/api/costs?by={by}&bucket={bucket}")).await;
            assert_eq!(answer["total"]["cost_nano_usd"], total);
            assert_eq!(answer["total"]["unknown"], 7);
            assert_eq!(sum(&answer["rows"], "cost_nano_usd"), total, "{by} {bucket}");
            assert_eq!(sum(&answer["rows"], "tokens_total"), 700 * 7 + 7 * 9, "{by} {bucket}");
            if bucket == "all" {
                assert!(answer.get("groups").is_none());
                continue;
            }
            assert_eq!(sum(&answer["groups"], "cost_nano_usd"), total, "{by} {bucket}");
            let alone = value(&stage, &format!("/api/costs?by={by}")).await;
            assert_eq!(answer["groups"], alone["rows"], "{by} {bucket}");
        }
    }
    let answer = value(&stage, "/api/costs").await;
    let unknown = answer["unknown_rows"].as_array().expect("rows");
    assert_eq!(unknown.len(), 7);
    let found = |row: &Value| row["operation_id"] == id(600).as_str() && row["model"] == "nobody-knows";
    assert!(unknown.iter().any(found), "{unknown:?}");
    assert_eq!(answer["now"]["total_nano_usd"], total);
    assert_eq!((&answer["from"], &answer["to"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_costs_of_a_span_are_those_of_its_dates() {
    let stage = stage().await;
    spend(&stage).await;
    let count = async |query: &str| {
        value(&stage, &format!("/api/costs?{query}")).await["total"]["operations"].as_i64()
    };
    assert_eq!(count("from=2026-11-22&to=2026-11-23").await, Some(70));
    // The same two days of the calendar begin nine hours earlier in Tokyo, and 00:31 UTC is 09:31 there.
    assert_eq!(count("from=2026-11-22&to=2026-11-24&timezone=Asia/Tokyo").await, Some(140));
    let today = value(&stage, "/api/costs?range=today&bucket=hour").await;
    assert!(today["from"].as_str().is_some_and(|from| from.ends_with("T00:00:00.000Z")), "{}", today["from"]);
    for wrong in ["range=year", "from=soon", "to=2026-13-01", "by=colour", "bucket=week", "timezone=Nowhere"]
    {
        let answer = get(&stage, &format!("/api/costs?{wrong}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{wrong}");
    }
}

const MODELS: &str = "\
models:
  own:
    provider: anthropic
    aliases: [mine]
    context_window: 1000
    prices:
      - {valid_from: 2026-01-01, source: \"a contract\", per_million: {input: 3, output: 15}}
  old:
    provider: anthropic
    retired: true
    superseded_by: own
tools:
  codex:
    models: [own, offered-only]
";

/// Ends operations of three models, of which one is only known by having been used.
async fn work(stage: &Stage) {
    for n in 0..10_usize {
        let mut start = started(&id(n));
        start.model = [Some("own"), Some("<b>x</b>"), None][n % 3].map(str::to_owned);
        start.provider = Some("anthropic".into());
        stage.publish(start).await;
        let mut end = completed(&id(n));
        end.duration_ms = 1_000 * (n as u64 + 1);
        end.first_output_ms = Some(100);
        end.spend = Spend {
            tokens: Usage { output: 50, ..Usage::default() },
            cost_nano_usd: (n != 3).then_some(1_000),
            ..Spend::default()
        };
        stage.publish(end).await;
    }
    stage.publish(started(&id(99))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_models_have_figures_prices_and_tools() {
    let stage = stage().await;
    std::fs::create_dir_all(&stage.paths.config).expect("made");
    std::fs::write(stage.paths.config.join("models.yaml"), MODELS).expect("written");
    let read = stage.deps.settings.reload(&stage.hub).await;
    assert!(read.applied, "{read:?}");
    work(&stage).await;
    let answer = value(&stage, "/api/models?since=30d").await;
    assert_eq!((&answer["operations"], &answer["truncated"]), (&json!(10), &json!(false)));
    let models = answer["models"].as_array().expect("models");
    let names: Vec<&Value> = models.iter().map(|model| &model["model"]).collect();
    assert_eq!(
        names,
        [&json!("own"), &json!(null), &json!("<b>x</b>"), &json!("old"), &json!("offered-only")]
    );
    let own = &models[0];
    let stats = &own["stats"];
    assert_eq!((&stats["operations"], &stats["selected_permille"]), (&json!(4), &json!(400)));
    assert_eq!((&stats["p50_ms"], &stats["p95_ms"]), (&json!(4_000), &json!(10_000)));
    assert_eq!(stats["success_permille"], 1_000);
    assert_eq!((&stats["cost_nano_usd"], &stats["cost_unknown"]), (&json!(3_000), &json!(1)));
    assert_eq!(stats["cost_each_nano_usd"], 1_000);
    assert_eq!(own["price"]["rates"]["input_pico_usd"], 3_000_000);
    assert_eq!(own["price"]["rates"]["output_pico_usd"], 15_000_000);
    assert_eq!((&own["price"]["source"], &own["price"]["note"]), (&json!("override"), &json!("a contract")));
    assert_eq!(own["price"]["valid_from"], "2026-01-01T00:00:00.000Z");
    assert!(own["last_used_at"].is_string());
    let tools = own["offered_by"].as_array().expect("tools");
    assert_eq!(tools.len(), 2);
    assert_eq!((&tools[0]["tool"], &tools[0]["operations"]), (&json!("claude-code"), &json!(4)));
    assert_eq!((&tools[1]["tool"], &tools[1]["configured"]), (&json!("codex"), &json!(true)));
    assert_eq!((&models[3]["retired"], &models[3]["superseded_by"]), (&json!(true), &json!("own")));
    assert_eq!(models[4]["price_missing"], "unknown_model");
    assert!(models[4]["stats"].is_null());

    let found = value(&stage, "/api/models?q=claude-opus").await;
    let found = found["models"].as_array().expect("models");
    assert!(found.iter().any(|model| model["price"]["source"] == "catalogue"), "the price table is searched");
    assert!(
        found.iter().all(|model| model["model"].as_str().is_some_and(|name| name.contains("claude-opus")))
    );
    assert_eq!(get(&stage, "/api/models?since=soon").await.code(), "invalid_value");
    assert_eq!(stage.send("POST", "/api/models", &[stage.bearer()], "{}").await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_exports_are_whole_and_no_formula() {
    let stage = stage().await;
    spend(&stage).await;
    work(&stage).await;
    let answer = get(&stage, "/api/export?kind=costs&format=csv").await;
    let named = answer.header("content-disposition").expect("a name");
    assert!(named.starts_with("attachment; filename=\"llmctl-costs-2"), "{named}");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    let text = whole(&answer);
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 700 + 7);
    assert!(lines[0].starts_with("recorded_at,started_at,operation_id,"), "{}", lines[0]);
    assert!(text.contains(",\"'=cmd|' /C calc'!A0\","), "{}", lines[1]);
    assert!(!text.contains(",=cmd"));

    let costs = whole(&get(&stage, "/api/export?kind=costs&format=jsonl").await);
    let costs: Vec<CostRecorded> =
        costs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(costs.len(), 700);
    let day = whole(&get(&stage, "/api/export?kind=costs&from=2026-11-22&to=2026-11-23").await);
    assert_eq!(day.lines().count(), 70);

    let operations = whole(&get(&stage, "/api/export?kind=operations&format=json").await);
    let operations: Vec<Value> = serde_json::from_str(&operations).expect("an array");
    assert_eq!(operations.len(), 700);
    let csv = whole(&get(&stage, "/api/export?kind=operations&format=csv").await);
    assert_eq!(csv.split_terminator("\r\n").count(), 701);
    let none = whole(&get(&stage, "/api/export?kind=operations&format=json&to=1999-01-01").await);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&none).expect("an array"), Vec::<Value>::new());

    let events = whole(&get(&stage, "/api/export?kind=events&format=jsonl").await);
    let kinds: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(kinds.iter().filter(|event| event["type"] == "cost.recorded").count(), 700);
    for wrong in ["kind=secrets", "format=csv", "kind=costs&format=xls", "kind=costs&from=soon"] {
        assert_eq!(get(&stage, &format!("/api/export?{wrong}")).await.code(), "invalid_value", "{wrong}");
    }
}
