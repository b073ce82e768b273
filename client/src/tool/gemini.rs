//! Reads Gemini CLI's `stream-json`, and the single document of `-o json`.
//!
//! Thinking tokens are in no field of the stream: what was billed as output is the total without the input. The
//! exit code says nothing (an interrupt exits 0, a 401 exits 145); retries are told on the error stream only.

use llmctl_proto::usage::Usage;
use serde_json::Value;

use super::ToolEnd;
use super::classify;
use super::event::{AdapterEvent, ErrorClass, Final, ModelTotal, Outcome};
use super::frame::{Base, count, short, size_of};

/// Parser of one run.
#[derive(Debug, Default)]
pub struct GeminiStream {
    pub(super) base: Base,
}

impl GeminiStream {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        let Some(frame) = self.base.frame(line, out) else { return };
        match frame["type"].as_str().unwrap_or_default() {
            "init" => self.base.init(frame["model"].as_str(), frame["session_id"].as_str(), out),
            // The prompt comes back as a message of the user.
            "message" if frame["role"] == "user" => {}
            "message" => self.base.text(frame["content"].as_str().unwrap_or_default().as_bytes(), out),
            "thought" => out.push(AdapterEvent::Thinking),
            "tool_use" => {
                let id = frame["tool_id"].as_str().unwrap_or_default();
                self.base.call_starts(
                    id,
                    frame["tool_name"].as_str().unwrap_or("tool"),
                    &frame["parameters"],
                    out,
                );
            }
            "tool_result" => {
                let id = frame["tool_id"].as_str().unwrap_or_default();
                let ok = frame["status"] == "success";
                Base::call_ends(id, ok, size_of(&frame["output"]), None, out);
            }
            "error" => self.base.warn(frame["message"].as_str().unwrap_or("the tool reports an error"), out),
            "result" => self.result(&frame, out),
            "" if frame["stats"].is_object() => self.document(&frame, out),
            other => out.push(AdapterEvent::Unknown(short(other, 64))),
        }
    }

    pub(super) fn stderr_line(&mut self, line: &[u8], out: &mut Vec<AdapterEvent>) {
        self.base.stderr_line(line);
        let text = String::from_utf8_lossy(&line[..line.len().min(512)]);
        let Some(rest) = text.strip_prefix("Attempt ") else { return };
        let Some((attempt, cause)) = rest.split_once(" failed") else { return };
        if let Ok(attempt) = attempt.parse() {
            let status = classify::status_in(cause);
            out.push(AdapterEvent::Retry { attempt, max: None, delay_ms: None, status });
        }
    }

    pub(super) fn finish(&mut self, end: &ToolEnd, out: &mut Vec<AdapterEvent>) -> Final {
        // Before its stream begins Gemini tells two mistakes by code alone.
        let class = match end.exit_code {
            Some(41 | 145) => Some(ErrorClass::Auth),
            Some(55) => Some(ErrorClass::Invalid),
            _ => None,
        };
        if let Some(class) = class
            && self.base.is_silent()
            && !end.stop_requested
        {
            let closing = self.base.failed_exit(end, class);
            out.push(AdapterEvent::Final(closing.clone()));
            return closing;
        }
        self.base.finish(end, out)
    }

    fn result(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        self.report(&frame["stats"], out);
        if frame["status"] == "success" {
            self.base.close(Final::of(Outcome::Success), out);
        } else {
            let message = frame["error"]["message"].as_str().unwrap_or("the tool failed");
            self.base.fail(None, message, out);
        }
    }

    /// The whole run in one object, as `-o json` writes it.
    fn document(&mut self, frame: &Value, out: &mut Vec<AdapterEvent>) {
        self.base.init(None, frame["session_id"].as_str(), out);
        self.report(&frame["stats"], out);
        if let Some(message) = frame["error"]["message"].as_str() {
            self.base.fail(None, message, out);
        } else {
            let answer = frame["response"].as_str().map(str::to_owned);
            self.base.close(Final { answer, ..Final::of(Outcome::Success) }, out);
        }
    }

    fn report(&mut self, stats: &Value, out: &mut Vec<AdapterEvent>) {
        let row = |model: &str, usage: Usage| ModelTotal {
            model: short(model, 256),
            provider: None,
            usage,
            reported_pico_usd: None,
            known_basis: false,
            estimated: false,
        };
        let models = stats["models"].as_object();
        let mut rows: Vec<_> =
            models.into_iter().flatten().map(|(model, said)| row(model, usage_of(said))).collect();
        if rows.is_empty() {
            rows.push(row(self.base.model.as_deref().unwrap_or_default(), usage_of(stats)));
        }
        rows.retain(|row| !row.usage.is_zero());
        if !rows.is_empty() {
            out.push(AdapterEvent::ModelTotals(rows));
        }
    }
}

fn usage_of(said: &Value) -> Usage {
    let whole = &said["tokens"];
    let of = |value: &Value, name: &str| count(&value[name]).unwrap_or(0);
    let (input, cached, output, reasoning) = if whole.is_object() {
        let output = of(whole, "candidates").saturating_add(of(whole, "thoughts"));
        (of(whole, "prompt"), of(whole, "cached"), output, of(whole, "thoughts"))
    } else {
        let (input, shown) = (of(said, "input_tokens"), of(said, "output_tokens"));
        let output = of(said, "total_tokens").saturating_sub(input).max(shown);
        (input, of(said, "cached"), output, output - shown)
    };
    Usage {
        input: input.saturating_sub(cached),
        cache_read: cached,
        output,
        reasoning: reasoning.min(output),
        ..Usage::default()
    }
}
