//! Names of models and how near two names are.

/// The provider whose models have such names, as far as names tell.
pub fn family(model: &str) -> Option<&'static str> {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts(&["claude", "opus", "sonnet", "haiku"]) {
        Some("anthropic")
    } else if starts(&["gpt-", "chatgpt", "o1", "o3", "o4", "codex"]) {
        Some("openai")
    } else if starts(&["gemini"]) {
        Some("google")
    } else if name == "practice" {
        Some("practice")
    } else {
        None
    }
}

/// The known name that is nearest, at most three edits away.
pub fn nearest(name: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= 3)
        .min()
        .map(|(_, candidate)| candidate.clone())
}

/// Insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_neighbours() {
        assert_eq!(family("claude-opus-5-5"), Some("anthropic"));
        assert_eq!(family("anthropic/claude-haiku-4-5"), Some("anthropic"));
        assert_eq!(family("o3-mini"), Some("openai"));
        assert_eq!(family("llama3:8b"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        let known = ["codex".to_owned(), "gemini".to_owned()];
        assert_eq!(nearest("codx", &known).as_deref(), Some("codex"));
        assert_eq!(nearest("something", &known), None);
    }
}
