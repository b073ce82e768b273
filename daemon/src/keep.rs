//! What keeps a task at work: a panic that is caught and told, and pauses that grow while it fails.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

/// Between a failure and the next attempt, at first and at most.
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(30);
/// A task that lived this long counts as one that works.
const WORKS: Duration = Duration::from_secs(60);

/// Runs a future to its end, or tells what its panic said. What it borrowed may be half changed, so its owner is
/// made anew.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| said(panic.as_ref()))
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// Pauses between attempts.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// The pause after an attempt that lived this long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        let next = self.last.filter(|_| lived < WORKS).map_or(FIRST, |last| (last * 2).min(MOST));
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_goes_no_further() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let stumbles = async |n: u32| assert!(n > 2, "stumbled {n}");
        assert_eq!(caught(stumbles(1)).await, Err("stumbled 1".to_owned()));
        assert_eq!(caught(async { panic!("always") }).await, Err::<(), _>("always".to_owned()));
    }

    #[test]
    fn pauses_grow_and_begin_again() {
        let (mut pauses, ms) = (Pauses::default(), Duration::from_millis);
        let grown: Vec<Duration> = (0..12).map(|_| pauses.after(ms(5))).collect();
        assert_eq!(grown[..3], [ms(100), ms(200), ms(400)]);
        assert_eq!(grown[11], MOST);
        assert_eq!(pauses.after(WORKS), FIRST);
    }
}
