//! What follows a failed attempt: the same candidate again, the next one, or the end. Pure.
//!
//! Nothing is repeated once the tool has done something or an answer was handed on, unless the user asked for it: a
//! second answer behind half of a first one, or a command run twice, is worse than an error.

use std::time::Duration;

use llmctl_proto::config::Policy;

use crate::tool::ErrorClass;

/// Repeats after a broken connection.
const NETWORK_REPEATS: u32 = 2;

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tried {
    /// Candidates that were started, the current one included.
    pub(super) candidates: u32,
    /// How often the current candidate was repeated.
    pub(super) repeats: u32,
    /// A tool was called or a piece of the answer handed on.
    pub(super) had_effect: bool,
    /// Another candidate could take over.
    pub(super) standby: bool,
    /// Repeat even then.
    pub(super) retry_after_output: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The same candidate, after a wait.
    Same(Duration),
    /// The next candidate.
    Candidate,
    /// Nothing: the operation ends with this failure.
    End,
}

/// Decides. `retry_after` is the wait the provider asked for, `jitter` a number below 1,000 that spreads waits.
pub(super) fn next(
    class: ErrorClass,
    retry_after: Option<Duration>,
    tried: Tried,
    policy: &Policy,
    jitter: u32,
) -> Next {
    if tried.had_effect && !tried.retry_after_output {
        return Next::End;
    }
    let rules = &policy.fallback;
    let limited = class == ErrorClass::RateLimit;
    let listed = rules.on.iter().any(|name| name == class.as_str()) || class == ErrorClass::Crash;
    let may_change = tried.standby
        && listed
        && tried.candidates < rules.max_attempts
        && (!limited || policy.auto_fallback_on_rate_limit);
    let repeats = match class {
        ErrorClass::Overloaded | ErrorClass::RateLimit => rules.retries,
        ErrorClass::Network => NETWORK_REPEATS,
        _ => 0,
    };
    let wait = wait(rules.retry_delay_s, tried.repeats, retry_after, jitter);
    let may_repeat = tried.repeats < repeats && wait <= Duration::from_secs(rules.max_wait_s);
    match (may_repeat, may_change) {
        // A limit that is known to last is better gone around than waited for.
        (_, true) if limited => Next::Candidate,
        (true, _) => Next::Same(wait),
        (false, true) => Next::Candidate,
        (false, false) => Next::End,
    }
}

/// The provider's own wish, or a doubling delay; either spread by up to a quarter.
fn wait(first_s: u64, repeats: u32, retry_after: Option<Duration>, jitter: u32) -> Duration {
    let doubled = Duration::from_secs(first_s).saturating_mul(1_u32.checked_shl(repeats).unwrap_or(u32::MAX));
    let base = retry_after.unwrap_or(doubled);
    base.saturating_add(base / 4_000 * jitter.min(1_000))
}

#[cfg(test)]
mod tests {
    use llmctl_proto::config::Fallback;
    use proptest::prelude::*;

    use super::*;

    fn fresh(standby: bool) -> Tried {
        Tried { candidates: 1, standby, ..Tried::default() }
    }

    fn after(class: ErrorClass, tried: Tried) -> Next {
        next(class, None, tried, &Policy::default(), 0)
    }

    #[test]
    fn classes_that_another_candidate_may_not_have() {
        for class in [
            ErrorClass::BinaryMissing,
            ErrorClass::RateLimit,
            ErrorClass::ModelUnavailable,
            ErrorClass::ContextWindow,
            ErrorClass::Crash,
        ] {
            assert_eq!(after(class, fresh(true)), Next::Candidate, "{class:?}");
        }
        for class in [ErrorClass::Auth, ErrorClass::Quota, ErrorClass::Invalid, ErrorClass::ExitCode] {
            assert_eq!(after(class, fresh(true)), Next::End, "{class:?}");
        }
    }

    #[test]
    fn a_listed_class_goes_on() {
        let on = vec!["exit_code".to_owned(), "auth".to_owned()];
        let policy = Policy { fallback: Fallback { on, ..Fallback::default() }, ..Policy::default() };
        for class in [ErrorClass::ExitCode, ErrorClass::Auth] {
            assert_eq!(next(class, None, fresh(true), &policy, 0), Next::Candidate);
        }
        assert_eq!(next(ErrorClass::BinaryMissing, None, fresh(true), &policy, 0), Next::End);
    }

    #[test]
    fn overload_is_repeated_with_doubling_waits_and_then_left() {
        let mut tried = fresh(true);
        for seconds in [5, 10, 20] {
            assert_eq!(after(ErrorClass::Overloaded, tried), Next::Same(Duration::from_secs(seconds)));
            tried.repeats += 1;
        }
        assert_eq!(after(ErrorClass::Overloaded, tried), Next::Candidate);
        tried.standby = false;
        assert_eq!(after(ErrorClass::Overloaded, tried), Next::End);
    }

    #[test]
    fn a_rate_limit_is_waited_for_only_without_another() {
        let delay = Some(Duration::from_secs(7));
        let policy = Policy::default();
        assert_eq!(next(ErrorClass::RateLimit, delay, fresh(true), &policy, 0), Next::Candidate);
        assert_eq!(
            next(ErrorClass::RateLimit, delay, fresh(false), &policy, 0),
            Next::Same(Duration::from_secs(7))
        );
        let long = Some(Duration::from_secs(61));
        assert_eq!(next(ErrorClass::RateLimit, long, fresh(false), &policy, 0), Next::End);
        let stay = Policy { auto_fallback_on_rate_limit: false, ..Policy::default() };
        assert_eq!(
            next(ErrorClass::RateLimit, delay, fresh(true), &stay, 0),
            Next::Same(Duration::from_secs(7))
        );
    }

    #[test]
    fn nothing_is_repeated_behind_output_unless_asked() {
        let mut tried = Tried { had_effect: true, ..fresh(true) };
        assert_eq!(after(ErrorClass::RateLimit, tried), Next::End);
        tried.retry_after_output = true;
        assert_eq!(after(ErrorClass::RateLimit, tried), Next::Candidate);
    }

    #[test]
    fn candidates_are_limited() {
        let tried = Tried { candidates: 4, ..fresh(true) };
        assert_eq!(after(ErrorClass::BinaryMissing, tried), Next::End);
    }

    proptest! {
        #[test]
        fn waits_are_spread_and_bounded(repeats in 0_u32..80, jitter in 0_u32..2_000, asked in 0_u64..100) {
            let spread = wait(5, 0, Some(Duration::from_secs(asked)), jitter);
            prop_assert!(spread >= Duration::from_secs(asked));
            prop_assert!(spread <= Duration::from_secs(asked) * 5 / 4 + Duration::from_millis(1));
            let _ = wait(u64::MAX, repeats, None, jitter);
        }
    }
}
