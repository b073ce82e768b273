//! `${NAME}` and `${NAME:default}` in `env_vars`, `env`, `headers` and `url`.
//!
//! A reference is recognised when the configuration is read and expanded in the process that uses the value, at
//! the moment of use; an expanded value is never part of the configuration. A value is not expanded twice.

/// A variable that is not set, and has no default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not set")]
pub struct MissingVar(pub String);

/// A `${` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// No closing brace.
    #[error("`${{` without its closing brace")]
    Open,
    /// What stands in it is no name.
    #[error("`${{…}}` must hold the name of a variable, and may hold a default after a colon")]
    Name,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Var { name: &'a str, default: Option<&'a str> },
}

/// Whether this is a name that an environment variable can have.
pub(super) fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix(|c: char| c.is_ascii_alphabetic() || c == '_');
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// The variables a value refers to, each with whether it has a default.
///
/// # Errors
/// A reference that cannot be read.
pub fn references(value: &str) -> Result<Vec<(String, bool)>, BadReference> {
    let vars = pieces(value)?.into_iter().filter_map(|piece| match piece {
        Piece::Var { name, default } => Some((name.to_owned(), default.is_some())),
        Piece::Text(_) => None,
    });
    Ok(vars.collect())
}

/// What a value says beside its references, defaults included.
pub(super) fn literals(value: &str) -> String {
    let Ok(pieces) = pieces(value) else { return value.to_owned() };
    let text = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Var { default, .. } => default.unwrap_or_default(),
    };
    pieces.into_iter().map(text).collect()
}

/// Whether a value consists of references without defaults, and blanks.
pub(super) fn only_references(value: &str) -> bool {
    let vars = references(value).unwrap_or_default();
    let bare = vars.iter().all(|(_, has_default)| !has_default) && literals(value).trim().is_empty();
    !vars.is_empty() && bare
}

/// A value as it may be shown: its references, `***` for their defaults, and `literal` of what stands between them.
pub(super) fn outline(value: &str, literal: impl Fn(&str) -> String) -> String {
    let Ok(pieces) = pieces(value) else { return literal(value) };
    let text = |piece| match piece {
        Piece::Text(text) => literal(text),
        Piece::Var { name, default: None } => format!("${{{name}}}"),
        Piece::Var { name, default: Some("") } => format!("${{{name}:-}}"),
        Piece::Var { name, default: Some(_) } => format!("${{{name}:-***}}"),
    };
    pieces.into_iter().map(text).collect()
}

/// Expands a value for use. A variable that is set but empty counts as unset, as everywhere in the configuration.
///
/// # Errors
/// A variable without default is not set. A reference that cannot be read is passed on as it is: it was an error
/// when the configuration was read.
pub fn expand(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, MissingVar> {
    let Ok(pieces) = pieces(value) else { return Ok(value.to_owned()) };
    let mut text = String::with_capacity(value.len());
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Var { name, default } => match (env(name).filter(|set| !set.is_empty()), default) {
                (Some(set), _) => text.push_str(&set),
                (None, Some(default)) => text.push_str(default),
                (None, None) => return Err(MissingVar(name.to_owned())),
            },
        }
    }
    Ok(text)
}

fn pieces(value: &str) -> Result<Vec<Piece<'_>>, BadReference> {
    let (mut pieces, mut rest) = (Vec::new(), value);
    while let Some(start) = rest.find("${") {
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        let after = &rest[start + 2..];
        let end = after.find('}').ok_or(BadReference::Open)?;
        let (name, default) = match after[..end].split_once(':') {
            // `${NAME:-default}` is the shell's way to write it.
            Some((name, default)) => (name, Some(default.strip_prefix('-').unwrap_or(default))),
            None => (&after[..end], None),
        };
        if !is_name(name) {
            return Err(BadReference::Name);
        }
        pieces.push(Piece::Var { name, default });
        rest = &after[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("x".to_owned()),
            "B" => Some("y".to_owned()),
            "E" => Some(String::new()),
            "R" => Some("${A}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn each_reference_from_its_own_variable() {
        for (value, expanded) in [
            ("${A}:${B}", "x:y"),
            ("plain $HOME {x}", "plain $HOME {x}"),
            ("${C:d}", "d"),
            ("${C:}", ""),
            ("${E:d}", "d"),
            ("${C:http://h:1/p}", "http://h:1/p"),
            ("${C:-d}", "d"),
            ("Bearer ${A}", "Bearer x"),
            ("${R}", "${A}"),
        ] {
            assert_eq!(expand(value, &env).as_deref(), Ok(expanded), "{value}");
        }
        assert_eq!(expand("${A}${C}", &env), Err(MissingVar("C".to_owned())));
        assert_eq!(expand("${E}", &env), Err(MissingVar("E".to_owned())));
        assert_eq!(references("${A:x}${B}"), Ok(vec![("A".to_owned(), true), ("B".to_owned(), false)]));
        assert_eq!(references("${A"), Err(BadReference::Open));
        for bad in ["${}", "${1A}", "${A B}", "${:x}"] {
            assert_eq!(references(bad), Err(BadReference::Name), "{bad}");
        }
    }
}
