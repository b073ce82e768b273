//! The embedded file is what the converter makes of the crate's data.
//!
//! After a new version of the crate: `cargo test -p llmctl-tests --test prices -- --ignored regenerate`.

use std::path::{Path, PathBuf};
use std::process::Command;

use llmctl_proto::price::import;

const CRATE: &str = "genai-prices";

/// The crate's directory and version, as cargo unpacked it.
pub(crate) fn crate_source() -> (PathBuf, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // Crates of other platforms were never fetched on a machine that has only built, so they are left out.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &host()])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = told["packages"].as_array().expect("packages");
    let found = packages.iter().find(|package| package["name"] == CRATE).expect("it is a dependency");
    let manifest = Path::new(found["manifest_path"].as_str().expect("a path"));
    let version = found["version"].as_str().expect("a version").to_owned();
    (manifest.parent().expect("a directory").to_owned(), version)
}

/// The triple that rustc builds for when nothing else is asked.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let told = String::from_utf8_lossy(&output.stdout);
    told.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc tells its host").to_owned()
}

fn converted() -> String {
    let (source, version) = crate_source();
    let bytes = std::fs::read(source.join("data/prices.json")).expect("the crate has its data");
    import::convert(&bytes, &format!("{CRATE} {version}")).expect("the crate's data is valid")
}

fn embedded_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/data/genai-prices.txt")
}

#[test]
fn the_embedded_file_is_the_converted_source() {
    let file = std::fs::read_to_string(embedded_file()).expect("it is in the repository");
    assert!(file == converted(), "run the ignored test `regenerate`");
    let (source, _) = crate_source();
    let theirs = std::fs::read_to_string(source.join("LICENSE")).expect("the crate has its licence");
    let ours = std::fs::read_to_string(embedded_file().with_file_name("genai-prices.LICENSE"));
    assert_eq!(ours.expect("it is kept beside the data"), theirs);
}

#[test]
#[ignore = "writes the embedded file"]
fn regenerate() {
    let (source, _) = crate_source();
    std::fs::write(embedded_file(), converted()).expect("the repository is writable");
    std::fs::copy(source.join("LICENSE"), embedded_file().with_file_name("genai-prices.LICENSE"))
        .expect("the repository is writable");
}
