//! A server for tests that writes chosen bytes and then ends, cuts or stalls; one connection after another.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

/// What the server does after its bytes.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    Stall,
}

/// A running server; it ends with the test's runtime.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    requests: Mutex<mpsc::Receiver<String>>,
    /// Says once for each connection that the client has gone.
    closed: Mutex<mpsc::Receiver<()>>,
}

impl Fixture {
    /// Answers every request with `bytes` and closes.
    pub(crate) async fn serve(bytes: Vec<u8>) -> Self {
        Self::start(vec![bytes], Then::Close).await
    }

    /// Writes `bytes` and then nothing, until the client goes.
    pub(crate) async fn stall(bytes: Vec<u8>) -> Self {
        Self::start(vec![bytes], Then::Stall).await
    }

    /// Writes piece by piece, each flushed by itself, and closes.
    pub(crate) async fn pieces(pieces: Vec<Vec<u8>>) -> Self {
        Self::start(pieces, Then::Close).await
    }

    /// An address where nothing listens.
    pub(crate) async fn refused() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
        listener.local_addr().expect("address")
    }

    async fn start(pieces: Vec<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
        let address = listener.local_addr().expect("address");
        let (seen, requests) = mpsc::channel(16);
        let (gone, closed) = mpsc::channel(16);
        let pieces = Arc::new(pieces);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, pieces.clone(), then, seen.clone(), gone.clone()));
            }
        });
        Self { address, requests: Mutex::new(requests), closed: Mutex::new(closed) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request, head and body.
    pub(crate) async fn request(&self) -> String {
        self.requests.lock().await.recv().await.expect("a request")
    }

    /// Waits until a client has closed its connection.
    pub(crate) async fn client_gone(&self) {
        self.closed.lock().await.recv().await.expect("a connection");
    }
}

async fn answer(
    mut stream: TcpStream,
    pieces: Arc<Vec<Vec<u8>>>,
    then: Then,
    seen: mpsc::Sender<String>,
    gone: mpsc::Sender<()>,
) {
    let request = read_request(&mut stream).await;
    let _ = seen.send(request).await;
    for piece in pieces.iter() {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        let _ = stream.flush().await;
        tokio::task::yield_now().await;
    }
    if then == Then::Close {
        let _ = stream.shutdown().await;
    }
    // The client's end, well or not.
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
    let _ = gone.send(()).await;
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&part[..n]),
            _ => return text,
        }
    }
}

/// A whole answer with its length.
pub(crate) fn reply(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// The head of a stream of unknown length.
pub(crate) fn stream_head(kind: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nrequest-id: req_1\r\n\r\n"
    )
    .into_bytes()
}

/// One piece of a stream of unknown length.
pub(crate) fn piece(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}
