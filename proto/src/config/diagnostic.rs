//! What is wrong with a configuration, with its place and what to do: one shape for terminal and JSON.

use std::fmt;

use serde::Serialize;

use super::node::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The entry it belongs to is not used.
    Error,
    /// Read by an assumption, which is said.
    Warning,
    /// Good to know.
    Information,
}

impl Severity {
    /// Its word in front of a message.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "info",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $doc:literal,)*) => {
        /// What kind of thing it is; the names are part of the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How bad it is, always.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    YamlSyntax "yaml_syntax" Error "A file that is not one YAML document.",
    Unreadable "unreadable" Error "A file or directory that cannot be read.",
    NotPrivate "not_private" Error "A user's file that others own or may write.",
    UnknownKey "unknown_key" Error "A key that does not exist.",
    MissingKey "missing_key" Error "A key that must be there.",
    WrongType "wrong_type" Error "A value of another kind.",
    OutOfRange "out_of_range" Error "A number beyond its limits.",
    UnknownTool "unknown_tool" Error "A reference to a tool that is not there.",
    UnknownModel "unknown_model" Error "A reference to a model that is not there.",
    UnknownPolicy "unknown_policy" Error "A reference to a policy that is not there.",
    BadFallbackEntry "bad_fallback_entry" Error "Not `tool:model`.",
    BadTemplate "bad_template" Error "A command or a template that cannot be run.",
    BadPrice "bad_price" Error "A price that is no exact amount.",
    OverlappingPrices "overlapping_prices" Error "Two price rows for one moment.",
    DuplicateDefinition "duplicate_definition" Error "One thing in two files of a directory.",
    BadEnvReference "bad_env_reference" Error "A `${…}` that cannot be read.",
    SecretInConfig "secret_in_config" Error "A key or password in a file.",
    BadAddress "bad_address" Error "An address that is none.",
    RetiredIncomplete "retired_incomplete" Warning "A retired model without price or window.",
    RetiredInUse "retired_in_use" Warning "A reference to something retired.",
    Deprecated "deprecated" Warning "A reference to something deprecated.",
    PreferredNotOffered "preferred_not_offered" Warning "The preferred tool does not offer the model.",
    NotOffered "not_offered" Warning "A pair whose tool does not offer the model.",
    OfferedByNoTool "offered_by_no_tool" Warning "A model that no tool offers.",
    NestedPolicySection "nested_policy_section" Warning "A root section inside `policies`.",
    PriceScale "price_scale" Warning "A price a thousand times too high.",
    PriceGap "price_gap" Warning "A time without a price.",
    EmptyFile "empty_file" Warning "A file without content.",
    SecondExtension "second_extension" Warning "`X.yml` beside `X.yaml`.",
    NotLoopback "not_loopback" Warning "An address that others can reach.",
    GroupWritable "group_writable" Warning "A file that its group may write.",
    BudgetKept "budget_kept" Warning "A project that would have raised a user's hard limit.",
    TemplateUnused "template_unused" Information "A template of a tool with an adapter.",
    PriceDiffers "price_differs" Information "A price other than the catalogue's.",
    PriceDerived "price_derived" Information "Token classes without a price of their own.",
    NotUsed "not_used" Information "A key that has no meaning here.",
    NotInstalled "not_installed" Information "A program that is not on this machine.",
    EnvMissing "env_missing" Information "A variable that is not set.",
    DownloadsCode "downloads_code" Information "A command that fetches a program and runs it.",
    Untrusted "untrusted" Information "A project layer that is not in force.",
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Which layer something comes from; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// What comes with the program.
    Catalogue,
    /// The user's directory.
    User,
    /// The project's directory.
    Project,
    /// Variables.
    #[serde(rename = "env")]
    Environment,
    /// `--set` and other flags.
    Flag,
}

impl Layer {
    /// Its word in displays.
    pub fn word(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::User => "user",
            Self::Project => "project",
            Self::Environment => "env",
            Self::Flag => "flag",
        }
    }
}

/// Where something was said, for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Origin {
    /// Layer.
    pub layer: Layer,
    /// A file as it is shown, a variable's name, or `--set`.
    pub name: String,
    /// Line from 1; 0 for none.
    pub line: u32,
    /// Column from 1; 0 for none.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.line > 0 && matches!(self.layer, Layer::User | Layer::Project) {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Origin {
    /// `file:line`, or the variable or flag.
    pub fn short(&self) -> String {
        match self.layer {
            Layer::User | Layer::Project if self.line > 0 => format!("{}:{}", self.name, self.line),
            _ => self.name.clone(),
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind.
    pub code: Code,
    /// Key path of what it belongs to: `agents.architect`; empty for a whole file.
    pub path: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Where; filled in when loading ends.
    pub origin: Option<Origin>,
    #[serde(skip)]
    pub(crate) place: Option<Place>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, path: &KeyPath, at: Place, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            path: path.to_string(),
            message: message.into(),
            hint: None,
            origin: None,
            place: Some(at),
        }
    }

    /// A finding of somebody who looked at more than the files, such as at the installed programs.
    pub fn about(code: Code, path: &KeyPath, message: impl Into<String>, origin: Option<Origin>) -> Self {
        let at = Place::default();
        Self { origin, place: None, ..Self::new(code, path, at, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity.word(), self.code.name(), self.message)?;
        if let Some(origin) = &self.origin {
            write!(f, "\n  --> {origin}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// A path of keys: `models."claude-3.5".prices[0]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct KeyPath(pub Vec<String>);

impl KeyPath {
    /// A path of these keys.
    pub fn of<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// This path and one key more.
    #[must_use]
    pub fn with(&self, key: impl Into<String>) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.into());
        Self(keys)
    }

    /// This path and a place in a list.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.with(format!("[{index}]"))
    }

    /// Reads a path as people write it: dots between keys, quotes around keys with dots, `[0]` for a list's item.
    ///
    /// # Errors
    /// An empty key or an open quote.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut keys, mut rest) = (Vec::new(), text.trim());
        while !rest.is_empty() {
            if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                let Some((key, after)) = rest[1..].split_once(quote) else {
                    return Err(format!("`{text}` has an open quote"));
                };
                keys.push(key.to_owned());
                rest = after;
            } else if rest.starts_with('[') {
                let end = rest.find(']').ok_or_else(|| format!("`{text}` has an open bracket"))?;
                keys.push(rest[..=end].to_owned());
                rest = &rest[end + 1..];
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                keys.push(rest[..end].trim().to_owned());
                rest = &rest[end..];
            }
            match rest.strip_prefix('.') {
                Some("") => return Err(format!("`{text}` ends with a dot")),
                Some(after) => rest = after,
                None if rest.is_empty() || rest.starts_with('[') => {}
                None => return Err(format!("`{text}` is no path of keys")),
            }
        }
        if keys.is_empty() || keys.iter().any(String::is_empty) {
            return Err(format!("`{text}` has an empty key"));
        }
        Ok(Self(keys))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, key) in self.0.iter().enumerate() {
            let index = key.starts_with('[') && key.ends_with(']');
            if at > 0 && !index {
                f.write_str(".")?;
            }
            let plain = !key.is_empty() && !key.contains(['.', '"', ' ', '[', '=']);
            if plain || index { f.write_str(key)? } else { write!(f, "\"{key}\"")? }
        }
        Ok(())
    }
}

/// The known word that is nearest, at most three edits away.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &&str| candidate.len().abs_diff(word.len()) <= 3;
    let near = known.into_iter().filter(close).map(|candidate| (distance(word, candidate), candidate));
    // Three edits make any short word of any other.
    near.filter(|(edits, to)| *edits <= 3 && *edits < to.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two words.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = replaced.min(corner + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back() {
        for text in
            ["a.b", "models.\"claude-3.5\".prices[0].per_million", "policies.default.daily_budget_usd"]
        {
            assert_eq!(KeyPath::parse(text).expect(text).to_string(), text);
        }
        for bad in ["", "a.", "a..b", ".a", "\"a", "a[0", "\"a\"b"] {
            assert!(KeyPath::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn neighbours() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("prefered_tool", ["preferred_model", "preferred_tool"]), Some("preferred_tool"));
        assert_eq!(nearest("x", ["url", "env"]), None);
    }

    #[test]
    fn the_shape_of_a_finding() {
        let origin =
            Origin { layer: Layer::Project, name: "config/agents.yaml".to_owned(), line: 7, column: 5 };
        let path = KeyPath::of(["agents", "architect"]);
        let finding =
            Diagnostic::about(Code::UnknownKey, &path, "agents.architect has no key `x`", Some(origin));
        let text = finding.hint("did you mean `y`?").to_string();
        assert_eq!(
            text,
            "error[unknown_key]: agents.architect has no key `x`\n  --> config/agents.yaml:7:5\n  hint: did you mean `y`?"
        );
    }
}
