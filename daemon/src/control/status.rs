//! Errors of the daemon as gRPC statuses; the one table.

use tonic::{Code, Status};

use crate::hub::HubError;
use crate::operations::VerbError;
use crate::store::StoreError;
use crate::web::GatewayError;

impl From<HubError> for Status {
    fn from(error: HubError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<VerbError> for Status {
    fn from(error: VerbError) -> Self {
        let code = match error.code {
            "operation_not_found" => Code::NotFound,
            "ambiguous_id" => Code::InvalidArgument,
            "timeout" => Code::DeadlineExceeded,
            "stopping" | "store_unavailable" => Code::Unavailable,
            _ => Code::FailedPrecondition,
        };
        Self::new(code, error.message)
    }
}

impl From<GatewayError> for Status {
    fn from(error: GatewayError) -> Self {
        Self::failed_precondition(error.to_string())
    }
}
