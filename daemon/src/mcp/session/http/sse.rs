//! Cuts a stream of server-sent events into events.
//!
//! Pure and incremental. Holds one line and one event, together at most the limit given; the id and the pause for a
//! new connection outlive events, as the standard says. Never looks into data.

/// Longest id of an event, in bytes; a longer one is taken for none.
const MAX_ID: usize = 1024;

/// A stream as it is read.
#[derive(Debug)]
pub(super) struct Events {
    limit: usize,
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    first: bool,
    id: Option<String>,
    retry_ms: Option<u64>,
}

/// An event or line beyond the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), data: None, after_cr: false, first: true, id: None, retry_ms: None }
    }

    /// The id to go on after, if the server has given one.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The pause the server wants before a new connection, in milliseconds.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Takes bytes and gives the data of the events they complete.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut out = Vec::new();
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() + self.data.as_ref().map_or(0, Vec::len) > self.limit {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            out.extend(self.end_line(&line));
        }
        Ok(out)
    }

    fn end_line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let mark = std::mem::take(&mut self.first).then(|| line.strip_prefix(b"\xEF\xBB\xBF")).flatten();
        let line = mark.unwrap_or(line);
        if line.is_empty() {
            return self.data.take().filter(|data| !data.is_empty());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            },
            b"id" if value.len() <= MAX_ID && !value.contains(&0) => {
                self.id = std::str::from_utf8(value).ok().filter(|id| !id.is_empty()).map(str::to_owned);
            }
            b"retry" => {
                let ms = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry_ms = ms.or(self.retry_ms);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_everywhere(text: &str) -> Vec<String> {
        let whole = Events::new(1_000).push(text.as_bytes()).expect("short");
        for cut in 0..text.len() {
            let mut events = Events::new(1_000);
            let mut parts = events.push(&text.as_bytes()[..cut]).expect("short");
            parts.extend(events.push(&text.as_bytes()[cut..]).expect("short"));
            assert_eq!(parts, whole, "{cut}");
        }
        whole.into_iter().map(|data| String::from_utf8(data).expect("text")).collect()
    }

    #[test]
    fn events_by_any_line_end_and_any_cut() {
        assert_eq!(cut_everywhere("data: a\n\ndata:b\r\n\r\ndata: c\rdata: d\r\r"), ["a", "b", "c\nd"]);
        assert_eq!(
            cut_everywhere("\u{FEFF}: note\nevent: message\nid: 1\ndata: \n\ndata: x\n\ndata: cut"),
            ["x"]
        );
    }

    #[test]
    fn id_and_pause_stay() {
        let mut events = Events::new(1_000);
        events.push(b"id: e-1\nretry: 500\ndata:\n\ndata: x\n\nretry: soon\n\n").expect("short");
        assert_eq!((events.last_id(), events.retry_ms()), (Some("e-1"), Some(500)));
        events.push(b"id\n\n").expect("short");
        assert_eq!(events.last_id(), None);
    }

    #[test]
    fn the_limit_holds_for_a_line_and_for_an_event() {
        assert_eq!(Events::new(10).push(b"data: 12345"), Err(TooLong));
        let mut events = Events::new(20);
        let end = (0..9).find_map(|_| events.push(b"data: 1234\n").err());
        assert_eq!(end, Some(TooLong));
    }
}
