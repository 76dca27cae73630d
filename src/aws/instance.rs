//! What the metadata service of EC2 tells the instance that asks.

use std::time::Duration;

use aws_config::{
    imds::{self, region::ImdsRegionProvider},
    provider_config::ProviderConfig,
};

use tokio::time::timeout;

use super::http_client::HttpWay;

/// Asks, in the patience that one has for somebody who may not be there.
pub(super) fn metadata_client(config: &ProviderConfig) -> imds::Client {
    imds::Client::builder()
        .configure(config)
        .connect_timeout(CONNECT)
        .operation_timeout(ANSWER)
        .max_attempts(ATTEMPTS)
        .build()
}

/// The instance's own region; `None` elsewhere, within a second.
pub(super) async fn region(http: &HttpWay) -> Option<String> {
    let config = ProviderConfig::without_region().with_http_client(http.client());
    let client = metadata_client(&config);
    let region = ImdsRegionProvider::builder().configure(&config).imds_client(client).build();
    let asked = timeout(PATIENCE, region.region()).await;
    asked.ok().flatten().map(|region| region.to_string())
}

/// Within EC2 it answers in a millisecond, elsewhere never.
const CONNECT: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(1);
