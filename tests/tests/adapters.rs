//! Every way to run but the vendors' CLIs: providers over HTTP, a real small model, templates, the practice model.

use std::time::Duration;

use llmctl_proto::event::{Envelope, Event};
use llmctl_proto::usage::Usage;
use llmctl_tests::local_model::LocalModel;
use llmctl_tests::provider::Provider;
use llmctl_tests::run::{self, Finished};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::wait_for;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(60);

fn execute(sandbox: &Sandbox, more: &[&str]) -> Finished {
    let words = [&["execute", "--no-daemon"], more].concat();
    sandbox.run(&words, LONG)
}

/// The typed events of a run with `--json`.
fn events(done: &Finished) -> Vec<Event> {
    done.stdout_text()
        .lines()
        .map(|line| Envelope::from_json(line).unwrap_or_else(|e| panic!("{e}: {line}")).event)
        .collect()
}

fn text(events: &[Event]) -> String {
    events
        .iter()
        .filter_map(|event| if let Event::ExecutionOutput(e) = event { Some(e.text.as_str()) } else { None })
        .collect()
}

#[test]
fn providers_are_read_to_the_last_token() {
    type Variables = &'static [(&'static str, &'static str)];
    let apis: [(&str, &str, Variables); 6] = [
        (
            "anthropic",
            "claude-opus-5-5",
            &[("ANTHROPIC_API_KEY", "key-1234567890"), ("ANTHROPIC_BASE_URL", "")],
        ),
        ("openai", "gpt-5", &[("OPENAI_API_KEY", "key-1234567890"), ("OPENAI_BASE_URL", "")]),
        (
            "google",
            "gemini-2.5-flash",
            &[("GEMINI_API_KEY", "key-1234567890"), ("GOOGLE_GEMINI_BASE_URL", "")],
        ),
        ("custom", "gpt-5", &[("LLMCTL_API", "openai"), ("LLMCTL_BASE_URL", "/v1")]),
        ("custom", "gpt-5", &[("LLMCTL_API", "openai_responses"), ("LLMCTL_BASE_URL", "/v1")]),
        ("custom", "llama", &[("LLMCTL_API", "ollama"), ("LLMCTL_BASE_URL", "")]),
    ];
    for (tool, model, env) in apis {
        let provider = Provider::spawn().expect("a free port");
        let mut sandbox = Sandbox::new();
        for (name, value) in env {
            let url = name.ends_with("BASE_URL");
            sandbox
                .set_env(name, if url { format!("{}{value}", provider.url()) } else { (*value).to_owned() });
        }
        let arguments = ["--tool", tool, "--model", model, "--prompt-text", "Tell me UNICODE", "--json"];
        let done = execute(&sandbox, &arguments).expect_code(0);
        let served = provider.ledger().pop().expect("one request");
        let events = events(&done);
        assert_eq!(text(&events), served.text, "{tool} {env:?}");
        let Some(Event::ExecutionCompleted(end)) = events.last() else {
            panic!("{tool}: {:?}", events.last())
        };
        assert_eq!(Some(end.spend.tokens), served.usage, "{tool} {env:?}");
        let plain =
            execute(&sandbox, &["--tool", tool, "--model", model, "--prompt-text", "Tell me UNICODE"]);
        assert_eq!(plain.expect_code(0).stdout_text(), served.text, "{tool} {env:?}");
    }
}

#[test]
fn a_provider_that_breaks_off_is_an_error_and_keeps_the_part() {
    for (word, class) in
        [("RATELIMIT", "rate_limit"), ("UNAUTH", "auth"), ("CUT", "network"), ("OVERLOAD", "overloaded")]
    {
        let provider = Provider::spawn().expect("a free port");
        let mut sandbox = Sandbox::new();
        sandbox.set_env("ANTHROPIC_API_KEY", "key-1234567890");
        sandbox.set_env("ANTHROPIC_BASE_URL", provider.url());
        let done =
            execute(&sandbox, &["--tool", "anthropic", "--prompt-text", word, "--json"]).expect_code(1);
        let events = events(&done);
        let Some(Event::ExecutionFailed(failed)) = events.last() else {
            panic!("{word}: {:?}", events.last())
        };
        assert_eq!(failed.class, class, "{word}: {}", failed.message);
        assert!(failed.partial.is_some());
        if word == "CUT" {
            let served = provider.ledger().pop().expect("one request");
            assert!(
                !text(&events).is_empty() && served.text.starts_with(&text(&events)),
                "{}",
                text(&events)
            );
        }
    }
}

#[test]
fn a_real_small_model_streams_through_the_http_adapter() {
    let model = LocalModel::start();
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_BASE_URL", format!("http://{}/v1", model.addr()));
    let arguments =
        ["--tool", "custom", "--model", "smollm2", "--prompt-text", "Say hello to the world.", "--json"];
    let done = execute(&sandbox, &arguments).expect_code(0);
    let events = events(&done);
    let Some(Event::ExecutionCompleted(end)) = events.last() else { panic!("{:?}", events.last()) };
    assert!(end.spend.tokens.input > 0 && end.spend.tokens.output > 0, "{:?}", end.spend);
    let pieces = events.iter().filter(|e| matches!(e, Event::ExecutionOutput(_))).count();
    assert!(pieces > 1, "the answer came in pieces");
    assert_eq!(text(&events).len() as u64, end.stdout_bytes);
}

/// Three tools of the user's own, one for each way to hand a prompt over.
fn with_templates() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "../config/llmctl/tools.yaml",
        "tools:\n  \
         shout:\n    binary: tr\n    command_template: '{binary} a-z A-Z'\n    models: [loud]\n  \
         show:\n    binary: cat\n    command_template: '{binary} {prompt_file}'\n    models: [plain]\n  \
         say:\n    binary: printf\n    command_template: \"{binary} '%s|' {{prompt}} x{model}\"\n    models: [m]\n  \
         file:\n    binary: cp\n    command_template: '{binary} {prompt_file} {output_file}'\n    models: [copy]\n  \
         env:\n    binary: printenv\n    command_template: '{binary} GREETING'\n    models: [e]\n    \
         env_vars: {GREETING: 'hi ${NAME:you} ${ABSENT:there}'}\n",
    );
    sandbox
}

#[test]
fn templates_hand_the_prompt_over_unharmed() {
    let mut sandbox = with_templates();
    sandbox.set_env("NAME", "Ada");
    let hostile = "; $(touch hacked) {{model}} it's -- --flag";
    for (tool, expected) in [
        ("shout", "; $(TOUCH HACKED) {{MODEL}} IT'S -- --FLAG".to_owned()),
        ("show", hostile.to_owned()),
        ("say", format!("{hostile}|xm|")),
        ("file", hostile.to_owned()),
        ("env", "hi Ada there\n".to_owned()),
    ] {
        let done = execute(&sandbox, &["--tool", tool, "--prompt-text", hostile]).expect_code(0);
        assert_eq!(done.stdout_text(), expected, "{tool}: {}", done.stderr_text());
    }
    assert!(!sandbox.project().join("hacked").exists());
    let journals = std::fs::read_dir(sandbox.path("state/llmctl/operations")).expect("operations");
    for dir in journals.flatten() {
        let journal = std::fs::read_to_string(dir.path().join("journal.jsonl")).expect("journal");
        assert!(!journal.contains("touch hacked"), "prompts are not kept: {journal}");
        assert!(!dir.path().join("prompt.txt").exists());
    }
}

#[test]
fn an_empty_machine_practises_and_says_so() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "0");
    let done = execute(&sandbox, &["--prompt-text", "What is a journal?", "--model", "auto", "--json"])
        .expect_code(0);
    let events = events(&done);
    let Some(Event::RoutingDecision(decision)) = events.first() else { panic!("{:?}", events.first()) };
    assert_eq!(decision.selected.as_ref().map(|s| s.tool.as_str()), Some("practice"));
    for tool in ["claude-code", "codex", "gemini", "opencode", "anthropic", "openai", "ollama", "practice"] {
        let candidate = decision.candidates.iter().find(|c| c.tool == tool);
        assert!(candidate.is_some_and(|c| !c.reasons.is_empty()), "{tool} has no reason");
    }
    let answer = text(&events);
    assert!(answer.contains("not an LLM") && answer.contains("ANTHROPIC_API_KEY"), "{answer}");
    let Some(Event::ExecutionCompleted(end)) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(end.spend.cost_nano_usd, Some(0));
    let pieces = Usage { output: end.spend.tokens.output, ..end.spend.tokens };
    assert!(pieces.output > 50);
    let dry = sandbox.run(&["execute", "--prompt-text", "x", "--dry-run"], LONG).expect_code(0);
    assert!(dry.stdout_text().starts_with("selected  practice "), "{}", dry.stdout_text());
}

#[test]
fn limits_stop_with_the_partial_result() {
    let provider = Provider::spawn().expect("a free port");
    let mut sandbox = Sandbox::new();
    sandbox.set_env("ANTHROPIC_API_KEY", "key-1234567890");
    sandbox.set_env("ANTHROPIC_BASE_URL", provider.url());
    let base = ["--tool", "anthropic", "--model", "claude-opus-5-5", "--prompt-text", "SLOWLY"];
    let done = execute(&sandbox, &[&base[..], &["--timeout", "1500ms"]].concat());
    assert_eq!(done.code, Some(124), "{}", done.stderr_text());
    assert!(!done.stdout.is_empty());
    let done = execute(&sandbox, &[&base[..], &["--max-cost", "0.000001"]].concat());
    assert_eq!(done.code, Some(5), "{}", done.stderr_text());
    assert!(done.stderr_text().contains("cost limit"), "{}", done.stderr_text());
}

#[test]
fn a_detached_operation_outlives_its_terminal() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "5");
    let prompt = sandbox.write("p.md", "Go on.\npractice: tokens=300\n").display().to_string();
    let mut shell = sandbox.command("/bin/sh");
    let llmctl = llmctl_tests::sandbox::binary("llmctl").display().to_string();
    // The shell is the leader of a session that ends, as a closed terminal does.
    shell.args([
        "-c",
        "setsid sh -c '\"$0\" execute --prompt \"$1\" --detach; kill -HUP 0' \"$0\" \"$1\"",
        &llmctl,
        &prompt,
    ]);
    let done = run::run(shell, b"", LONG);
    let id = done.stdout_text().trim().to_owned();
    assert!(id.starts_with("exec-"), "{} {}", done.stdout_text(), done.stderr_text());
    let listed = |id: &str| -> Value {
        let shown = sandbox.run(&["show", id, "--json"], LONG).stdout_text();
        serde_json::from_str(&shown).unwrap_or_default()
    };
    let ended = wait_for(LONG, "its end", || Some(listed(&id)).filter(|o| o["state"] == "complete"));
    let logs = sandbox.run(&["logs", &id], LONG).expect_code(0);
    assert_eq!(Some(logs.stdout.len() as u64), ended["stdout_bytes"].as_u64());
    assert!(ended["tokens"]["output"].as_u64() > Some(300));
}

#[test]
fn prompts_come_from_everywhere() {
    let sandbox = with_templates();
    sandbox.write("hello.txt", "from a file");
    let base = ["execute", "--no-daemon", "-q", "--tool", "show"];
    let with = |more: &[&str], input: &str| {
        run::run(sandbox.llmctl(&[&base[..], more].concat()), input.as_bytes(), LONG)
            .expect_code(0)
            .stdout_text()
    };
    assert_eq!(with(&["--prompt", "hello.txt"], ""), "from a file");
    assert_eq!(with(&["--prompt", "@hello.txt"], ""), "from a file");
    assert_eq!(with(&["--prompt", "-"], "from stdin"), "from stdin");
    assert_eq!(with(&["--prompt", "just a text"], ""), "just a text");
    assert_eq!(with(&["--prompt-text", "hello.txt"], ""), "hello.txt");
}

#[test]
fn a_reader_that_leaves_stops_the_operation() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("LLMCTL_PRACTICE_TOKEN_MS", "2");
    let mut shell = sandbox.command("/bin/sh");
    let llmctl = llmctl_tests::sandbox::binary("llmctl").display().to_string();
    let prompt = "Go on.\npractice: tokens=50000";
    shell.args(["-c", "\"$0\" execute --no-daemon --prompt-text \"$1\" | head -c 20", &llmctl, prompt]);
    let done = run::run(shell, b"", LONG);
    assert_eq!(done.stdout.len(), 20, "{}", done.stderr_text());
    assert!(done.elapsed < Duration::from_secs(30));
}
