//! A small blocking HTTP/1.1 client for tests, which sees what really came: chunks, breaks, half characters.
//!
//! Owns one connection a request and keeps at most 64 MiB of a body. It follows nothing, retries nothing and
//! understands only what the servers under test send.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Bytes kept of a body.
const MAX_BODY: usize = 64 << 20;
/// A server that is silent for longer fails the test, unless it says otherwise.
pub const SILENCE: Duration = Duration::from_secs(20);

/// An answer as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body in the pieces of its transfer coding.
    pub chunks: Vec<Vec<u8>>,
    /// The body ended as it should; false: broken off, or silent for too long.
    pub complete: bool,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Reading {
    reader: BufReader<TcpStream>,
    answer: Answer,
    framing: Framing,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Chunked,
    Length(usize),
    UntilClose,
}

/// `GET`.
///
/// # Errors
/// As [`request`].
pub fn get(addr: SocketAddr, path: &str) -> io::Result<Answer> {
    Ok(request(addr, "GET", path, &[], b"", SILENCE)?.finish())
}

/// `POST` of JSON.
///
/// # Errors
/// As [`request`].
pub fn post(addr: SocketAddr, path: &str, body: &Value) -> io::Result<Answer> {
    Ok(post_reading(addr, path, body, SILENCE)?.finish())
}

/// `POST` of JSON; the body is left to be read piece by piece.
///
/// # Errors
/// As [`request`].
pub fn post_reading(addr: SocketAddr, path: &str, body: &Value, silence: Duration) -> io::Result<Reading> {
    let headers = [("content-type", "application/json")];
    request(addr, "POST", path, &headers, body.to_string().as_bytes(), silence)
}

/// Sends a request and reads the head of the answer.
///
/// # Errors
/// No connection, no answer within `silence`, or no HTTP.
pub fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    silence: Duration,
) -> io::Result<Reading> {
    let mut stream = TcpStream::connect_timeout(&addr, silence)?;
    stream.set_read_timeout(Some(silence))?;
    let length = body.len();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&[*name, ": ", *value, "\r\n"].concat());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader)?;
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {first:?}"));
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad("no status"))?;
    let mut fields = Vec::new();
    loop {
        let field = line(&mut reader)?;
        let Some((name, value)) = field.split_once(':') else { break };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let answer = Answer { status, headers: fields, chunks: Vec::new(), complete: false };
    let framing = match (answer.header("transfer-encoding"), answer.header("content-length")) {
        (Some("chunked"), _) => Framing::Chunked,
        (_, Some(length)) => Framing::Length(length.parse().map_err(|_| bad("no length"))?),
        _ => Framing::UntilClose,
    };
    Ok(Reading { reader, answer, framing })
}

impl Reading {
    /// The head, and what was read so far.
    pub fn so_far(&self) -> &Answer {
        &self.answer
    }

    /// Reads one more piece of the body; false at its end, its break, or after too long a silence.
    pub fn read_more(&mut self) -> bool {
        let Ok(chunk) = self.chunk() else { return false };
        let Some(chunk) = chunk else {
            self.answer.complete = true;
            return false;
        };
        self.answer.chunks.push(chunk);
        self.answer.chunks.iter().map(Vec::len).sum::<usize>() <= MAX_BODY
    }

    /// Reads on until the text so far satisfies `enough`; true when it does.
    pub fn read_until(&mut self, mut enough: impl FnMut(&str) -> bool) -> bool {
        loop {
            if enough(&self.answer.text()) {
                return true;
            }
            if !self.read_more() {
                return false;
            }
        }
    }

    /// Reads the rest.
    pub fn finish(mut self) -> Answer {
        while self.read_more() {}
        self.answer
    }

    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Chunked => {
                let size = line(&mut self.reader)?;
                let size = usize::from_str_radix(&size, 16)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no chunk size"))?;
                let mut data = vec![0; size.min(MAX_BODY)];
                self.reader.read_exact(&mut data)?;
                line(&mut self.reader)?;
                Ok((size > 0).then_some(data))
            }
            Framing::Length(0) => Ok(None),
            Framing::Length(length) => {
                let mut data = vec![0; length.min(MAX_BODY)];
                self.reader.read_exact(&mut data)?;
                self.framing = Framing::Length(0);
                Ok(Some(data))
            }
            Framing::UntilClose => {
                let mut data = vec![0; 16 << 10];
                let read = self.reader.read(&mut data)?;
                data.truncate(read);
                Ok((read > 0).then_some(data))
            }
        }
    }
}

impl Answer {
    /// The value of a header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body so far.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The body so far as text; broken characters are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_default()
    }

    /// The data of each server-sent event that is JSON; for NDJSON, each line.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
        lines.filter_map(|line| serde_json::from_str(line.trim()).ok()).collect()
    }
}

/// A line without its end, of at most 64 KiB.
fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    reader.by_ref().take(64 << 10).read_line(&mut text)?;
    if !text.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
