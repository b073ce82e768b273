//! The real page on the real daemon: an operation is seen live in Chromium and stopped from there, whatever its
//! tool does. Needs `tests/tools/install.sh chromium browser`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use llmctl_tests::gateway::Gateway;
use llmctl_tests::run::{self, Running};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const BROWSER: Duration = Duration::from_secs(120);

/// Starts the dashboard on a port of its own and gives a fresh login address.
fn login(sandbox: &Sandbox) -> String {
    Gateway::open(sandbox);
    let url = sandbox.run(&["dashboard", "open", "--print"], SOON).expect_code(0).stdout_text();
    url.trim().to_owned()
}

#[test]
fn over_ssh_the_tunnel_and_the_link_are_told_and_no_browser_is_started() {
    let mut sandbox = Sandbox::new();
    let url = login(&sandbox);
    let addr = url.trim_start_matches("http://").split('/').next().expect("an address").to_owned();
    let port = addr.rsplit(':').next().expect("a port").to_owned();
    sandbox.script("xdg-open", "touch \"$HOME/browser-started\"");
    sandbox.set_env("DISPLAY", ":0");
    sandbox.set_env("USER", "ann");
    sandbox.set_env("SSH_CONNECTION", "198.51.100.4 50022 203.0.113.7 2222");
    let told = sandbox.run(&["dashboard", "open"], SOON).expect_code(0).stdout_text();
    assert!(
        told.contains(&format!("\n  ssh -L {port}:127.0.0.1:{port} -p 2222 ann@203.0.113.7\n")),
        "{told}"
    );
    let link = told.lines().last().expect("lines").trim();
    let code = link.strip_prefix(&format!("http://{addr}/auth#code=")).expect("the link");
    assert!(code.len() >= 32 && code.bytes().all(|byte| byte.is_ascii_hexdigit()), "{link}");
    let printed = sandbox.run(&["dashboard", "open", "--print"], SOON).expect_code(0).stdout_text();
    assert_eq!(printed.lines().count(), 1, "only the address: {printed}");
    assert!(!sandbox.home().join("browser-started").exists());
    // The same without the connection starts it.
    sandbox.set_env("SSH_CONNECTION", "");
    sandbox.run(&["dashboard", "open"], SOON).expect_code(0);
    wait_until(SOON, "the browser", || sandbox.home().join("browser-started").exists());
}

fn operation(sandbox: &Sandbox) -> Value {
    let listed = sandbox.run(&["ps", "--json", "-n", "1"], SOON).expect_code(0).stdout_text();
    let mut listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    listed.pop().unwrap_or_default()
}

/// The id of the one operation, once its tool has written something.
fn speaking(sandbox: &Sandbox) -> String {
    wait_for(SOON, "output of the operation", || {
        let operation = operation(sandbox);
        let spoke = operation["stdout_bytes"].as_u64().unwrap_or(0) > 0;
        spoke.then(|| operation["operation_id"].as_str().unwrap_or_default().to_owned())
    })
}

fn page_stops(url: &str, id: &str, more: &[&str]) {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(
        browser.join("node_modules/playwright-core").is_dir(),
        "the browser tests are not installed; run tests/tools/install.sh"
    );
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec", "real.test.mjs"])
        .current_dir(browser)
        .env("LLMCTL_DASHBOARD_URL", url)
        .env("LLMCTL_OPERATION_ID", id);
    node.envs(more.iter().map(|name| (name, "1")));
    let finished = run::run(node, b"", BROWSER);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout_text(), finished.stderr_text());
    assert!(!finished.stdout_text().contains("skipped 1"), "the page's test did not run");
}

/// Runs a fake tool, stops it from the page (`more`: what that is told beside) and checks what is left: nothing running, everything kept.
fn stopped_from_the_page(options: &[&str], more: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("claude", options);
    let prompt = sandbox.write("prompt.md", "watch me");
    let prompt = prompt.display().to_string();
    let runner: Running = sandbox.spawn(&[
        "execute",
        "--prompt",
        &prompt,
        "--tool",
        "claude-code",
        "--model",
        "claude-opus-5-5",
    ]);
    let id = speaking(&sandbox);
    page_stops(&login(&sandbox), &id, more);
    let finished = runner.wait(SOON);
    assert_eq!(finished.code, Some(4), "{}", finished.stderr_text());
    let ended = operation(&sandbox);
    assert_eq!(ended["state"], "stopped");
    assert_eq!((&ended["stopped"]["by"], &ended["stopped"]["via"]), (&"user".into(), &"page".into()));
    let dir = sandbox.path("state/llmctl/operations").join(&id);
    let kept = std::fs::read(dir.join("output.txt")).expect("the partial answer");
    assert_eq!(kept, finished.stdout, "the partial answer is what was streamed");
    let journal = std::fs::read_to_string(dir.join("journal.jsonl")).expect("the journal");
    assert_eq!(journal.matches("\"execution.stopped\"").count(), 1, "{journal}");
    sandbox.run(&["daemon", "stop"], SOON).expect_code(0);
    wait_until(SOON, "everything to be gone", || sandbox.processes().is_empty());
}

#[test]
fn during_output() {
    stopped_from_the_page(&["--deltas", "2000", "--delay-ms", "40"], &[]);
}

#[test]
fn where_no_websocket_is_let_through() {
    stopped_from_the_page(&["--deltas", "2000", "--delay-ms", "40"], &["LLMCTL_NO_WEBSOCKET"]);
}

#[test]
fn during_a_hung_tool_that_ignores_interrupts() {
    stopped_from_the_page(&["--deltas", "5", "--hang-in-tool", "--ignore-int"], &["LLMCTL_SILENT"]);
}

#[test]
fn with_a_grandchild_in_a_session_of_its_own() {
    stopped_from_the_page(&["--deltas", "2000", "--delay-ms", "40", "--grandchild", "setsid"], &[]);
}
