//! A browser's end of the WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::Stage;

pub type Ws = WebSocketStream<TcpStream>;

pub async fn connect(stage: &Stage, after: &str, protocol: bool) -> Ws {
    let query = if after.is_empty() { String::new() } else { format!("?after={after}") };
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    upgrade(stage, stream, &query, protocol).await.expect("upgraded")
}

/// An upgrade with the token on a connection of the test's own making.
pub async fn upgrade(
    stage: &Stage,
    stream: TcpStream,
    query: &str,
    protocol: bool,
) -> Result<Ws, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{}/ws{query}", stage.addr).into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", stage.token()).parse().expect("header"));
    if protocol {
        headers.insert("sec-websocket-protocol", "llmctl.v1".parse().expect("header"));
    }
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// The next JSON message; the close code when there is none.
pub async fn next(ws: &mut Ws) -> Result<Value, u16> {
    loop {
        match ws.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(1006),
        }
    }
}

pub async fn until(ws: &mut Ws, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = next(ws).await.expect("still open");
        if wanted(&message) {
            return message;
        }
    }
}

pub async fn send(ws: &mut Ws, message: Value) {
    ws.send(Message::text(message.to_string())).await.expect("sent");
}
