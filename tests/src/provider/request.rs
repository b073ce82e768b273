//! What a request asks for, read from any of the five wire formats.
//!
//! Owns the reading alone; it takes what it needs from parsed JSON and never refuses a field it does not know.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Prompt bytes kept for the ledger.
const MAX_PROMPT: usize = 16 << 10;
/// Names under which clients offer a shell.
const SHELL_TOOLS: [&str; 8] =
    ["Bash", "bash", "shell", "shell_command", "exec_command", "local_shell", "run_shell_command", "exec"];

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// OpenAI Chat Completions.
    Chat,
    /// Gemini `generateContent`.
    Gemini,
    /// Ollama chat.
    Ollama,
    /// Lists of models, token counts, and what is not known here.
    Other,
}

/// The shell tool a client offers, with the shape of its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShellTool {
    /// Its name.
    pub(super) name: String,
    schema: Value,
}

impl ShellTool {
    /// Arguments that make this tool run a command.
    pub(super) fn arguments(&self, command: &str) -> Value {
        let property = |name: &str| self.schema.get("properties").and_then(|p| p.get(name));
        let (key, value) = match (property("cmd"), property("command")) {
            (Some(_), _) => ("cmd", json!(command)),
            (None, Some(p)) if p["type"] == "array" => ("command", json!(["bash", "-lc", command])),
            _ => ("command", json!(command)),
        };
        let mut arguments = json!({ key: value });
        if property("description").is_some() {
            arguments["description"] = json!("Run a command");
        }
        arguments
    }
}

/// One request for an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    pub(super) api: Api,
    pub(super) model: String,
    /// The last text a user wrote, reminders of the client's own left out.
    pub(super) prompt: String,
    /// A tool's result came after that text.
    pub(super) after_tool: bool,
    /// Results of tools in the whole conversation.
    pub(super) turn: u64,
    pub(super) stream: bool,
    /// Chat only: the client wants the usage chunk.
    pub(super) include_usage: bool,
    pub(super) shell: Option<ShellTool>,
}

impl Ask {
    /// Reads a request; `path_model` is the model of formats that name it in the path, `streamed` whether the
    /// path says that the answer is to be streamed.
    pub(super) fn read(api: Api, body: &Value, path_model: Option<&str>, streamed: bool) -> Self {
        let conversation = conversation(api, body);
        let last_user = conversation.iter().rposition(|item| matches!(item, Item::User(_)));
        let is_result = |item: &&Item| matches!(item, Item::ToolResult);
        let prompt = match last_user.map(|at| &conversation[at]) {
            Some(Item::User(text)) => text.clone(),
            _ => String::new(),
        };
        Self {
            api,
            model: path_model.or(body["model"].as_str()).unwrap_or_default().to_owned(),
            prompt,
            after_tool: conversation.iter().skip(last_user.map_or(0, |at| at + 1)).any(|i| is_result(&i)),
            turn: conversation.iter().filter(is_result).count() as u64,
            // Ollama streams unless told otherwise; the others only when asked.
            stream: streamed || body["stream"].as_bool().unwrap_or(api == Api::Ollama),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            shell: shell_tool(&body["tools"]),
        }
    }

    /// The prompt as the ledger keeps it.
    pub(super) fn short_prompt(&self) -> String {
        let mut end = self.prompt.len().min(MAX_PROMPT);
        while !self.prompt.is_char_boundary(end) {
            end -= 1;
        }
        self.prompt[..end].to_owned()
    }
}

enum Item {
    User(String),
    ToolResult,
}

/// The user texts and tool results of a conversation in their order; everything else is left out.
fn conversation(api: Api, body: &Value) -> Vec<Item> {
    let list = match api {
        Api::Responses => &body["input"],
        Api::Gemini => &body["contents"],
        _ => &body["messages"],
    };
    if let Some(text) = list.as_str() {
        return vec![Item::User(text.to_owned())];
    }
    let mut items = Vec::new();
    for message in list.as_array().into_iter().flatten() {
        read_message(message, &mut items);
    }
    items
}

/// Appends what one message holds; the five formats do not contradict one another, so one reader serves all.
fn read_message(message: &Value, items: &mut Vec<Item>) {
    let kind = message["type"].as_str().unwrap_or_default();
    if kind.ends_with("_call_output") || message["role"] == "tool" {
        items.push(Item::ToolResult);
        return;
    }
    if message["role"] != "user" {
        return;
    }
    let mut text = String::new();
    let content = if message["parts"].is_array() { &message["parts"] } else { &message["content"] };
    if let Some(whole) = content.as_str() {
        text.push_str(whole);
    }
    for part in content.as_array().into_iter().flatten() {
        if part["type"] == "tool_result" || part["functionResponse"].is_object() {
            items.push(Item::ToolResult);
        } else if let Some(piece) = part["text"].as_str().filter(|t| !t.starts_with("<system-reminder>")) {
            text.push_str(piece);
            text.push('\n');
        }
    }
    if !text.trim().is_empty() {
        items.push(Item::User(text));
    }
}

/// The first tool that runs commands, wherever in the list of tools it is nested.
fn shell_tool(tools: &Value) -> Option<ShellTool> {
    match tools {
        Value::Array(list) => list.iter().find_map(shell_tool),
        Value::Object(fields) => {
            let name = tools["name"].as_str().unwrap_or_default();
            let schema =
                ["input_schema", "parameters", "parametersJsonSchema"].iter().find_map(|k| tools.get(k));
            if let (true, Some(schema)) = (SHELL_TOOLS.contains(&name), schema) {
                return Some(ShellTool { name: name.to_owned(), schema: schema.clone() });
            }
            ["function", "functionDeclarations", "tools"].iter().find_map(|k| shell_tool(fields.get(*k)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_are_no_prompt_and_results_are_seen() {
        let body = json!({"model": "m", "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "<system-reminder>STALL</system-reminder>"},
                {"type": "text", "text": "TOOLCALL please"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]});
        let ask = Ask::read(Api::Anthropic, &body, None, false);
        assert_eq!((ask.prompt.trim(), ask.after_tool, ask.turn), ("TOOLCALL please", true, 1));
        assert!(!ask.stream);
    }

    #[test]
    fn a_new_prompt_after_a_result_is_a_new_prompt() {
        let body = json!({"input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "two"}]}]});
        let ask = Ask::read(Api::Responses, &body, None, false);
        assert_eq!((ask.prompt.trim(), ask.after_tool, ask.turn), ("two", false, 1));
    }

    #[test]
    fn shell_tools_are_found_in_every_shape() {
        let chat = json!([{"type": "function", "function": {"name": "shell", "parameters":
            {"properties": {"command": {"type": "array"}}}}}]);
        let tool = shell_tool(&chat).expect("there is one");
        assert_eq!(tool.arguments("ls"), json!({"command": ["bash", "-lc", "ls"]}));
        let gemini = json!([{"functionDeclarations": [{"name": "run_shell_command", "parametersJsonSchema":
            {"properties": {"command": {"type": "string"}, "description": {}}}}]}]);
        let tool = shell_tool(&gemini).expect("there is one");
        assert_eq!(tool.arguments("ls")["command"], "ls");
        assert!(shell_tool(&json!([{"name": "Read", "input_schema": {}}])).is_none());
    }
}
