use super::*;

fn spec(api: Api, base_url: &str) -> ProviderSpec {
    ProviderSpec {
        name: "test".into(),
        api,
        base_url: base_url.into(),
        key: Some(Secret::new(" secret-key-1\n")),
        key_env: None,
        headers: Vec::new(),
    }
}

fn ask() -> ChatRequest {
    ChatRequest { model: "m".into(), prompt: "Hi \"there\"".into(), max_output_tokens: None }
}

fn uri(api: Api, base_url: &str) -> String {
    build(&spec(api, base_url), &ask()).expect("builds").uri().to_string()
}

fn json_of(spec: &ProviderSpec, ask: &ChatRequest) -> Value {
    serde_json::from_slice(build(spec, ask).expect("builds").body()).expect("json")
}

#[test]
fn a_base_url_may_end_in_many_ways() {
    for base in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/messages"] {
        assert_eq!(uri(Api::Anthropic, base), "http://h:1/v1/messages", "{base}");
    }
    for base in ["https://h", "https://h/v1/", "https://h/v1/chat/completions"] {
        assert_eq!(uri(Api::Chat, base), "https://h/v1/chat/completions", "{base}");
    }
    assert_eq!(uri(Api::Responses, "https://h/"), "https://h/v1/responses");
    assert_eq!(uri(Api::Chat, "https://h/openai/v1"), "https://h/openai/v1/chat/completions");
    assert_eq!(uri(Api::Chat, "https://h/api/paas/v4/"), "https://h/api/paas/v4/chat/completions");
    assert_eq!(uri(Api::Chat, "https://h/v1beta/openai"), "https://h/v1beta/openai/chat/completions");
    assert_eq!(uri(Api::Chat, "https://h/proxy"), "https://h/proxy/v1/chat/completions");
    assert_eq!(uri(Api::Chat, "https://h/chat/completions"), "https://h/chat/completions");
    assert_eq!(uri(Api::Chat, "https://h/v1?api-version=3"), "https://h/v1/chat/completions?api-version=3");
    let gemini = "https://h/v1beta/models/m:streamGenerateContent?alt=sse";
    assert_eq!(uri(Api::Gemini, "https://h"), gemini);
    assert_eq!(uri(Api::Gemini, "https://h/v1beta/"), gemini);
    assert_eq!(
        uri(Api::Gemini, "https://h/v1?a=b"),
        "https://h/v1/models/m:streamGenerateContent?a=b&alt=sse"
    );
    for base in ["http://h", "http://h/", "http://h/v1", "http://h/api/", "http://h/api/chat"] {
        assert_eq!(uri(Api::Ollama, base), "http://h/api/chat", "{base}");
    }
    assert_eq!(uri(Api::Ollama, "http://[::1]:11434"), "http://[::1]:11434/api/chat");
}

#[test]
fn a_model_name_cannot_leave_its_place_in_the_path() {
    let mut ask = ask();
    ask.model = "models/a/../b?c#d é".into();
    let request = build(&spec(Api::Gemini, "https://h"), &ask).expect("builds");
    assert_eq!(request.uri().path(), "/v1beta/models/a%2F..%2Fb%3Fc%23d%20%C3%A9:streamGenerateContent");
}

#[test]
fn bad_addresses_and_headers_are_refused_without_their_text() {
    for base in ["", "h", "h:80/v1", "/v1", "ftp://h", "file:///etc/passwd", "http://", "http://user:pw@h/"] {
        let error = build(&spec(Api::Chat, base), &ask()).expect_err(base).to_string();
        assert!(!error.contains("pw"), "{error}");
    }
    for (name, value) in [("host", "x"), ("a b", "x"), ("x-a", "line\nfeed"), ("Transfer-Encoding", "x")] {
        let mut spec = spec(Api::Chat, "http://h");
        spec.headers.push((name.into(), value.into()));
        let error = build(&spec, &ask()).expect_err(name);
        assert_eq!(error, RequestError::Header { name: "test".into(), header: name.into() });
    }
}

#[test]
fn each_api_has_its_key_header_and_nothing_prints_the_key() {
    for (api, header, value) in [
        (Api::Anthropic, "x-api-key", "secret-key-1"),
        (Api::Gemini, "x-goog-api-key", "secret-key-1"),
        (Api::Chat, "authorization", "Bearer secret-key-1"),
        (Api::Responses, "authorization", "Bearer secret-key-1"),
        (Api::Ollama, "authorization", "Bearer secret-key-1"),
    ] {
        let mut spec = spec(api, "http://h");
        spec.headers.push(("x-extra".into(), "secret-key-2".into()));
        let request = build(&spec, &ask()).expect("builds");
        assert_eq!(request.headers()[header], value);
        let printed = format!("{request:?} {spec:?} {}", spec.key.clone().expect("key"));
        assert!(!printed.contains("secret-key"), "{printed}");
        spec.key = None;
        assert!(!build(&spec, &ask()).expect("builds").headers().contains_key(header));
    }
    let request = build(&spec(Api::Anthropic, "http://h"), &ask()).expect("builds");
    assert_eq!(request.headers()["anthropic-version"], "2023-06-01");
}

#[test]
fn own_headers_replace_ours() {
    let mut spec = spec(Api::Chat, "http://h");
    spec.headers.push(("Authorization".into(), "Basic x".into()));
    assert_eq!(build(&spec, &ask()).expect("builds").headers()["authorization"], "Basic x");
}

#[test]
fn bodies_ask_for_a_stream_and_carry_the_limit() {
    let mut ask = ask();
    let messages = json!([{"role": "user", "content": "Hi \"there\""}]);
    let anthropic = json_of(&spec(Api::Anthropic, "http://h"), &ask);
    assert_eq!(anthropic, json!({"model": "m", "max_tokens": 8192, "messages": messages, "stream": true}));
    ask.max_output_tokens = Some(7);
    assert_eq!(json_of(&spec(Api::Anthropic, "http://h"), &ask)["max_tokens"], 7);
    let responses = json_of(&spec(Api::Responses, "http://h"), &ask);
    assert_eq!((&responses["input"], &responses["max_output_tokens"]), (&json!("Hi \"there\""), &json!(7)));
    let gemini = json_of(&spec(Api::Gemini, "http://h"), &ask);
    assert_eq!(gemini["generationConfig"]["maxOutputTokens"], 7);
    let ollama = json_of(&spec(Api::Ollama, "http://h"), &ask);
    assert_eq!((&ollama["options"]["num_predict"], &ollama["stream"]), (&json!(7), &json!(true)));
}

#[test]
fn chat_bodies_know_their_hosts() {
    let mut ask = ask();
    ask.max_output_tokens = Some(7);
    let of = |base: &str| json_of(&spec(Api::Chat, base), &ask);
    let plain = of("http://127.0.0.1:8000/v1");
    assert_eq!((&plain["max_tokens"], &plain["stream_options"]["include_usage"]), (&json!(7), &json!(true)));
    assert!(plain.get("timings_per_token").is_none() && plain.get("usage").is_none());
    assert_eq!(of("https://api.openai.com/v1")["max_completion_tokens"], 7);
    assert!(of("https://api.mistral.ai/v1").get("stream_options").is_none());
    assert_eq!(of("https://notmistral.ai/v1")["stream_options"]["include_usage"], true);
    assert_eq!(of("https://openrouter.ai/api/v1")["usage"]["include"], true);
    let mut llama = spec(Api::Chat, "http://127.0.0.1:8080");
    llama.name = "llama.cpp".into();
    assert_eq!(json_of(&llama, &ask)["timings_per_token"], true);
}

#[test]
fn names_of_apis_read_back() {
    for api in [Api::Anthropic, Api::Responses, Api::Chat, Api::Gemini, Api::Ollama] {
        assert_eq!(Api::parse(api.name()), Some(api));
    }
    assert_eq!(Api::parse("soap"), None);
}

#[test]
fn a_key_is_hidden_in_words_of_others() {
    assert_eq!(Secret::new("secret-key-1").hide_in("bad key secret-key-1!"), "bad key [redacted]!");
    assert_eq!(Secret::new("key").hide_in("bad key"), "bad key");
}
