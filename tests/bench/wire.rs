//! A bare client of the control socket, without anything of `llmctl`.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{Stream, unfold};
use hyper_util::rt::TokioIo;
use llmctl_proto::ids::OperationId;
use llmctl_proto::pb::attach_request::Kind;
use llmctl_proto::pb::control_client::ControlClient;
use llmctl_proto::pb::{AttachHello, AttachRequest, Event, HelloRequest};
use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// A client of the control plane.
pub(crate) type Client = ControlClient<Channel>;

/// Connects.
pub(crate) async fn connect(socket: &Path) -> io::Result<Client> {
    let path: PathBuf = socket.to_owned();
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://llmctld.local").connect_with_connector(connector).await;
    Ok(ControlClient::new(channel.map_err(io::Error::other)?))
}

/// Shakes hands; gives the daemon's process.
pub(crate) async fn hello(client: &mut Client) -> io::Result<u32> {
    let request = HelloRequest { protocol: PROTOCOL, version: VERSION.to_owned() };
    Ok(client.hello(request).await.map_err(io::Error::other)?.into_inner().pid)
}

/// An event as it goes up the wire.
pub(crate) fn event(client_seq: u64, type_name: &str, data: String) -> Event {
    Event { client_seq, at_ms: UnixMs::now().0, r#type: type_name.to_owned(), data }
}

/// A runner's stream: what is sent into the queue (at most 1,024 events) goes up.
pub(crate) async fn attach(
    client: &mut Client,
    id: &OperationId,
) -> io::Result<(mpsc::Sender<Event>, tonic::Streaming<llmctl_proto::pb::AttachResponse>)> {
    let (tx, rx) = mpsc::channel(1024);
    let hello = AttachHello {
        protocol: PROTOCOL,
        version: VERSION.to_owned(),
        operation_id: id.to_string(),
        runner_pid: std::process::id(),
    };
    let answers = client.attach(requests(hello, rx)).await.map_err(io::Error::other)?.into_inner();
    Ok((tx, answers))
}

fn requests(hello: AttachHello, rx: mpsc::Receiver<Event>) -> impl Stream<Item = AttachRequest> {
    unfold((Some(hello), rx), |(hello, mut rx)| async move {
        let kind = match hello {
            Some(hello) => Kind::Hello(hello),
            None => Kind::Event(rx.recv().await?),
        };
        Some((AttachRequest { kind: Some(kind) }, (None, rx)))
    })
}
