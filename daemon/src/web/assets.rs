//! The page's files, compiled in. A path is a key of a table, never a file name.

use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::reply::{self, Reply};

#[derive(RustEmbed)]
#[folder = "../static"]
struct Files;

/// A file of the page, or 304 when the browser has it.
pub(super) fn serve(path: &str, headers: &HeaderMap) -> Reply {
    let Some(file) = find(path) else { return reply::not_found() };
    let etag = etag(&file);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(etag.as_str());
    let mut reply = if known {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes(StatusCode::OK, content_type(path), file.data.into_owned())
    };
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    reply
}

fn find(path: &str) -> Option<EmbeddedFile> {
    // Debug builds read the folder: only names that the table itself lists are looked up.
    Files::iter().any(|known| known == path).then(|| Files::get(path)).flatten()
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let half = u128::from_be_bytes(std::array::from_fn(|at| hash[at]));
    format!("\"{half:032x}\"")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}
