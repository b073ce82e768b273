//! The client side against the public MCP conformance suite: each scenario that a supervisor is meant for.
//!
//! Not among them: authorisation (there is no browser to ask), elicitation (a supervisor asks nobody), extensions.
//! By hand: `tests/tools/conformance.sh`.

use std::process::Command;

use llmctl_tests::run;
use llmctl_tests::stage::LONG;

#[test]
fn the_client_passes_every_scenario_it_is_meant_for() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/conformance.sh");
    let mut command = Command::new(script);
    command.env("LLMCTL", llmctl_tests::sandbox::binary("llmctl"));
    let done = run::run(command, b"", LONG);
    let said = done.stdout_text();
    for line in said.lines().filter(|line| line.starts_with("conformance: ")) {
        llmctl_tests::rack::tell(line);
    }
    done.expect_code(0);
}
