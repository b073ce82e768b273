//! Which model a name means: ours against the crate's, over every name that its table's rules spell out.

use std::collections::{BTreeMap, BTreeSet};

use genai_prices::{Calculator, PriceRequest, Usage};
use llmctl_proto::price::Catalogue;
use serde_json::Value;

use super::source::crate_source;

/// Names by provider and model: the id, and every literal of its rule, bare and with what names end in.
pub(crate) type Names = BTreeMap<(String, String), Vec<String>>;

/// Reads the names of all models from the crate's data.
pub(crate) fn all_names() -> Names {
    let bytes = std::fs::read(crate_source().0.join("data/prices.json")).expect("the crate has its data");
    let file: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let mut names = Names::new();
    for provider in file.as_array().expect("providers") {
        for model in provider["models"].as_array().expect("models") {
            let text = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
            let mut found = vec![text(model)];
            literals(&model["match"], &mut found);
            names.insert((text(provider), text(model)), found);
        }
    }
    names
}

fn literals(rule: &Value, out: &mut Vec<String>) {
    for (kind, value) in rule.as_object().into_iter().flatten() {
        match (kind.as_str(), value) {
            ("or" | "and", Value::Array(rules)) => rules.iter().for_each(|rule| literals(rule, out)),
            ("regex", _) => {}
            (kind, Value::String(text)) => {
                out.push(text.clone());
                if kind == "starts_with" || kind == "contains" {
                    out.extend(
                        ["-20251001", "-2025-10-01", "-v1:0", "-latest", "x"]
                            .map(|end| format!("{text}{end}")),
                    );
                }
            }
            _ => {}
        }
    }
}

/// What theirs makes of a name: provider and model.
pub(crate) fn theirs(name: &str, provider: &str) -> Option<(String, String)> {
    let nothing = Usage::new();
    let request = PriceRequest::new(name, &nothing).with_provider_id(provider);
    let found = Calculator::bundled().calculate(&request).ok()?;
    Some((found.provider_id, found.model_id))
}

/// Ours tries an exact id first, then a whole name, then the name without its date, and only then the rules; theirs
/// takes the first model whose rule fits, in the order of the file. They agree on every name.
#[test]
fn every_spelt_out_name_means_the_same_model() {
    let (mut same, mut different) = (0, BTreeSet::new());
    for ((provider, _), names) in all_names() {
        for name in names {
            let Some((_, theirs)) = theirs(&name, &provider) else { continue };
            let ours =
                Catalogue::embedded().find(&name, Some(&provider)).map(|model| model.id().into_owned());
            if ours.as_ref() == Some(&theirs) {
                same += 1;
            } else {
                different
                    .insert(format!("{provider} {name}: ours {}, theirs {theirs}", ours.unwrap_or_default()));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    assert!(same > 7_000, "{same}");
}
