//! `llmctl config init`: a first configuration. Nothing that is there is ever replaced.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use llmctl_proto::paths::Paths;

use super::print;
use crate::cli::config::Template;
use crate::config::working_dir;
use crate::error::{CliError, Exit, Outcome};

fn files(template: Template) -> &'static [(&'static str, &'static str)] {
    match template {
        Template::Minimal => &[("llmctl.yaml", include_str!("templates/minimal.yaml"))],
        Template::Full => &[
            ("agents.yaml", include_str!("templates/full-agents.yaml")),
            ("daemon.yaml", include_str!("templates/full-daemon.yaml")),
            ("mcp.yaml", include_str!("templates/full-mcp.yaml")),
            ("models.yaml", include_str!("templates/full-models.yaml")),
            ("policies.yaml", include_str!("templates/full-policies.yaml")),
            ("tools.yaml", include_str!("templates/full-tools.yaml")),
        ],
        Template::Team => &[
            ("agents.yaml", include_str!("templates/team-agents.yaml")),
            ("policies.yaml", include_str!("templates/team-policies.yaml")),
        ],
        Template::Local => &[("llmctl.yaml", include_str!("templates/local.yaml"))],
    }
}

pub(super) fn run(paths: &Paths, template: Template, dir: Option<PathBuf>) -> Outcome {
    let shared = template == Template::Team;
    let dir = match dir {
        Some(dir) => dir,
        None if shared => working_dir()?.join(".llmctl"),
        None => paths.config.clone(),
    };
    let files = files(template);
    let there: Vec<&str> =
        files.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(CliError::usage(format!("{} has {} already", dir.display(), there.join(", ")))
            .hint("nothing was written; give another directory, or change them with `llmctl config edit`"));
    }
    // What a team shares is read by others; what is the user's own is nobody else's.
    let (dir_mode, file_mode) = if shared { (0o755, 0o644) } else { (0o700, 0o600) };
    let fail = |what: String| move |e: std::io::Error| CliError::failed(what).caused_by(e);
    let made = DirBuilder::new().recursive(true).mode(dir_mode).create(&dir);
    made.map_err(fail(format!("cannot make {}", dir.display())))?;
    let mut text = String::new();
    for (name, content) in files {
        let path = dir.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(file_mode).open(&path);
        let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(fail(format!("cannot write {}", path.display())))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", path.display());
    }
    text.push_str(if shared {
        "commit it, and say `llmctl config trust` to use it yourself\n"
    } else {
        "`llmctl config validate` checks it, `llmctl config edit` changes it\n"
    });
    print(&text)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue;
    use llmctl_proto::config::{Layer, SourceFile, Sources, load};

    #[test]
    fn every_template_is_without_fault() {
        for template in [Template::Minimal, Template::Full, Template::Team, Template::Local] {
            let file = |(name, content): &(&str, &str)| SourceFile {
                layer: Layer::User,
                path: PathBuf::from(name),
                shown: (*name).to_owned(),
                content: Ok(content.as_bytes().to_vec()),
            };
            let files = files(template).iter().map(file).collect();
            let loaded = load(&Sources { files, catalogue: catalogue(), ..Sources::default() });
            assert_eq!(loaded.diagnostics, [], "{template:?}");
            assert!(!loaded.config.policies.is_empty() || template == Template::Local, "{template:?}");
        }
    }
}
