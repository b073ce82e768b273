//! The page's files, compiled in. A path is a key of a table, never a file name.
//!
//! `LLMCTL_STATIC_DIR` replaces the table by a directory for work on the page: then names are checked part by
//! part and no link is followed.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::files::{blocking, open_below};
use super::reply::{self, Reply};

/// Largest file that is served from a directory.
const MAX_FILE: u64 = 8 * 1024 * 1024;

#[derive(RustEmbed)]
#[folder = "../static"]
struct Embedded;

/// Where the page's files are.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    /// Instead of those compiled in.
    dir: Option<PathBuf>,
}

struct Asset {
    bytes: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

impl Assets {
    /// The files compiled in, unless the environment names a directory.
    pub(crate) fn from_env() -> Self {
        let dir = std::env::var_os("LLMCTL_STATIC_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        if let Some(dir) = &dir {
            tracing::warn!(path = %dir.display(), "the page is served from a directory (LLMCTL_STATIC_DIR)");
        }
        Self { dir }
    }

    /// A file of the page, or 304 when the browser has it.
    pub(super) async fn serve(&self, path: &str, headers: &HeaderMap) -> Reply {
        let Some(asset) = self.find(path).await else { return reply::not_found() };
        let etag = etag(&asset.sha256);
        let mut reply = if is_known(headers, &etag) {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            let bytes = match asset.bytes {
                Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
                Cow::Owned(bytes) => bytes.into(),
            };
            reply::bytes(StatusCode::OK, content_type(path), bytes)
        };
        let headers = reply.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        reply
    }

    async fn find(&self, path: &str) -> Option<Asset> {
        if let Some(dir) = &self.dir {
            let (dir, path) = (dir.clone(), path.to_owned());
            return blocking(move || {
                let names: Vec<&OsStr> = path.split('/').map(OsStr::new).collect();
                let mut bytes = Vec::new();
                open_below(&dir, &names)?.take(MAX_FILE).read_to_end(&mut bytes)?;
                Ok(Asset { sha256: Sha256::digest(&bytes).into(), bytes: bytes.into() })
            })
            .await
            .ok();
        }
        // Debug builds read the folder: only names that the table itself lists are looked up.
        let file = Embedded::iter().any(|known| known == path).then(|| Embedded::get(path)).flatten()?;
        Some(Asset { sha256: file.metadata.sha256_hash(), bytes: file.data })
    }
}

fn etag(sha256: &[u8; 32]) -> String {
    let hex = sha256[..16].iter().fold(String::with_capacity(34), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("\"{hex}\"")
}

/// Whether a browser already has this version: one of a list, marked weak or not.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn known_versions_are_not_sent_again() {
        let assets = Assets::default();
        let first = assets.serve("index.html", &HeaderMap::new()).await;
        assert_eq!(
            (first.status(), &first.headers()[CACHE_CONTROL]),
            (StatusCode::OK, &"no-cache".parse().expect("h"))
        );
        let etag = first.headers()[ETAG].to_str().expect("text").to_owned();
        for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, known.parse().expect("header"));
            assert_eq!(
                assets.serve("index.html", &headers).await.status(),
                StatusCode::NOT_MODIFIED,
                "{known}"
            );
        }
    }

    #[tokio::test]
    async fn a_directory_serves_what_is_in_it_and_nothing_else() {
        let root = tempfile::tempdir().expect("tempdir");
        let dir = root.path().join("static");
        std::fs::create_dir_all(dir.join("js")).expect("made");
        std::fs::write(dir.join("js/main.js"), "one").expect("written");
        std::fs::write(root.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink(root.path().join("secret"), dir.join("link.js")).expect("linked");
        std::os::unix::fs::symlink(root.path(), dir.join("up")).expect("linked");
        let assets = Assets { dir: Some(dir) };
        let status = async |path: &str| assets.serve(path, &HeaderMap::new()).await.status().as_u16();
        assert_eq!(status("js/main.js").await, 200);
        for bad in [
            "../secret",
            "js/../../secret",
            "link.js",
            "up/secret",
            "/etc/passwd",
            "js",
            "js/",
            "",
            "js//main.js",
            "..%2fsecret",
            "js/./main.js",
            "main.js\0",
            "..\\secret",
        ] {
            assert_eq!(status(bad).await, 404, "{bad:?}");
        }
    }
}
