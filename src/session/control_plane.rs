//! What a session needs of the control plane.

use std::{fmt, pin::Pin};

use http::{HeaderMap, Uri};

use super::{DataKeyRequest, Endpoint};
use crate::{
    net::{Authorities, TlsError},
    wire::{Ticket, encryption::DataKey},
};

/// Calls that a running session makes.
pub trait ControlPlane: Send + Sync {
    /// A new ticket for a session whose connection was lost; `None` when the session is over.
    fn resume<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>>;

    /// Ends the session, for when its data channel cannot say so.
    fn terminate<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<(), Refusal>>;

    /// Headers that sign the upgrade of `url`; none when nothing can be signed with.
    fn sign<'a>(&'a self, url: &'a Uri) -> Pending<'a, HeaderMap>;

    /// Whom data channels trust to know the service by its certificate.
    fn authorities(&self) -> Pending<'_, Result<Authorities, TlsError>> {
        Box::pin(async { Ok(Authorities::default()) })
    }

    /// What the user has configured: stream URLs may lead there, beside to AWS and this machine.
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    /// The message gateway's URL, if the user has given it: every data channel goes there.
    fn gateway(&self) -> Option<&str> {
        None
    }

    /// A data key of KMS for a session that its agent wants encrypted.
    fn data_key<'a>(
        &'a self,
        request: &'a DataKeyRequest,
    ) -> Pending<'a, Result<DataKey, Refusal>> {
        let message = format!("there are no credentials to ask for {} with", request.key_id);
        Box::pin(async { Err(Refusal { message, is_temporary: false }) })
    }
}

/// A pending answer of the control plane.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the control plane did not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What failed, on what, in one line.
    pub message: String,
    /// Whether the same call may succeed later: the network is away, the service overloaded.
    pub is_temporary: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// For sessions that come with nothing but a ticket: dialled unsigned, never resumed.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoControlPlane;

impl ControlPlane for NoControlPlane {
    fn resume<'a>(&'a self, _session_id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        let message = "there are no credentials to resume the session with".to_owned();
        Box::pin(async { Err(Refusal { message, is_temporary: false }) })
    }

    fn terminate<'a>(&'a self, _session_id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn sign<'a>(&'a self, _url: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async { HeaderMap::new() })
    }
}
