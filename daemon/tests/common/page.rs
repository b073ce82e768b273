//! What a page makes of the messages of either transport.

use llmctl_proto::event::Envelope;
use llmctl_proto::state::{Operation, State};
use serde_json::Value;

use super::Stage;
use super::socket::{Ws, next};

/// What a page makes of the messages.
#[derive(Debug, Default)]
pub struct Page {
    pub state: State,
    pub cursor: String,
    pub seq: u64,
}

impl Page {
    pub fn take(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "snapshot" {
            let operations: Vec<Operation> =
                serde_json::from_value(message["state"]["operations"].clone()).expect("operations");
            let totals = serde_json::from_value(message["state"]["totals"].clone()).expect("totals");
            self.state = State::restore(operations, totals);
            self.seq = message["seq"].as_u64().expect("seq");
            self.cursor = format!("{}-{}", message["epoch"].as_str().unwrap_or_default(), self.seq);
        } else if kind.contains('.') {
            let envelope = Envelope::from_json(&message.to_string()).expect("an envelope");
            assert!(envelope.cursor.seq > self.seq, "applied twice: {}", envelope.cursor);
            self.state.apply(&envelope);
            self.seq = envelope.cursor.seq;
            self.cursor = envelope.cursor.to_string();
        }
    }

    pub async fn follow(&mut self, ws: &mut Ws, last: u64) {
        while self.seq < last {
            let message = next(ws).await.expect("still open");
            self.take(&message);
        }
    }

    pub async fn assert_equal(&self, stage: &Stage) {
        let (operations, totals) = stage.hub.list().await.expect("listed");
        let mine: Vec<Operation> = self.state.newest_first().cloned().collect();
        assert_eq!(mine, operations);
        assert_eq!(self.state.totals, totals);
    }
}

pub fn last_seq(stage: &Stage) -> u64 {
    stage.hub.stats.read().2
}
