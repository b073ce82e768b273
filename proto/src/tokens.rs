//! How many tokens a text takes, where nobody has counted.
//!
//! Pure: a provider's usual length of a token, nothing of the text itself.

/// Bytes of ten tokens where the provider is not known.
const TENTHS: u64 = 36;

/// Tokens of a text of `bytes`, by the provider's usual length of a token; rounded up.
pub fn of_bytes(bytes: u64, provider: Option<&str>) -> u64 {
    let tenths = match provider {
        Some("anthropic") => 35,
        Some("openai" | "google") => 40,
        _ => TENTHS,
    };
    bytes.saturating_mul(10).div_ceil(tenths)
}

#[cfg(test)]
mod tests {
    use super::of_bytes;

    #[test]
    fn by_the_length_of_a_token() {
        assert_eq!(of_bytes(3_600, None), 1_000);
        assert_eq!(of_bytes(3_600, Some("openai")), 900);
        assert_eq!(of_bytes(3_600, Some("anthropic")), 1_029);
        assert_eq!((of_bytes(0, None), of_bytes(1, None)), (0, 1));
        assert!(of_bytes(u64::MAX, None) > 0);
    }
}
