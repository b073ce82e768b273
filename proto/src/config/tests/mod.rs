//! Loading as a whole: files in, typed values and findings out. Nothing here touches the file system.

mod codes;
mod layers;
mod money;
mod real;
mod server_faults;
mod servers;

use std::path::PathBuf;

use super::*;
use crate::time::UnixMs;

/// A moment at which all prices of the tests hold: 2026-11-23.
const NOW: UnixMs = UnixMs(1_795_392_000_000);

fn catalogue() -> Catalogue {
    Catalogue {
        adapters: vec!["claude-code", "codex"],
        providers: vec!["anthropic", "ollama"],
        template_error: Some(|template| template.contains('|').then(|| "`|` needs a shell".to_owned())),
        references: true,
    }
}

fn file(layer: Layer, name: &str, content: &str) -> SourceFile {
    let dir = if layer == Layer::User { "~/.config/llmctl" } else { "config" };
    let shown = format!("{dir}/{name}");
    SourceFile { layer, path: PathBuf::from(&shown), shown, content: Ok(content.as_bytes().to_vec()) }
}

fn sources(files: Vec<SourceFile>) -> Sources {
    let project = Project { dir: "/p/config".into(), root: "/p".into(), trust: Trust::Trusted };
    let has_project = files.iter().any(|file| file.layer == Layer::Project);
    let project = has_project.then_some(project);
    Sources { files, catalogue: catalogue(), now: NOW, project, ..Sources::default() }
}

/// Loads one file of a project.
fn one(name: &str, content: &str) -> Loaded {
    load(&sources(vec![file(Layer::Project, name, content)]))
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|finding| finding.code.name()).collect()
}
