//! The region of the instance of EC2 that this runs on.

use std::time::Duration;

use aws_config::{imds, provider_config::ProviderConfig};
use tokio::time::timeout;

use super::http_client::HttpWay;

/// What the metadata service says, asked as AWS wants it to be (IMDSv2), and soon: elsewhere nobody
/// answers at its address.
pub(super) async fn region(http: &HttpWay) -> Option<String> {
    let configuration = ProviderConfig::default().with_http_client(http.client());
    let client = imds::Client::builder().configure(&configuration).max_attempts(1).build();
    let provider =
        imds::region::ImdsRegionProvider::builder().configure(&configuration).imds_client(client);
    let provider = provider.build();
    let asked = timeout(PATIENCE, provider.region()).await;
    asked.ok().flatten().map(|region| region.to_string())
}

/// It answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
