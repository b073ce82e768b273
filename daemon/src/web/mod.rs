//! placeholder
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use crate::{hub::Hub, operations::Operations, store::Store};
use llmctl_proto::paths::Paths;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
#[derive(Clone)]
pub struct Gateway;
pub struct WebDeps {
    pub hub: Hub,
    pub store: Store,
    pub verbs: Arc<Operations>,
    pub paths: Arc<Paths>,
    pub tracker: TaskTracker,
    pub shutdown: CancellationToken,
    pub version: &'static str,
}
#[derive(Debug, thiserror::Error)]
#[error("no gateway")]
pub struct GatewayError;
impl Gateway {
    pub fn new(_: WebDeps) -> Self {
        Gateway
    }
    pub async fn start(&self, _: Option<String>, _: Option<u16>) -> Result<(SocketAddr, bool), GatewayError> {
        Err(GatewayError)
    }
    pub async fn stop(&self) {}
    pub async fn close(&self) {}
    pub async fn resume(&self) {}
    pub fn addr(&self) -> Option<SocketAddr> {
        None
    }
    pub fn login_code(&self) -> Result<String, GatewayError> {
        Err(GatewayError)
    }
}
