//! What a candidate would use and cost. All use of prices in routing is in this file.
//!
//! Pure: the time is given. A price that nobody knows is none, never zero; what runs on this machine is free.

use std::cell::RefCell;

use llmctl_proto::admission::History;
use llmctl_proto::config::Config;
use llmctl_proto::event::Estimate;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{Circumstance, PriceRow, price};
use llmctl_proto::time::UnixMs;
use llmctl_proto::tokens;
use llmctl_proto::usage::Usage;

use super::facts::Facts;
use super::names::family;
use super::request::Request;

/// Operations that a history must rest on before it is believed.
const MIN_HISTORY: u32 = 20;

/// What a candidate would use and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figures {
    /// Tokens.
    pub(super) tokens: Estimate,
    /// Cost in the middling case; none without a price.
    pub(super) estimate: Option<PicoUsd>,
    /// Cost in the upper case; none without a price.
    pub(super) reservation: Option<PicoUsd>,
    /// Tokens that the model takes, input and output together; none when unknown.
    pub(super) window: Option<u64>,
}

/// A candidate as far as its cost depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) tool: &'a str,
    pub(super) model: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    /// It runs on this machine.
    pub(super) free: bool,
}

/// Estimates for one request. Prices and windows of a model are looked up once, however many tools offer it.
pub(super) struct Estimator<'a> {
    request: &'a Request,
    config: &'a Config,
    facts: &'a Facts,
    seen: RefCell<Vec<Seen<'a>>>,
}

/// What was looked up for a model of a provider.
struct Seen<'a> {
    model: String,
    provider: Option<String>,
    row: Option<&'a PriceRow>,
    window: Option<u64>,
}

impl<'a> Estimator<'a> {
    pub(super) fn new(request: &'a Request, config: &'a Config, facts: &'a Facts) -> Self {
        Self { request, config, facts, seen: RefCell::default() }
    }

    /// Estimates what a pair would use and cost.
    pub(super) fn figures(&self, pair: Pair<'_>) -> Figures {
        let input = input_tokens(self.request, pair.provider.or_else(|| pair.model.and_then(family)));
        let cap = pair.model.and_then(|m| self.config.models.get(m)).and_then(|m| m.max_output_tokens);
        let reserve = self.config.routing.reserve_output_tokens;
        let (middle, upper) = match history(self.config, self.facts, self.request.agent.as_deref(), pair) {
            Some(known) => (known.output_p50, known.output_p90.max(known.output_p50)),
            None => (reserve, reserve),
        };
        let capped = |tokens: u64| cap.map_or(tokens, |cap| tokens.min(cap));
        let tokens = Estimate {
            input_tokens: input,
            output_tokens: capped(middle),
            output_tokens_upper: capped(upper),
        };
        let (row, window) = self.look_up(pair);
        let cost = |output| {
            if pair.free {
                return Some(PicoUsd::ZERO);
            }
            let usage = Usage { input, output, ..Usage::default() };
            price(row?, &usage, &Circumstance::request(self.facts.now)).ok().map(|priced| priced.amount)
        };
        let estimate = cost(tokens.output_tokens);
        let same = tokens.output_tokens == tokens.output_tokens_upper;
        let reservation = if same { estimate } else { cost(tokens.output_tokens_upper) };
        Figures { tokens, estimate, reservation, window }
    }

    /// The price row in force, and the tokens that a model takes, input and output together.
    fn look_up(&self, pair: Pair<'_>) -> (Option<&'a PriceRow>, Option<u64>) {
        let Some(model) = pair.model else { return (None, None) };
        let own = self.config.models.get(model).and_then(|model| model.context_window);
        if pair.free {
            // What runs on this machine has the window its owner gave it, whatever the maker says.
            return (None, own);
        }
        let mut seen = self.seen.borrow_mut();
        if let Some(seen) = seen.iter().find(|s| s.model == model && s.provider.as_deref() == pair.provider) {
            return (seen.row, seen.window);
        }
        let prices = &self.config.prices;
        let row = prices.lookup(model, pair.provider, self.facts.now);
        let window = own.or_else(|| prices.context_window(model, pair.provider));
        let provider = pair.provider.map(str::to_owned);
        seen.push(Seen { model: model.to_owned(), provider, row, window });
        (row, window)
    }
}

/// Input tokens of a request: counted by somebody, or by the provider's usual length of a token.
pub(super) fn input_tokens(request: &Request, provider: Option<&str>) -> u64 {
    request.input_tokens.unwrap_or_else(|| tokens::of_bytes(request.prompt_bytes, provider))
}

fn history<'a>(
    config: &Config,
    facts: &'a Facts,
    agent: Option<&str>,
    pair: Pair<'_>,
) -> Option<&'a History> {
    let comparable = |h: &&History| {
        h.agent.as_deref() == agent
            && h.tool == pair.tool
            && h.model.as_deref() == pair.model
            && h.count >= MIN_HISTORY
    };
    let rows = facts.shared.history.iter().filter(comparable);
    // Of several, the one with the most behind it, so that their order does not matter.
    let best = rows.max_by_key(|h| (h.count, h.output_p50, h.output_p90));
    best.filter(|_| config.routing.estimate_from_history)
}

/// What the usage of an unknown number of requests costs on a pair; none without a price.
pub(super) fn total_cost(config: &Config, pair: Pair<'_>, usage: &Usage, at: UnixMs) -> Option<PicoUsd> {
    if pair.free {
        return Some(PicoUsd::ZERO);
    }
    let priced = config.prices.price(pair.model?, pair.provider, usage, &Circumstance::total(at))?;
    priced.ok().map(|(priced, _)| priced.amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_by_the_length_of_a_token() {
        let request = Request { prompt_bytes: 3_600, ..Request::default() };
        assert_eq!(input_tokens(&request, None), 1_000);
        assert_eq!(input_tokens(&request, Some("openai")), 900);
        assert_eq!(input_tokens(&request, Some("anthropic")), 1_029);
        let counted = Request { input_tokens: Some(7), ..request };
        assert_eq!(input_tokens(&counted, Some("openai")), 7);
        let huge = Request { prompt_bytes: u64::MAX, ..Request::default() };
        assert!(input_tokens(&huge, None) > 0);
    }

    #[test]
    fn history_counts_from_twenty_on() {
        let mut facts = Facts::default();
        let entry = |agent: Option<&str>, count| History {
            agent: agent.map(str::to_owned),
            tool: "t".into(),
            model: Some("m".into()),
            count,
            output_p50: 500,
            output_p90: 900,
        };
        let pair = Pair { tool: "t", model: Some("m"), provider: None, free: true };
        let request = Request { agent: Some("a".into()), ..Request::default() };
        let outputs = |facts: &Facts, config: &Config| {
            let tokens = Estimator::new(&request, config, facts).figures(pair).tokens;
            (tokens.output_tokens, tokens.output_tokens_upper)
        };
        let mut config = Config::default();
        facts.shared.history = vec![entry(Some("a"), 19), entry(None, 400)];
        assert_eq!(outputs(&facts, &config), (8_192, 8_192));
        facts.shared.history.push(entry(Some("a"), 20));
        assert_eq!(outputs(&facts, &config), (500, 900));
        config.routing.estimate_from_history = false;
        assert_eq!(outputs(&facts, &config), (8_192, 8_192));
    }
}
