//! `GET /api/operations`: filters, orders and pages against a naive list.

mod common;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use common::{Answer, Stage, completed, stage, started};
use llmctl_proto::event::{ExecutionCompleted, Spend};
use llmctl_proto::ids::OperationId;
use llmctl_proto::state::Operation;
use llmctl_proto::usage::Usage;
use serde_json::Value;

/// Ids that sort as they are numbered, before every id that is drawn now.
fn id(n: usize) -> OperationId {
    format!("exec-00{n:06}").parse().expect("an id")
}

async fn get(stage: &Stage, path: &str) -> Answer {
    stage.send("GET", path, &[stage.bearer()], "").await
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let listed: Vec<Value> = serde_json::from_str(&answer.body).expect("an array");
    listed.iter().map(|o| o["operation_id"].as_str().expect("an id").to_owned()).collect()
}

fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.to_owned())
}

/// All pages of a query.
async fn pages(stage: &Stage, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = Some(format!("/api/operations?limit=7{query}"));
    while let Some(at) = path {
        let answer = get(stage, &at).await;
        found.extend(ids(&answer));
        path = next(&answer);
    }
    found
}

/// An end with figures that are neither in the order of time nor all different, and a cost that some have not.
fn ended(id: &OperationId, n: usize) -> ExecutionCompleted {
    let n = n as u64;
    let cost = (!n.is_multiple_of(7)).then(|| (n * 7_919 % 600) as i64 * 1_000);
    let tokens = Usage { output: n * 613 % 101, ..Usage::default() };
    let spend = Spend { cost_nano_usd: cost, tokens, ..Spend::default() };
    ExecutionCompleted { duration_ms: n * 31 % 397, spend, ..completed(id) }
}

/// `count` operations, of which every hundredth still runs, and what they should look like.
async fn many(stage: &Stage, count: usize) -> Vec<Operation> {
    let mut all = Vec::new();
    for n in 0..count {
        let id = id(n);
        let mut start = started(&id);
        start.tool = ["claude-code", "codex", "a&b=c"][n % 3].into();
        start.project = Some(format!("/work/{}", n % 3));
        start.task_id = (n % 50 == 0).then(|| format!("card-{n}"));
        start.agent = (n % 5 == 0).then(|| format!("Agent {}", n % 4));
        stage.publish(start).await;
        if n % 100 != 0 {
            stage.publish(ended(&id, n)).await;
        }
        // Some leave the projection later: what they were is taken while they are there.
        all.push(stage.hub.get(id.as_str()).await.expect("a hub").expect("known").as_ref().clone());
    }
    all.reverse();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_lists_what_a_naive_one_does_and_pages_are_stable() {
    let stage = stage().await;
    let all = many(&stage, 1_000).await;
    let (kept, _) = stage.hub.list().await.expect("listed");
    assert!(kept.len() < all.len(), "the store has what the projection lacks");
    assert!(kept.iter().any(|o| o.operation_id == id(0)), "the oldest one still runs");
    type Wanted = fn(&Operation) -> bool;
    let queries: [(&str, Wanted); 16] = [
        ("", |_| true),
        ("&state=running", |o| o.state.as_str() == "running"),
        ("&state=running&state=complete", |_| true),
        ("&state=stopped", |_| false),
        ("&tool=a%26b%3Dc", |o| o.tool.as_deref() == Some("a&b=c")),
        ("&agent=Agent%200", |o| o.agent.as_deref() == Some("Agent 0")),
        ("&q=agent%201&tool=codex", |o| {
            o.agent.as_deref() == Some("Agent 1") && o.tool.as_deref() == Some("codex")
        }),
        ("&model=claude-opus-5-5&since=1h", |_| true),
        ("&since=2999-01-01T00:00:00Z", |_| false),
        ("&since=1h&until=2999-01-01T00:00:00Z", |_| true),
        ("&until=1h", |_| false),
        ("&provider=anthropic&project=%2Fwork%2F1", |o| o.project.as_deref() == Some("/work/1")),
        ("&provider=google", |_| false),
        ("&task_id=card-50&task_id=card-100", |o| {
            matches!(o.task_id.as_deref(), Some("card-50" | "card-100"))
        }),
        ("&q=CARD-95", |o| o.task_id.as_deref() == Some("card-950")),
        ("&min_cost_nano_usd=300000", |o| o.spend.cost_nano_usd.is_some_and(|cost| cost >= 300_000)),
    ];
    for (query, wanted) in queries {
        let naive: Vec<String> =
            all.iter().filter(|o| wanted(o)).map(|o| o.operation_id.to_string()).collect();
        let found = pages(&stage, query).await;
        assert_eq!(found.len(), naive.len(), "{query}");
        assert_eq!(found, naive, "{query}");
    }
    let mut found = Vec::new();
    let mut path = Some("/api/operations?limit=7".to_owned());
    while let Some(at) = path {
        let answer = get(&stage, &at).await;
        found.extend(ids(&answer));
        path = next(&answer);
        if found.len() < 700 {
            stage.publish(started(&OperationId::new())).await;
        }
    }
    let old: Vec<&String> = found.iter().filter(|found| found.starts_with("exec-00")).collect();
    let unique: BTreeSet<&String> = old.iter().copied().collect();
    assert_eq!((old.len(), unique.len()), (1_000, 1_000), "each old one once, while others start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_is_that_of_a_naive_sort_and_its_pages_are_stable() {
    let stage = stage().await;
    let all = many(&stage, 1_000).await;
    type Figure = fn(&Operation) -> i64;
    let orders: [(&str, Figure); 3] = [
        ("cost", |o| o.spend.cost_nano_usd.unwrap_or(-1)),
        ("duration", |o| o.elapsed_ms as i64),
        ("tokens", |o| o.spend.tokens.total() as i64),
    ];
    for (sort, figure) in orders {
        let mut naive: Vec<&Operation> = all.iter().collect();
        naive.sort_by_key(|o| Reverse((figure(o), o.operation_id.clone())));
        let values: BTreeSet<i64> = naive.iter().map(|o| figure(o)).collect();
        assert!(values.len() > 50 && values.len() < naive.len(), "some are equal, most are not");
        let expected: Vec<String> = naive.iter().map(|o| o.operation_id.to_string()).collect();
        assert_eq!(pages(&stage, &format!("&sort={sort}")).await, expected, "{sort}");
        let some: Vec<String> = naive
            .iter()
            .filter(|o| o.tool.as_deref() == Some("a&b=c") && o.state.as_str() == "complete")
            .map(|o| o.operation_id.to_string())
            .collect();
        let query = format!("&sort={sort}&tool=a%26b%3Dc&state=complete");
        assert_eq!(pages(&stage, &query).await, some, "{query}");
    }
    let newest: Vec<String> = all.iter().map(|o| o.operation_id.to_string()).collect();
    assert_eq!(pages(&stage, "&sort=started").await, newest);

    let (mut found, mut path) = (Vec::new(), Some("/api/operations?limit=7&sort=cost".to_owned()));
    while let Some(at) = path {
        let answer = get(&stage, &at).await;
        found.extend(ids(&answer).into_iter().filter(|id| id.starts_with("exec-00")));
        path = next(&answer);
        if found.len() < 700 {
            let (id, n) = (OperationId::new(), found.len());
            stage.publish(started(&id)).await;
            stage.publish(ended(&id, n)).await;
        }
    }
    let unique: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), unique.len()), (1_000, 1_000), "each old one once, while others end among them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_makes_no_sense_is_refused() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    for query in
        ["sort=beauty", "sort=cost&after=x", &format!("sort=cost&after={id}"), &format!("after=5-{id}")]
    {
        let answer = get(&stage, &format!("/api/operations?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{query}");
    }
    for query in ["min_cost_nano_usd=0.5", "min_cost_nano_usd=much"] {
        let answer = get(&stage, &format!("/api/operations?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{query}");
    }
}
