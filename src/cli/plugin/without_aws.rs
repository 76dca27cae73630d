//! The control plane of a program that is built without AWS: the service's addresses as they are
//! configured, and nobody who could be asked for more.

use http::{HeaderMap, Uri};

use crate::{
    client::endpoints,
    net::{Authorities, TlsError},
    session::{ControlPlane, Endpoint, NoControlPlane, Pending, Refusal, Ticket},
};

pub(super) struct WithoutAws {
    endpoints: Vec<Endpoint>,
    gateway: Option<String>,
    authorities: Authorities,
}

impl WithoutAws {
    /// # Errors
    /// When the certificate authorities that the environment names cannot be read.
    pub(super) fn new(ssm_endpoint: Option<&str>) -> Result<Self, TlsError> {
        Ok(Self {
            endpoints: endpoints::configured(ssm_endpoint),
            gateway: endpoints::gateway(None),
            authorities: Authorities::of_environment()?.unwrap_or_default().beside_system(),
        })
    }
}

impl ControlPlane for WithoutAws {
    fn resume<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        NoControlPlane.resume(session_id)
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        NoControlPlane.terminate(session_id)
    }

    fn sign<'a>(&'a self, url: &'a Uri) -> Pending<'a, HeaderMap> {
        NoControlPlane.sign(url)
    }

    fn authorities(&self) -> Pending<'_, Result<Authorities, TlsError>> {
        Box::pin(async { Ok(self.authorities.clone()) })
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.endpoints.clone()
    }

    fn gateway(&self) -> Option<&str> {
        self.gateway.as_deref()
    }
}
