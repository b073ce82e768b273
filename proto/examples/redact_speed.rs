//! Measures redaction: `cargo run --release -p llmctl-proto --example redact_speed [FILE…]`.
//!
//! Prints the throughput over the files (or made-up log text), the time for a clean line, the time to build a
//! redactor, and which lines of the files were touched. It is a measurement, not a test: it never fails.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use llmctl_proto::redact::Redactor;

const LINE: &str =
    "2026-01-12T08:15:30.123Z INFO operation finished duration_ms=1834 output=512 model=fast-3 ok";

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<Vec<u8>> = files.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    let known = |count| (0..count).map(|n| format!("{n}-value-{}", "x7Kq9".repeat(4)));
    for count in [0, 5, 40] {
        let started = Instant::now();
        for _ in 0..20 {
            black_box(Redactor::new(known(count)));
        }
        println!("build with {count} known values: {:?}", started.elapsed() / 20);
    }
    let redactor = Redactor::new(known(40));

    let mut text: Vec<u8> = texts.iter().flatten().copied().collect();
    if text.is_empty() {
        text = (0..20_000)
            .flat_map(|n| {
                format!("{LINE} {n}\n{{\"usage\":{{\"output_tokens\":{n}}},\"url\":\"https://a.b/{n}\"}}\n")
                    .into_bytes()
            })
            .collect();
    }
    report("whole text", text.len(), || redactor.redact(&text).len());
    for size in [64, 4_096, 16_384] {
        report(&format!("stream, pieces of {size}"), text.len(), || {
            let (mut stream, mut out, mut bytes) = (redactor.stream(), Vec::new(), 0);
            for piece in text.chunks(size) {
                stream.push(piece, &mut out);
                bytes += out.len();
                out.clear();
            }
            stream.finish(&mut out);
            bytes + out.len()
        });
    }
    let took = best(|| (0..1_000).map(|_| redactor.redact_str(black_box(LINE)).len()).sum());
    println!("clean line of {} bytes: {:?}", LINE.len(), took / 1_000);
    touched(&redactor, &files, &texts);
}

fn best(mut run: impl FnMut() -> usize) -> Duration {
    let times = (0..7).map(|_| {
        let started = Instant::now();
        black_box(run());
        started.elapsed()
    });
    times.min().unwrap_or_default()
}

fn report(what: &str, bytes: usize, run: impl FnMut() -> usize) {
    let took = best(run);
    println!("{what}: {bytes} bytes in {took:?}, {:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
}

fn touched(redactor: &Redactor, files: &[String], texts: &[Vec<u8>]) {
    let (mut lines, mut changed) = (0_u64, 0_u64);
    for (path, text) in files.iter().zip(texts) {
        for (n, line) in text.split(|&b| b == b'\n').enumerate() {
            lines += 1;
            let redacted = redactor.redact(line);
            if *redacted != *line {
                changed += 1;
                println!("{path}:{}: {}", n + 1, String::from_utf8_lossy(&redacted));
            }
        }
    }
    println!("{changed} of {lines} lines touched");
}
