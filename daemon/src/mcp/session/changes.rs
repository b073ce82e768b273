//! News of changed lists, in both eras.
//!
//! A legacy server tells unasked, over HTTP on a stream that is held open; a modern one wants a subscription. From
//! a server that does neither, or refuses, news is assumed whenever its lists may have aged: after the time it
//! gives (at least 30 s), else every 5 minutes. Any number of notices between two looks is one piece of news.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::error::SessionError;
use super::setup::Era;
use super::talk::{Ask, Talk};

/// Shortest time after which a list is assumed to have changed.
const SHORTEST_AGE: Duration = Duration::from_secs(30);
/// That time where the server gives none.
const USUAL_AGE: Duration = Duration::from_mins(5);
/// Longest time; what a server gives beyond is cut.
const LONGEST_AGE: Duration = Duration::from_hours(1);
/// Pause before a lost subscription is asked for again; doubled each time, up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often each list was said to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    pub(super) tools: u64,
    pub(super) resources: u64,
    pub(super) prompts: u64,
}

/// Which lists may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The tools.
    pub tools: bool,
    /// The resources.
    pub resources: bool,
    /// The prompts.
    pub prompts: bool,
}

/// Hands out news of changed lists; holds at most one piece.
#[derive(Debug)]
pub struct Changes {
    marks: watch::Receiver<Marks>,
    seen: Marks,
}

impl Changes {
    pub(super) fn new(mut marks: watch::Receiver<Marks>) -> Self {
        let seen = *marks.borrow_and_update();
        Self { marks, seen }
    }

    /// Waits for news; none when the session is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Changed> {
        loop {
            let now = *self.marks.borrow_and_update();
            if now != self.seen {
                let before = std::mem::replace(&mut self.seen, now);
                return Some(Changed {
                    tools: now.tools != before.tools,
                    resources: now.resources != before.resources,
                    prompts: now.prompts != before.prompts,
                });
            }
            self.marks.changed().await.ok()?;
        }
    }
}

/// Keeps the news coming for as long as the session lives.
pub(super) async fn watch(talk: Arc<Talk>) {
    let tells = talk.identity().capabilities.any_list_changed();
    match (talk.identity().era, talk.http()) {
        // Over pipes there is nothing to be done: the notices simply come.
        (Era::Legacy, None) if tells => return,
        (Era::Legacy, Some(http)) if tells => http.hold_stream().await,
        (Era::Modern, _) if tells => subscribe(&talk).await,
        _ => {}
    }
    loop {
        sleep(age(talk.ttl())).await;
        mark_all(&talk);
    }
}

fn age(ttl: Option<Duration>) -> Duration {
    ttl.map_or(USUAL_AGE, |ttl| ttl.clamp(SHORTEST_AGE, LONGEST_AGE))
}

fn mark_all(talk: &Talk) {
    let has = &talk.identity().capabilities;
    talk.inbox().mark(|marks| {
        marks.tools += 1;
        marks.resources += u64::from(has.resources);
        marks.prompts += u64::from(has.prompts);
    });
}

/// Holds a subscription until the server turns out not to give any.
async fn subscribe(talk: &Talk) {
    let has = &talk.identity().capabilities;
    let filter = json!({"notifications": {
        "toolsListChanged": has.tools_list_changed,
        "resourcesListChanged": has.resources_list_changed,
        "promptsListChanged": has.prompts_list_changed,
    }});
    let subscribed = talk.inbox().subscribed();
    let mut pause = FIRST_PAUSE;
    loop {
        subscribed.send_replace(false);
        // The answer comes when the subscription ends, or at once where there is none to be had.
        let ended = talk.ask(Ask::new("subscriptions/listen", filter.clone()), None).await;
        if talk.inbox().has_ended() {
            // Nothing is left to hear, and the session will be dropped.
            return std::future::pending().await;
        }
        if subscribed.send_replace(false) {
            pause = FIRST_PAUSE;
        } else if matches!(ended, Ok(_) | Err(SessionError::Rpc(_) | SessionError::Status { .. })) {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // What changed between two subscriptions was told to nobody.
        mark_all(talk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_notices_are_one_piece_of_news() {
        let sender = watch::Sender::new(Marks { tools: 3, ..Marks::default() });
        let mut changes = Changes::new(sender.subscribe());
        for _ in 0..10_000 {
            sender.send_modify(|marks| marks.tools += 1);
        }
        let news = changes.next().await;
        assert_eq!(news, Some(Changed { tools: true, resources: false, prompts: false }));
        sender.send_modify(|marks| marks.prompts += 1);
        assert_eq!(changes.next().await.map(|news| (news.tools, news.prompts)), Some((false, true)));
        drop(sender);
        assert_eq!(changes.next().await, None);
    }

    #[test]
    fn lists_age_within_bounds() {
        assert_eq!(age(None), USUAL_AGE);
        assert_eq!(age(Some(Duration::ZERO)), SHORTEST_AGE);
        assert_eq!(age(Some(Duration::from_mins(2))), Duration::from_mins(2));
        assert_eq!(age(Some(Duration::from_millis(u64::MAX - 1))), LONGEST_AGE);
    }
}
