//! Names of providers and models as tools write them.
//!
//! Owns the few aliases of providers and the dates at the end of model names. It knows no prices.

use std::borrow::Cow;

/// Names that tools, their reports and other tables use for providers of the catalogue.
const ALIASES: [(&str, &[&str]); 12] = [
    ("anthropic", &["firstparty", "claude"]),
    ("aws", &["bedrock", "amazon-bedrock", "aws-bedrock", "amazon", "aws.bedrock"]),
    ("azure", &["azure_ai", "azure-openai", "az.ai.openai", "azure-cognitive-services"]),
    ("fireworks", &["fireworks-ai", "fireworks_ai"]),
    ("github-copilot", &["copilot", "github_copilot"]),
    (
        "google",
        &[
            "gemini",
            "googleai",
            "google-ai",
            "google-genai",
            "gcp.gemini",
            "vertex",
            "vertexai",
            "vertex_ai",
            "google-vertex",
            "gcp.vertex_ai",
        ],
    ),
    ("mistral", &["mistralai", "mistral_ai"]),
    ("moonshotai", &["moonshot"]),
    ("together", &["together-ai", "together_ai", "togetherai"]),
    ("voyageai", &["voyage"]),
    ("x-ai", &["xai", "x_ai"]),
    ("zai", &["z-ai", "z.ai"]),
];

/// The one name of a provider that tools call by several: lower case, without spaces around.
pub(super) fn provider(name: &str) -> Cow<'_, str> {
    let name = fold(name.trim());
    match ALIASES.iter().find(|(_, aliases)| aliases.contains(&name.as_ref())) {
        Some((canonical, _)) => Cow::Borrowed(canonical),
        None => name,
    }
}

/// Lower case, without a copy where it is already.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The name without `-20251001`, `-2025-10-01` or `@20251001` at its end.
pub(super) fn without_date(model: &str) -> Option<&str> {
    const SHAPES: [&str; 3] = ["-dddd-dd-dd", "-dddddddd", "@dddddddd"];
    SHAPES.iter().find_map(|shape| {
        let start = model.len().checked_sub(shape.len()).filter(|start| *start > 0)?;
        let tail = &model.as_bytes()[start..];
        let fits = tail.iter().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            other => *byte == other,
        });
        // The tail is ASCII, so `start` is a character boundary.
        fits.then(|| &model[..start])
    })
}

/// The name without what Claude Code adds for a long context: `[1m]`. The price is the model's, tiers and all.
pub(super) fn without_window(model: &str) -> Option<&str> {
    model.strip_suffix("[1m]").filter(|rest| !rest.is_empty())
}

/// The name with `-2025-10-01` at its end instead of `-20251001`.
pub(super) fn with_long_date(model: &str) -> Option<String> {
    let short = without_date(model)?;
    let digits = model.get(short.len() + 1..).filter(|tail| tail.len() == 8)?;
    Some(format!("{short}-{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_one_name() {
        for (said, name) in [
            ("firstParty", "anthropic"),
            (" OpenAI ", "openai"),
            ("bedrock", "aws"),
            ("vertex_ai", "google"),
            ("nobody", "nobody"),
            ("my-openai-proxy", "my-openai-proxy"),
        ] {
            assert_eq!(provider(said), name);
        }
    }

    #[test]
    fn dates_at_the_end_are_found() {
        for (model, bare, long) in [
            ("m-20251001", Some("m"), Some("m-2025-10-01")),
            ("m-2025-10-01", Some("m"), None),
            ("m@20251001", Some("m"), Some("m-2025-10-01")),
            ("-20251001", None, None),
            ("é-20251001", Some("é"), Some("é-2025-10-01")),
            ("m-2025100", None, None),
            ("m", None, None),
        ] {
            assert_eq!(without_date(model), bare, "{model}");
            assert_eq!(with_long_date(model).as_deref(), long, "{model}");
        }
    }
}
