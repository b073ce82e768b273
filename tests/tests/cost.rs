//! The ledger: amounts that never change once they are recorded, the same report whoever is asked, and sums that
//! survive the daemon and its database.

use llmctl_tests::gateway::Gateway;
use llmctl_tests::paid::{Paid, TOKEN_NANO};
use llmctl_tests::stage::{LONG, SOON};
use llmctl_tests::wait::wait_until;
use serde_json::{Value, json};

fn text(paid: &Paid, words: &[&str]) -> String {
    paid.sandbox.run(words, LONG).expect_code(0).stdout_text()
}

fn json(paid: &Paid, words: &[&str]) -> Value {
    let out = text(paid, words);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn ids(paid: &Paid) -> Vec<String> {
    paid.operations().iter().map(|op| op["operation_id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Pico-dollars of an operation as `cost explain` has them, after checking that the lines add up.
fn explained(paid: &Paid, id: &str) -> i64 {
    let records = json(paid, &["cost", "explain", id, "--json"]);
    let mut sum = 0;
    for row in
        records.as_array().into_iter().flatten().flat_map(|r| r["rows"].as_array().into_iter().flatten())
    {
        let cost = row["cost_pico_usd"].as_i64().expect("a cost");
        let lines: i64 = row["lines"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| line["amount_pico_usd"].as_i64().expect("an amount"))
            .sum();
        assert_eq!(lines, cost, "{row}");
        sum += cost;
    }
    sum
}

fn reprice(paid: &Paid, from: &str, to: &str) {
    let path = paid.sandbox.path("config/llmctl/models.yaml");
    let before = std::fs::read_to_string(&path).expect("read");
    assert!(before.contains(from), "{before}");
    std::fs::write(&path, before.replace(from, to)).expect("written");
}

#[test]
fn a_changed_price_changes_no_recorded_amount_and_as_of_repeats_the_report() {
    let paid = Paid::new("", 20);
    paid.execute("the same", &[]).expect_code(0);
    let before = text(&paid, &["cost"]);
    let at = before
        .lines()
        .find_map(|line| line.strip_prefix("as of "))
        .and_then(|line| line.split(',').next())
        .expect("the moment of the report")
        .to_owned();
    reprice(&paid, "output: 1000", "output: 3000");
    paid.execute("the same", &[]).expect_code(0);
    assert_eq!(
        text(&paid, &["cost", "--as-of", &at]),
        before,
        "the report of then is the report of now about then"
    );
    assert_ne!(text(&paid, &["cost"]), before);
    let ids = ids(&paid);
    let (new, old) = (explained(&paid, &ids[0]), explained(&paid, &ids[1]));
    assert_eq!(new, 3 * old, "each keeps the price of its time");
    let served = paid.provider.ledger()[0].usage.expect("usage");
    assert_eq!(old, served.output as i64 * TOKEN_NANO * 1_000);
    let shown = text(&paid, &["cost", "explain", &ids[1]]);
    assert!(shown.contains("$1000/M") && shown.contains("override:example:example:always:"), "{shown}");
}

#[test]
fn the_report_is_the_same_with_and_without_a_daemon_and_from_a_new_database() {
    let paid = Paid::new("", 20);
    for (prompt, more) in [("one", &["--agent", "a"][..]), ("two", &[]), ("UNAUTH", &[])] {
        paid.sandbox
            .configure("agents.yaml", "agents:\n  a: {preferred_tool: example, preferred_model: example}\n");
        drop(paid.execute(prompt, more));
    }
    paid.execute("three", &["--no-daemon"]).expect_code(0);
    let words = ["cost", "export", "--csv"];
    let with = text(&paid, &words);
    assert_eq!(with.lines().count(), 5, "{with}");
    assert!(with.lines().all(|line| line.split(',').count() == 25), "{with}");
    text(&paid, &["daemon", "stop"]);
    assert_eq!(text(&paid, &words), with, "from the journals");
    std::fs::remove_file(paid.sandbox.path("state/llmctl/telemetry.redb")).expect("removed");
    text(&paid, &["daemon", "start"]);
    wait_until(SOON, "the history is there again", || text(&paid, &words).lines().count() == 5);
    assert_eq!(text(&paid, &words), with, "from a database that was built anew");
    let report = json(&paid, &["cost", "--by", "agent", "--json"]);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2, "{report}");
    let sum: i64 = rows.iter().map(|row| row["cost_nano_usd"].as_i64().expect("nano-dollars")).sum();
    let total = report["periods"].as_array().and_then(|periods| periods.last()).expect("a total");
    assert_eq!(Some(sum), total["cost_nano_usd"].as_i64());
    let operations: i64 = paid.operations().iter().filter_map(|op| op["cost_nano_usd"].as_i64()).sum();
    assert_eq!(sum, operations, "the ledger and the operations agree");
}

#[test]
fn budgets_count_on_after_the_daemon_was_killed() {
    let policy =
        "policies:\n  default:\n    daily_budget_usd: 0.10\n    limit: {type: hard, threshold_percent: 80}\n";
    let paid = Paid::new(policy, 50);
    paid.execute("WORDS:30", &[]).expect_code(0);
    text(&paid, &["daemon", "stop"]);
    paid.execute("again", &[]).expect_code(5);
    let budgets = json(&paid, &["budget", "--json"]);
    let spent = paid.operations().iter().filter_map(|op| op["cost_nano_usd"].as_i64()).sum::<i64>();
    assert_eq!(budgets[0]["spent_nano_usd"].as_i64(), Some(spent), "{budgets}");
}

#[test]
fn what_was_cut_off_is_priced_and_marked() {
    let paid = Paid::new("", 20);
    let done = paid.execute("WORDS:40 CUT", &[]).expect_code(1);
    assert!(!done.stdout_text().is_empty());
    let records = json(&paid, &["cost", "explain", &ids(&paid)[0], "--json"]);
    let row = &records[0]["rows"][0];
    assert!(row["cost_pico_usd"].as_i64().unwrap_or(0) > 0, "{records}");
    assert_eq!(row["usage_source"], "estimated", "{records}");
    assert!(text(&paid, &["cost"]).contains('≈'));
}

#[test]
fn statistics_are_of_what_ran() {
    let paid = Paid::new("", 20);
    paid.execute("one", &[]).expect_code(0);
    paid.execute("two", &[]).expect_code(0);
    drop(paid.execute("UNAUTH", &[]));
    let stats = json(&paid, &["stats", "--by", "model", "--json"]);
    let stat = &stats[0];
    assert_eq!((&stat["key"], &stat["operations"]), (&"example".into(), &3.into()), "{stats}");
    assert_eq!(stat["success_permille"], 666);
    assert!(stat["duration_p50_ms"].as_u64().is_some(), "{stats}");
    assert_eq!(stat["reasons"][0][1], 3);
}

/// A16: by whatever it is looked at, it adds up to the total, and to the sum of what each operation cost.
#[test]
fn sums_over_http_add_up_whichever_way_they_are_cut() {
    let paid = Paid::new("policies: {default: {daily_budget_usd: 5}}\n", 20);
    for (prompt, agent) in [("WORDS:7", "a"), ("WORDS:11", "b"), ("UNAUTH", "a")] {
        paid.sandbox.configure(
            "agents.yaml",
            "agents:\n  a: {preferred_tool: example, preferred_model: example}\n  \
             b: {preferred_tool: example, preferred_model: example}\n",
        );
        drop(paid.execute(prompt, &["--agent", agent]));
    }
    let gateway = Gateway::open(&paid.sandbox);
    let get = |path: &str, status: u16| {
        let answer = gateway.request("GET", path, &[], "");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer.json()
    };
    let each: i64 = ids(&paid)
        .iter()
        .map(|id| {
            get(&format!("/api/operations/{id}/cost"), 200)["cost_nano_usd"].as_i64().expect("nano-dollars")
        })
        .sum();
    assert!(each > 0);
    for by in ["model", "tool", "provider", "agent", "project", "task", "task_type", "policy", "day", "month"]
    {
        for bucket in ["all", "hour", "day", "month"] {
            let answer = get(&format!("/api/costs?by={by}&bucket={bucket}&timezone=Asia/Kathmandu"), 200);
            let rows = answer["rows"].as_array().expect("rows");
            let sum: i64 = rows.iter().map(|row| row["cost_nano_usd"].as_i64().expect("nano-dollars")).sum();
            assert_eq!((Some(sum), sum), (answer["total"]["cost_nano_usd"].as_i64(), each), "{by}, {bucket}");
            assert!(rows.iter().all(|row| row["bucket"].is_null() == (bucket == "all")), "{answer}");
        }
    }
    assert_eq!(get("/api/costs?to=0", 200)["rows"], json!([]));
    for wrong in ["by=colour", "bucket=week", "timezone=Mars", "from=soon"] {
        let answer = get(&format!("/api/costs?{wrong}"), 400);
        assert_eq!(answer["code"], "invalid_value", "{answer}");
    }
    let budgets = get("/api/budgets", 200);
    assert_eq!(budgets[0]["spent_nano_usd"].as_i64(), Some(each), "{budgets}");
}
