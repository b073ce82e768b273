//! A bare client of the control socket.

use std::path::Path;

use hyper_util::rt::TokioIo;
use llmctl_proto::pb::control_client::ControlClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.expect("a runtime").block_on(future)
}

pub(crate) async fn connect(socket: &Path) -> ControlClient<Channel> {
    let path = socket.to_owned();
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://llmctld.local").connect_with_connector(connector).await;
    ControlClient::new(channel.expect("connected")).max_decoding_message_size(16 << 20)
}
