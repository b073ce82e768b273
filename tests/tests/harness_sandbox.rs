//! The sandbox isolates, sees its own processes, and does not let a test leave any behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use llmctl_tests::run;
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::{poll, wait_for};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_environment_is_only_what_the_sandbox_gives() {
    let mut sandbox = Sandbox::new();
    sandbox.set_env("EXTRA", "value");
    let text = run::run(sandbox.command("env"), b"", SOON).expect_code(0).stdout_text();
    let root = sandbox.path("").display().to_string();
    let root = root.trim_end_matches('/');
    for name in ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "TMPDIR"] {
        assert!(text.contains(&format!("\n{name}={root}/")) || text.starts_with(&format!("{name}={root}/")));
    }
    assert!(text.contains("EXTRA=value") && text.contains(&sandbox.marker()));
    assert!(!text.contains("CARGO") && !text.contains("API_KEY"));
    // A socket's whole path has room for 107 bytes; the product adds two names.
    assert!(sandbox.path("run").as_os_str().len() < 60);
    let mode = run::run(
        {
            let mut stat = sandbox.command("stat");
            stat.args(["-c", "%a", "../run"]);
            stat
        },
        b"",
        SOON,
    );
    assert_eq!(mode.stdout_text(), "700\n");
}

#[test]
fn two_sandboxes_do_not_see_each_other() {
    let (one, two) = (Sandbox::new(), Sandbox::new());
    let mut sleep = one.command("sleep");
    sleep.arg("300");
    let running = run::spawn(sleep, b"");
    wait_for(SOON, "the process", || (one.processes().len() == 1).then_some(()));
    assert_eq!(one.processes()[0].identity.pid, running.pid());
    assert!(two.processes().is_empty());
    drop(running);
    one.wait_empty(SOON);
}

#[test]
fn what_a_test_leaves_behind_fails_it_and_is_killed() {
    let sandbox = Sandbox::new();
    let mut shell = sandbox.command("/bin/sh");
    shell.args(["-c", "setsid sleep 300 >/dev/null 2>&1 & echo started"]);
    run::run(shell, b"", SOON).expect_code(0);
    let left = wait_for(SOON, "the process", || sandbox.processes().pop()).identity;
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(sandbox))).expect_err("the drop must fail the test");
    let message = panicked.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(message.contains("left behind") && message.contains(&left.pid.to_string()), "{message}");
    assert!(!llmctl_tests::proc::is_alive(left));
}

#[test]
fn deadlines_are_kept_and_say_what_was_missing() {
    assert_eq!(poll(Duration::from_millis(20), || None::<()>), None);
    let missed = catch_unwind(|| wait_for(Duration::from_millis(20), "the moon", || None::<()>));
    let message = missed.expect_err("it must fail").downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(message.contains("the moon"));

    let sandbox = Sandbox::new();
    let mut sleep = sandbox.command("/bin/sh");
    sleep.args(["-c", "echo so far; exec sleep 300"]);
    let mut running = run::spawn(sleep, b"");
    running.wait_stdout(SOON, |out| out.contains("so far"));
    let missed = catch_unwind(AssertUnwindSafe(|| running.wait(Duration::from_millis(20))));
    let message = missed.expect_err("it must fail").downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(message.contains("did not end") && message.contains("so far"));
    sandbox.wait_empty(SOON);
}
