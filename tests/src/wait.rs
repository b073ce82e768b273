//! Waiting for a state with a deadline: the only place of the tests that sleeps.
//!
//! A test never waits for a time. It names what it waits for and how long that may take at most; the poll
//! here is 5 ms, so a test goes on at once when its state is there.

use std::time::{Duration, Instant};

/// Time between two looks.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `look` gives something, and gives it.
///
/// # Panics
/// The deadline passed; the message says for what.
#[track_caller]
pub fn wait_for<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    match poll(deadline, &mut look) {
        Some(found) => found,
        None => panic!("waited {deadline:?} in vain for {what}"),
    }
}

/// Waits until `look` is true.
///
/// # Panics
/// The deadline passed; the message says for what.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, mut look: impl FnMut() -> bool) {
    wait_for(deadline, what, || look().then_some(()));
}

/// Waits until `look` gives something; none when the deadline passed.
pub fn poll<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        // Looked at last after the deadline, so that a slow machine does not fail for one missed look.
        let late = Instant::now() >= end;
        if let Some(found) = look() {
            return Some(found);
        }
        if late {
            return None;
        }
        std::thread::sleep(POLL);
    }
}
