//! A sandbox with a provider whose model has a round price, so that what anything costs can be said in advance.
//!
//! An output token of the model `example` costs a thousandth of a dollar, input nothing; a plain answer has
//! [`PLAIN_TOKENS`] of them.

use std::time::Duration;

use serde_json::Value;

use crate::provider::Provider;
use crate::run::{Finished, Running};
use crate::sandbox::Sandbox;
use crate::stage::LONG;

/// Nano-dollars of one output token.
pub const TOKEN_NANO: i64 = 1_000_000;

/// A sandbox with a provider that has to be paid.
#[derive(Debug)]
pub struct Paid {
    /// The environment.
    pub sandbox: Sandbox,
    /// Who answers.
    pub provider: Provider,
}

impl Paid {
    /// Makes one whose `policies.yaml` is given; `reserve` output tokens are set aside for each operation.
    ///
    /// # Panics
    /// No port is free.
    #[track_caller]
    pub fn new(policies: &str, reserve: u64) -> Self {
        let provider = Provider::spawn().unwrap_or_else(|error| panic!("no provider: {error}"));
        let mut sandbox = Sandbox::new();
        sandbox.set_env("EXAMPLE_KEY", "key-1234567890");
        sandbox.configure(
            "models.yaml",
            &format!(
                "providers:\n  example:\n    base_url: {}/v1\n    api: openai\n    api_key_env: EXAMPLE_KEY\n\
                 models:\n  example:\n    provider: example\n    context_window: 100000\n    prices:\n      \
                 - per_million: {{input: 0, output: 1000, cache_read: 0}}\n\
                 tools:\n  example:\n    adapter: http\n    provider: example\n    models: [example]\n\
                 routing:\n  reserve_output_tokens: {reserve}\n  estimate: size\n",
                provider.url()
            ),
        );
        if !policies.is_empty() {
            sandbox.configure("policies.yaml", policies);
        }
        Self { sandbox, provider }
    }

    /// The words that run a prompt on the model, and further ones.
    pub fn words<'a>(prompt: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["execute", "--model", "example", "--prompt-text", prompt], more].concat()
    }

    /// Runs a prompt to its end.
    #[track_caller]
    pub fn execute(&self, prompt: &str, more: &[&str]) -> Finished {
        self.sandbox.run(&Self::words(prompt, more), LONG)
    }

    /// Starts a prompt.
    #[track_caller]
    pub fn start(&self, prompt: &str, more: &[&str]) -> Running {
        self.sandbox.spawn(&Self::words(prompt, more))
    }

    /// All operations as the daemon lists them, newest first.
    ///
    /// # Panics
    /// `llmctl ps` fails.
    #[track_caller]
    pub fn operations(&self) -> Vec<Value> {
        let done = self.sandbox.run(&["ps", "--json", "-n", "500"], Duration::from_secs(30)).expect_code(0);
        serde_json::from_str(&done.stdout_text())
            .unwrap_or_else(|error| panic!("{error}: {}", done.stdout_text()))
    }
}
