//! A browser's end of the event stream, over plain HTTP/1.1.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, Stage};

/// An open stream.
pub struct Events {
    stream: TcpStream,
    /// Read and not yet taken out of its chunks.
    raw: Vec<u8>,
    /// Taken out of its chunks.
    text: Vec<u8>,
    /// What a browser would resume with.
    pub last_id: String,
    /// Comments that came.
    pub comments: usize,
    pub head: Answer,
}

/// Opens a stream with the token; `query` with its question mark.
pub async fn open(stage: &Stage, query: &str, lines: &[String]) -> Events {
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let lines: Vec<String> = [stage.bearer()].into_iter().chain(lines.iter().cloned()).collect();
    open_on(stage, stream, query, &lines).await
}

/// Opens a stream with these header lines on a connection of the test's own making.
pub async fn open_on(stage: &Stage, mut stream: TcpStream, query: &str, lines: &[String]) -> Events {
    let head =
        format!("GET /api/stream{query} HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n", stage.addr, lines.join("\r\n"));
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut raw = Vec::new();
    let end = loop {
        if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut raw).await.expect("read") > 0, "a head");
    };
    let rest = raw.split_off(end);
    let head = Answer::parse(&raw);
    assert_eq!(head.status, 200);
    Events { stream, raw: rest, text: Vec::new(), last_id: String::new(), comments: 0, head }
}

impl Events {
    /// The next message; none when the stream has ended, `Err` when it was cut before its end.
    pub async fn next(&mut self) -> Result<Option<Value>, ()> {
        loop {
            while let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(message) = self.take(&String::from_utf8(block).expect("UTF-8")) {
                    return Ok(Some(message));
                }
            }
            match self.chunk() {
                Some(0) => return Ok(None),
                Some(_) => {}
                None => {
                    if self.stream.read_buf(&mut self.raw).await.map_err(drop)? == 0 {
                        return Err(());
                    }
                }
            }
        }
    }

    /// The next message of a stream that goes on.
    pub async fn must(&mut self) -> Value {
        self.next().await.expect("not cut").expect("not ended")
    }

    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.must().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    fn take(&mut self, block: &str) -> Option<Value> {
        let mut data: Option<String> = None;
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "id" => value.clone_into(&mut self.last_id),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                "retry" => assert!(value.parse::<u32>().is_ok(), "{value}"),
                other => panic!("an event has no {other}"),
            }
        }
        data.map(|data| serde_json::from_str(&data).expect("JSON"))
    }

    /// Takes a whole chunk out of what was read; tells its size.
    fn chunk(&mut self) -> Option<usize> {
        let line = self.raw.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&self.raw[..line]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if self.raw.len() < line + 2 + size + 2 {
            return None;
        }
        self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
        self.raw.drain(..line + 2 + size + 2);
        Some(size)
    }
}
