//! A verb in the words of an interface: its name and what was given with it. One reading for all interfaces.

use llmctl_proto::task::{Refusal, Verb};

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Name of the verb.
    pub verb: String,
    /// `claim`, `assign`.
    pub agent: String,
    /// Reason, message, summary, note, priority or value, as the verb needs.
    pub text: String,
    /// `set`.
    pub key: String,
    /// `complete`.
    pub artefacts: Vec<String>,
    /// `reopen`: to the inbox and not to its agent.
    pub to_inbox: bool,
    /// `complete` without a result, too.
    pub force: bool,
}

/// Names of the verbs, as interfaces have them.
pub const VERBS: [&str; 17] = [
    "claim",
    "assign",
    "start",
    "block",
    "unblock",
    "put_down",
    "give_back",
    "complete",
    "fail",
    "cancel",
    "reopen",
    "freeze",
    "thaw",
    "archive",
    "priority",
    "set",
    "note",
];

impl Wish {
    /// The verb that is meant.
    ///
    /// # Errors
    /// There is no such verb.
    pub fn verb(self) -> Result<Verb, Refusal> {
        let Self { verb, agent, text, key, artefacts, to_inbox, force } = self;
        Ok(match verb.as_str() {
            "claim" => Verb::Claim { agent },
            "assign" => Verb::Assign { agent },
            "start" => Verb::Start,
            "block" => Verb::Block { reason: text },
            "unblock" => Verb::Unblock,
            "put_down" => Verb::PutDown,
            "give_back" => Verb::GiveBack,
            "complete" => {
                Verb::Complete { summary: Some(text).filter(|text| !text.is_empty()), artefacts, force }
            }
            "fail" => Verb::Fail { message: text },
            "cancel" => Verb::Cancel { reason: text },
            "reopen" => Verb::Reopen { to_inbox },
            "freeze" => Verb::Freeze { reason: text },
            "thaw" => Verb::Thaw,
            "archive" => Verb::Archive,
            "priority" => Verb::Priority { priority: text },
            "set" => Verb::Set { key, value: text },
            "note" => Verb::Note { text },
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(Refusal::BadValue(format!("{other:?} is no verb: use {}", VERBS.join(", "))));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_verb() {
        for verb in VERBS {
            let wish = Wish { verb: verb.to_owned(), ..Wish::default() };
            assert!(wish.verb().is_ok(), "{verb}");
        }
        assert!(Wish { verb: "destroy".to_owned(), ..Wish::default() }.verb().is_err());
    }
}
