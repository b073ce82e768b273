//! Verbs that write: init, edit; and the schema that editors use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use llmctl_tests::sandbox::Sandbox;
use serde_json::Value;

use super::llmctl;

#[test]
fn every_template_is_valid_at_once() {
    for template in ["minimal", "full", "team", "local"] {
        let sandbox = Sandbox::new();
        llmctl(&sandbox, &["config", "init", "--template", template]).expect_code(0);
        let text = llmctl(&sandbox, &["config", "validate", "--strict"]).expect_code(0).stdout_text();
        assert!(text.contains("0 errors, 0 warnings") && !text.contains("checked 0"), "{template}: {text}");
        let again =
            llmctl(&sandbox, &["config", "init", "--template", template]).expect_code(2).stderr_text();
        assert!(again.contains("already"), "{again}");
        if template != "team" {
            let mode =
                |path: &str| fs::metadata(sandbox.path(path)).expect(path).permissions().mode() & 0o777;
            assert_eq!(mode("config/llmctl"), 0o700);
        }
    }
    let sandbox = Sandbox::new();
    llmctl(&sandbox, &["config", "init", "there"]).expect_code(0);
    llmctl(&sandbox, &["config", "validate", "there"]).expect_code(0);
}

#[test]
fn an_edited_file_is_checked() {
    let mut sandbox = Sandbox::new();
    let editor = |sandbox: &mut Sandbox, text: &str| {
        let path = sandbox.script("my-editor", &format!("test \"$1\" = --wait; printf '{text}' > \"$2\""));
        sandbox.set_env("EDITOR", format!("{} --wait", path.display()));
    };
    editor(&mut sandbox, "daemon: {log_level: warn}\\n");
    let done = llmctl(&sandbox, &["config", "edit"]).expect_code(0).stdout_text();
    assert!(done.contains("checked 1 file: 0 errors"), "{done}");
    let file = sandbox.path("config/llmctl/llmctl.yaml");
    assert_eq!(fs::metadata(&file).expect("made").permissions().mode() & 0o777, 0o600);
    editor(&mut sandbox, "daemon: {log_levl: warn}\\n");
    let done = llmctl(&sandbox, &["config", "edit"]).expect_code(1);
    assert!(done.stdout_text().contains("did you mean `log_level`?"), "{}", done.stdout_text());
    assert!(done.stderr_text().contains("has errors"), "{}", done.stderr_text());
    sandbox.set_env("EDITOR", "/nowhere/editor");
    llmctl(&sandbox, &["config", "edit"]).expect_code(1);
    llmctl(&sandbox, &["config", "edit", "notes.txt"]).expect_code(2);
}

#[test]
fn the_schema_is_json_schema() {
    let sandbox = Sandbox::new();
    let text = llmctl(&sandbox, &["config", "schema"]).expect_code(0).stdout_text();
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let sections = schema["properties"].as_object().expect("sections");
    assert!(sections.contains_key("mcp_servers") && sections.contains_key("tasks") && sections.len() == 15);
}

#[test]
fn the_examples_of_the_readme_are_valid() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("README.md");
    let mut examples = 0;
    for block in readme.split("```yaml\n").skip(1) {
        let sandbox = Sandbox::new();
        sandbox.configure("readme.yaml", block.split("```").next().unwrap_or_default());
        let done = llmctl(&sandbox, &["config", "validate"]).expect_code(0);
        assert!(done.stdout_text().contains("0 errors, 0 warnings"), "{}\n{block}", done.stdout_text());
        examples += 1;
    }
    assert!(examples >= 2);
}
