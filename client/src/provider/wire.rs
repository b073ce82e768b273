//! One HTTP/1.1 exchange on a connection of its own.
//!
//! The connection lives inside the exchange and is driven by whoever reads it: dropping the exchange closes the
//! socket at once, and nothing is left behind in the background. Never follows a redirect, never retries.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};

/// Most header lines of an answer.
const MAX_HEADERS: usize = 100;

/// The connection's own future: it moves bytes while it is polled and ends with the connection.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer whose head has arrived.
pub(super) struct Exchange {
    /// Status and headers.
    pub(super) head: Parts,
    body: Incoming,
    driver: Option<Driver>,
}

/// Sends `request` over `io` and waits for the head of the answer, of at most `head_bytes`.
pub(super) async fn exchange<T>(
    io: T,
    mut request: Request<Bytes>,
    head_bytes: usize,
) -> Result<Exchange, hyper::Error>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let host = host_header(request.uri());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // Over HTTP/1.1 to the server itself only the path goes into the request line.
    let target = path.parse::<Uri>().unwrap_or_default();
    *request.uri_mut() = target;
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    let (mut sender, connection) = http1::Builder::new()
        .max_header_size(head_bytes)
        .max_headers(MAX_HEADERS)
        .handshake::<_, Full<Bytes>>(io)
        .await?;
    let mut driver: Option<Driver> = Some(Box::pin(async move {
        // Its error, if any, also comes out of the answer or its body.
        let _ = connection.await;
    }));
    let mut answer = Box::pin(sender.send_request(request.map(Full::new)));
    let response = poll_fn(|context| {
        drive(&mut driver, context);
        answer.as_mut().poll(context)
    })
    .await?;
    let (head, body) = response.into_parts();
    Ok(Exchange { head, body, driver })
}

impl Exchange {
    /// The next bytes of the body; none at its end. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            let frame = poll_fn(|context| {
                drive(&mut self.driver, context);
                Pin::new(&mut self.body).poll_frame(context)
            })
            .await?;
            match frame {
                Err(error) => return Some(Err(error)),
                Ok(frame) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Some(Ok(data)),
                    // An empty piece or trailers.
                    _ => {}
                },
            }
        }
    }

    /// The body, cut after `limit` bytes, and whether it was cut. A broken connection ends it as it is.
    pub(super) async fn read(&mut self, limit: usize) -> (Bytes, bool) {
        let mut body = BytesMut::new();
        while let Some(Ok(data)) = self.next().await {
            let room = limit - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return (body.freeze(), true);
            }
        }
        (body.freeze(), false)
    }
}

fn drive(driver: &mut Option<Driver>, context: &mut std::task::Context<'_>) {
    let done = driver.as_mut().is_some_and(|driver| matches!(driver.as_mut().poll(context), Poll::Ready(())));
    if done {
        *driver = None;
    }
}

fn host_header(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}
