//! KMS: the data keys of encrypted sessions.

use std::{collections::BTreeMap, sync::Arc};

use aws_config::SdkConfig;
use aws_sdk_kms::{Client, config::ProvideCredentials};
use zeroize::Zeroizing;

use super::{
    called_address::CalledAddress, error::AwsError, operation::Operation, service::Service,
};
use crate::wire::encryption::{DATA_KEY_LEN, DataKey};

/// KMS in an account's region.
#[derive(Clone, Debug)]
pub(super) struct Kms {
    client: Client,
    endpoint: CalledAddress,
}

impl Kms {
    pub(super) fn new(
        sdk: &SdkConfig,
        endpoint_url: Option<&str>,
        credentials: Arc<dyn ProvideCredentials>,
    ) -> Self {
        let endpoint = CalledAddress::default();
        let mut config = aws_sdk_kms::config::Builder::from(sdk)
            .credentials_provider(credentials)
            .interceptor(endpoint.clone());
        if let Some(url) = endpoint_url {
            config = config.endpoint_url(url);
        }
        Self { client: Client::from_conf(config.build()), endpoint }
    }

    /// `kms:GenerateDataKey`.
    pub(super) async fn generate_data_key(
        &self,
        region: &str,
        key_id: &str,
        context: BTreeMap<String, String>,
    ) -> Result<DataKey, AwsError> {
        let operation = Operation::new(Service::Kms, "GenerateDataKey", key_id);
        let call = self
            .client
            .generate_data_key()
            .key_id(key_id)
            .number_of_bytes(DATA_KEY_LEN as i32)
            .set_encryption_context(Some(context.into_iter().collect()));
        let generated = match call.send().await {
            Ok(generated) => generated,
            Err(error) => {
                return Err(AwsError::of_call(operation, self.endpoint.shown(region), &error));
            }
        };
        // The SDK's own copies along the way are freed, but not overwritten.
        let plaintext =
            Zeroizing::new(generated.plaintext.map(|blob| blob.into_inner()).unwrap_or_default());
        let ciphertext =
            generated.ciphertext_blob.map(|blob| blob.into_inner()).unwrap_or_default();
        DataKey::new(&plaintext, ciphertext).map_err(|error| AwsError::Answer {
            operation,
            endpoint: self.endpoint.shown(region),
            why: error.to_string(),
        })
    }
}
