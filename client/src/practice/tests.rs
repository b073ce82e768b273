//! The answer as a whole: the same every time, exactly counted, and text whatever the prompt is.

use proptest::prelude::*;

use super::*;

fn answer(prompt: &str) -> String {
    Practice::new(prompt).collect()
}

/// Everything between the opening and the ways out, in tokens.
fn generated(prompt: &str) -> u64 {
    let mut practice = Practice::new(prompt);
    while practice.stage == Stage::Generated {
        practice.next();
    }
    practice.generated
}

#[test]
fn the_same_prompt_gives_the_same_answer_on_every_machine() {
    let prompt = "Write a haiku about the journal of an operation.";
    assert_eq!(answer(prompt), answer(prompt));
    assert_ne!(answer(prompt), answer("Explain budgets."));
    let sum = answer(prompt).bytes().fold(0_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(b)));
    assert_eq!(sum, 2_576_366_214, "pinned; a change of corpus or model changes it");
}

#[test]
fn it_says_first_what_it_is_and_last_how_to_get_a_real_model() {
    let text = answer("Explain how budgets and tokens work.");
    assert!(text.starts_with(WHAT_IT_IS));
    assert!(text.contains("Your prompt has 36 bytes in 1 line and 6 words"));
    assert!(text.ends_with(WAYS_OUT));
}

#[test]
fn the_generated_part_has_its_length_and_ends_a_sentence() {
    for prompt in ["", "a", "Explain budgets.", "日本語のテキスト", "x.y.z"] {
        let tokens = generated(prompt);
        assert!((FEWEST..=FEWEST + SPREAD + GRACE).contains(&tokens), "{tokens}");
        let text = answer(prompt);
        let body = text.strip_suffix(WAYS_OUT).unwrap().trim_end();
        assert!(body.ends_with('.'), "{body}");
    }
    for tokens in [1, 2, 3, 59, 5_000] {
        assert_eq!(generated(&format!("long run\npractice: tokens={tokens}\n")), tokens);
    }
    assert_eq!(generated("practice: tokens=100000000"), MOST_TOKENS);
}

#[test]
fn counts_are_those_of_the_tokenizer() {
    for prompt in ["", "Explain budgets.", "größer, wärmer; straße", "one two\tthree\n\n four 12345"] {
        let mut practice = Practice::new(prompt);
        let items: Vec<String> = practice.by_ref().collect();
        assert_eq!(practice.output_tokens(), items.len() as u64);
        assert_eq!(TOKENIZER.count(&items.concat()), items.len() as u64);
        assert_eq!(practice.input_tokens(), TOKENIZER.count(prompt));
        assert!(practice.next().is_none());
    }
}

#[test]
fn control_characters_never_come_back() {
    let hostile =
        "ab\u{1b}]0;title\u{7}cd \u{202e}override \u{0}nul\r\rback\u{8}\u{9b}31m \u{200b}wide words words";
    let text = answer(&hostile.repeat(40));
    assert!(
        text.chars().all(|c| c == '\n' || (!c.is_control() && !"\u{202e}\u{200b}".contains(c))),
        "{text:?}"
    );
}

#[test]
fn the_answer_leans_to_the_prompt() {
    let with =
        (0..20).filter(|n| answer(&format!("{n} journal journal record")).matches("journal").count() > 2);
    let without = (0..20).filter(|n| answer(&format!("{n} weather")).matches("journal").count() > 2);
    assert!(with.count() > without.count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_prompt_has_an_answer(prompt in any::<String>()) {
        let mut practice = Practice::new(&prompt);
        let items: Vec<String> = practice.by_ref().collect();
        prop_assert_eq!(practice.output_tokens(), items.len() as u64);
        prop_assert!(items.iter().all(|token| !token.is_empty()));
        prop_assert!(items.concat().chars().all(|c| c == '\n' || !c.is_control()));
    }
}
