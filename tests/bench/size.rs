//! Size of the binaries that ship.

use llmctl_tests::sandbox::binary;

use crate::Bench;
use crate::table::{Row, mb};

/// Bytes a binary may have.
const LIMIT: f64 = 15e6;

pub(crate) fn measure(_bench: &Bench) -> Vec<Row> {
    ["llmctl", "llmctld"].map(row).into()
}

fn row(name: &str) -> Row {
    let figure = format!("size of {name}");
    match std::fs::metadata(binary(name)) {
        Ok(meta) => {
            let bytes = meta.len() as f64;
            Row::number(&figure, mb(bytes), "≤ 15 MB", Some(bytes <= LIMIT))
        }
        Err(error) => Row::failed(&figure, error),
    }
}
