//! `llmctl config`: init, validate, show, schema, trust, edit, reload.

mod edit;
mod init;
mod show;
mod trust;
mod validate;

use llmctl_proto::config::schema::json_schema;
use llmctl_proto::event::ConfigReloaded;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::ReloadConfigRequest;

use super::{print, println};
use crate::cli::config::{ConfigFlags, ConfigVerb};
use crate::error::{CliError, Exit, Outcome};
use crate::link;

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, verb: ConfigVerb) -> Outcome {
    match verb {
        ConfigVerb::Init { template, dir } => init::run(paths, template, dir),
        ConfigVerb::Validate { dir, json, strict } => {
            validate::run(paths, flags, dir.as_deref(), json, strict).await
        }
        ConfigVerb::Show { paths: keys, origin, json } => show::run(paths, flags, &keys, origin, json),
        ConfigVerb::Schema => {
            let text = serde_json::to_string_pretty(&json_schema());
            println(&text.map_err(|e| CliError::failed(e.to_string()))?)?;
            Ok(Exit::Ok)
        }
        ConfigVerb::Trust { list: true, .. } => trust::list(paths),
        ConfigVerb::Trust { dir, revoke: true, .. } => trust::revoke(paths, flags, dir.as_deref()),
        ConfigVerb::Trust { dir, yes, .. } => trust::run(paths, flags, dir.as_deref(), yes),
        ConfigVerb::Edit { file } => edit::run(paths, flags, file),
        ConfigVerb::Reload { json } => reload(paths, json).await,
    }
}

/// Opens a file of the configuration in the user's editor, as `config edit` does.
pub(super) fn edit_file(paths: &Paths, file: Option<std::path::PathBuf>) -> Outcome {
    edit::run(paths, &ConfigFlags::default(), file)
}

async fn reload(paths: &Paths, json: bool) -> Outcome {
    let mut client = link::connect(paths).await?;
    let text = client.reload_config(ReloadConfigRequest {}).await?.into_inner().result;
    let result: ConfigReloaded = serde_json::from_str(&text)
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
    if json {
        println(&text)?;
    } else {
        print(&String::from_utf8_lossy(&crate::config::safe(&describe(&result))))?;
    }
    Ok(if result.applied { Exit::Ok } else { Exit::Failed })
}

fn describe(result: &ConfigReloaded) -> String {
    if !result.applied {
        let errors = result.errors.join("\n  ");
        return format!("not applied, the running configuration stays in force\n  {errors}\n");
    }
    let changed = if result.changed.is_empty() {
        "nothing changed\n".to_owned()
    } else {
        format!("in force now: {}\n", result.changed.join(", "))
    };
    let restart = if result.restart_needed.is_empty() {
        String::new()
    } else {
        format!("after `llmctl daemon restart`: {}\n", result.restart_needed.join(", "))
    };
    changed + &restart
}
