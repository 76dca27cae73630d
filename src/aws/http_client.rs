//! HTTP for all calls: the SDK's and those that are signed here go the same way.

use std::time::Duration;

use aws_sdk_ssm::config::{SharedHttpClient, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Connector,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

use super::error::{AwsError, chain};
use crate::net::Authorities;

/// How calls reach AWS. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct HttpWay(TlsContext);

impl HttpWay {
    /// One that trusts `authorities`.
    pub(super) fn new(authorities: &Authorities) -> Result<Self, AwsError> {
        let store = match authorities.pem() {
            Some(pem) => TrustStore::empty().with_pem_certificate(pem),
            None => TrustStore::default(),
        };
        let context = TlsContext::builder().with_trust_store(store).build();
        let context = context.map_err(|error| AwsError::Configuration { why: chain(&error) })?;
        Ok(Self(context))
    }

    /// For tests, which do without the machine's certificates.
    #[cfg(test)]
    pub(super) fn trusting_nobody() -> Self {
        let context = TlsContext::builder().with_trust_store(TrustStore::empty()).build();
        Self(context.expect("no certificates are valid ones"))
    }

    /// For the SDK's clients.
    pub(super) fn client(&self) -> SharedHttpClient {
        let way = self.clone();
        aws_smithy_http_client::Builder::new()
            .build_with_connector_fn(move |settings, _| way.with_settings(settings.cloned()))
    }

    /// For calls without a client of the SDK.
    pub(super) fn connector(&self) -> SharedHttpConnector {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ATTEMPT_TIMEOUT)
            .build();
        SharedHttpConnector::new(self.with_settings(Some(settings)))
    }

    /// rustls with ring, as the WebSocket has it: one TLS stack in the program.
    fn with_settings(&self, settings: Option<HttpConnectorSettings>) -> Connector {
        let builder = Connector::builder()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(self.0.clone());
        match settings {
            Some(settings) => builder.connector_settings(settings).build(),
            None => builder.build(),
        }
    }
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// All attempts together.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);
