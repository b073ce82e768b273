//! Whether a value looks drawn at random, as keys are, or written by a person, as names, paths and words are.
//!
//! Only values found by their surroundings (`token = …`) come here; a key with a form of its own needs no judge.

/// Shannon entropy in bits a byte.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &b in value {
        counts[usize::from(b)] += 1;
    }
    let n = value.len() as f64;
    counts
        .iter()
        .filter(|&&c| c > 0)
        .map(|&c| {
            let p = f64::from(c) / n;
            -p * p.log2()
        })
        .sum()
}

/// Digits and letters, or in a long value letters that keep changing case: what a generator makes and a name is not.
pub(super) fn mixed(value: &[u8]) -> bool {
    let digit = value.iter().any(u8::is_ascii_digit);
    let upper = value.iter().any(u8::is_ascii_uppercase);
    let lower = value.iter().any(u8::is_ascii_lowercase);
    (digit && (upper || lower)) || (value.len() >= 20 && turns(value) * 5 > value.len())
}

/// Two or more words with separators between them, each only letters or letters before a short number:
/// `access_token_v2`, `app-config-2024`, `settings.AUTH.Token`.
pub(super) fn wordy(value: &[u8]) -> bool {
    let mut words = 0;
    for word in value.split(|b| matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'=')) {
        let letters = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let number = &word[letters..];
        if number.len() > 4
            || !number.iter().all(u8::is_ascii_digit)
            || letters > 20
            || zigzag(&word[..letters])
        {
            return false;
        }
        words += 1;
    }
    words >= 2
}

/// Letters that change case oftener than names in camel case do.
fn zigzag(letters: &[u8]) -> bool {
    turns(letters) * 3 > letters.len()
}

fn turns(letters: &[u8]) -> usize {
    letters.windows(2).filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase()).count()
}

/// A file path: begins like one, and no part is as long as a key's.
pub(super) fn path_like(value: &[u8]) -> bool {
    let rooted = [&b"/"[..], b"./", b"../", b"~/"].iter().any(|r| value.starts_with(r))
        || matches!(value, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    rooted && value.split(|b| matches!(b, b'/' | b'\\')).all(|part| part.len() < 16 || wordy(part))
}

/// `$NAME`, `%NAME%` or a name all in capitals such as `YOUR_API_KEY`: it stands for a value.
pub(super) fn placeholder(value: &[u8]) -> bool {
    let name = value.strip_prefix(b"$").or_else(|| value.strip_prefix(b"%")?.strip_suffix(b"%"));
    if let Some(name) = name {
        return name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_');
    }
    value.contains(&b'_') && value.iter().all(|&b| b.is_ascii_uppercase() || b == b'_')
}

/// Whether what comes before a short prefix such as `sk-` ends a word there. The end of an escape (`\n`, `%3D`,
/// `\u0022`, a terminal colour) is a letter or digit and ends a word too. Looks at 16 bytes at most.
pub(super) fn word_may_start_after(left: &[u8]) -> bool {
    let left = &left[left.len().saturating_sub(LEFT_CONTEXT)..];
    let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match left {
        [.., b] if !b.is_ascii_alphanumeric() && *b != b'_' => true,
        [] | [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v'] => true,
        _ => {
            escaped(left, b"%", 2, hex)
                || escaped(left, b"\\x", 2, hex)
                || escaped(left, b"\\u", 4, hex)
                || colour_ends(left)
        }
    }
}

/// Bytes before a keyword that a matcher may look at.
pub(super) const LEFT_CONTEXT: usize = 16;

fn escaped(left: &[u8], lead: &[u8], digits: usize, hex: impl Fn(&[u8]) -> bool) -> bool {
    let Some(at) = left.len().checked_sub(lead.len() + digits) else { return false };
    left[at..].starts_with(lead) && hex(&left[at + lead.len()..])
}

fn colour_ends(left: &[u8]) -> bool {
    let Some(codes) = left.strip_suffix(b"m") else { return false };
    let open = codes.iter().rposition(|b| !b.is_ascii_digit() && *b != b';');
    open.is_some_and(|at| codes[at] == b'[')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_paths_and_placeholders_are_told_from_keys() {
        for text in ["access_token_v2", "app-config-2024", "settings.AUTH.accessToken", "my-secret-name"] {
            assert!(wordy(text.as_bytes()), "{text}");
        }
        for text in ["a8Fk2-x9Qz1-mm3", "hunter2", "3f2a9c4e-77b1-4c2d-9e0a-5b6c7d8e9f00"] {
            assert!(!wordy(text.as_bytes()), "{text}");
        }
        assert!(path_like(b"/run/secrets/db_password_1"));
        assert!(path_like(b"./keys/dev.pem"));
        assert!(!path_like(b"/bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG"));
        assert!(placeholder(b"$OPENAI_API_KEY") && placeholder(b"%TOKEN%") && placeholder(b"YOUR_API_KEY"));
        assert!(!placeholder(b"AKIA2") && !placeholder(b"$2b$12$abc"));
    }

    #[test]
    fn escapes_end_a_word() {
        for left in
            ["", "a ", "\"", "=", "x\\n", "\\t", "%3D", "\\u0022", "\\x1b", "\x1b[31m", "\\u001b[1;32m"]
        {
            assert!(word_may_start_after(left.as_bytes()), "{left:?}");
        }
        for left in ["di", "ta_", "room", "13D", "u0022", "[am"] {
            assert!(!word_may_start_after(left.as_bytes()), "{left:?}");
        }
    }
}
