//! Who is let in: one-time codes, browser sessions, the token for scripts. Only hashes are kept, those of sessions
//! also in the runtime directory: a daemon that is restarted knows its browsers again.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use llmctl_proto::paths::{Paths, private_file, replace_file_unsynced};
use llmctl_proto::time::UnixMs;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

/// How long a code is good for.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// Codes that may be open at once.
const MAX_CODES: usize = 4;
/// How long a session lasts.
pub(super) const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Sessions at once; the oldest goes.
const MAX_SESSIONS: usize = 16;
/// Failures in a minute after which nobody is let in until the minute is over.
const MAX_FAILURES: usize = 10;
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Changes in a second, for each session.
const CHANGES_PER_SECOND: u32 = 20;

type Hash = [u8; 32];

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// 32 random bytes as hex.
pub(super) fn secret() -> Result<String, &'static str> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| "the system gives no random numbers")?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash as `hex` writes it.
fn unhex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// The sessions that an earlier daemon has left, at most 16; what is no session is passed over.
fn read_sessions(paths: &Paths, now: Instant) -> VecDeque<Session> {
    /// A line has less than 100 bytes.
    const LONGEST: u64 = 100 * MAX_SESSIONS as u64;
    let wall = UnixMs::now().0;
    let mut text = String::new();
    let opened = std::fs::File::open(paths.sessions());
    if opened.and_then(|file| file.take(LONGEST).read_to_string(&mut text)).is_err() {
        return VecDeque::new();
    }
    let session = |line: &str| {
        let (hash, until) = line.split_once(' ')?;
        let left =
            u64::try_from(until.parse::<i64>().ok()?.checked_sub(wall)?).ok().filter(|left| *left > 0)?;
        Some(Session {
            hash: unhex(hash)?,
            until: now + Duration::from_millis(left).min(SESSION_LIFE),
            ended: CancellationToken::new(),
            changes: Changes::default(),
        })
    };
    text.lines().filter_map(session).take(MAX_SESSIONS).collect()
}

/// Who is asking.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A browser with a session.
    Browser {
        /// Cancelled when the session ends.
        ended: CancellationToken,
        /// When it ends by itself.
        until: Instant,
    },
    /// A script with the token.
    Script,
}

impl Caller {
    /// What a stop says it came through.
    pub(crate) fn via(&self) -> &'static str {
        match self {
            Self::Browser { .. } => "page",
            Self::Script => "api",
        }
    }
}

#[derive(Debug)]
struct Session {
    hash: Hash,
    until: Instant,
    ended: CancellationToken,
    changes: Changes,
}

/// Changes of one caller in the current second.
#[derive(Debug, Default)]
struct Changes {
    second: Option<Instant>,
    count: u32,
}

impl Changes {
    fn allow(&mut self, now: Instant) -> bool {
        match self.second {
            Some(second) if now.duration_since(second) < Duration::from_secs(1) => self.count += 1,
            _ => {
                self.second = Some(now);
                self.count = 1;
            }
        }
        self.count <= CHANGES_PER_SECOND
    }
}

/// Codes, sessions and the token of one daemon.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// None when the system gave no random numbers: then no token is right.
    token: Option<Hash>,
    token_changes: Changes,
    codes: VecDeque<(Hash, Instant)>,
    browsers: VecDeque<Session>,
    failures: VecDeque<Instant>,
    /// Where the hashes of sessions are kept.
    kept: PathBuf,
}

/// Why a request has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCaller {
    /// Nothing was shown.
    Missing,
    /// What was shown is not right.
    Wrong,
    /// Too many wrong ones; nobody is let in for a while.
    Locked,
}

impl Sessions {
    /// No sessions, and a new token, written for the user's scripts.
    pub(crate) fn new(paths: &Paths) -> Self {
        let token = secret().map_err(std::io::Error::other).and_then(|token| {
            write_token(paths, &token)?;
            Ok(hash(&token))
        });
        if let Err(error) = &token {
            tracing::warn!(error = %error, path = %paths.token().display(), "scripts have no token");
        }
        Self {
            token: token.ok(),
            token_changes: Changes::default(),
            codes: VecDeque::new(),
            browsers: read_sessions(paths, Instant::now()),
            failures: VecDeque::new(),
            kept: paths.sessions(),
        }
    }

    /// Writes down the hashes of the sessions with their ends. Without them a restart signs everybody out, no more.
    fn keep(&self, now: Instant) {
        let wall = UnixMs::now().0;
        let mut text = String::new();
        for session in &self.browsers {
            let left = session.until.saturating_duration_since(now).as_millis();
            let until = wall.saturating_add(i64::try_from(left).unwrap_or(0));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {until}", hex(&session.hash));
        }
        if let Err(error) = replace_file_unsynced(&self.kept, text.as_bytes()) {
            tracing::warn!(error = %error, path = %self.kept.display(), "sessions do not outlive this daemon");
        }
    }

    /// A new one-time code.
    pub(crate) fn new_code(&mut self, now: Instant) -> Result<String, &'static str> {
        self.codes.retain(|(_, until)| *until > now);
        if self.codes.len() >= MAX_CODES {
            return Err("four login codes are waiting to be used; they are good for 60 s each");
        }
        let code = secret()?;
        self.codes.push_back((hash(&code), now + CODE_LIFE));
        Ok(code)
    }

    /// Changes a code into a session: the cookie's value.
    pub(crate) fn redeem(&mut self, code: &str, now: Instant) -> Result<String, NoCaller> {
        if self.locked(now) {
            return Err(NoCaller::Locked);
        }
        self.codes.retain(|(_, until)| *until > now);
        let given = hash(code);
        // All are compared, so that the time tells nothing.
        let found = self.codes.iter().enumerate().fold(None, |found, (at, (known, _))| {
            if bool::from(known.ct_eq(&given)) { Some(at) } else { found }
        });
        let Some(at) = found else {
            self.failures.push_back(now);
            return Err(NoCaller::Wrong);
        };
        self.codes.remove(at);
        let value = secret().map_err(|_| NoCaller::Wrong)?;
        while self.browsers.len() >= MAX_SESSIONS {
            if let Some(oldest) = self.browsers.pop_front() {
                oldest.ended.cancel();
            }
        }
        self.browsers.push_back(Session {
            hash: hash(&value),
            until: now + SESSION_LIFE,
            ended: CancellationToken::new(),
            changes: Changes::default(),
        });
        self.keep(now);
        Ok(value)
    }

    /// Who shows this token or one of these cookies.
    pub(crate) fn caller(
        &mut self,
        bearer: Option<&str>,
        cookies: &[&str],
        now: Instant,
    ) -> Result<Caller, NoCaller> {
        if bearer.is_none() && cookies.is_empty() {
            return Err(NoCaller::Missing);
        }
        if self.locked(now) {
            return Err(NoCaller::Locked);
        }
        if let Some(bearer) = bearer {
            if self.token.is_some_and(|token| bool::from(hash(bearer).ct_eq(&token))) {
                return Ok(Caller::Script);
            }
            self.failures.push_back(now);
            return Err(NoCaller::Wrong);
        }
        self.browsers.retain(|session| session.until > now);
        for cookie in cookies {
            if let Some(session) = self.find(cookie) {
                return Ok(Caller::Browser { ended: session.ended.clone(), until: session.until });
            }
        }
        // An old cookie is what every browser shows after a restart; it is no attack worth counting.
        Err(NoCaller::Wrong)
    }

    /// Browsers that are signed in now.
    pub(crate) fn open(&self, now: Instant) -> usize {
        self.browsers.iter().filter(|session| session.until > now).count()
    }

    fn find(&mut self, cookie: &str) -> Option<&mut Session> {
        let given = hash(cookie);
        let at = self.browsers.iter().enumerate().fold(None, |found, (at, session)| {
            if bool::from(session.hash.ct_eq(&given)) { Some(at) } else { found }
        })?;
        self.browsers.get_mut(at)
    }

    /// Whether a caller may change something now.
    pub(crate) fn may_change(&mut self, cookies: &[&str], now: Instant) -> bool {
        for cookie in cookies {
            if let Some(session) = self.find(cookie) {
                return session.changes.allow(now);
            }
        }
        self.token_changes.allow(now)
    }

    /// Ends the sessions of these cookies and their sockets.
    pub(crate) fn end(&mut self, cookies: &[&str]) {
        for cookie in cookies {
            let given = hash(cookie);
            self.browsers.retain(|session| {
                let ends = bool::from(session.hash.ct_eq(&given));
                if ends {
                    session.ended.cancel();
                }
                !ends
            });
        }
        self.keep(Instant::now());
    }

    fn locked(&mut self, now: Instant) -> bool {
        while self.failures.front().is_some_and(|at| now.duration_since(*at) >= FAILURE_WINDOW) {
            self.failures.pop_front();
        }
        self.failures.truncate(MAX_FAILURES);
        self.failures.len() >= MAX_FAILURES
    }
}

/// Created with its final mode under another name and renamed into place.
fn write_token(paths: &Paths, token: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let path = paths.token();
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&new);
    let mut file = private_file().write(true).create_new(true).open(&new)?;
    file.write_all(token.as_bytes())?;
    std::fs::rename(&new, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> (tempfile::TempDir, Sessions, String) {
        let dir = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| dir.path().join(name);
        let paths =
            Paths { state: at("s"), runtime: dir.path().to_owned(), config: at("c"), socket: at("x") };
        let sessions = Sessions::new(&paths);
        let token = std::fs::read_to_string(paths.token()).expect("written");
        (dir, sessions, token)
    }

    fn signed_in(sessions: &mut Sessions, now: Instant) -> String {
        let code = sessions.new_code(now).expect("a code");
        sessions.redeem(&code, now).expect("right")
    }

    #[test]
    fn a_code_works_once() {
        let (_dir, mut sessions, _) = sessions();
        let now = Instant::now();
        let code = sessions.new_code(now).expect("first");
        let cookie = sessions.redeem(&code, now).expect("right");
        assert_eq!(sessions.redeem(&code, now), Err(NoCaller::Wrong));
        let Ok(Caller::Browser { ended, .. }) = sessions.caller(None, &[&cookie], now) else {
            panic!("a browser")
        };
        sessions.end(&[&cookie]);
        assert!(ended.is_cancelled());
        assert!(sessions.caller(None, &[&cookie], now).is_err());
    }

    #[test]
    fn sessions_outlive_the_daemon_and_their_ends_too() {
        let dir = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| dir.path().join(name);
        let paths = Paths { state: at("s"), runtime: at("."), config: at("c"), socket: at("x") };
        let now = Instant::now();
        let mut first = Sessions::new(&paths);
        let (one, two) = (signed_in(&mut first, now), signed_in(&mut first, now));
        let text = std::fs::read_to_string(paths.sessions()).expect("kept");
        assert!(!text.contains(&one) && !text.contains(&two), "only hashes");
        let mut second = Sessions::new(&paths);
        assert!(second.caller(None, &[&one], Instant::now()).is_ok());
        second.end(&[&one]);
        let mut third = Sessions::new(&paths);
        assert!(third.caller(None, &[&one], Instant::now()).is_err(), "it was ended");
        assert!(third.caller(None, &[&two], Instant::now()).is_ok());
        let over = Instant::now() + SESSION_LIFE + Duration::from_secs(1);
        assert!(third.caller(None, &[&two], over).is_err(), "no life is longer than it was");
        let past = format!("{} 5\nnonsense\n{} x\nzz 99999999999999\n", hex(&hash(&one)), hex(&hash(&two)));
        std::fs::write(paths.sessions(), past).expect("written");
        assert_eq!(Sessions::new(&paths).open(Instant::now()), 0);
    }

    #[test]
    fn a_code_is_good_for_a_minute_and_a_session_for_a_week() {
        let (_dir, mut sessions, _) = sessions();
        let now = Instant::now();
        let (early, late) = (sessions.new_code(now).expect("one"), sessions.new_code(now).expect("two"));
        let used = now + Duration::from_secs(59);
        let cookie = sessions.redeem(&early, used).expect("in time");
        assert_eq!(sessions.redeem(&late, now + Duration::from_secs(61)), Err(NoCaller::Wrong));
        let ends = used + SESSION_LIFE;
        assert!(sessions.caller(None, &[&cookie], now + SESSION_LIFE).is_ok());
        assert_eq!(sessions.caller(None, &[&cookie], ends).err(), Some(NoCaller::Wrong));
    }

    #[test]
    fn codes_and_sessions_are_bounded() {
        let (_dir, mut sessions, _) = sessions();
        let now = Instant::now();
        let cookies: Vec<String> = (0..=MAX_SESSIONS).map(|_| signed_in(&mut sessions, now)).collect();
        assert!(sessions.caller(None, &[&cookies[0]], now).is_err());
        assert!(sessions.caller(None, &[&cookies[1]], now).is_ok());
        for _ in 0..MAX_CODES {
            sessions.new_code(now).expect("free");
        }
        assert!(sessions.new_code(now).is_err());
        assert!(sessions.new_code(now + CODE_LIFE).is_ok());
    }

    #[test]
    fn guessing_locks_for_a_minute() {
        let (_dir, mut sessions, token) = sessions();
        let now = Instant::now();
        assert!(matches!(sessions.caller(Some(&token), &[], now), Ok(Caller::Script)));
        for _ in 0..MAX_FAILURES {
            assert_eq!(sessions.caller(Some("wrong"), &[], now).err(), Some(NoCaller::Wrong));
        }
        assert_eq!(sessions.caller(Some(&token), &[], now).err(), Some(NoCaller::Locked));
        assert!(sessions.caller(Some(&token), &[], now + FAILURE_WINDOW).is_ok());
    }

    #[test]
    fn without_a_token_no_token_is_right() {
        let (_dir, mut sessions, token) = sessions();
        sessions.token = None;
        for shown in ["", token.as_str()] {
            assert_eq!(sessions.caller(Some(shown), &[], Instant::now()).err(), Some(NoCaller::Wrong));
        }
    }

    #[test]
    fn changes_are_paced() {
        let mut changes = Changes::default();
        let now = Instant::now();
        assert_eq!((0..30).filter(|_| changes.allow(now)).count(), 20);
        assert!(changes.allow(now + Duration::from_secs(1)));
    }
}
