//! Money in motion: reserving at the start, extending while it is spent, settling what was recorded.
//!
//! Every change of a purse goes through here and is followed by the checks it calls for: an extension the budgets
//! do not carry stops the operation, and real spend beyond a hard limit stops everything under that limit.

use llmctl_proto::admission::{Effect, Refusal};
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::cost_of;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::budgets::Against;
use super::purse::Purse;
use super::{Core, Entry, LimitError, Phase};

/// An extension asks for this share of the first reservation.
const EXTENSION_SHARE: i64 = 2;

impl Entry {
    /// What to set aside for an operation: its reservation, or what its own limit leaves of it.
    pub(super) fn capped(&self) -> Result<Option<i64>, Box<Refusal>> {
        let Some(need) = self.submission.reservation.map(|amount| amount.0.max(0)) else { return Ok(None) };
        match (self.own_room(), self.submission.max_cost) {
            (Some(room), Some(max)) if need > 0 && room <= 0 => {
                Err(self.own_refusal(max, self.purse.live.saturating_add(need)))
            }
            (Some(room), _) => Ok(Some(need.min(room.max(0)))),
            _ => Ok(Some(need)),
        }
    }
}

impl Core {
    /// Takes the live cost of an operation's attempts that is not in the ledger yet: an absolute figure. Extends
    /// the reservation when it is passed, by half of the first one or what the budgets still carry; when they do
    /// not carry what is spent already, the operation is stopped.
    pub fn on_spend(&mut self, id: &OperationId, live: PicoUsd, now: UnixMs) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.spend(id, live.0, now, &mut effects);
        effects
    }

    /// Settles an attempt: what it cost moves from its reservation into the sums of the day it was recorded.
    /// The same attempt counts once.
    pub fn on_recorded(&mut self, record: &CostRecorded, now: UnixMs) -> Vec<Effect> {
        let mut effects = Vec::new();
        let (id, cost) = (&record.operation_id, cost_of(record).0);
        if !self.settled.note(id, record.attempt, PicoUsd(cost)) {
            return effects;
        }
        self.sums.add(record, now);
        self.note_tokens(record, now);
        let Some(attempt) = self.entries.get(id).map(|entry| entry.submission.attempt) else {
            // Nobody reserved it: whoever runs may now be beyond a limit.
            self.stop_overrun(None, now, &mut effects);
            return effects;
        };
        self.change_purse(id, |purse| {
            purse.recorded = purse.recorded.saturating_add(cost);
            if record.attempt >= attempt {
                purse.live = 0;
                purse.reserved = purse.reserved.saturating_sub(cost).max(0);
            } else {
                let settled = cost.min(purse.live);
                purse.live -= settled;
                purse.reserved = purse.reserved.saturating_sub(settled).max(0);
            }
        });
        self.warn(id, now, &mut effects);
        self.stop_overrun(Some(id), now, &mut effects);
        self.drop_settled(id);
        effects
    }

    /// Changes an operation's own limit; none lifts it. Below what is spent the operation is stopped.
    ///
    /// # Errors
    /// `NotHere`; `Refused` when it is raised beyond what a shared hard budget carries.
    pub fn set_max_cost(
        &mut self,
        id: &OperationId,
        limit: Option<PicoUsd>,
        now: UnixMs,
    ) -> Result<Vec<Effect>, LimitError> {
        let here = self.entries.get(id).filter(|entry| entry.runs() || entry.waits());
        let entry = here.ok_or(LimitError::NotHere)?;
        let limit = limit.map(|limit| PicoUsd(limit.0.max(0)));
        let purse = entry.purse;
        if let (Some(old), Some(new)) = (entry.submission.max_cost, limit) {
            let need = new.0.saturating_sub(purse.recorded);
            if new > old && need > purse.held() {
                let refusal =
                    self.refusal(entry.limits(), &purse, purse.held(), Some(need), Against::All, now);
                if let Some(refusal) = refusal {
                    return Err(LimitError::Refused(refusal));
                }
            }
        }
        if let Some(entry) = self.entries.get_mut(id) {
            entry.submission.max_cost = limit;
            entry.limit_changed = true;
        }
        if let Some(limit) = limit {
            self.change_purse(id, |purse| {
                let most = limit.0.saturating_sub(purse.recorded).max(purse.live).max(0);
                purse.reserved = purse.reserved.min(most);
            });
        }
        let mut effects = Vec::new();
        self.stop_overrun(Some(id), now, &mut effects);
        Ok(effects)
    }

    /// Sets a reservation aside beside what an earlier attempt has spent and not recorded.
    pub(super) fn reserve(&mut self, id: &OperationId, need: Option<i64>) {
        self.change_purse(id, |purse| {
            let need = need.unwrap_or(0);
            purse.original = need;
            purse.reserved = purse.live.saturating_add(need);
        });
    }

    pub(super) fn spend(&mut self, id: &OperationId, live: i64, now: UnixMs, effects: &mut Vec<Effect>) {
        let live = live.max(0);
        // What comes after the end is in the record.
        let alive = self.entries.get(id).filter(|entry| entry.runs() || entry.waits());
        let Some(entry) = alive else { return };
        let (before, runs) = (entry.purse, entry.runs());
        let mut stop = None;
        let mut after = Purse { live, ..before };
        if live > before.reserved && !before.stopping {
            match self.extended(entry, live, now) {
                Some(reserved) => after.reserved = reserved,
                None if runs => stop = Some(self.stop_reason(entry, live, now)),
                None => {}
            }
        }
        after.stopping |= stop.is_some();
        self.change_purse(id, |purse| *purse = after);
        if let Some(refusal) = stop {
            effects.push(Effect::Stop(id.clone(), refusal));
        }
        if after.held() != before.held() {
            self.warn(id, now, effects);
        }
        self.stop_overrun(Some(id), now, effects);
    }

    /// The reservation that carries `live`, or none when the budgets do not.
    fn extended(&self, entry: &Entry, live: i64, now: UnixMs) -> Option<i64> {
        let purse = &entry.purse;
        let wanted = live.max(purse.reserved.saturating_add(purse.original / EXTENSION_SHARE));
        let most = self.headroom(entry, now).map_or(i128::MAX, |room| i128::from(purse.held()) + room);
        (i128::from(live) <= most).then(|| i64::try_from(most).map_or(wanted, |most| wanted.min(most)))
    }

    fn stop_reason(&self, entry: &Entry, live: i64, now: UnixMs) -> Box<Refusal> {
        let purse = &entry.purse;
        let own = entry.submission.max_cost.filter(|max| purse.recorded.saturating_add(live) > max.0);
        own.map(|max| entry.own_refusal(max, live))
            .or_else(|| self.refusal(entry.limits(), purse, purse.held(), Some(live), Against::All, now))
            .unwrap_or_else(|| entry.own_refusal(PicoUsd(live), live))
    }

    /// Stops operations whose limits are passed by what is really spent. Looks at everybody only when the limits
    /// of `cause` are passed, or when no operation is to blame.
    pub(super) fn stop_overrun(
        &mut self,
        cause: Option<&OperationId>,
        now: UnixMs,
        effects: &mut Vec<Effect>,
    ) {
        if cause.and_then(|id| self.entries.get(id)).is_some_and(|entry| !self.is_over(entry, now)) {
            return;
        }
        let mut stops = Vec::new();
        for (id, entry) in &self.entries {
            let spends = entry.purse.held() > 0 && entry.runs() && !entry.purse.stopping;
            if let Some(refusal) = spends.then(|| self.overrun(entry, now)).flatten() {
                stops.push((id.clone(), refusal));
            }
        }
        for (id, refusal) in stops {
            self.change_purse(&id, |purse| purse.stopping = true);
            effects.push(Effect::Stop(id, refusal));
        }
    }

    /// Forgets an ended operation that holds nothing any more.
    fn drop_settled(&mut self, id: &OperationId) {
        if self
            .entries
            .get(id)
            .is_some_and(|entry| matches!(entry.phase, Phase::Ended(_)) && entry.purse.live == 0)
        {
            self.take_out(id);
        }
    }

    fn change_purse(&mut self, id: &OperationId, change: impl FnOnce(&mut Purse)) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let before = entry.purse;
        change(&mut entry.purse);
        self.held.change(&entry.submission, &before, &entry.purse);
    }
}
