//! OpenAI Responses: numbered events, items in turn, usage only in the last event.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::scenario::REASONING_TEXT;
use super::{Answer, Carries, Step, json_pieces, named};

/// Collects writes and numbers them.
struct Events {
    steps: Vec<Step>,
    output: Vec<Value>,
    id: String,
}

impl Events {
    fn push(&mut self, mut data: Value, carries: Carries) {
        data["sequence_number"] = json!(self.steps.len());
        self.steps.push(Step { bytes: named(&data), carries });
    }

    fn item_added(&mut self, item: &Value) {
        let index = self.output.len();
        let data = json!({"type": "response.output_item.added", "output_index": index, "item": item});
        self.push(data, Carries::Nothing);
    }

    fn item_done(&mut self, item: Value, carries: Carries) {
        let index = self.output.len();
        self.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}), carries);
        self.output.push(item);
    }

    /// An event about a part of the item that is under way.
    fn part(&mut self, kind: &str, item_id: &str, fields: &Value, carries: Carries) {
        let mut data = json!({"type": kind, "item_id": item_id, "output_index": self.output.len()});
        for (key, value) in fields.as_object().into_iter().flatten() {
            data[key] = value.clone();
        }
        self.push(data, carries);
    }
}

pub(super) fn steps(answer: &Answer<'_>) -> Vec<Step> {
    let mut events = Events { steps: Vec::new(), output: Vec::new(), id: answer.number.to_string() };
    for kind in ["response.created", "response.in_progress"] {
        events
            .push(json!({"type": kind, "response": response(answer, "in_progress", &[])}), Carries::Nothing);
    }
    reasoning(&mut events);
    message(&mut events, answer);
    function_call(&mut events, answer);
    let done =
        json!({"type": "response.completed", "response": response(answer, "completed", &events.output)});
    events.push(done, answer.usage.map_or(Carries::Nothing, Carries::Usage));
    events.steps
}

pub(super) fn whole(answer: &Answer<'_>) -> Value {
    let mut output =
        vec![message_item(&format!("msg_fixture{}", answer.number), &answer.text_of(), "completed")];
    if let Some(call) = &answer.call {
        output.push(json!({"id": format!("fc_fixture{}", answer.number), "type": "function_call",
            "status": "completed", "call_id": call.id, "name": call.name,
            "arguments": call.arguments.to_string()}));
    }
    response(answer, "completed", &output)
}

pub(super) fn mid_error(answer: &Answer<'_>) -> Bytes {
    let mut failed = response(answer, "failed", &[]);
    failed["usage"] = Value::Null;
    failed["error"] = json!({"code": "server_error", "message": "The server had an error"});
    named(&json!({"type": "response.failed", "sequence_number": 1_000_000, "response": failed}))
}

fn reasoning(events: &mut Events) {
    let id = format!("rs_fixture{}", events.id);
    events.item_added(&json!({"id": id, "type": "reasoning", "summary": []}));
    let kinds = [("part.added", "part"), ("text.delta", "delta"), ("text.done", "text")];
    for (kind, field) in kinds {
        let value = match field {
            "part" => json!({"type": "summary_text", "text": ""}),
            _ => json!(REASONING_TEXT),
        };
        let kind = format!("response.reasoning_summary_{kind}");
        events.part(&kind, &id, &json!({"summary_index": 0, field: value}), Carries::Nothing);
    }
    let summary = json!([{"type": "summary_text", "text": REASONING_TEXT}]);
    events.item_done(json!({"id": id, "type": "reasoning", "summary": summary}), Carries::Nothing);
}

fn message(events: &mut Events, answer: &Answer<'_>) {
    let id = format!("msg_fixture{}", answer.number);
    events.item_added(&json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant",
        "content": []}));
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let added = json!({"content_index": 0, "part": part("")});
    events.part("response.content_part.added", &id, &added, Carries::Nothing);
    for piece in &answer.scenario.pieces {
        let fields = json!({"content_index": 0, "delta": piece});
        events.part("response.output_text.delta", &id, &fields, Carries::Text(piece.clone()));
    }
    let text = answer.text_of();
    let done = json!({"content_index": 0, "text": text});
    events.part("response.output_text.done", &id, &done, Carries::Nothing);
    let done = json!({"content_index": 0, "part": part(&text)});
    events.part("response.content_part.done", &id, &done, Carries::Nothing);
    events.item_done(message_item(&id, &text, "completed"), Carries::Nothing);
}

fn function_call(events: &mut Events, answer: &Answer<'_>) {
    let Some(call) = &answer.call else { return };
    let id = format!("fc_fixture{}", answer.number);
    let item = |status: &str, arguments: &str| {
        json!({"id": id, "type": "function_call", "status": status, "call_id": call.id, "name": call.name,
            "arguments": arguments})
    };
    let arguments = call.arguments.to_string();
    events.item_added(&item("in_progress", ""));
    for piece in json_pieces(&call.arguments) {
        let fields = json!({ "delta": piece });
        events.part("response.function_call_arguments.delta", &id, &fields, Carries::Nothing);
    }
    let done = json!({ "arguments": arguments });
    events.part("response.function_call_arguments.done", &id, &done, Carries::Nothing);
    events.item_done(item("completed", &arguments), Carries::Call(call.clone()));
}

fn message_item(id: &str, text: &str, status: &str) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn response(answer: &Answer<'_>, status: &str, output: &[Value]) -> Value {
    let usage = answer.usage.filter(|_| status == "completed").map(|usage| {
        let input = usage.input + usage.cache_read;
        json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": usage.cache_read},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": input + usage.output})
    });
    json!({"id": format!("resp_fixture{}", answer.number), "object": "response", "created_at": 1_795_000_000,
        "status": status, "model": answer.ask.model, "output": output, "usage": usage, "error": null,
        "incomplete_details": null, "parallel_tool_calls": true, "tools": [], "tool_choice": "auto",
        "metadata": {}, "instructions": null})
}
