//! The gate: one pure decision before any routing, for HTTP and WebSocket alike.
//!
//! The Host list is what stops a rebound name, the Origin list what stops another page, the session what stops
//! everybody else. An absent Origin is not trust.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode, Uri};

/// Names under which one gateway may be addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Name of the session's cookie; two daemons on two ports do not mix theirs up.
    pub(super) cookie: String,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) text: &'static str,
}

const fn refusal(status: StatusCode, code: &'static str, text: &'static str) -> Refusal {
    Refusal { status, code, text }
}

/// What a request shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown<'a> {
    pub(super) bearer: Option<&'a str>,
    pub(super) cookies: Vec<&'a str>,
    pub(super) origin: bool,
}

impl Allowed {
    pub(super) fn of(addr: SocketAddr) -> Self {
        let port = addr.port();
        let mut hosts = vec![addr.to_string(), format!("localhost:{port}")];
        if port == 80 {
            hosts.extend([addr.ip().to_string(), "localhost".to_owned()]);
        }
        let origins = hosts.iter().map(|host| format!("http://{host}")).collect();
        let cookie = if port == super::DEFAULT_PORT {
            "llmctl_session".to_owned()
        } else {
            format!("llmctl_session_{port}")
        };
        Self { hosts, origins, cookie }
    }

    /// Checks Host, Origin and fetch metadata, and takes out what the request shows.
    pub(super) fn check<'a>(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &'a HeaderMap,
        open_route: bool,
    ) -> Result<Shown<'a>, Refusal> {
        self.check_host(uri, headers)?;
        let origin = self.check_origin(headers)?;
        check_fetch_site(method, headers, open_route)?;
        Ok(Shown { bearer: bearer(headers), cookies: self.cookies(headers), origin })
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let bad =
            refusal(StatusCode::BAD_REQUEST, "bad_request", "The request must have exactly one Host header.");
        let not_allowed = refusal(
            StatusCode::FORBIDDEN,
            "host_not_allowed",
            "This address is not one the dashboard listens on.",
        );
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(bad) };
        let host = host.to_str().map_err(|_| bad)?.to_ascii_lowercase();
        // An absolute target carries a second host; both have to be ours.
        let target = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        let ours = |name: &String| self.hosts.contains(name);
        if ours(&host) && target.as_ref().is_none_or(ours) { Ok(()) } else { Err(not_allowed) }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<bool, Refusal> {
        let not_allowed = refusal(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "Another page may not talk to the dashboard.",
        );
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(false),
            (Some(origin), None) => {
                let origin = origin.to_str().map_err(|_| not_allowed)?.to_ascii_lowercase();
                if self.origins.contains(&origin) { Ok(true) } else { Err(not_allowed) }
            }
            _ => Err(not_allowed),
        }
    }

    fn cookies<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie)
            .map(|(_, value)| value)
            .take(4)
            .collect()
    }
}

/// With a cookie, whatever changes something and every upgrade needs a right Origin.
pub(super) fn require_origin(shown: &Shown<'_>, method: &Method, upgrade: bool) -> Result<(), Refusal> {
    let reads = matches!(*method, Method::GET | Method::HEAD) && !upgrade;
    if shown.bearer.is_some() || shown.origin || reads {
        return Ok(());
    }
    Err(refusal(StatusCode::FORBIDDEN, "origin_not_allowed", "A request of a browser must name its origin."))
}

fn check_fetch_site(method: &Method, headers: &HeaderMap, open_route: bool) -> Result<(), Refusal> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(site) = value("sec-fetch-site") else { return Ok(()) };
    // A frame navigates too; only a whole tab may come from elsewhere.
    let navigates = *method == Method::GET
        && value("sec-fetch-mode") == Some("navigate")
        && value("sec-fetch-dest").is_none_or(|dest| dest == "document");
    if matches!(site, "same-origin" | "none") || (open_route && navigates) {
        return Ok(());
    }
    Err(refusal(StatusCode::FORBIDDEN, "origin_not_allowed", "Another page may not talk to the dashboard."))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        method: &str,
        uri: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<bool, &'static str> {
        let allowed = Allowed::of("127.0.0.1:8080".parse().expect("address"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("header"));
        }
        let method: Method = method.parse().expect("method");
        let uri: Uri = uri.parse().expect("uri");
        let open = uri.path() == "/";
        allowed.check(&method, &uri, &map, open).map(|shown| shown.origin).map_err(|refusal| refusal.code)
    }

    #[test]
    fn hosts_are_compared_whole() {
        for good in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            let headers = [("host", good)];
            assert_eq!(check("GET", "/", &headers), Ok(false), "{good}");
        }
        for evil in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "127.0.0.1:80",
            "127.0.0.1",
            "127.1:8080",
            "0x7f000001:8080",
            "localhost.:8080",
            "127.0.0.1:8080.evil.example",
            "",
        ] {
            let headers = [("host", evil)];
            assert_eq!(check("GET", "/", &headers), Err("host_not_allowed"), "{evil}");
        }
        assert_eq!(check("GET", "/", &[]), Err("bad_request"));
        let two = [("host", "127.0.0.1:8080"), ("host", "127.0.0.1:8080")];
        assert_eq!(check("GET", "/", &two), Err("bad_request"));
        let absolute = check("GET", "http://evil.example/", &[("host", "127.0.0.1:8080")]);
        assert_eq!(absolute, Err("host_not_allowed"));
    }

    #[test]
    fn origins_are_compared_whole() {
        let with =
            |origin: &'static str| check("POST", "/api/x", &[("host", "127.0.0.1:8080"), ("origin", origin)]);
        assert_eq!(with("http://127.0.0.1:8080"), Ok(true));
        assert_eq!(with("http://localhost:8080"), Ok(true));
        for evil in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:8080.evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8081",
            "",
        ] {
            assert_eq!(with(evil), Err("origin_not_allowed"), "{evil}");
        }
    }

    #[test]
    fn other_sites_may_only_navigate_to_open_routes() {
        let host = ("host", "127.0.0.1:8080");
        let from =
            |uri, site, mode| check("GET", uri, &[host, ("sec-fetch-site", site), ("sec-fetch-mode", mode)]);
        assert!(from("/", "cross-site", "navigate").is_ok());
        assert!(from("/", "cross-site", "no-cors").is_err());
        assert!(from("/api/x", "cross-site", "navigate").is_err());
        assert!(from("/api/x", "same-site", "cors").is_err());
        assert!(from("/api/x", "same-origin", "cors").is_ok());
    }

    #[test]
    fn a_cookie_alone_changes_nothing() {
        let shown = |bearer, origin| Shown { bearer, cookies: vec!["c"], origin };
        assert!(require_origin(&shown(None, false), &Method::POST, false).is_err());
        assert!(require_origin(&shown(None, false), &Method::GET, true).is_err());
        assert!(require_origin(&shown(None, false), &Method::GET, false).is_ok());
        assert!(require_origin(&shown(None, true), &Method::POST, false).is_ok());
        assert!(require_origin(&shown(Some("t"), false), &Method::POST, false).is_ok());
    }
}
