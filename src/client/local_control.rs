//! The control plane of the embedded endpoint in this process.

use std::sync::Arc;

use http::{HeaderMap, Uri};

use crate::{
    local::{Endpoint, ServiceError},
    session::{ControlPlane, DataKeyRequest, Pending, Refusal, Ticket},
    wire::encryption::{DATA_KEY_LEN, DataKey, encryption_context},
};

/// The embedded endpoint in this process.
pub(crate) struct LocalControl {
    pub(crate) endpoint: Arc<Endpoint>,
    /// The id of the node that its sessions go to.
    pub(crate) node: String,
}

impl ControlPlane for LocalControl {
    fn resume<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        let resumed = self.endpoint.resume_session(session_id);
        let refusal = |error: ServiceError| Refusal {
            message: error.to_string(),
            is_temporary: error == ServiceError::Unavailable,
        };
        Box::pin(async move { resumed.map_err(refusal) })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        let ended = self.endpoint.terminate_session(session_id);
        let refusal = |message: String| Refusal { message, is_temporary: false };
        Box::pin(async move { ended.map_err(|error| refusal(error.to_string())) })
    }

    fn sign<'a>(&'a self, _url: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async { HeaderMap::new() })
    }

    fn data_key<'a>(
        &'a self,
        request: &'a DataKeyRequest,
    ) -> Pending<'a, Result<DataKey, Refusal>> {
        let challenge = request.challenge.as_deref();
        let context = encryption_context(&request.session_id, &self.node, challenge);
        let generated = self.endpoint.generate_data_key(&request.key_id, DATA_KEY_LEN, &context);
        let key = generated.map_err(|error| error.to_string()).and_then(|key| {
            DataKey::new(&key.plaintext, key.ciphertext).map_err(|error| error.to_string())
        });
        let refusal = |message| Refusal { message, is_temporary: false };
        Box::pin(async move { key.map_err(refusal) })
    }
}
