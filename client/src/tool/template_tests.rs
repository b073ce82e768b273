//! Quoting, placeholders and what is refused.

use proptest::prelude::*;

use super::*;

fn values() -> TemplateValues {
    TemplateValues {
        binary: Some("/opt/my tool".into()),
        model: Some("large".to_owned()),
        prompt_file: Some("/run/p.txt".into()),
        prompt: Some("--flag; rm x it's {model} $(id)".to_owned()),
        output_file: Some("/run/o.txt".into()),
        mcp_config: None,
        work_dir: "/srv/work".into(),
        operation_id: "exec-1".to_owned(),
    }
}

fn expand(text: &str) -> Launch {
    Template::parse(text).unwrap().expand(&values()).unwrap()
}

fn words(text: &str) -> Vec<String> {
    expand(text).argv.into_iter().map(|word| word.into_string().unwrap()).collect()
}

fn refused(text: &str) -> TemplateError {
    Template::parse(text).unwrap_err()
}

#[test]
fn values_are_put_inside_words_and_never_split() {
    assert_eq!(
        words("{binary} --model={model} -p {prompt} -C {{ work_dir }}/x"),
        ["/opt/my tool", "--model=large", "-p", "--flag; rm x it's {model} $(id)", "-C", "/srv/work/x"]
    );
    assert_eq!(words("t '{model}' \"{ model }\" {{model}}{model}"), ["t", "large", "large", "largelarge"]);
}

#[test]
fn words_follow_posix_quoting() {
    assert_eq!(
        words(r#"a 'b c' "d \"e\" \x" f\ g '' h"i"'j'"#),
        ["a", "b c", r#"d "e" \x"#, "f g", "", "hij"]
    );
    assert_eq!(words("a \\\n b\tc"), ["a", "b", "c"]);
    assert_eq!(words("a $HOME ~ * x;y a=b&c"), ["a", "$HOME", "~", "*", "x;y", "a=b&c"]);
    assert_eq!(words(r"a '|' \; '$(x)' \{model\}"), ["a", "|", ";", "$(x)", "{model}"]);
    assert_eq!(words("grüße 'ß ü'"), ["grüße", "ß ü"]);
}

#[test]
fn a_brace_around_no_name_is_literal() {
    assert_eq!(
        words(r#"t {} { {"a":1} {1x} {{ } }} '{"m": "{model}"}'"#)[1..].join(" "),
        r#"{} { {a:1} {1x} {{ } }} {"m": "large"}"#
    );
    assert_eq!(refused("t {modle}"), TemplateError::Unknown("modle".to_owned()));
    assert!(refused("t {modle}").to_string().contains("{modle} (known: binary, model"));
}

#[test]
fn redirections_stand_at_the_end() {
    for text in ["t < {prompt_file}", "t <{prompt_file}", "t < '{prompt_file}'"] {
        let launch = expand(text);
        assert_eq!(
            (launch.argv.len(), launch.prompt),
            (1, PromptVia::StdinFile("/run/p.txt".into())),
            "{text}"
        );
    }
    for text in ["t < {prompt_file} > {output_file}", "t >{output_file} <{prompt_file}"] {
        let launch = expand(text);
        assert_eq!(launch.copy_stdout_to, Some("/run/o.txt".into()), "{text}");
        assert_eq!((launch.answer_file, launch.argv.len()), (None, 1));
    }
    for text in [
        "t < x",
        "t < {prompt_file} x",
        "t > {prompt_file}",
        "t <",
        "t <{prompt_file} <{prompt_file}",
        "t > {output_file}x",
    ] {
        assert!(matches!(refused(text), TemplateError::Redirection(_)), "{text}");
    }
}

#[test]
fn what_only_a_shell_can_do_is_refused() {
    for text in [
        "a | b",
        "a |b",
        "a || b",
        "a && b",
        "a &",
        "a; b",
        "a ; b",
        "a >> {output_file}",
        "a 2> x",
        "a 2>&1",
        "a 1>x",
        "a `b`",
        "a $(b)",
        "a << x",
        "a& b",
    ] {
        assert!(matches!(refused(text), TemplateError::Shell(_)), "{text}: {:?}", Template::parse(text));
    }
}

#[test]
fn the_prompt_goes_by_stdin_unless_it_is_placed() {
    assert_eq!(expand("t -m {model}").prompt, PromptVia::Stdin);
    assert_eq!(expand("t {prompt_file}").prompt, PromptVia::Arguments);
    assert_eq!(expand("t {prompt}").prompt, PromptVia::Arguments);
    assert_eq!(expand("t {prompt}").warnings.len(), 1);
    assert_eq!(expand("t -p={prompt}").warnings.len(), 0);
    let template = Template::parse("t -o {output_file} < {prompt_file}").unwrap();
    assert!(template.uses(Placeholder::PromptFile) && template.answers_in_file());
    assert!(!template.uses(Placeholder::Prompt));
    assert_eq!(template.expand(&values()).unwrap().answer_file, Some("/run/o.txt".into()));
}

#[test]
fn what_cannot_be_an_argument_is_refused() {
    let template = Template::parse("t {prompt}").unwrap();
    let with = |prompt: String| template.expand(&TemplateValues { prompt: Some(prompt), ..values() });
    assert!(with("x".repeat(128 * 1024 - 1)).is_ok());
    assert_eq!(with("x".repeat(128 * 1024)), Err(TemplateError::WordTooLong(128 * 1024)));
    assert_eq!(with("a\0b".to_owned()), Err(TemplateError::ZeroByte));
    let mcp = Template::parse("t {mcp_config}").unwrap().expand(&values());
    assert_eq!(mcp, Err(TemplateError::Missing(Placeholder::McpConfig)));
    assert_eq!(
        mcp.unwrap_err().to_string(),
        "the command template needs {mcp_config}, which this run does not have"
    );
    assert_eq!(refused(""), TemplateError::Empty);
    assert_eq!(refused("  < {prompt_file}"), TemplateError::Empty);
    assert_eq!(refused("a 'b"), TemplateError::OpenQuote('\''));
    assert_eq!(refused("a \"b"), TemplateError::OpenQuote('"'));
    assert_eq!(refused(&"x".repeat(70_000)), TemplateError::TooLong);
}

proptest! {
    #[test]
    fn no_template_panics(text in ".{0,60}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.expand(&values());
        }
    }

    #[test]
    fn no_template_of_special_characters_panics(text in r#"[a{}'"\\<>|&;$` 2(m]{0,40}"#) {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.expand(&values());
        }
    }

    #[test]
    fn a_prompt_is_always_one_word(prompt in "[^\0]{0,200}") {
        let template = Template::parse("t -p {prompt} --end").unwrap();
        let launch = template.expand(&TemplateValues { prompt: Some(prompt.clone()), ..values() }).unwrap();
        prop_assert_eq!(launch.argv.len(), 4);
        prop_assert_eq!(launch.argv[2].to_str(), Some(prompt.as_str()));
    }
}
