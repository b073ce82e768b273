//! References to variables: from the forms of other programs to ours, `${NAME}` and `${NAME:-otherwise}`.
//!
//! Each program has its own rules; what cannot be said in our form is refused with the reason, never guessed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Which references a program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// None: it passes every text on as it is.
    Plain,
    /// `${NAME}` and `${NAME:-otherwise}`.
    Shell,
    /// As `Shell`, and `$NAME`.
    Dollar,
    /// `${env:NAME}`, `${input:id}` and words of the editor; a bare `${NAME}` is read as a variable, too.
    Editor,
}

/// What words of an editor stand for.
#[derive(Debug, Clone, Default)]
pub struct Surroundings<'a> {
    /// The project's directory.
    pub workspace: Option<&'a Path>,
    /// Variables of `inputs`, by their id.
    pub inputs: BTreeMap<String, Input>,
}

/// Something that an editor asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The variable that we read instead.
    pub variable: String,
    /// What the person is asked.
    pub description: Option<String>,
    /// What it is unless somebody says otherwise.
    pub default: Option<String>,
}

/// Part of a text.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// A variable.
    Var {
        /// Its name.
        name: String,
        /// What stands for it when it is not set.
        default: Option<String>,
    },
}

/// A text in our form.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Rewritten {
    /// Its parts.
    pub pieces: Vec<Piece>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Rewritten {
    /// The text as it is written in our files.
    pub fn text(&self) -> String {
        self.pieces.iter().fold(String::new(), |mut out, piece| {
            // Writing into a string cannot fail.
            let _ = match piece {
                Piece::Text(text) => out.write_str(text),
                Piece::Var { name, default: None } => write!(out, "${{{name}}}"),
                Piece::Var { name, default: Some(text) } => write!(out, "${{{name}:-{text}}}"),
            };
            out
        })
    }

    /// What it says beside its references.
    pub fn literal(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Var { .. } => None,
        });
        texts.collect()
    }

    /// It refers to a variable.
    pub fn refers(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Var { .. }))
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

/// Whether this is a name that an environment variable can have.
pub fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix(|c: char| c.is_ascii_alphabetic() || c == '_');
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// Rewrites a text.
///
/// # Errors
/// It holds a reference that has no form of ours; says which, never the text around it.
pub fn rewrite(text: &str, dialect: Dialect, around: &Surroundings<'_>) -> Result<Rewritten, String> {
    let mut out = Rewritten::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_text(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(inside) = rest.strip_prefix('{') {
            let end = inside.find('}').ok_or("a `${` without its closing brace cannot be written")?;
            reference(&inside[..end], dialect, around, &mut out)?;
            rest = &inside[end + 1..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if dialect == Dialect::Dollar && is_name(&rest[..end]) {
            out.pieces.push(Piece::Var { name: rest[..end].to_owned(), default: None });
            rest = &rest[end..];
        } else {
            out.push_text("$");
        }
    }
    out.push_text(rest);
    // What was not closed together must not become a reference by being put together.
    if out.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains("${"))) {
        return Err("a `${` that is no reference cannot be written".to_owned());
    }
    Ok(out)
}

/// What stands between the braces.
fn reference(
    inside: &str,
    dialect: Dialect,
    around: &Surroundings<'_>,
    out: &mut Rewritten,
) -> Result<(), String> {
    if dialect == Dialect::Editor && editor(inside, around, out)? {
        return Ok(());
    }
    let (name, default) = match inside.split_once(':') {
        Some((name, default)) if default.starts_with('-') => (name, Some(&default[1..])),
        Some(_) => return Err(format!("`${{{}}}` has no equal here", head(inside))),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(format!("`${{{}}}` is no variable", head(inside)));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!("`${{{name}:-…}}` with a reference inside it cannot be written"));
    }
    if dialect == Dialect::Plain {
        out.notes.push(format!("`${{{name}}}` was passed on as it is; here it is the variable's value"));
    }
    out.pieces.push(Piece::Var { name: name.to_owned(), default: default.map(str::to_owned) });
    Ok(())
}

/// Words of an editor; says whether it was one.
fn editor(inside: &str, around: &Surroundings<'_>, out: &mut Rewritten) -> Result<bool, String> {
    let folder = || -> Result<String, String> {
        let path = around.workspace.and_then(Path::to_str);
        let path = path.ok_or_else(|| format!("`${{{}}}`: the file belongs to no project", head(inside)))?;
        Ok(path.to_owned())
    };
    match inside {
        "userHome" => out.pieces.push(Piece::Var { name: "HOME".to_owned(), default: None }),
        "workspaceFolder" | "workspaceRoot" => out.push_text(&folder()?),
        "workspaceFolderBasename" => {
            let folder = folder()?;
            out.push_text(folder.rsplit('/').next().unwrap_or_default());
        }
        "pathSeparator" | "/" => out.push_text("/"),
        _ => {
            if let Some(id) = inside.strip_prefix("input:") {
                input(id, around, out);
            } else if let Some(name) = inside.strip_prefix("env:") {
                if !is_name(name) {
                    return Err(format!("`${{{}}}` is no variable", head(inside)));
                }
                out.pieces.push(Piece::Var { name: name.to_owned(), default: None });
            } else {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn input(id: &str, around: &Surroundings<'_>, out: &mut Rewritten) {
    let known = around.inputs.get(id);
    let name = known.map_or_else(|| input_variable(id), |input| input.variable.clone());
    let why = match known.map(|input| &input.description) {
        Some(Some(description)) => format!(" ({description})"),
        Some(None) => String::new(),
        None => " (the file does not describe it)".to_owned(),
    };
    out.notes
        .push(format!("set {name} in the daemon's environment{why}: it was asked for as `{}`", head(id)));
    let default = known.and_then(|input| input.default.clone());
    out.pieces.push(Piece::Var { name, default });
}

/// The variable that stands for an input.
pub fn input_variable(id: &str) -> String {
    let mut name = variable_name(id);
    // Names that mean something else in every environment.
    if ["PATH", "HOME", "USER", "SHELL", "PWD", "LANG", "TMPDIR", "TERM", "LOGNAME"].contains(&name.as_str())
        || name.starts_with("LLMCTL_")
    {
        name.insert_str(0, "INPUT_");
    }
    name
}

/// A name for a variable out of any text.
pub fn variable_name(text: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let mut name: String = text.chars().take(64).map(fold).collect();
    if !is_name(&name) {
        name.insert(0, '_');
    }
    name
}

/// A word of a file as a message repeats it: short, harmless, and without what may be a secret.
fn head(text: &str) -> String {
    let name = text.split(":-").next().unwrap_or_default();
    let mut short: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    if name.len() != text.len() || name.chars().count() > 40 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings<'static> {
        let input =
            Input { variable: "API_KEY".to_owned(), description: Some("The key".to_owned()), default: None };
        Surroundings {
            workspace: Some(Path::new("/p/shop")),
            inputs: BTreeMap::from([("api-key".to_owned(), input)]),
        }
    }

    fn ours(text: &str, dialect: Dialect) -> Result<String, String> {
        rewrite(text, dialect, &around()).map(|done| done.text())
    }

    #[test]
    fn each_program_has_its_rules() {
        use Dialect::{Dollar, Editor, Plain, Shell};
        for (text, dialect, want) in [
            ("a ${A}b", Shell, "a ${A}b"),
            ("${A:-x y}", Shell, "${A:-x y}"),
            ("$A and $$", Shell, "$A and $$"),
            ("$A/$B_1-$", Dollar, "${A}/${B_1}-$"),
            ("$1 ${A}", Dollar, "$1 ${A}"),
            ("${env:A}:${userHome}/${workspaceFolder}${/}x", Editor, "${A}:${HOME}//p/shop/x"),
            ("${workspaceFolderBasename}", Editor, "shop"),
            ("Bearer ${input:api-key}", Editor, "Bearer ${API_KEY}"),
            ("${input:path}", Editor, "${INPUT_PATH}"),
            ("${A}", Editor, "${A}"),
            ("${A}", Plain, "${A}"),
            ("$A", Plain, "$A"),
        ] {
            assert_eq!(ours(text, dialect).as_deref(), Ok(want), "{text}");
        }
        let noted = rewrite("${input:api-key}", Editor, &around()).expect("known").notes;
        assert!(noted[0].contains("API_KEY") && noted[0].contains("The key"), "{noted:?}");
        assert_eq!(rewrite("${X}", Plain, &around()).expect("a name").notes.len(), 1);
    }

    #[test]
    fn what_cannot_be_said_is_refused_without_its_value() {
        for text in ["${A", "${A:-${B}}", "${}", "${1}", "${config:x}", "${command:pick}", "$${A", "${A:x}"] {
            assert!(ours(text, Dialect::Editor).is_err(), "{text}");
        }
        let said = ours("${A B:-hunter2}", Dialect::Shell).expect_err("no name");
        assert!(!said.contains("hunter2"), "{said}");
        let none = Surroundings::default();
        assert!(rewrite("${workspaceFolder}", Dialect::Editor, &none).is_err());
        let hostile = Surroundings { workspace: Some(Path::new("/p/${X}")), ..Surroundings::default() };
        assert!(rewrite("${workspaceFolder}", Dialect::Editor, &hostile).is_err());
    }
}
