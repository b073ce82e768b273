//! Steps 5 and 6: who can be used, and who is best. Integers only; ties go to the order of the candidates.

use llmctl_proto::event::{Reason, ScoreParts};
use llmctl_proto::money::PicoUsd;

use super::candidates::{Draft, is_plain};
use super::checks::softness;
use super::{Looked, Ranking};

/// Points for a model that suits the task type.
const FIT: i32 = 200;
/// Points for the cheapest.
const CHEAPEST: i128 = 99;
/// How much more cheapness counts for small prompts of agents.
const SMALL: i32 = 20;

/// Scores of all candidates, and the usable ones in their order.
#[derive(Debug)]
pub(super) struct Scores {
    /// Parts by candidate; the price part is zero for those that cannot be used.
    pub(super) parts: Vec<ScoreParts>,
    /// Places of the usable candidates, best first.
    pub(super) order: Vec<usize>,
}

/// The sum of the parts.
pub(super) fn sum(parts: ScoreParts) -> i32 {
    parts.source.saturating_add(parts.fit).saturating_add(parts.price)
}

impl Scores {
    pub(super) fn of(ranking: &Ranking<'_>, drafts: &[Draft], looked: &[Looked]) -> Self {
        let against: Vec<Vec<Reason>> = looked.iter().map(|looked| looked.found.against.clone()).collect();
        let survivors = mildest(&against, |reason| level_of(ranking, reason));
        // In the unit that is recorded, so that a recorded decision can be made again to the point.
        let nano = |looked: &Looked| looked.figures.estimate.map(PicoUsd::nano);
        let costs: Vec<Option<i64>> = looked.iter().map(nano).collect();
        let (plain, range) = (is_plain(ranking.config), Range::of(&costs, &survivors));
        let mut usable = vec![false; looked.len()];
        for at in &survivors {
            usable[*at] = true;
        }
        let parts: Vec<ScoreParts> = drafts
            .iter()
            .enumerate()
            .map(|(at, draft)| {
                let fit = if !plain && suits(ranking, draft) { FIT } else { 0 };
                let price = if usable[at] && !plain { range.price(costs[at]) } else { 0 };
                let price = weighted(price, draft.source, ranking.small);
                ScoreParts { source: draft.value, fit, price }
            })
            .collect();
        let mut order = survivors;
        order.sort_by_key(|at| (std::cmp::Reverse(sum(parts[*at])), *at));
        Self { parts, order }
    }
}

/// The price part with its weight: for small prompts cheapness counts more among the agent's own.
///
/// Among the small-prompt models too, or a preferred model that is not the dearest would go before one that was
/// named for being cheaper.
pub(super) fn weighted(price: i32, source: &str, small: bool) -> i32 {
    let own = matches!(source, "preferred" | "fallback" | "simple");
    if own && small { price * SMALL } else { price }
}

/// Those that nothing stands against; else those that only soft reasons stand against, the mildest alone.
pub(super) fn mildest(against: &[Vec<Reason>], level_of: impl Fn(&Reason) -> Option<u8>) -> Vec<usize> {
    let free: Vec<usize> = (0..against.len()).filter(|at| against[*at].is_empty()).collect();
    if !free.is_empty() {
        return free;
    }
    let level = |at: usize| -> Option<u8> {
        against[at].iter().try_fold(0, |worst, reason| level_of(reason).map(|level| level.max(worst)))
    };
    let Some(mildest) = (0..against.len()).filter_map(level).min() else { return Vec::new() };
    (0..against.len()).filter(|at| level(*at) == Some(mildest)).collect()
}

/// How far a reason gives way; a rate window only if somebody is willing to wait for it.
fn level_of(ranking: &Ranking<'_>, reason: &Reason) -> Option<u8> {
    let wait_ms = ranking.wish.policy.fallback.max_wait_s.saturating_mul(1_000);
    let too_long = reason.until.is_none_or(|until| until.since(ranking.facts.now) > wait_ms);
    softness(reason).filter(|_| reason.code != "rate_limited" || ranking.request.wait || !too_long)
}

fn suits(ranking: &Ranking<'_>, draft: &Draft) -> bool {
    let model = draft.model.as_ref().and_then(|model| ranking.config.models.get(model));
    match (&ranking.request.task_type, model) {
        (Some(task), Some(model)) => model.task_suitability.contains(task),
        _ => false,
    }
}

/// Lowest and highest of the survivors' known costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range(Option<(i64, i64)>);

impl Range {
    pub(super) fn of(costs: &[Option<i64>], survivors: &[usize]) -> Self {
        let known = || survivors.iter().filter_map(|at| costs[*at]);
        Self(known().min().zip(known().max()))
    }

    /// Linear from the dearest survivor (0) to the cheapest (99); 0 without a price or without a difference.
    pub(super) fn price(self, own: Option<i64>) -> i32 {
        let (Some((low, high)), Some(own)) = (self.0, own) else { return 0 };
        if low == high {
            return 0;
        }
        let (low, high) = (i128::from(low), i128::from(high));
        i32::try_from((high - i128::from(own)) * CHEAPEST / (high - low)).unwrap_or(0)
    }
}
