//! The address that calls went to.

use std::sync::{Arc, OnceLock};

use aws_sdk_ssm::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};

/// Where the calls go, for the messages of those that fail. The SDK alone knows, from region,
/// partition, profile and environment, and tells by the first request that it makes.
#[derive(Clone, Debug, Default)]
pub(super) struct CalledAddress(Arc<OnceLock<String>>);

impl CalledAddress {
    /// It, once there was a call.
    pub(super) fn known(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    pub(super) fn shown(&self, region: &str) -> String {
        self.0.get().cloned().unwrap_or_else(|| format!("AWS in {region}"))
    }
}

impl Intercept for CalledAddress {
    fn name(&self) -> &'static str {
        "CalledAddress"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = context.request().uri();
        self.0.get_or_init(|| url.trim_end_matches('/').to_owned());
        Ok(())
    }
}
