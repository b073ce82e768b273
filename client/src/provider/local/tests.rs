use super::*;
use crate::provider::fixture::{Fixture, reply};

fn at(name: &str, address: SocketAddr, ask: Ask) -> Target {
    target(name, address, ask)
}

fn json(body: &str) -> Vec<u8> {
    reply("200 OK", &[("content-type", "application/json")], body)
}

#[tokio::test]
async fn every_place_gives_its_server_or_its_reason() {
    let ollama =
        Fixture::serve(json(r#"{"models":[{"name":"llama3:8b"},{"name":"nomic-embed-text:latest"}]}"#)).await;
    let llama = Fixture::serve(json(
        r#"{"object":"list","data":[{"id":"smollm2","object":"model","owned_by":"llamacpp"}],"models":[]}"#,
    ))
    .await;
    let studio = Fixture::serve(json(r#"{"data":[{"id":"qwen","object":"model"}]}"#)).await;
    let empty = Fixture::serve(json(r#"{"object":"list","data":[]}"#)).await;
    let page = Fixture::serve(reply("200 OK", &[("content-type", "text/html")], "<html>dashboard")).await;
    let other = Fixture::serve(json(r#"{"data":[{"id":7}],"object":"list"}"#)).await;
    let data = Fixture::serve(json(r#"{"data":[{"id":"user-1"}]}"#)).await;
    let closed = Fixture::serve(reply("401 Unauthorized", &[], "")).await;
    let away = Fixture::serve(reply("302 Found", &[("location", "http://192.0.2.1/")], "")).await;
    let banner = Fixture::serve(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await;
    let huge =
        Fixture::serve(json(&format!("{{\"object\":\"list\",\"data\":[{}\"", " ".repeat(BODY_BYTES)))).await;
    let gone = Fixture::refused().await;
    let targets = [
        at("ollama", ollama.address, Ask::Tags),
        at("llama.cpp/localai/llamafile", llama.address, Ask::Models),
        at("lm-studio", studio.address, Ask::Models),
        at("empty", empty.address, Ask::Models),
        at("page", page.address, Ask::Models),
        at("other", other.address, Ask::Models),
        at("data", data.address, Ask::Models),
        at("closed", closed.address, Ask::Models),
        at("away", away.address, Ask::Models),
        at("banner", banner.address, Ask::Models),
        at("huge", huge.address, Ask::Models),
        at("gone", gone, Ask::Models),
    ];
    // Nobody here keeps us waiting, so a generous deadline costs nothing.
    let probes = probe_all(&targets, Duration::from_mins(1)).await;
    let found = |index: usize| probes[index].result.clone().expect("a server");
    assert_eq!(
        found(0),
        LocalServer {
            name: "ollama".into(),
            base_url: format!("http://{}", ollama.address),
            api: Api::Ollama,
            models: vec!["llama3:8b".into()],
        }
    );
    assert_eq!((found(1).name.as_str(), found(1).api), ("llama.cpp", Api::Chat));
    assert_eq!(found(1).base_url, format!("http://{}/v1", llama.address));
    assert_eq!(found(2).name, "lm-studio");
    let reasons: Vec<_> = probes[3..].iter().map(|probe| probe.result.clone().expect_err("none")).collect();
    use WhyNot::{AsksForKey, NoModel, NotAModelServer, Refused};
    assert_eq!(
        reasons,
        [
            NoModel,
            NotAModelServer,
            NotAModelServer,
            NotAModelServer,
            AsksForKey,
            NotAModelServer,
            NotAModelServer,
            NotAModelServer,
            Refused,
        ]
    );
    assert!(ollama.request().await.starts_with("GET /api/tags HTTP/1.1\r\n"));
    assert!(llama.request().await.starts_with("GET /v1/models HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_silent_place_costs_the_deadline_and_no_more() {
    let silent = Fixture::stall(Vec::new()).await;
    let targets = [at("a", silent.address, Ask::Tags), at("b", silent.address, Ask::Models)];
    let probes = probe_all(&targets, Duration::from_millis(50)).await;
    assert!(probes.iter().all(|probe| probe.result == Err(WhyNot::Timeout)));
    silent.client_gone().await;
}

#[test]
fn ollama_host_is_honoured_on_this_machine_only() {
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1:11434"),
        ("0.0.0.0", "127.0.0.1:11434"),
        ("0.0.0.0:9", "127.0.0.1:9"),
        (":9", "127.0.0.1:9"),
        ("localhost:9", "127.0.0.1:9"),
        ("http://localhost:9/", "127.0.0.1:9"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("[::1]:9", "[::1]:9"),
        ("[::1]", "[::1]:11434"),
        ("::1", "[::1]:11434"),
        ("::", "127.0.0.1:11434"),
    ] {
        assert_eq!(ollama_address(host), address.parse().ok(), "{host}");
    }
    for host in
        ["192.168.1.5", "example.org:11434", "https://127.0.0.1", "127.0.0.1:x", "127.0.0.1.example.org"]
    {
        assert_eq!(ollama_address(host), None, "{host}");
    }
}

#[test]
fn a_foreign_ollama_is_a_reason_and_the_others_are_asked() {
    let (why, rest) = targets(&|_| Some("192.168.1.5".into())).expect_err("not local");
    assert_eq!((why, rest.len()), (WhyNot::NotLocal, USUAL.len()));
    let all = targets(&|_| Some("  ".into())).expect("usual");
    assert_eq!((all[0].ask, all[0].address.port()), (Ask::Tags, 11434));
    assert!(all.iter().all(|target| target.address.ip().is_loopback()));
    let mut ports: Vec<u16> = all.iter().map(|target| target.address.port()).collect();
    ports.dedup();
    assert_eq!(ports, [11434, 1234, 8080, 8000, 1337, 4891, 5001, 5000]);
}

#[test]
fn names_of_models_are_bounded() {
    let long = "x".repeat(MODEL_BYTES + 1);
    let mut data: Vec<Value> = (0..1000).map(|n| serde_json::json!({"id": format!("m{n}")})).collect();
    data.insert(0, serde_json::json!({"id": long}));
    data.insert(0, serde_json::json!({"id": "bad\u{1b}[31m"}));
    let value = serde_json::json!({"object": "list", "data": data});
    let found = server(&at("vllm", loopback(1), Ask::Models), &value).expect("a server");
    assert_eq!((found.models.len(), found.models[0].as_str()), (MAX_MODELS, "m0"));
}
