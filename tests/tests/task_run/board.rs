//! A project with one card of the agent `dev`, whose tool is the fake one.

use std::path::PathBuf;

use llmctl_tests::http::Answer;
use llmctl_tests::run::Running;
use llmctl_tests::stage::{LONG, SOON, Stage};
use llmctl_tests::wait::{poll, wait_until};
use serde_json::Value;

pub(crate) const NAME: &str = "2026-11-23T0900-dev-say-hello.yaml";
/// The beginning of its id.
pub(crate) const ID: &str = "2026-11-23T0900";

/// A project with one card of the agent `dev`, whose tool is the fake one.
pub(crate) struct Board {
    pub(crate) stage: Stage,
    pub(crate) root: PathBuf,
}

impl Board {
    pub(crate) fn new(options: &[&str], lane: &str) -> Self {
        let stage = Stage::new(options);
        let root = stage.sandbox.project().join("work/collaboration");
        for dir in ["inbox", "assigned/dev", "done/dev"] {
            std::fs::create_dir_all(root.join(dir)).expect("a directory");
        }
        let board = Self { stage, root };
        board.card(lane, NAME, "high");
        board
    }

    pub(crate) fn card(&self, lane: &str, name: &str, priority: &str) {
        let status = if lane == "inbox" { "new" } else { "assigned" };
        let text = format!(
            "# written by hand\nid: {}\nagent: dev\nstatus: {status}\npriority: {priority}\ntitle: Say hello\n\
             description: |\n  Say hello to everybody.\nacceptance_criteria:\n  - it is said\n",
            name.trim_end_matches(".yaml")
        );
        std::fs::write(self.root.join(lane).join(name), text).expect("written");
    }

    pub(crate) fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let tool = ["--tool", "claude-code", "--model", "claude-opus-5-5"];
        [&["task"], more, &tool].concat()
    }

    pub(crate) fn start(&self, more: &[&str]) -> Running {
        self.stage.sandbox.spawn(&Self::words(more))
    }

    /// Where the card is, and its text.
    pub(crate) fn find(&self, name: &str) -> (String, String) {
        // In the order of its way, twice: one that moves on while it is looked for is found further on.
        let lanes = ["inbox", "assigned/dev", "done/dev", "inbox", "assigned/dev"];
        lanes
            .iter()
            .find_map(|lane| {
                let text = std::fs::read_to_string(self.root.join(lane).join(name)).ok()?;
                Some(((*lane).to_owned(), text))
            })
            .expect("the card is somewhere")
    }

    pub(crate) fn shown(&self) -> Value {
        let done = self.stage.llmctl(&["task", "show", "2026-11-23T0900", "--json"]).expect_code(0);
        serde_json::from_str(&done.stdout_text()).expect("JSON")
    }

    pub(crate) fn wait_in_progress(&self) {
        wait_until(SOON, "it is in progress", || self.find(NAME).1.contains("status: in_progress"));
    }

    /// Starts the card in the background and gives its operation.
    pub(crate) fn detach(&self) -> String {
        let done = self.stage.sandbox.run(&Self::words(&["run", "--detach", ID]), LONG).expect_code(0);
        done.stdout_text().trim().to_owned()
    }

    /// Waits until the card is where it belongs and has these words.
    #[track_caller]
    pub(crate) fn wait_card(&self, lane: &str, words: &[&str]) -> String {
        let mut last = None;
        let found = poll(SOON, || {
            let now = self.stage.sandbox.project().is_dir().then(|| self.find(NAME))?;
            let fits = now.0 == lane && words.iter().all(|word| now.1.contains(word));
            last = Some(now.clone());
            fits.then_some(now.1)
        });
        found.unwrap_or_else(|| panic!("waited in vain for {words:?} in {lane}: {last:?}"))
    }

    /// Opens the gateway.
    pub(crate) fn gateway(&self) -> Gateway {
        let gateway = Gateway { gateway: llmctl_tests::gateway::Gateway::open(&self.stage.sandbox) };
        // A verb that names the directory makes its project known.
        self.stage.llmctl(&["execute", "--model", "practice", "--prompt-text", "hello", "-q"]).expect_code(0);
        wait_until(SOON, "the card is on the board", || gateway.request("GET", "", &[], "").status == 200);
        gateway
    }
}

/// The gateway, asked about the one card.
pub(crate) struct Gateway {
    pub(crate) gateway: llmctl_tests::gateway::Gateway,
}

impl Gateway {
    pub(crate) fn request(&self, method: &str, verb: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = format!("/api/tasks/{}{verb}", NAME.trim_end_matches(".yaml"));
        self.gateway.request(method, &path, headers, body)
    }

    pub(crate) fn run(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.request("POST", "/run", headers, &body.to_string())
    }
}
