//! Builds the HTTP request of one prompt for each API.
//!
//! Pure: a provider and a prompt in, method, address, headers and body out. Keys travel in headers marked
//! sensitive and are never part of an address, a body or a debug text. Sends nothing.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::{Value, json};

use super::sse::Framing;

/// Output limit sent to Anthropic, which insists on one, when the user gave none. In tokens.
pub const DEFAULT_MAX_OUTPUT_TOKENS: u32 = 8192;

/// Version of the Anthropic API that the decoder reads.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// The wire format a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// OpenAI Chat Completions.
    Chat,
    /// Gemini `streamGenerateContent`.
    Gemini,
    /// Ollama `/api/chat`.
    Ollama,
}

impl Api {
    /// Reads the name used in configuration: `anthropic`, `openai_responses`, `openai`, `gemini` or `ollama`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "anthropic" => Some(Self::Anthropic),
            "openai_responses" | "responses" => Some(Self::Responses),
            "openai" | "chat" => Some(Self::Chat),
            "gemini" => Some(Self::Gemini),
            "ollama" => Some(Self::Ollama),
            _ => None,
        }
    }

    /// The name used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Responses => "openai_responses",
            Self::Chat => "openai",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// How its streams are cut into frames.
    pub fn framing(self) -> Framing {
        match self {
            Self::Ollama => Framing::Ndjson,
            _ => Framing::Sse,
        }
    }
}

/// A key. Its text is only for the header it goes into and for redaction; no format prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a key; surrounding blanks, as a file leaves them, are dropped.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the key replaced. Keys below 8 characters are left: they would match
    /// ordinary words.
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.len() < 8 { text.to_owned() } else { text.replace(&self.0, "[redacted]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A provider as it is to be called.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderSpec {
    /// Name for people and for configuration.
    pub name: String,
    /// Wire format.
    pub api: Api,
    /// Address, with or without a slash at the end, with or without the version.
    pub base_url: String,
    /// The key, when one is known.
    pub key: Option<Secret>,
    /// The environment variable the key comes from, for hints.
    pub key_env: Option<String>,
    /// Further headers; they replace ours of the same name. Values may be secret.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProviderSpec")
            .field("name", &self.name)
            .field("api", &self.api)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .field("key_env", &self.key_env)
            .field("headers", &headers)
            .finish()
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// Model as the provider names it.
    pub model: String,
    /// The prompt, as one user message.
    pub prompt: String,
    /// Most tokens to generate; none leaves it to the provider.
    pub max_output_tokens: Option<u32>,
}

/// Why no request can be made of a provider's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The address cannot be used.
    #[error("base_url of provider {name} {problem}")]
    BaseUrl {
        /// Provider.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header cannot be sent.
    #[error("provider {name} cannot send the header {header}")]
    Header {
        /// Provider.
        name: String,
        /// Name of the header, never its value.
        header: String,
    },
}

/// Builds the streaming request for one prompt.
///
/// # Errors
/// When the address is not an http or https URL without user name, or a header is malformed or not ours to set.
pub fn build(spec: &ProviderSpec, ask: &ChatRequest) -> Result<Request<Bytes>, RequestError> {
    let (uri, host) = address(spec, &ask.model)?;
    let body = body(spec, ask, &host).to_string();
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let accept = match spec.api.framing() {
        Framing::Sse => "text/event-stream",
        Framing::Ndjson => "application/x-ndjson",
    };
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    // A compressed stream could not be shown as it comes, nor bounded.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("llmctl/", env!("CARGO_PKG_VERSION"))));
    if spec.api == Api::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = spec.key.as_ref().filter(|key| !key.expose().is_empty()) {
        let (name, value) = match spec.api {
            Api::Anthropic => (HeaderName::from_static("x-api-key"), key.expose().to_owned()),
            Api::Gemini => (HeaderName::from_static("x-goog-api-key"), key.expose().to_owned()),
            _ => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        };
        headers.insert(name.clone(), sensitive(spec, name.as_str(), &value)?);
    }
    for (name, value) in &spec.headers {
        let refused = || RequestError::Header { name: spec.name.clone(), header: name.clone() };
        let header: HeaderName = name.parse().map_err(|_| refused())?;
        if matches!(
            header.as_str(),
            "host" | "connection" | "content-length" | "transfer-encoding" | "upgrade"
        ) {
            return Err(refused());
        }
        headers.insert(header, sensitive(spec, name, value)?);
    }
    Ok(request)
}

fn sensitive(spec: &ProviderSpec, header: &str, value: &str) -> Result<HeaderValue, RequestError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| RequestError::Header { name: spec.name.clone(), header: header.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The address of the call, and its host.
fn address(spec: &ProviderSpec, model: &str) -> Result<(Uri, String), RequestError> {
    let bad = |problem| RequestError::BaseUrl { name: spec.name.clone(), problem };
    let base = spec.base_url.trim();
    let uri: Uri = base.parse().map_err(|_| bad("is not an address"))?;
    let Some(scheme @ ("http" | "https")) = uri.scheme_str() else {
        return Err(bad("must begin with http:// or https://"));
    };
    let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("must not contain a user name or password"));
    }
    if authority.host().is_empty() {
        return Err(bad("has no host"));
    }
    let path = call_path(spec.api, uri.path(), model);
    let mut queries: Vec<&str> = uri.query().into_iter().filter(|query| !query.is_empty()).collect();
    if spec.api == Api::Gemini && !queries.iter().any(|query| query.split('&').any(|one| one == "alt=sse")) {
        queries.push("alt=sse");
    }
    let mut target = format!("{scheme}://{authority}{path}");
    if !queries.is_empty() {
        target.push('?');
        target.push_str(&queries.join("&"));
    }
    let uri = target.parse().map_err(|_| bad("is not an address"))?;
    Ok((uri, authority.host().to_ascii_lowercase()))
}

/// The path of the call below the path of the base address.
fn call_path(api: Api, base: &str, model: &str) -> String {
    let base = base.trim_end_matches('/');
    let (version, call) = match api {
        Api::Anthropic => ("v1", "/messages".to_owned()),
        Api::Responses => ("v1", "/responses".to_owned()),
        Api::Chat => ("v1", "/chat/completions".to_owned()),
        Api::Gemini => {
            let model = model.strip_prefix("models/").unwrap_or(model);
            ("v1beta", format!("/models/{}:streamGenerateContent", escape(model)))
        }
        Api::Ollama => {
            let base = base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base);
            let base = base.strip_suffix("/api/chat").unwrap_or(base);
            return format!("{base}/api/chat");
        }
    };
    // People paste the whole address from a provider's documentation.
    if base.ends_with(&call) {
        return base.to_owned();
    }
    let has_version = base.split('/').any(is_version);
    if has_version { format!("{base}{call}") } else { format!("{base}/{version}{call}") }
}

/// `v1`, `v1beta`, `v4`, `v1beta3`: a path that names a version gets no second one.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && rest[digits..].bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Percent-encodes what is not plain in a path segment.
fn escape(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

fn body(spec: &ProviderSpec, ask: &ChatRequest, host: &str) -> Value {
    let messages = json!([{"role": "user", "content": ask.prompt}]);
    let limit = ask.max_output_tokens;
    match spec.api {
        Api::Anthropic => json!({
            "model": ask.model,
            "max_tokens": limit.unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS),
            "messages": messages,
            "stream": true,
        }),
        Api::Responses => {
            // `store: false`: the provider need not keep what we keep ourselves.
            let mut body = json!({"model": ask.model, "input": ask.prompt, "stream": true, "store": false});
            set(&mut body, "max_output_tokens", limit);
            body
        }
        Api::Chat => chat_body(spec, ask, host, &messages),
        Api::Gemini => {
            let mut body = json!({"contents": [{"role": "user", "parts": [{"text": ask.prompt}]}]});
            set(&mut body, "generationConfig", limit.map(|limit| json!({"maxOutputTokens": limit})));
            body
        }
        Api::Ollama => {
            let mut body = json!({"model": ask.model, "messages": messages, "stream": true});
            set(&mut body, "options", limit.map(|limit| json!({"num_predict": limit})));
            body
        }
    }
}

fn chat_body(spec: &ProviderSpec, ask: &ChatRequest, host: &str, messages: &Value) -> Value {
    let of = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    let mut body = json!({"model": ask.model, "messages": messages, "stream": true});
    // Mistral refuses fields it does not know and reports usage unasked.
    if !of("mistral.ai") {
        set(&mut body, "stream_options", Some(json!({"include_usage": true})));
    }
    // OpenAI's own newer models refuse the older name, everybody else may not know the newer one.
    let name = if of("openai.com") { "max_completion_tokens" } else { "max_tokens" };
    set(&mut body, name, ask.max_output_tokens);
    if of("openrouter.ai") {
        set(&mut body, "usage", Some(json!({"include": true})));
    }
    // The one server known to count while it generates.
    if spec.name == super::local::LLAMA_CPP {
        set(&mut body, "timings_per_token", Some(true));
    }
    body
}

fn set(body: &mut Value, field: &str, value: Option<impl Into<Value>>) {
    if let (Some(object), Some(value)) = (body.as_object_mut(), value) {
        object.insert(field.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests;
