//! What servers offer: many tools over many pages, lists that never end, and lists that change.

use std::time::{Duration, Instant};

use llmctl_tests::rack::{Rack, at_ms, fake, tell, wall_ms};
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};

/// Tools the fake server always offers.
const ACTING: u64 = 8;

/// How often a server was asked for its tools.
fn lists_asked(record: &std::path::Path) -> usize {
    std::fs::read_to_string(record).unwrap_or_default().matches("\"tools/list\"").count()
}

#[test]
fn a_thousand_tools_over_many_pages_are_all_known() {
    for era in ["legacy", "modern"] {
        let rack = Rack::one(fake(&["--era", era, "--tools", "1000", "--page", "48"]));
        rack.stage.start_daemon();
        let begun = Instant::now();
        let shown = rack.start("one");
        tell(&format!("1,008 tools over 21 pages, {era}: running after {} ms", begun.elapsed().as_millis()));
        assert_eq!(shown["tools_count"], 1_000 + ACTING, "{}", shown["tools_count"]);
        let tools = shown["tools"].as_array().expect("its tools");
        let mut names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len() as u64, 1_000 + ACTING);
        assert!(
            names.contains(&"tool-1000")
                && tools.iter().all(|tool| tool["context_tokens_estimate"].as_u64() > Some(0))
        );
        assert!(rack.call("one", "tool-0999", &json!({"n": 999})).contains("999"));
        rack.stop("one");
        rack.assert_none_left();
    }
}

#[test]
fn lists_that_never_end_are_cut() {
    for option in ["--endless-cursor", "--endless-pages"] {
        let rack = Rack::new(&[]);
        let (record, note) = rack.note("record");
        rack.configure(
            &[("one", fake(&[option, "--page", "4", "--tools", "40", "--record", &note]))],
            &json!({}),
        );
        rack.stage.start_daemon();
        let begun = Instant::now();
        // Usable with what is known, or refused: but told, and soon.
        let done = rack.mcp(&["start", "one"]);
        let shown = rack.show("one");
        let took = begun.elapsed();
        tell(&format!(
            "{option}: {} after {} ms and {} pages",
            shown["state"],
            took.as_millis(),
            lists_asked(&record)
        ));
        assert!(took < Duration::from_secs(20), "{took:?} {:?}", done.code);
        assert!(lists_asked(&record) <= 210, "{} pages", lists_asked(&record));
        assert_ne!(shown["state"], "running", "nothing is wrong? {shown:#}");
        rack.stop("one");
        rack.assert_none_left();
    }
}

#[test]
fn a_tool_that_comes_later_is_known_at_once() {
    for era in ["legacy", "modern"] {
        let rack = Rack::one(fake(&["--era", era, "--ttl", "60000"]));
        rack.start("one");
        let before = rack.events("one", "mcp.tools.discovered").len();
        let begun = wall_ms();
        rack.call("one", "change", &json!({}));
        let event = rack.wait_event("one", "mcp.tools.discovered", before);
        assert_eq!(event["data"]["added"], json!(["added-0001"]), "{event}");
        assert_eq!(event["data"]["removed"], json!([]));
        tell(&format!(
            "a tool more, {era}: known after {:.0} ms, the call of the verb included",
            at_ms(&event) - begun
        ));
        assert_eq!(rack.show("one")["tools_count"], ACTING + 1);
        rack.stop("one");
        rack.assert_none_left();
    }
}

#[test]
fn a_modern_server_without_notices_is_asked_again() {
    let rack = Rack::one(fake(&["--era", "modern", "--no-listen", "--change-after", "1500"]));
    rack.start("one");
    // Asked by the user, since its own time may be long.
    wait_until(SOON, "the new tool", || {
        rack.mcp(&["discover", "one"]).expect_code(0);
        rack.show("one")["tools_count"] == ACTING + 1
    });
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_storm_of_notices_is_a_few_questions() {
    for era in ["legacy", "modern"] {
        let rack = Rack::new(&[]);
        let (record, note) = rack.note("record");
        rack.configure(&[("one", fake(&["--era", era, "--record", &note]))], &json!({}));
        rack.start("one");
        let (process, before) = (rack.process("one"), lists_asked(&record));
        rack.call("one", "change", &json!({"times": 10_000}));
        wait_for(SOON, "the new tool", || (rack.show("one")["tools_count"] == ACTING + 1).then_some(()));
        // A second storm with nothing in it that is new.
        rack.call("one", "change", &json!({"times": 10_000}));
        wait_for(SOON, "the newest tool", || (rack.show("one")["tools_count"] == ACTING + 2).then_some(()));
        let asked = lists_asked(&record) - before;
        tell(&format!("20,000 notices of change, {era}: asked {asked} times"));
        assert!((1..=40).contains(&asked), "asked {asked} times");
        let events = rack.events("one", "mcp.tools.discovered").len();
        assert!(events <= 4, "{events} events");
        assert_eq!(rack.process("one"), process);
        rack.stop("one");
        rack.assert_none_left();
    }
}

#[test]
fn reading_what_is_known_asks_the_server_nothing() {
    let rack = Rack::new(&[]);
    let (record, note) = rack.note("record");
    rack.configure(&[("one", fake(&["--record", &note, "--extras", "3"]))], &json!({}));
    let shown = rack.start("one");
    let text = |key: &str| shown[key].as_array().map_or(0, Vec::len);
    assert_eq!((text("resources"), text("prompts")), (3, 3), "{shown:#}");
    let before = std::fs::read_to_string(&record).expect("recorded");
    let listed: Vec<Value> = (0..5).flat_map(|_| rack.list()).collect();
    assert!(listed.iter().all(|server| server["tools_count"] == ACTING));
    rack.show("one");
    assert_eq!(std::fs::read_to_string(&record).expect("recorded"), before);
    rack.mcp(&["discover", "one"]).expect_code(0);
    wait_until(SOON, "a question", || lists_asked(&record) > before.matches("\"tools/list\"").count());
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_tool_that_fails_and_one_that_does_not_exist_are_told_apart() {
    let rack = Rack::one(fake(&[]));
    rack.start("one");
    let failed = rack.mcp(&["call", "one", "fail", "{}"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stdout_text());
    let words = failed.stdout_text() + &failed.stderr_text();
    assert!(words.contains("it has failed"), "{words}");
    let unknown = rack.mcp(&["call", "one", "no-such-tool", "{}"]);
    assert!(matches!(unknown.code, Some(1 | 2)) && unknown.stderr_text().contains("no-such-tool"));
    let bad = rack.mcp(&["call", "one", "echo", "{no json"]);
    assert_eq!(bad.code, Some(2), "{}", bad.stderr_text());
    rack.stop("one");
    rack.assert_none_left();
}
