//! Places that running operations take, against the limits in all, by tool and by provider.
//!
//! Counts only; who waits for a place and in which order is the queue's. A limit of zero is no limit.

use std::collections::HashMap;

use llmctl_proto::admission::Submission;
use llmctl_proto::config::Concurrency;

/// Limits and how many places are taken.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) limits: Concurrency,
    total: u32,
    tools: HashMap<String, u32>,
    providers: HashMap<String, u32>,
}

fn change(counts: &mut HashMap<String, u32>, name: &str, more: bool) {
    if more {
        if let Some(count) = counts.get_mut(name) {
            *count = count.saturating_add(1);
        } else {
            counts.insert(name.to_owned(), 1);
        }
    } else if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}

impl Places {
    /// Takes the place of an operation, whatever the limits say.
    pub(super) fn take(&mut self, submission: &Submission) {
        self.total = self.total.saturating_add(1);
        change(&mut self.tools, &submission.tool, true);
        if let Some(provider) = &submission.provider {
            change(&mut self.providers, provider, true);
        }
    }

    /// Gives it back.
    pub(super) fn give_back(&mut self, submission: &Submission) {
        self.total = self.total.saturating_sub(1);
        change(&mut self.tools, &submission.tool, false);
        if let Some(provider) = &submission.provider {
            change(&mut self.providers, provider, false);
        }
    }

    /// The limit that leaves no place for an operation: `NAME` of its tool, `provider:NAME`, or `total`.
    pub(super) fn blocks(&self, submission: &Submission) -> Option<String> {
        let full = |limit: Option<&u32>, taken: u32| limit.is_some_and(|limit| *limit > 0 && taken >= *limit);
        let of = |counts: &HashMap<String, u32>, name: &str| counts.get(name).copied().unwrap_or(0);
        if full(self.limits.per_tool.get(&submission.tool), of(&self.tools, &submission.tool)) {
            return Some(submission.tool.clone());
        }
        if let Some(provider) = &submission.provider
            && full(self.limits.per_provider.get(provider), of(&self.providers, provider))
        {
            return Some(format!("provider:{provider}"));
        }
        full(Some(&self.limits.total), self.total).then(|| "total".to_owned())
    }

    /// Places taken.
    pub(super) fn taken(&self) -> u32 {
        self.total
    }
}
