//! Planted secrets, harmless look-alikes, and the property that cutting a text changes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Characters that look random and are the same in every run; no real key stands in this file.
fn body(seed: u64, set: &[u8], length: usize) -> String {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let draw = |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        char::from(set[(x % set.len() as u64) as usize])
    };
    (0..length).map(draw).collect()
}

/// Three keys of each of 24 shapes.
fn planted_keys() -> Vec<String> {
    let shape = |n: u64| {
        let a = |length| body(n, ALNUM, length);
        let h = |length| body(n, HEX, length);
        let jwt_part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        vec![
            format!("sk-ant-{}03-{}-{}AA", ["api", "admin", "oat"][n as usize % 3], a(40), a(50)),
            format!("sk-proj-{}_{}T3BlbkFJ{}", a(40), a(33), a(74)),
            format!("sk-{}T3BlbkFJ{}", a(20), body(n + 9, ALNUM, 20)),
            format!("sk-{}", h(32)),
            format!("sk-or-v1-{}", h(64)),
            format!("AIza{}", a(35)),
            format!("{}{}", ["AKIA", "ASIA"][n as usize % 2], body(n, UPPER, 16)),
            format!("gh{}_{}", ["p", "o", "s"][n as usize % 3], a(36)),
            format!("github_pat_{}_{}", a(22), a(59)),
            format!("glpat-{}", a(20)),
            format!("hf_{}", a(34)),
            format!("pplx-{}", a(48)),
            format!("xoxb-{}-{}-{}", body(n, b"0123456789", 12), body(n, b"0123456789", 13), a(24)),
            format!("{}_live_{}", ["sk", "rk"][n as usize % 2], a(24)),
            format!("npm_{}", a(36)),
            format!("pypi-AgEIcHlwaS5vcmc{}", a(80)),
            format!(
                "{}.{}.{}",
                jwt_part("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"),
                jwt_part("{\"sub\":\"1\"}"),
                a(43)
            ),
            format!("gsk_{}", a(52)),
            format!("GOCSPX-{}", a(28)),
            format!("ya29.{}", a(60)),
            format!("r8_{}", a(37)),
            format!("SG.{}.{}", a(22), a(43)),
            format!("dop_v1_{}", h(64)),
            format!("hvs.{}", a(90)),
        ]
    };
    (1..=3).flat_map(shape).collect()
}

fn known_values() -> Vec<String> {
    let mut values: Vec<String> = (20..27).map(|n| body(n, ALNUM, 8 + n as usize)).collect();
    values.push("p@ss \"w/ord\\ é".to_owned());
    values.push("swordfish".to_owned());
    values.push(format!("Bearer {}", body(40, ALNUM, 12)));
    values
}

/// A secret as it stands in texts of all kinds.
fn contexts(key: &str) -> Vec<String> {
    let json = serde_json::Value::from(key).to_string();
    let nested = serde_json::Value::from(format!("{{\"key\":{json}}}")).to_string();
    vec![
        key.to_owned(),
        format!("the key is {key}, keep it"),
        format!("{{\"value\":{json},\"n\":1}}"),
        format!("{{\"text\":{nested}}}"),
        format!("{{\"text\":\"first\\n{}\"}}", &json[1..]),
        format!("service:\n  value: {key}\n  other: 1\n"),
        format!("value=\"{key}\"; next"),
        format!("GET /v1/models?key={key}&page=2 HTTP/1.1\r\nAccept: */*\r\n"),
        format!("Authorization: Bearer {key}\r\n"),
        format!("curl -H 'x-api-key: {key}' http://127.0.0.1"),
        format!("\u{1b}[31m{key}\u{1b}[0m"),
        format!("data: {}\n", STANDARD.encode(key)),
        format!("kind: Secret\ndata:\n  key: {}\n", STANDARD.encode(format!("{key}\n"))),
    ]
}

fn split_at(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut stream, mut out, mut from) = (redactor.stream(), Vec::new(), 0);
    for &cut in cuts {
        stream.push(&text[from..cut], &mut out);
        assert!(stream.held() <= 4_096, "{} bytes held", stream.held());
        from = cut;
    }
    stream.push(&text[from..], &mut out);
    stream.finish(&mut out);
    out
}

/// The redacted text, after the check that every single cut and byte by byte give the same.
fn redact_every_way(redactor: &Redactor, text: &str) -> String {
    let whole = redactor.redact(text.as_bytes()).into_owned();
    for cut in 0..=text.len() {
        assert_eq!(split_at(redactor, text.as_bytes(), &[cut]), whole, "cut at {cut}: {text}");
    }
    let all: Vec<usize> = (0..text.len()).collect();
    assert_eq!(split_at(redactor, text.as_bytes(), &all), whole, "byte by byte: {text}");
    String::from_utf8(whole).expect("redaction keeps text valid")
}

/// Whether eight bytes of the secret, or of one of its encoded forms, are left.
fn leaks(redacted: &str, key: &str) -> bool {
    let encoded = STANDARD.encode(key);
    let tail = &key.as_bytes()[key.len().saturating_sub(8)..];
    redacted.contains(key)
        || redacted.contains(&encoded[..encoded.len() - 4])
        || memchr::memmem::find(redacted.as_bytes(), tail).is_some()
}

#[test]
fn planted_keys_are_found_in_every_context_however_cut() {
    let redactor = Redactor::default();
    let keys = planted_keys();
    assert!(keys.len() >= 60);
    for key in keys {
        for text in contexts(&key) {
            let redacted = redact_every_way(&redactor, &text);
            assert!(redacted.contains("[redacted:"), "{text} -> {redacted}");
            assert!(!leaks(&redacted, &key), "{text} -> {redacted}");
        }
    }
}

#[test]
fn known_values_are_found_in_every_context_however_cut() {
    let values = known_values();
    let redactor = Redactor::new(values.clone());
    for value in values {
        let encoded: String = value
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect();
        for text in contexts(&value).into_iter().chain([format!("GET /x?v={encoded}&w=1")]) {
            let redacted = redact_every_way(&redactor, &text);
            assert!(redacted.contains("[redacted:"), "{text} -> {redacted}");
            assert!(!leaks(&redacted, &value) && !redacted.contains(&encoded), "{text} -> {redacted}");
        }
    }
}

#[test]
fn the_surroundings_stay_readable() {
    let redactor = Redactor::new(["swordfish".to_owned()]);
    let key = format!("sk-ant-api03-{}", body(1, ALNUM, 90));
    let cases = [
        (format!("key {key} ok"), "key [redacted:anthropic-key] ok".to_owned()),
        (
            format!("Authorization: Bearer {key}\r\nHost: a"),
            "Authorization: Bearer [redacted:authorization-header]\r\nHost: a".into(),
        ),
        ("postgres://app:s3cr3t@db:5432/x".into(), "postgres://[redacted:url-password]@db:5432/x".into()),
        ("password: hunter22!\nnext".into(), "password: [redacted:password]\nnext".into()),
        (
            format!("CLIENT_SECRET='{}'", body(2, ALNUM, 24)),
            "CLIENT_SECRET='[redacted:assigned-secret]'".into(),
        ),
        ("say swordfish.".into(), "say [redacted:known].".into()),
        (
            format!("tool --api-key {} go", body(3, ALNUM, 24)),
            "tool --api-key [redacted:assigned-secret] go".into(),
        ),
    ];
    for (text, want) in cases {
        assert_eq!(redact_every_way(&redactor, &text), want);
    }
}

fn pem(lines: u64) -> String {
    let lines: String = (0..lines).map(|n| body(n + 50, ALNUM, 64) + "\n").collect();
    format!("-----BEGIN RSA PRIVATE KEY-----\n{lines}{}\n-----END RSA PRIVATE KEY-----", body(3, ALNUM, 20))
}

#[test]
fn private_keys_of_any_length_go_whole() {
    let redactor = Redactor::default();
    for lines in [1, 3, 25] {
        let key = pem(lines);
        let text = format!("a\n{key}\nb");
        assert_eq!(redact_every_way(&redactor, &text), "a\n[redacted:private-key]\nb");
        let json = serde_json::json!({ "pem": key, "n": 1 }).to_string();
        assert_eq!(redact_every_way(&redactor, &json), "{\"n\":1,\"pem\":\"[redacted:private-key]\"}");
        let encoded = format!("tls.key: {}\n", STANDARD.encode(&key));
        assert_eq!(redact_every_way(&redactor, &encoded), "tls.key: [redacted:private-key]\n");
    }
}

#[test]
fn a_begin_line_without_a_key_is_text_and_a_cut_off_key_ends_where_prose_begins() {
    let redactor = Redactor::default();
    let prose = format!("look for -----BEGIN PRIVATE KEY----- in it. {}", "More words follow. ".repeat(60));
    assert_eq!(redact_every_way(&redactor, &prose), prose);
    let key = pem(4);
    let cut = format!("{}\n{}", &key[..200], "é more words. ".repeat(80));
    let redacted = redact_every_way(&redactor, &cut);
    assert!(redacted.starts_with("[redacted:private-key]") && redacted.ends_with("more words. "));
    assert!(redacted.len() > 400 && !redacted.contains(&key[60..76]));
}

#[test]
fn a_secret_longer_than_the_lookahead_goes_to_its_end() {
    let redactor = Redactor::default();
    let jwt = format!("eyJ{}.eyJ{}.{}", body(1, ALNUM, 40), body(2, ALNUM, 20_000), body(3, ALNUM, 40));
    let text = format!("t={jwt} end");
    let want = b"t=[redacted:jwt] end".to_vec();
    assert_eq!(redactor.redact(text.as_bytes()), want);
    for size in [1, 7, 4_095, 16_384] {
        let cuts: Vec<usize> = (1..text.len()).filter(|n| n % size == 0).collect();
        assert_eq!(split_at(&redactor, text.as_bytes(), &cuts), want);
    }
}

#[test]
fn long_known_values_go_in_all_pieces() {
    let value = body(5, ALNUM, 9_000);
    let redactor = Redactor::new([value.clone()]);
    let text = format!("a {value} b {} c", STANDARD.encode(&value));
    let whole = redactor.redact_str(&text).into_owned();
    assert!(whole.len() < 300 && whole.ends_with(" c"), "{whole}");
    let cuts: Vec<usize> = (1..text.len()).filter(|n| n % 100 == 0).collect();
    assert_eq!(split_at(&redactor, text.as_bytes(), &cuts), whole.as_bytes());
}

#[test]
fn a_known_value_is_never_cut_in_two_by_a_shape() {
    let value = format!("{}$tail,of:it", body(6, ALNUM, 20));
    let redactor = Redactor::new([value.clone(), "Bearer zzz-long-header".to_owned()]);
    let redacted = redact_every_way(&redactor, &format!("token={value} x"));
    assert_eq!(redacted, "token=[redacted:assigned-secret] x");
    let redacted = redact_every_way(&redactor, "Authorization: Bearer zzz-long-header x");
    assert_eq!(redacted, "Authorization: [redacted:known] x");
}

#[test]
fn look_alikes_stay() {
    let redactor = Redactor::default();
    for line in include_str!("look_alikes.txt").lines() {
        assert_eq!(redactor.redact_str(line), line);
        assert!(matches!(redactor.redact_str(line), Cow::Borrowed(_)));
    }
}

#[test]
fn ordinary_text_is_not_held() {
    let redactor = Redactor::new(["zebra-crossing".to_owned()]);
    for word in ["Hello", "the answer is 42.", "a line\n", "{\"delta\":\"word\"}", "token count: 12 "] {
        let (mut stream, mut out) = (redactor.stream(), Vec::new());
        stream.push(word.as_bytes(), &mut out);
        assert_eq!(stream.held(), 0, "{word}");
        assert_eq!(out, word.as_bytes());
    }
    let (mut stream, mut out) = (redactor.stream(), Vec::new());
    stream.push(b"in the ze", &mut out);
    assert_eq!(out, b"in the ");
    stream.push(b"al.", &mut out);
    assert_eq!((out.as_slice(), stream.held()), (&b"in the zeal."[..], 0));
}

#[test]
fn nothing_shows_a_value_and_a_clone_is_cheap() {
    let redactor = Redactor::new(["swordfish".to_owned()]);
    let clone = redactor.clone();
    assert!(Arc::ptr_eq(&redactor.0, &clone.0));
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    stream.push(b"swordfis", &mut out);
    assert!(!format!("{redactor:?}").contains("sword"));
    assert!(out.is_empty());
}

#[test]
fn redacting_twice_changes_nothing_more() {
    let redactor = Redactor::new(known_values());
    for key in planted_keys().iter().chain(&known_values()) {
        for text in contexts(key) {
            let once = redactor.redact_str(&text).into_owned();
            assert_eq!(redactor.redact_str(&once), once);
        }
    }
}

/// Fragments that meet one another in texts: keywords, whole keys, known values, separators, words.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let keys = planted_keys();
    let pick = prop::sample::select(
        [
            "sk-",
            "sk-ant-",
            "eyJ",
            "token",
            "=",
            ": ",
            "\"",
            "\\n",
            "://",
            "@",
            ":",
            ".",
            "-----BEGIN",
            " PRIVATE KEY",
            "-----",
            "-----END",
            "Authorization",
            "Bearer ",
            "password",
            "--api-key",
            " ",
            "\n",
            "abc123DEF456ghi",
            "c2st",
            "swordfish",
            "sword",
            "LS0tLS1CRUdJTi",
            "é",
            "%3D",
            "\u{1b}[1m",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
        ]
        .map(|s| s.as_bytes().to_vec())
        .to_vec(),
    );
    prop_oneof![
        6 => pick,
        2 => prop::sample::select(keys).prop_map(String::into_bytes),
        1 => prop::sample::select(known_values()).prop_map(|v| STANDARD.encode(v).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cutting_changes_nothing(
        parts in prop::collection::vec(fragment(), 0..24),
        marks in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let redactor = Redactor::new(known_values());
        let text = parts.concat();
        let mut cuts: Vec<usize> = marks.iter().map(|m| m.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = redactor.redact(&text).into_owned();
        prop_assert_eq!(&split_at(&redactor, &text, &cuts), &whole);
        let all: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&split_at(&redactor, &text, &all), &whole);
    }

    #[test]
    fn text_stays_text(parts in prop::collection::vec("\\PC{0,20}|-----BEGIN PRIVATE KEY-----|token=|://a:é@", 0..12)) {
        let redactor = Redactor::default();
        let text = parts.concat();
        prop_assert!(std::str::from_utf8(&redactor.redact(text.as_bytes())).is_ok());
    }
}
