//! Who waits, for what, and who starts next.
//!
//! One pass over the queue in its order starts whoever finds a place, room in its rate windows and money; one that
//! finds none never holds up another behind it. Budgets are asked at the start, not before, and their no is final.

use llmctl_proto::admission::{Admission, Effect, Place, QueueRow};
use llmctl_proto::ids::OperationId;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::budgets::Against;
use super::rates::{self, Foreseen};
use super::turns::Waiting;
use super::{Core, Entry, MAX_PRIORITY, NotQueued, Phase, UNSETTLED_MS};

/// A place that says nothing, for an operation that is no longer known.
pub(super) fn nowhere() -> Place {
    Place { position: 0, reason: "held".into(), limit: None, wait_until: None, held: false, priority: 0 }
}

/// What an operation waits for.
struct Wait {
    reason: &'static str,
    limit: Option<String>,
    until: Option<UnixMs>,
}

impl Core {
    /// Changes the priority of a queued operation, or holds or releases it. Its new place, or its start, is among
    /// the effects.
    ///
    /// # Errors
    /// It does not wait in the queue.
    pub fn change(
        &mut self,
        id: &OperationId,
        priority: Option<i32>,
        held: Option<bool>,
        now: UnixMs,
    ) -> Result<Vec<Effect>, NotQueued> {
        let entry = self.entries.get_mut(id).filter(|entry| entry.waits()).ok_or(NotQueued)?;
        if let Some(priority) = priority {
            entry.submission.priority = priority.clamp(-MAX_PRIORITY, MAX_PRIORITY);
        }
        if let Some(held) = held {
            entry.submission.held = held;
        }
        let mut effects = Vec::new();
        self.advance(now, &mut effects);
        Ok(effects)
    }

    /// The place an operation was last told; none when it does not wait.
    pub fn place(&self, id: &OperationId) -> Option<&Place> {
        match &self.entries.get(id)?.phase {
            Phase::Queued(place) => place.as_ref(),
            Phase::Running | Phase::Ended(_) => None,
        }
    }

    /// The queue in the order in which operations would start.
    pub fn queue(&self, now: UnixMs) -> Vec<QueueRow> {
        let places = self.reckon(now);
        let row = |(id, place): (OperationId, Place)| {
            let submission = &self.entries.get(&id)?.submission;
            Some(QueueRow {
                operation_id: id,
                place,
                tool: submission.tool.clone(),
                model: submission.model.clone(),
                agent: submission.agent.clone(),
                submitted_at: submission.submitted_at,
            })
        };
        places.into_iter().filter_map(row).collect()
    }

    /// When `tick` should be called next: a window opens for somebody who waits, or a day begins for somebody who
    /// runs.
    pub fn next_wake(&self, now: UnixMs) -> Option<UnixMs> {
        let due = |entry: &Entry| match &entry.phase {
            Phase::Queued(place) => {
                place.as_ref().filter(|place| !place.held).and_then(|place| place.wait_until)
            }
            Phase::Running => entry
                .budgets()
                .map(|(budget, _)| self.calendar.bounds(&budget.timezone, budget.period, now).1)
                .filter(|end| end.0 < i64::MAX)
                .min(),
            Phase::Ended(at) => Some(UnixMs(at.0.saturating_add(UNSETTLED_MS as i64))),
        };
        self.entries.values().filter_map(due).min().map(|at| at.max(now))
    }

    /// Starts who can start, then tells those who wait what changed for them.
    pub(super) fn advance(&mut self, now: UnixMs, effects: &mut Vec<Effect>) {
        if self.waiting == 0 {
            return;
        }
        for id in self.order() {
            if self.is_free(&id, now) {
                self.start(&id, true, now, effects);
            }
        }
        if self.waiting == 0 {
            return;
        }
        for (id, place) in self.reckon(now) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if let Phase::Queued(told) = &mut entry.phase
                && told.as_ref() != Some(&place)
            {
                *told = Some(place.clone());
                effects.push(Effect::Answer(id, Admission::Queued(place)));
            }
        }
    }

    /// Whether nothing but budgets keeps an operation from starting now.
    pub(super) fn is_free(&self, id: &OperationId, now: UnixMs) -> bool {
        self.entries.get(id).is_some_and(|entry| self.wait(entry, &Foreseen::default(), now).is_none())
    }

    /// Starts a waiting operation if its budgets carry it, else refuses it. `in_turn` counts it as its key's turn.
    pub(super) fn start(&mut self, id: &OperationId, in_turn: bool, now: UnixMs, effects: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(id) else { return };
        let need = match entry.capped() {
            Ok(need) => need,
            Err(refusal) => return self.refuse(id, Admission::Refused(refusal), effects),
        };
        let forced = entry.submission.force_reason.is_some();
        let refusal = self.refusal(entry.hard(), &entry.purse, 0, need, Against::All, now);
        if let Some(refusal) = refusal.clone().filter(|_| !forced) {
            return self.refuse(id, Admission::Refused(refusal), effects);
        }
        let warnings = self.near(entry, need.unwrap_or(0), now);
        self.reserve(id, need);
        self.seat(id, in_turn, now);
        let answer = Admission::Admitted { reservation: need.map(PicoUsd), warnings, overridden: refusal };
        effects.push(Effect::Answer(id.clone(), answer));
        self.warn(id, now, effects);
    }

    fn refuse(&mut self, id: &OperationId, answer: Admission, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.take_out(id) {
            self.forget_purse(&entry);
            effects.push(Effect::Answer(id.clone(), answer));
        }
    }

    /// Gives a waiting operation its place and notes its start.
    fn seat(&mut self, id: &OperationId, in_turn: bool, now: UnixMs) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.phase = Phase::Running;
        self.waiting = self.waiting.saturating_sub(1);
        let passed = std::mem::take(&mut entry.passed);
        let submission = &entry.submission;
        let (priority, age) = (submission.priority, (submission.submitted_at, id.clone()));
        self.places.take(submission);
        for key in rates::keys(&submission.tool, submission.provider.as_deref(), submission.model.as_deref())
        {
            self.rates.note(key, now, now);
        }
        if !in_turn {
            return;
        }
        self.turns.started(submission, passed);
        if self.waiting == 0 {
            self.turns.trim(std::iter::empty());
            return;
        }
        for (other, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.waits()) {
            let submission = &entry.submission;
            let older = (submission.submitted_at, other) < (age.0, &age.1);
            if older && !submission.held && submission.priority < priority {
                entry.passed = entry.passed.saturating_add(1);
            }
        }
        let waiting = self.entries.values().filter(|entry| entry.waits()).map(|entry| &entry.submission);
        self.turns.trim(waiting);
    }

    fn order(&self) -> Vec<OperationId> {
        let waiting = self.entries.values().filter(|entry| entry.waits());
        self.turns.order(
            waiting.map(|entry| Waiting { submission: &entry.submission, passed: entry.passed }).collect(),
        )
    }

    /// The place of everybody who waits, in order.
    fn reckon(&self, now: UnixMs) -> Vec<(OperationId, Place)> {
        let mut foreseen = Foreseen::default();
        let mut places = Vec::with_capacity(self.waiting);
        for (id, position) in self.order().into_iter().zip(1_u32..) {
            let Some(entry) = self.entries.get(&id) else { continue };
            let wait = self.wait(entry, &foreseen, now);
            if let Some(at) = wait.as_ref().and_then(|wait| wait.until) {
                foreseen.note(&entry.submission, at);
            }
            let wait = wait.unwrap_or(Wait { reason: "concurrency", limit: None, until: None });
            let place = Place {
                position,
                reason: wait.reason.to_owned(),
                limit: wait.limit,
                wait_until: wait.until,
                held: entry.submission.held,
                priority: entry.submission.priority,
            };
            places.push((id, place));
        }
        places
    }

    /// A rate window goes before a place, because it is known when it opens.
    fn wait(&self, entry: &Entry, foreseen: &Foreseen, now: UnixMs) -> Option<Wait> {
        let submission = &entry.submission;
        if submission.held {
            return Some(Wait { reason: "held", limit: None, until: None });
        }
        if let Some(blocked) = self.rates.blocks(submission, foreseen, now) {
            return Some(Wait { reason: "rate_limit", limit: Some(blocked.key), until: blocked.until });
        }
        let limit = self.places.blocks(submission)?;
        Some(Wait { reason: "concurrency", limit: Some(limit), until: None })
    }
}
