//! The conversation: reads a line, answers it, one after the other.
//!
//! Owns the state of one session: which era it is in, what it offers by now, who has subscribed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::answers::{self, INVALID, NOT_FOUND, VERSION_KEY};
use super::{Era, LEGACY, MODERN, Options, faults, tools};

/// Longest line that is taken from the client.
const MAX_LINE: u64 = 64 << 20;

/// What the conversation and a later change share.
#[derive(Debug, Default)]
struct Offer {
    added: AtomicUsize,
    /// Subscriptions of modern clients; a legacy client needs none.
    subscribed: Mutex<Vec<Value>>,
    legacy: Mutex<bool>,
}

/// A server in a conversation.
#[derive(Debug)]
pub(super) struct Server {
    options: Options,
    start: u64,
    modern: Option<bool>,
    requests: u64,
    offer: Arc<Offer>,
    record: Option<File>,
    listed: bool,
}

/// What follows an answer.
enum Next {
    /// The next line.
    Go,
    /// The end, with this exit code.
    Exit(u8),
}

impl Server {
    pub(super) fn new(options: Options, start: u64) -> Self {
        Self { options, start, modern: None, requests: 0, offer: Arc::default(), record: None, listed: false }
    }

    /// Answers until standard input ends; then none, else the code to exit with.
    pub(super) fn run(mut self) -> io::Result<Option<u8>> {
        if let Some(file) = &self.options.record {
            self.record = Some(OpenOptions::new().create(true).append(true).open(file)?);
        }
        faults::pause(self.options.slow);
        self.change_later();
        let mut input = io::stdin().lock();
        let mut line = String::new();
        loop {
            line.clear();
            if io::Read::take(&mut input, MAX_LINE).read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if let Some(file) = &mut self.record {
                file.write_all(line.as_bytes())?;
            }
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if let Next::Exit(code) = self.take(&message)? {
                return Ok(Some(code));
            }
        }
    }

    fn take(&mut self, message: &Value) -> io::Result<Next> {
        let method = message["method"].as_str().unwrap_or_default();
        if self.options.exit_on_unknown && self.modern.is_none() && method != "initialize" {
            writeln!(io::stderr(), "error: expected an initialize request, got {method}")?;
            return Ok(Next::Exit(3));
        }
        let id = &message["id"];
        if id.is_null() {
            let over = method == "notifications/initialized" && self.options.exit_after_handshake;
            return Ok(if over { Next::Exit(4) } else { Next::Go });
        }
        if method.is_empty() || self.options.never_answer {
            return Ok(Next::Go);
        }
        self.requests += 1;
        let hangs = self.options.hang_after.is_some_and(|after| self.requests > after);
        if hangs && (self.start == 1 || !self.options.hang_once) {
            faults::hang();
        }
        faults::pause(self.options.slow_answers);
        self.answer(id, method, &message["params"])
    }

    fn answer(&mut self, id: &Value, method: &str, params: &Value) -> io::Result<Next> {
        let named = params["_meta"][VERSION_KEY].as_str();
        let modern = *self.modern.get_or_insert(match self.options.era {
            Era::Legacy => false,
            Era::Modern => true,
            Era::Dual => named.is_some(),
        });
        if modern && named != Some(MODERN) {
            let requested = named.or(params["protocolVersion"].as_str()).unwrap_or_default();
            return say(&answers::unsupported(id, requested));
        }
        match method {
            "ping" if !modern && !self.options.no_ping => say(&answers::result(id, &json!({}))),
            "initialize" if !modern => {
                *lock(&self.offer.legacy) = true;
                let asked = params["protocolVersion"].as_str().unwrap_or(LEGACY);
                let extras = self.options.extras > 0;
                say(&answers::result(id, &answers::initialized(&self.options.name, asked, extras)))
            }
            "server/discover" if self.options.silent_discover => Ok(Next::Go),
            "server/discover" if modern => {
                let (ttl, extras) = (self.options.ttl, self.options.extras > 0);
                say(&answers::result(id, &answers::discovered(&self.options.name, ttl, extras)))?;
                Ok(if self.options.exit_after_handshake { Next::Exit(4) } else { Next::Go })
            }
            "tools/list" => self.list(id, params, modern),
            "resources/list" | "prompts/list" if self.options.extras > 0 => {
                let key = method.trim_end_matches("/list");
                let each = (1..=self.options.extras)
                    .map(|n| json!({"name": format!("{key}-{n}"), "uri": format!("fake:///{n}")}));
                let answer = json!({key: each.collect::<Vec<_>>()});
                say(&answers::result(id, &self.dressed(answer, modern, Some(self.options.ttl))))
            }
            "tools/call" => self.call(id, params, modern),
            "subscriptions/listen" if modern && !self.options.no_listen => {
                lock(&self.offer.subscribed).push(id.clone());
                say(&answers::acknowledged(id))
            }
            _ => say(&answers::error(id, NOT_FOUND, "Method not found")),
        }
    }

    fn dressed(&self, answer: Value, modern: bool, ttl: Option<u64>) -> Value {
        if modern { answers::complete(answer, &self.options.name, ttl) } else { answer }
    }

    fn list(&mut self, id: &Value, params: &Value, modern: bool) -> io::Result<Next> {
        if !self.listed {
            self.listed = true;
            if self.options.huge_line > 0 {
                let data = "x".repeat(self.options.huge_line);
                say(
                    &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": data}}),
                )?;
            }
            self.notify(self.options.storm)?;
        }
        let all = tools::list(self.options.tools, self.offer.added.load(Ordering::SeqCst));
        let page = if self.options.page == 0 { all.len() } else { self.options.page };
        let at: usize = params["cursor"].as_str().and_then(|c| c.parse().ok()).unwrap_or(0);
        let here: Vec<Value> = all.iter().skip(at).take(page).cloned().collect();
        let mut answer = json!({"tools": here});
        if self.options.endless_cursor {
            answer["nextCursor"] = json!("0");
        } else if self.options.endless_pages || at + page < all.len() {
            answer["nextCursor"] = json!((at + page).to_string());
        }
        say(&answers::result(id, &self.dressed(answer, modern, Some(self.options.ttl))))
    }

    fn call(&mut self, id: &Value, params: &Value, modern: bool) -> io::Result<Next> {
        let arguments = &params["arguments"];
        let number = |name: &str, otherwise: u64| arguments[name].as_u64().unwrap_or(otherwise);
        let name = params["name"].as_str().unwrap_or_default();
        let answer = match name {
            "work" => {
                faults::pause(number("ms", 0));
                tools::content("done", false)
            }
            "change" => {
                self.offer.added.fetch_add(1, Ordering::SeqCst);
                self.notify(number("times", 1))?;
                tools::content("changed", false)
            }
            "exit" => return Ok(Next::Exit(number("code", 1) as u8)),
            "hang" => {
                faults::hang();
                return Ok(Next::Go);
            }
            "huge" => tools::content(&"x".repeat(number("bytes", 0) as usize), false),
            "fail" => tools::content("it has failed", true),
            "pid" => tools::content(&std::process::id().to_string(), false),
            _ if self.offers(name) => tools::content(&arguments.to_string(), false),
            _ if modern => return say(&answers::error(id, INVALID, &format!("Unknown tool: {name}"))),
            _ => tools::content(&format!("MCP error -32602: Tool {name} not found"), true),
        };
        say(&answers::result(id, &self.dressed(answer, modern, None)))
    }

    fn offers(&self, name: &str) -> bool {
        let added = self.offer.added.load(Ordering::SeqCst);
        name == "echo"
            || tools::list(self.options.tools, added)
                .iter()
                .skip(tools::acting())
                .any(|tool| tool["name"] == name)
    }

    fn notify(&self, times: u64) -> io::Result<()> {
        for _ in 0..times {
            self.offer.notify()?;
        }
        Ok(())
    }

    fn change_later(&self) {
        let Some(after) = self.options.change_after else { return };
        let offer = Arc::clone(&self.offer);
        std::thread::spawn(move || {
            faults::pause(after);
            offer.added.fetch_add(1, Ordering::SeqCst);
            // Nobody is told any more when the client is gone.
            let _ = offer.notify();
        });
    }
}

impl Offer {
    fn notify(&self) -> io::Result<()> {
        if *lock(&self.legacy) {
            say(&answers::tools_changed(None))?;
        }
        for subscription in lock(&self.subscribed).iter() {
            say(&answers::tools_changed(Some(subscription)))?;
        }
        Ok(())
    }
}

/// Writes one message as one line.
fn say(message: &Value) -> io::Result<Next> {
    let mut line = message.to_string();
    line.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()?;
    Ok(Next::Go)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
