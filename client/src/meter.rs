//! Counts tokens and money of one operation, never twice.
//!
//! Usage is absolute for a message and replaced, a closing account replaces everything before it, output is never
//! lowered. What nobody reported is unknown, which is not zero. Pure: time and prices are passed in, nothing is read.

mod cost;
mod ledger;

use std::sync::Arc;

use llmctl_proto::event::Spend;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::PriceTable;
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::{Usage, UsageSource};

use crate::tool::{AdapterEvent, ErrorClass, Final, ModelTotal, Outcome};

pub use cost::{Drift, MeterRow};

/// Messages kept apart; older ones are added up, since a tool no longer speaks of them.
const MAX_MESSAGES: usize = 4096;
/// Models kept apart; tokens of further ones have no price.
const MAX_MODELS: usize = 256;
/// Tenths of a byte of a prompt that count as one token, while nothing better is known.
const TENTHS_PER_INPUT_TOKEN: u64 = 36;
/// Bytes of text that count as one token, while nothing better is known.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens and money of one attempt.
#[derive(Debug, Clone)]
pub struct Meter {
    model: Option<String>,
    provider: Option<String>,
    started: UnixMs,
    prices: Option<Arc<PriceTable>>,
    free: bool,
    charged: bool,
    /// Service tier last reported.
    service_tier: Option<String>,
    /// What is reported as a message may be of several requests.
    messages_are_totals: bool,
    /// The closing account, once there is one.
    totals: Vec<ModelTotal>,
    /// Messages since the closing account, or since the start.
    messages: Vec<Message>,
    /// Messages that had to make room, by model.
    settled: Vec<(String, Usage)>,
    reported: Option<Report>,
    text_bytes: u64,
    /// Text since the last report that said something of output.
    unreported_bytes: u64,
    /// The model did something that is paid for, reported or not.
    worked: bool,
    /// A provider answered a request with a refusal, which costs nothing.
    refused: bool,
    closed: Option<bool>,
    /// Size of the prompt, where nothing else goes into the request.
    prompt_bytes: Option<u64>,
}

#[derive(Debug, Clone)]
struct Message {
    model: Option<String>,
    id: String,
    usage: Usage,
    complete: bool,
}

/// What the tool or the provider says it cost.
#[derive(Debug, Clone, Copy)]
struct Report {
    amount: PicoUsd,
    known_basis: bool,
}

impl Meter {
    /// Makes a meter. `model` and `provider` are those of the request, `started` decides which price applies.
    pub fn new(model: Option<&str>, provider: Option<&str>, started: UnixMs) -> Self {
        Self {
            model: model.map(str::to_owned),
            provider: provider.map(str::to_owned),
            started,
            prices: None,
            free: false,
            charged: false,
            service_tier: None,
            messages_are_totals: false,
            totals: Vec::new(),
            messages: Vec::new(),
            settled: Vec::new(),
            reported: None,
            text_bytes: 0,
            unreported_bytes: 0,
            worked: false,
            refused: false,
            closed: None,
            prompt_bytes: None,
        }
    }

    /// Sets the layers of prices, the embedded table among them; without, that table is the only one.
    pub fn set_prices(&mut self, prices: Arc<PriceTable>) {
        self.prices = Some(prices);
    }

    /// The model costs nothing: a local server or the practice model.
    pub fn set_free(&mut self) {
        self.free = true;
    }

    /// The request is this prompt and nothing else, so its input can be estimated until it is reported.
    pub fn set_prompt_bytes(&mut self, bytes: u64) {
        self.prompt_bytes = Some(bytes);
    }

    /// Reported costs come from whoever charges them, so they win over what we compute.
    pub fn set_charged_by_provider(&mut self) {
        self.charged = true;
    }

    /// The tool reports turns of several requests as one, so that no tier of a price can be told (Codex).
    pub fn set_messages_are_totals(&mut self) {
        self.messages_are_totals = true;
    }

    /// The model as last named, by the stream or by the request.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Takes the next event of the stream.
    pub fn observe(&mut self, event: &AdapterEvent) {
        match event {
            AdapterEvent::Init { model: Some(model), .. } => self.model = Some(model.clone()),
            AdapterEvent::Text(bytes) => {
                self.worked |= !bytes.is_empty();
                self.text_bytes = self.text_bytes.saturating_add(bytes.len() as u64);
                self.unreported_bytes = self.unreported_bytes.saturating_add(bytes.len() as u64);
            }
            AdapterEvent::Thinking | AdapterEvent::ToolStart(_) => self.worked = true,
            AdapterEvent::Usage { model, message_id, usage, complete } => {
                self.message(model.as_deref(), message_id, usage, *complete);
            }
            AdapterEvent::ServiceTier(tier) => self.service_tier = Some(tier.clone()),
            // Cut off, a tool's own account may be of the last thread only: what was reported is never taken back.
            AdapterEvent::ModelTotals(totals)
                if totals.iter().any(|row| row.estimated) && output_of(totals) < self.reported_output() => {}
            AdapterEvent::ModelTotals(totals) => {
                self.totals.clone_from(totals);
                self.messages.clear();
                self.settled.clear();
                self.unreported_bytes = 0;
            }
            AdapterEvent::CostReported { pico_usd, known_basis } => {
                self.reported = Some(Report { amount: PicoUsd(*pico_usd), known_basis: *known_basis });
            }
            AdapterEvent::Retry { status: Some(_), .. } => self.refused = true,
            AdapterEvent::Final(end) => self.refused |= is_refusal(end),
            _ => {}
        }
    }

    /// Ends the counting; `terminal` says that the stream had its closing frame.
    pub fn close(&mut self, terminal: bool) {
        self.closed = Some(terminal);
    }

    /// Tokens and money so far; after `close`, of the whole attempt.
    pub fn spend(&self) -> Spend {
        let (tokens, usage_source) = self.tokens();
        let (amount, cost_basis) = self.cost(usage_source);
        Spend {
            tokens,
            usage_source,
            cost_nano_usd: amount.map(PicoUsd::nano),
            cost_basis,
            reported_cost_nano_usd: self.reported_amount().map(PicoUsd::nano),
        }
    }

    fn message(&mut self, model: Option<&str>, id: &str, usage: &Usage, complete: bool) {
        let same = |m: &&mut Message| {
            m.id == id && (m.model.as_deref() == model || m.model.is_none() || model.is_none())
        };
        let before = if let Some(known) = self.messages.iter_mut().rev().find(same) {
            let before = known.usage.output;
            known.usage = Usage { output: usage.output.max(before), ..*usage };
            known.usage.reasoning = known.usage.reasoning.min(known.usage.output);
            known.complete |= complete;
            known.model = known.model.take().or_else(|| model.map(str::to_owned));
            before
        } else {
            self.make_room();
            let (model, id) = (model.map(str::to_owned), id.to_owned());
            self.messages.push(Message { model, id, usage: *usage, complete });
            // The first output token of a message that begins is no report of its text.
            1
        };
        self.worked |= !usage.is_zero();
        if complete || usage.output > before {
            self.unreported_bytes = 0;
        }
    }

    fn make_room(&mut self) {
        if self.messages.len() < MAX_MESSAGES {
            return;
        }
        let oldest = self.messages.remove(0);
        let mut model = oldest.model.unwrap_or_default();
        if self.settled.len() >= MAX_MODELS && !self.settled.iter().any(|(known, _)| *known == model) {
            // A name that no table has: its tokens stay counted, its price is unknown.
            "(other models)".clone_into(&mut model);
        }
        match self.settled.iter_mut().find(|(known, _)| *known == model) {
            Some((_, sum)) => *sum = sum.plus(&oldest.usage),
            None => self.settled.push((model, oldest.usage)),
        }
    }

    /// Tokens as they are shown, with our own estimate while the stream is open.
    fn tokens(&self) -> (Usage, UsageSource) {
        let guess = self.estimate();
        let tokens = self.parts(guess).iter().fold(Usage::default(), |sum, part| sum.plus(&part.usage));
        if guess > 0 {
            // What was cut off is partial as soon as a part of it was reported.
            let cut = self.closed.is_some() && self.has_reports();
            return (tokens, if cut { UsageSource::Partial } else { UsageSource::Estimated });
        }
        if tokens.is_zero() {
            return (tokens, UsageSource::None);
        }
        let whole = self.messages.iter().all(|m| m.complete) && !self.totals.iter().any(|row| row.estimated);
        let source =
            if self.closed == Some(true) && whole { UsageSource::Reported } else { UsageSource::Partial };
        (tokens, source)
    }

    /// Output tokens that messages have reported.
    fn reported_output(&self) -> u64 {
        let messages = self.messages.iter().map(|message| message.usage.output);
        messages.chain(self.settled.iter().map(|(_, usage)| usage.output)).fold(0, u64::saturating_add)
    }

    /// Whether anybody has reported tokens.
    fn has_reports(&self) -> bool {
        !(self.totals.is_empty() && self.messages.is_empty() && self.settled.is_empty())
    }

    /// Input tokens that nobody has reported, of a request that holds the prompt alone.
    fn assumed_input(&self) -> u64 {
        let bytes = self.prompt_bytes.filter(|_| !self.has_reports()).unwrap_or(0);
        bytes.saturating_mul(10).div_ceil(TENTHS_PER_INPUT_TOKEN)
    }

    /// Output tokens that text promises beyond what was reported; none once the stream has said that it is over.
    fn estimate(&self) -> u64 {
        // Of a tool's request that nobody reported, the text is the smaller part: its input is unknown, and so is all.
        let unknown = self.closed.is_some() && !self.has_reports() && self.prompt_bytes.is_none();
        if self.closed == Some(true) || unknown {
            return 0;
        }
        let open = self.messages.last().filter(|m| !m.complete).map_or(0, |m| m.usage.output);
        // Only the stale first token of a message under way is replaced; real reports reset the byte count.
        self.unreported_bytes.div_ceil(BYTES_PER_TOKEN).saturating_sub(open.min(1))
    }
}

fn output_of(totals: &[ModelTotal]) -> u64 {
    totals.iter().map(|row| row.usage.output).fold(0, u64::saturating_add)
}

/// Whether a failure means that no request was answered, so that nothing can have been charged.
fn is_refusal(end: &Final) -> bool {
    match &end.outcome {
        Outcome::Failed { class, .. } => {
            end.http_status.is_some()
                || matches!(
                    class,
                    ErrorClass::BinaryMissing
                        | ErrorClass::RateLimit
                        | ErrorClass::Overloaded
                        | ErrorClass::ModelUnavailable
                        | ErrorClass::ContextWindow
                        | ErrorClass::Auth
                        | ErrorClass::Quota
                )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
