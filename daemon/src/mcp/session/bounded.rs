//! Cuts texts of servers to a length.
//!
//! Never cuts within a character, and leaves a mark where it has cut.

/// At most `limit` bytes of `text`, with an ellipsis in place of what is gone.
pub(super) fn text(mut text: String, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text;
    }
    text.truncate(text.floor_char_boundary(limit.saturating_sub(MARK.len())));
    text.push_str(MARK);
    text
}

/// `text` for what may be absent.
pub(super) fn some(value: Option<String>, limit: usize) -> Option<String> {
    value.map(|value| text(value, limit))
}

#[cfg(test)]
mod tests {
    #[test]
    fn cuts_between_characters() {
        assert_eq!(super::text("abc".into(), 3), "abc");
        assert_eq!(super::text("abcdef".into(), 5), "ab…");
        assert_eq!(super::text("ééé".into(), 5), "é…");
        assert_eq!(super::some(None, 5), None);
    }
}
