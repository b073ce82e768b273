//! `llmctl task new`: a task from flags, from a template, or from the user's editor.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use llmctl_proto::paths::private_file;
use llmctl_proto::task::{Asked, NewTask};
use llmctl_proto::time::UnixMs;

use super::change::refused;
use super::place::{Place, failed};
use super::{print_json, print_safe};
use crate::cli::task::New;
use crate::error::{CliError, Exit, Outcome};
use crate::term::editor;

/// Longest description read from a file, in bytes.
const MAX_DESCRIPTION: u64 = 16 * 1024;
/// Longest template, in bytes.
const MAX_TEMPLATE: u64 = 256 * 1024;
/// Directory beside the lanes that templates are in.
const TEMPLATES: &str = "templates";

/// Writes a new task.
pub(super) fn run(place: &mut Place, args: New) -> Outcome {
    let description = args.description_file.as_deref().map(|file| read(file, MAX_DESCRIPTION)).transpose()?;
    let template = args.template.as_deref().map(|name| template(place, name)).transpose()?;
    let title = args.title.or_else(|| (args.edit && template.is_none()).then(|| "New task".to_owned()));
    let mut new = NewTask {
        title: title.unwrap_or_default(),
        agent: args.agent,
        priority: args.priority,
        description,
        created_by: None,
        assign: args.assign,
        template,
    };
    let draft = if args.edit { Some(edited(place, &mut new)?) } else { None };
    let _held = place.lock()?;
    let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: false };
    let made = place.tree.create(&new, asked).map_err(failed).and_then(|made| made.map_err(|r| refused(&r)));
    let path = match (made, draft) {
        (Ok(path), draft) => {
            if let Some(draft) = draft {
                let _ = std::fs::remove_file(draft);
            }
            path
        }
        (Err(error), None) => return Err(error),
        (Err(error), Some(draft)) => {
            return Err(
                error.hint(format!("your text is kept: --template {} --edit goes on", draft.display()))
            );
        }
    };
    if args.json {
        print_json(&place.row(&path)?)?;
    } else {
        print_safe(&format!("{path}\n"))?;
    }
    Ok(Exit::Ok)
}

/// Lets the user change the new task's text, and gives the file it is in until the task is written.
fn edited(place: &Place, new: &mut NewTask) -> Result<PathBuf, CliError> {
    let asked = Asked { layout: place.tree.layout(), now: UnixMs::now(), force: false };
    let (_, id, text) = new.render(1, asked).map_err(|refusal| refused(&refusal))?;
    let draft = std::env::temp_dir().join(format!("{id}-{}.yaml", std::process::id()));
    let failed = |error| CliError::failed(format!("cannot write {}", draft.display())).caused_by(error);
    let mut file = private_file().write(true).create_new(true).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    drop(file);
    editor::open(&draft).map_err(|error| error.hint(format!("your text is kept in {}", draft.display())))?;
    // What is in the text now counts, not what the flags said before.
    *new = NewTask {
        title: String::new(),
        agent: None,
        priority: None,
        description: None,
        template: Some(read(&draft.display().to_string(), MAX_TEMPLATE)?),
        ..new.clone()
    };
    Ok(draft)
}

/// The text of a template, by path or by name.
fn template(place: &Place, name: &str) -> Result<String, CliError> {
    if name.contains('/') || Path::new(name).is_file() {
        return read(name, MAX_TEMPLATE);
    }
    let dir = place.tree.root().join(TEMPLATES);
    let found = [name.to_owned(), format!("{name}.yaml"), format!("{name}.yml")];
    match found.iter().map(|file| dir.join(file)).find(|path| path.is_file()) {
        Some(path) => read(&path.display().to_string(), MAX_TEMPLATE),
        None => Err(CliError::usage(format!("there is no template {name:?} in {}", dir.display()))
            .hint(format!("a template is a task file; there are: {}", names(&dir)))),
    }
}

fn names(dir: &Path) -> String {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().take(100);
    let stem = |path: PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}

/// The text of a file of at most `most` bytes; `-` is standard input.
fn read(file: &str, most: u64) -> Result<String, CliError> {
    let failed = |error: std::io::Error| CliError::usage(format!("cannot read {file}")).caused_by(error);
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().lock().take(most + 1).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(file).map_err(failed)?;
        file.take(most + 1).read_to_string(&mut text).map_err(failed)?;
    }
    if text.len() as u64 > most {
        return Err(CliError::usage(format!("{file} is longer than {} KiB", most / 1024)));
    }
    Ok(text)
}
