//! `GET` of what an operation recorded: its output by range or by line, its journal, its partial result.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, HeaderName, HeaderValue, RANGE};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::event::Stream;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::state::Operation;
use serde::Serialize;
use serde_json::json;

use super::files::{Recorded, blocking, whole_characters};
use super::reply::{self, Reply};
use super::routes::{limit, query};

/// Longest line that is shown.
const LINE_BYTES: usize = 16 * 1024;
/// Lines one answer has, and their text in all.
const MAX_LINES: usize = 5_000;
const LINES_BYTES: usize = 4 * 1024 * 1024;
/// Files of a partial result that may be fetched. What was asked is not among them: it may hold the prompt.
const FILES: [&str; 4] = ["journal.jsonl", "output.txt", "raw.jsonl", "stderr.txt"];

const COMPLETE: HeaderName = HeaderName::from_static("x-output-complete");

/// What is to be read, and whether it has ended.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<Incoming>,
    pub(super) operation: &'a Operation,
    pub(super) dir: &'a OperationDir,
}

fn stream_of(request: &Request<Incoming>) -> Result<Stream, Box<Reply>> {
    match query(request, "stream").pop().as_deref() {
        None | Some("stdout") => Ok(Stream::Stdout),
        Some("stderr") => Ok(Stream::Stderr),
        Some(_) => Err(Box::new(reply::bad("invalid_value", "stream must be stdout or stderr."))),
    }
}

/// A byte range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64, Option<u64>),
    Last(u64),
}

/// One range; several at once, and what is no range, are answered with the whole.
fn parse_range(text: &str) -> Option<Wanted> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Wanted::Last(number(last)?)),
        (first, "") => Some(Wanted::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From(first, Some(last)))
        }
    }
}

/// The bytes a range stands for.
#[derive(Debug, PartialEq, Eq)]
enum Span {
    /// Everything, as if no range had been asked for.
    Whole,
    /// From the first up to the second.
    Part(u64, u64),
    /// Nothing that there is or will be.
    Beyond,
}

/// At the end of an output that still grows nothing is an answer; behind an end that is final it is an error.
fn span(range: Option<Wanted>, size: u64, complete: bool) -> Span {
    match range {
        None => Span::Whole,
        Some(Wanted::Last(0)) => Span::Beyond,
        Some(Wanted::Last(_)) if size == 0 => Span::Whole,
        Some(Wanted::Last(count)) => Span::Part(size.saturating_sub(count), size),
        Some(Wanted::From(start, _)) if start > size || (start == size && complete) => Span::Beyond,
        Some(Wanted::From(start, last)) => {
            Span::Part(start, last.map_or(size, |last| last.saturating_add(1).min(size)))
        }
    }
}

/// The recorded bytes of a stream, whole or by range.
pub(super) async fn output(asked: &Asked<'_>) -> Reply {
    let stream = match stream_of(asked.request) {
        Ok(stream) => stream,
        Err(reply) => return *reply,
    };
    // Looked at before the file: when it says so, nothing is written any more.
    let complete = asked.operation.state.is_final();
    let recorded = match Recorded::open(asked.dir.stream(stream)).await {
        Ok(recorded) => recorded,
        Err(error) => return reply::unreadable(&error),
    };
    let size = recorded.as_ref().map_or(0, |recorded| recorded.size);
    let range =
        asked.request.headers().get(RANGE).and_then(|value| value.to_str().ok()).and_then(parse_range);
    let (status, content_range, start, end) = match span(range, size, complete) {
        Span::Whole => (StatusCode::OK, None, 0, size),
        Span::Part(start, end) if start == end => (StatusCode::PARTIAL_CONTENT, None, start, end),
        Span::Part(start, end) => {
            (StatusCode::PARTIAL_CONTENT, Some(format!("bytes {start}-{}/{size}", end - 1)), start, end)
        }
        Span::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{size}")), 0, 0),
    };
    let mut reply = match recorded {
        _ if status == StatusCode::RANGE_NOT_SATISFIABLE => reply::error(
            status,
            "range_not_satisfiable",
            "The range begins behind the end of the output.",
            None,
        ),
        Some(recorded) => reply::file(status, "text/plain; charset=utf-8", recorded.body(start, end)),
        None => reply::bytes(status, "text/plain; charset=utf-8", ""),
    };
    let headers = reply.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(COMPLETE, HeaderValue::from_static(if complete { "true" } else { "false" }));
    if let Some(value) = content_range.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(CONTENT_RANGE, value);
    }
    reply
}

/// One line of an output.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line {
    /// From 0.
    n: u64,
    stream: Stream,
    text: String,
    /// It is longer than is shown.
    truncated: bool,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy)]
enum Which {
    From(u64),
    Tail,
}

/// Lines of a stream: from a number, or the last ones.
pub(super) async fn lines(asked: &Asked<'_>) -> Reply {
    let number = |name| match query(asked.request, name).pop() {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
            Box::new(reply::bad("invalid_value", &format!("{name} must be a number that is not negative.")))
        }),
    };
    let read = || -> Result<_, Box<Reply>> {
        let tail = number("tail")?;
        let count = match tail {
            Some(tail) => tail.clamp(1, MAX_LINES as u64) as usize,
            None => limit(asked.request, 500, MAX_LINES)?,
        };
        let which = number("from")?.filter(|_| tail.is_none()).map_or(Which::Tail, Which::From);
        Ok((stream_of(asked.request)?, which, count))
    };
    let (stream, which, count) = match read() {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let complete = asked.operation.state.is_final();
    let found = match Recorded::open(asked.dir.stream(stream)).await {
        Ok(None) => Ok((Vec::new(), 0)),
        Ok(Some(recorded)) => blocking(move || scan(&recorded, stream, which, count, complete)).await,
        Err(error) => Err(error),
    };
    match found {
        Ok((lines, next)) => reply::ok(&json!({"lines": lines, "next": next, "complete": complete})),
        Err(error) => reply::unreadable(&error),
    }
}

/// Reads lines and the number to go on with. A last line without its end counts only when nothing follows.
fn scan(
    recorded: &Recorded,
    stream: Stream,
    which: Which,
    count: usize,
    complete: bool,
) -> io::Result<(Vec<Line>, u64)> {
    let mut file = recorded.file();
    file.seek(SeekFrom::Start(0))?;
    // A file that grows meanwhile is read as far as it was known.
    let mut reader = BufReader::with_capacity(64 * 1024, file.take(recorded.size));
    let (mut lines, mut bytes): (VecDeque<Line>, usize) = (VecDeque::new(), 0);
    let mut n = 0;
    loop {
        let wanted = match which {
            Which::From(from) => n >= from,
            Which::Tail => true,
        };
        let Some(read) = read_line(&mut reader, wanted)? else { break };
        if wanted {
            bytes += read.text.len();
            lines.push_back(Line { n, stream, text: read.text, truncated: read.truncated });
        }
        match which {
            Which::Tail => {
                while lines.len() > count || bytes > LINES_BYTES {
                    bytes -= lines.pop_front().map_or(0, |line| line.text.len());
                }
            }
            Which::From(_) if lines.len() >= count || bytes >= LINES_BYTES => {
                n += u64::from(read.ended || complete);
                break;
            }
            Which::From(_) => {}
        }
        n += u64::from(read.ended || complete);
        if !read.ended {
            break;
        }
    }
    Ok((lines.into(), n))
}

struct ReadLine {
    text: String,
    truncated: bool,
    /// Its end was there.
    ended: bool,
}

/// The next line, of which at most `LINE_BYTES` are kept; none at the end.
fn read_line(reader: &mut impl io::BufRead, keep: bool) -> io::Result<Option<ReadLine>> {
    let (mut kept, mut length, mut ended) = (Vec::new(), 0, false);
    while !ended {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        ended = end.is_some();
        let content = &buffer[..end.unwrap_or(buffer.len())];
        if keep {
            kept.extend_from_slice(&content[..content.len().min(LINE_BYTES - kept.len())]);
        }
        length += content.len();
        let used = content.len() + usize::from(ended);
        reader.consume(used);
    }
    if length == 0 && !ended {
        return Ok(None);
    }
    let truncated = keep && length > kept.len();
    if truncated {
        kept.truncate(whole_characters(&kept));
    } else if kept.last() == Some(&b'\r') {
        kept.pop();
    }
    Ok(Some(ReadLine { text: String::from_utf8_lossy(&kept).into_owned(), truncated, ended }))
}

/// The journal as it is.
pub(super) async fn journal(dir: &OperationDir) -> Reply {
    whole(dir.journal(), "application/jsonl; charset=utf-8").await
}

/// A file of the partial result, as a download.
pub(super) async fn partial(dir: &OperationDir, name: &str) -> Reply {
    let Some(name) = FILES.iter().find(|known| **known == name) else { return reply::not_found() };
    let mut reply = whole(dir.root().join(name), "text/plain; charset=utf-8").await;
    if reply.status() == StatusCode::OK
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}-{name}\"", dir.id))
    {
        reply.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    reply
}

async fn whole(path: PathBuf, content_type: &'static str) -> Reply {
    match Recorded::open(path).await {
        Ok(Some(recorded)) => reply::file(StatusCode::OK, content_type, recorded.body(0, recorded.size)),
        Ok(None) => {
            let text = "This file was not recorded, or is no longer kept.";
            reply::error(StatusCode::NOT_FOUND, "not_found", text, None)
        }
        Err(error) => reply::unreadable(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-99"), Some(Wanted::From(0, Some(99))));
        assert_eq!(parse_range("bytes=100-"), Some(Wanted::From(100, None)));
        assert_eq!(parse_range("bytes=-500"), Some(Wanted::Last(500)));
        for bad in ["bytes=9-1", "bytes=", "bytes=-", "bytes=a-b", "bytes=+1-2", "items=0-1", "bytes=0-1,2-3"]
        {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans() {
        let from = |start, last| Some(Wanted::From(start, last));
        assert_eq!(span(None, 10, true), Span::Whole);
        assert_eq!(span(from(0, Some(3)), 10, true), Span::Part(0, 4));
        assert_eq!(span(from(4, Some(u64::MAX)), 10, true), Span::Part(4, 10));
        assert_eq!(span(from(10, None), 10, true), Span::Beyond);
        assert_eq!(span(from(10, None), 10, false), Span::Part(10, 10));
        assert_eq!(span(from(11, None), 10, false), Span::Beyond);
        assert_eq!(span(Some(Wanted::Last(3)), 10, true), Span::Part(7, 10));
        assert_eq!(span(Some(Wanted::Last(30)), 10, true), Span::Part(0, 10));
        assert_eq!(span(Some(Wanted::Last(0)), 10, true), Span::Beyond);
        assert_eq!(span(Some(Wanted::Last(5)), 0, true), Span::Whole);
    }

    async fn found(content: &[u8], which: Which, count: usize, complete: bool) -> (Vec<String>, u64, u64) {
        let root = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(root.path().join("a")).expect("made");
        let path = root.path().join("a/f");
        std::fs::write(&path, content).expect("written");
        let recorded = Recorded::open(path).await.expect("opened").expect("there");
        let (lines, next) = scan(&recorded, Stream::Stdout, which, count, complete).expect("read");
        let first = lines.first().map_or(u64::MAX, |line| line.n);
        (lines.into_iter().map(|line| line.text).collect(), first, next)
    }

    #[tokio::test]
    async fn lines_by_number_and_from_the_end() {
        let text = b"zero\none\r\n\nthree\nfour";
        let all = ["zero", "one", "", "three", "four"];
        assert_eq!(found(text, Which::From(0), 9, true).await, (all.map(str::to_owned).to_vec(), 0, 5));
        assert_eq!(found(text, Which::From(1), 2, true).await.0, ["one", ""]);
        assert_eq!(found(text, Which::From(1), 2, true).await.2, 3);
        assert_eq!(found(text, Which::Tail, 2, true).await, (vec!["three".into(), "four".into()], 3, 5));
        // A line that is still being written is shown, and read again.
        assert_eq!(found(text, Which::From(3), 9, false).await, (vec!["three".into(), "four".into()], 3, 4));
        assert_eq!(found(text, Which::From(4), 1, false).await, (vec!["four".into()], 4, 4));
        assert_eq!(found(text, Which::From(9), 9, true).await, (vec![], u64::MAX, 5));
        assert_eq!(found(b"", Which::Tail, 9, true).await, (vec![], u64::MAX, 0));
    }

    #[tokio::test]
    async fn long_lines_are_cut_and_answers_are_bounded() {
        let mut text = "é".repeat(LINE_BYTES).into_bytes();
        text.extend_from_slice(b"\nend\n");
        let (lines, ..) = found(&text, Which::From(0), 9, true).await;
        assert_eq!((lines[0].len(), lines[1].as_str()), (LINE_BYTES, "end"));
        let many = format!("{}\n", "x".repeat(LINE_BYTES)).repeat(400);
        let (lines, first, next) = found(many.as_bytes(), Which::From(0), 5_000, true).await;
        assert_eq!((lines.len() as u64, first), (next, 0));
        assert!(lines.iter().map(String::len).sum::<usize>() <= LINES_BYTES + LINE_BYTES);
        let (lines, first, next) = found(many.as_bytes(), Which::Tail, 5_000, true).await;
        assert_eq!((first + lines.len() as u64, next), (400, 400), "the end of it is what is kept");
    }
}
