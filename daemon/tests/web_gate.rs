//! The gate attacked: rebound names, other pages, no session, wrong codes, too much at once.

mod common;

use common::stage;

/// Every route, with a method it takes; the last column: open without a session.
const ROUTES: [(&str, &str, bool); 23] = [
    ("GET", "/", true),
    ("GET", "/auth", true),
    ("GET", "/health", true),
    ("GET", "/static/js/main.js", true),
    ("POST", "/auth", true),
    ("POST", "/logout", false),
    ("GET", "/ws", false),
    ("GET", "/metrics", false),
    ("GET", "/api/metrics", false),
    ("GET", "/api/events", false),
    ("GET", "/api/events?order=newest", false),
    ("GET", "/api/system", false),
    ("GET", "/api/config", false),
    ("GET", "/api/snapshot", false),
    ("GET", "/api/operations", false),
    ("GET", "/api/operations/exec-x", false),
    ("GET", "/api/operations/exec-x/output", false),
    ("GET", "/api/operations/exec-x/journal", false),
    ("POST", "/api/operations/exec-x/stop", false),
    ("POST", "/api/operations/exec-x/pause", false),
    ("POST", "/api/operations/stop", false),
    ("GET", "/nowhere", false),
    ("GET", "/static/../../../etc/passwd", true),
];

const HEADERS: [&str; 6] = [
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebound_name_gets_nothing_from_any_route() {
    let stage = stage().await;
    let port = stage.addr.port();
    let evil = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1:{port}.evil.example"),
        "127.0.0.1:1".to_owned(),
        format!("localhost.:{port}"),
    ];
    for (method, path, _) in ROUTES {
        for host in &evil {
            // Page and Host are both the rebound name, and the browser even shows our token.
            let lines = [format!("Host: {host}"), format!("Origin: http://{host}"), stage.bearer()];
            let answer = stage.send_raw(method, path, &lines, "").await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "host_not_allowed"),
                "{method} {path} {host}"
            );
        }
        let two = [format!("Host: {}", stage.addr), format!("Host: {}", stage.addr)];
        assert_eq!(stage.send_raw(method, path, &two, "").await.status, 400, "{method} {path}");
        assert_eq!(stage.send_raw(method, path, &[], "").await.status, 400, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_only_the_open_routes_answer() {
    let stage = stage().await;
    for (method, path, open) in ROUTES {
        let answer = stage.send(method, path, &[], "").await;
        if open {
            assert!(
                ![401, 403].contains(&answer.status) || path == "/auth",
                "{method} {path}: {}",
                answer.status
            );
        } else {
            assert_eq!((answer.status, answer.code().as_str()), (401, "session_required"), "{method} {path}");
        }
        let wrong = [format!("Cookie: {}=0000", stage.cookie_name())];
        if !open {
            assert_eq!(stage.send(method, path, &wrong, "").await.status, 401, "{method} {path}");
        }
    }
    let in_query = format!("/api/operations?token={}", stage.token());
    assert_eq!(stage.send("GET", &in_query, &[], "").await.status, 401, "a token in an address is none");
    let short = stage.send("GET", "/health", &[], "").await;
    assert!(short.body.contains("healthy") && !short.body.contains("epoch"), "{}", short.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_page_changes_nothing_and_opens_no_socket() {
    let stage = stage().await;
    let cookie = stage.sign_in().await;
    for (method, path, _) in ROUTES {
        for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"] {
            for credential in [cookie.clone(), stage.bearer(), "X-None: 1".to_owned()] {
                let lines = [format!("Origin: {origin}"), credential];
                let answer = stage.send(method, path, &lines, "").await;
                assert_eq!(answer.code(), "origin_not_allowed", "{method} {path} {origin}");
            }
        }
        if method == "POST" {
            let bare = stage.send(method, path, std::slice::from_ref(&cookie), "").await;
            assert_eq!(bare.code(), "origin_not_allowed", "a cookie without an origin: {path}");
        }
        let preflight =
            ["Origin: http://evil.example".to_owned(), "Access-Control-Request-Method: POST".to_owned()];
        let answer = stage.send("OPTIONS", path, &preflight, "").await;
        assert!(answer.header("access-control-allow-origin").is_none() && answer.status >= 400, "{path}");
    }
    let upgrade = [cookie.clone(), "Connection: Upgrade".to_owned(), "Upgrade: websocket".to_owned()];
    assert_eq!(stage.send("GET", "/ws", &upgrade, "").await.code(), "origin_not_allowed");
    let cross = [cookie, "Sec-Fetch-Site: cross-site".to_owned(), "Sec-Fetch-Mode: no-cors".to_owned()];
    assert_eq!(stage.send("GET", "/api/operations", &cross, "").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_hardened_and_json() {
    let stage = stage().await;
    for (method, path, _) in ROUTES {
        for lines in [vec![], vec![stage.bearer()], vec!["Origin: null".to_owned()]] {
            for method in [method, "DELETE"] {
                let answer = stage.send(method, path, &lines, "").await;
                for name in HEADERS {
                    assert!(answer.header(name).is_some(), "{name} of {method} {path} {}", answer.status);
                }
                let csp = answer.header("content-security-policy").unwrap_or_default();
                assert!(csp.contains("default-src 'none'") && csp.contains("trusted-types lit-html"));
                let kind = answer.header("content-type").unwrap_or_default();
                let empty = answer.body.is_empty() || answer.status == 204;
                assert!(empty || answer.status == 200 || kind.contains("json"), "{method} {path}: {kind}");
                let place = stage.paths.state.display().to_string();
                assert!(
                    !answer.body.contains(&place) && !answer.body.contains(&stage.token()),
                    "{method} {path}"
                );
            }
        }
    }
    // A caller of its own: the crawl above has used up this second's changes.
    let fresh = common::stage().await;
    let answer = fresh.send("DELETE", "/api/operations", &[fresh.bearer()], "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_and_sessions() {
    let stage = stage().await;
    let code = stage.gateway.login_code().expect("a code");
    let first = stage.redeem(&code).await;
    let cookie = first.header("set-cookie").expect("a cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"),
        "{cookie}"
    );
    assert_eq!(stage.redeem(&code).await.status, 401, "used");
    let form = [stage.origin(), "Content-Type: application/x-www-form-urlencoded".to_owned()];
    assert_eq!(stage.send("POST", "/auth", &form, "code=x").await.status, 415);
    let cookie = format!("Cookie: {}", cookie.split(';').next().expect("value"));
    assert_eq!(stage.send("GET", "/api/operations", std::slice::from_ref(&cookie), "").await.status, 200);
    assert_eq!(stage.send("POST", "/logout", &[cookie.clone(), stage.origin()], "").await.status, 204);
    assert_eq!(stage.send("GET", "/api/operations", &[cookie], "").await.status, 401);
    for _ in 0..9 {
        assert_eq!(stage.redeem("wrong").await.status, 401);
    }
    assert_eq!(stage.redeem("wrong").await.status, 429, "guessing locks");
    assert_eq!(stage.send("GET", "/api/operations", &[stage.bearer()], "").await.status, 429);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(stage.paths.token()).expect("token").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_refused() {
    let stage = stage().await;
    let json = [stage.bearer(), "Content-Type: application/json".to_owned()];
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(65 * 1024));
    let (id, _) = stage.operation().await;
    let stop = format!("/api/operations/{id}/pause");
    assert_eq!(stage.send("POST", &stop, &json, &large).await.status, 413);
    assert_eq!(stage.send("POST", &stop, &json, "[1]").await.code(), "bad_json");
    assert_eq!(stage.send("POST", &stop, &json, "{").await.code(), "bad_json");
    let long = [stage.bearer(), format!("X-Long: {}", "x".repeat(20 * 1024))];
    assert_eq!(stage.send("GET", "/api/operations", &long, "").await.status, 431);
    let mut fast = 0;
    for _ in 0..40 {
        fast += u32::from(stage.send("POST", "/logout", &[stage.bearer()], "").await.status == 429);
    }
    assert!(fast > 0, "more than 20 changes in a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_names_its_holder_and_another_address_is_refused() {
    let stage = stage().await;
    let other = stage_on_taken(&stage).await;
    assert!(other.contains(&format!("(pid {})", std::process::id())), "{other}");
    assert!(other.contains(&format!("--port {}", stage.addr.port() + 1)), "{other}");
    let again = stage.gateway.start(None, Some(stage.addr.port())).await.expect("the same");
    assert!(again.1);
    let elsewhere = stage.gateway.start(None, Some(stage.addr.port() ^ 1)).await.expect_err("it runs");
    assert!(elsewhere.to_string().contains("llmctl dashboard stop"), "{elsewhere}");
    stage.gateway.stop().await;
    let open = stage.gateway.start(Some("0.0.0.0".into()), None).await.expect_err("not loopback");
    assert!(open.to_string().contains("loopback"), "{open}");
}

async fn stage_on_taken(stage: &common::Stage) -> String {
    let second = common::stage().await;
    second.gateway.stop().await;
    let error = second.gateway.start(None, Some(stage.addr.port())).await.expect_err("taken");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_changes_nothing() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let before = stage.hub.list().await.expect("listed");
    for (method, path, _) in ROUTES.iter().filter(|(method, ..)| *method == "GET") {
        let path = path.replace("exec-x", id.as_str());
        stage.send(method, &path, &[stage.bearer()], "").await;
    }
    assert_eq!(stage.hub.list().await.expect("listed"), before);
}
