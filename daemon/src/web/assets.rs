//! The page's files, compiled in. A path is a key of a table, never a file name.
//!
//! `LLMCTL_STATIC_DIR` replaces the table by a directory for work on the page: then names are checked part by
//! part and no link is followed.
//!
//! Who takes gzip gets gzip, made once for each file that is compiled in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
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
    /// Compressed files by the hash of what they hold; not more than files are compiled in.
    packed: Mutex<HashMap<[u8; 32], Bytes>>,
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
        Self { dir, packed: Mutex::default() }
    }

    /// A file of the page, or 304 when the browser has it.
    pub(super) async fn serve(&self, path: &str, headers: &HeaderMap) -> Reply {
        let Some(asset) = self.find(path).await else { return reply::not_found() };
        let packed = takes_gzip(headers);
        let etag = etag(&asset.sha256, packed);
        let mut reply = if is_known(headers, &etag) {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            let bytes = if packed { self.packed(&asset) } else { asset.into_bytes() };
            reply::bytes(StatusCode::OK, content_type(path), bytes)
        };
        let headers = reply.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        reply
    }

    /// The compressed form. The largest file takes two milliseconds, once.
    fn packed(&self, asset: &Asset) -> Bytes {
        let kept = || self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept().get(&asset.sha256) {
            return bytes.clone();
        }
        let bytes = gzip(&asset.bytes);
        // Files of a directory change, and a debug build reads them from one.
        if matches!(asset.bytes, Cow::Borrowed(_)) {
            kept().insert(asset.sha256, bytes.clone());
        }
        bytes
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

impl Asset {
    fn into_bytes(self) -> Bytes {
        match self.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default().into()
}

/// Whether gzip is among the encodings that are taken, and not with the weight zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Each encoding is a version of its own.
fn etag(sha256: &[u8; 32], packed: bool) -> String {
    let hex = sha256[..16].iter().fold(String::with_capacity(34), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("\"{hex}{}\"", if packed { "-gz" } else { "" })
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
    async fn who_takes_gzip_gets_the_same_file_smaller() {
        use http_body_util::BodyExt as _;
        let assets = Assets::default();
        let ask = async |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().expect("header"));
            let reply = assets.serve("js/main.js", &headers).await;
            let packed = reply.headers().get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
            let etag = reply.headers()[ETAG].to_str().expect("text").to_owned();
            assert_eq!(reply.headers()[VARY], "accept-encoding");
            (packed, etag, reply.into_body().collect().await.expect("body").to_bytes())
        };
        let (packed, plain_tag, plain) = ask("br, gzip;q=0").await;
        assert!(!packed);
        for accepted in ["gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.8"] {
            let (packed, tag, small) = ask(accepted).await;
            assert!(
                packed && tag != plain_tag && small.len() * 2 < plain.len(),
                "{accepted}: {}",
                small.len()
            );
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&small[..]).read_to_end(&mut text).expect("gzip");
            assert_eq!(text, plain);
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().expect("header"));
            headers.insert(IF_NONE_MATCH, tag.parse().expect("header"));
            assert_eq!(assets.serve("js/main.js", &headers).await.status(), StatusCode::NOT_MODIFIED);
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
        let assets = Assets { dir: Some(dir), ..Assets::default() };
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
