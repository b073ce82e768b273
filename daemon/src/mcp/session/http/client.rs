//! One HTTP request after another to one address.
//!
//! Owns connections (kept for a minute, two at most when idle) and TLS, whose roots are the system's. Never follows
//! a redirect, never retries a request that was sent, never shows a header.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::super::error::{OpenError, SessionError};
use super::super::setup::HttpTarget;

/// Longest wait for a TCP connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;

enum Kind {
    Plain(Pool<HttpConnector, Full<Bytes>>),
    Tls(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A client of one address.
pub(super) struct Client {
    kind: Kind,
    uri: Uri,
    headers: HeaderMap,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) async fn new(target: &HttpTarget) -> Result<Self, OpenError> {
        let wrong = |why: String| OpenError::Connect { message: format!("{}: {why}", target.url) };
        let uri: Uri = target.url.parse().map_err(|_| wrong("is no address".to_owned()))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let mut pool = Pool::builder(TokioExecutor::new());
        pool.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(2);
        pool.http1_max_buf_size(MAX_HEAD);
        let kind = match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Kind::Plain(pool.build(tcp)),
            (Some("https"), Some(_)) => {
                // Reading the system's certificates blocks for some milliseconds.
                let roots = tokio::task::spawn_blocking(|| HttpsConnectorBuilder::new().with_native_roots());
                let roots = roots.await.map_err(|error| wrong(error.to_string()))?;
                let roots = roots.map_err(|error| wrong(format!("no certificates: {error}")))?;
                Kind::Tls(pool.build(roots.https_only().enable_http1().wrap_connector(tcp)))
            }
            _ => return Err(wrong("is no http or https address".to_owned())),
        };
        Ok(Self { kind, headers: headers(target)?, uri })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        method: Method,
        body: Vec<u8>,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, SessionError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        // What the protocol says comes last: configuration cannot change it.
        *request.headers_mut() = self.headers.clone();
        for (name, value) in &headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let answer = match &self.kind {
            Kind::Plain(pool) => pool.request(request),
            Kind::Tls(pool) => pool.request(request),
        };
        answer.await.map_err(|error| SessionError::Connect { message: self.causes(&error) })
    }

    fn causes(&self, error: &dyn Error) -> String {
        let host = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut text = format!("no answer from {host}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

fn headers(target: &HttpTarget) -> Result<HeaderMap, OpenError> {
    let mut map = HeaderMap::new();
    map.insert(header::USER_AGENT, HeaderValue::from_static(concat!("llmctl/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &target.headers {
        let wrong = |what: &str| OpenError::Connect { message: format!("the header {name:?} has {what}") };
        let known = HeaderName::try_from(name.as_str()).map_err(|_| wrong("an invalid name"))?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong("an invalid value"))?;
        value.set_sensitive(true);
        map.insert(known, value);
    }
    Ok(map)
}
