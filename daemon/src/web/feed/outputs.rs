//! The outputs one browser follows: live pieces where they fit, the file for everything else.

use super::super::follow::{Step as Move, Until};
use super::{Carrier, Feed, Step};
use crate::hub::Frame;

impl<C: Carrier> Feed<'_, C> {
    pub(super) async fn pass_to_follows(&mut self, frame: &Frame) -> Step {
        let mut at = 0;
        while at < self.follows.len() {
            match self.follows[at].on_frame(frame) {
                Move::Skip => {}
                Move::Pass => self.pass(frame).await?,
                Move::Read(until) => self.catch_up(at, until).await?,
                Move::Finish => {
                    self.catch_up(at, Until::Ended).await?;
                    self.follows.remove(at);
                    continue;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// Sends what a followed file has, one piece in memory at a time.
    pub(super) async fn catch_up(&mut self, at: usize, until: Until) -> Step {
        let cursor = self.cursor(self.seen);
        while let Some(json) = self.follows[at].piece(until, &cursor).await {
            self.carrier.queue(json, None).await?;
            // Meanwhile nobody asks for its answers or reads them; that it takes the pieces in has to do.
            self.carrier.taken();
        }
        Ok(())
    }

    /// Sends what was recorded while frames were missed; an end may be among them.
    pub(super) async fn catch_up_all(&mut self) -> Step {
        let mut at = 0;
        while at < self.follows.len() {
            let id = self.follows[at].operation_id.clone();
            let ended = match self.shared.deps.operations.get(id.as_str()).await {
                Ok(operation) => operation.state.is_final(),
                // It is no longer known: nothing will come of it.
                Err(_) => true,
            };
            if ended {
                self.catch_up(at, Until::Ended).await?;
                self.follows.remove(at);
            } else {
                let size = self.follows[at].size().await.unwrap_or(0);
                self.catch_up(at, Until::Recorded(size)).await?;
                at += 1;
            }
        }
        Ok(())
    }
}
