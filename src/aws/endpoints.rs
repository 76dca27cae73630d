//! Where each service is: what was given for this run, the configuration, and AWS's own hosts.

use aws_config::SdkConfig;
use aws_sdk_ssm::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;
use http::Uri;

use super::{
    error::{AwsError, chain},
    service::Service,
};
use crate::{malformed::Malformed, wire::stream_url::without_secrets};

/// Addresses that were given for this run, `http://` allowed. They go before those of the
/// environment and of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Of every service that has no other here: an emulator of AWS.
    pub all: Option<String>,
    /// Of single services: their interface endpoints.
    pub one_by_one: Vec<(Service, String)>,
}

impl Endpoints {
    /// Adds the address of one service, if there is one; an empty text is none.
    pub fn with(mut self, service: Service, url: Option<String>) -> Self {
        self.one_by_one.extend(given(url).map(|url| (service, url)));
        self
    }

    /// The address of `service`, if one was given.
    pub fn of(&self, service: Service) -> Option<&str> {
        self.own(service).or(self.all.as_deref())
    }

    /// The address of `service` alone, if one was given.
    pub fn own(&self, service: Service) -> Option<&str> {
        let own = self.one_by_one.iter().find(|(one, _)| *one == service);
        own.map(|(_, url)| url.as_str())
    }

    /// Refuses what is no address before it turns into an error of some inner layer.
    pub(super) fn checked(self) -> Result<Self, AwsError> {
        let all = given(self.all);
        for url in all.iter().chain(self.one_by_one.iter().map(|(_, url)| url)) {
            check(url).map_err(|why| AwsError::Configuration { why: why.into() })?;
        }
        Ok(Self { all, ..self })
    }
}

/// The addresses of services without a client of the SDK.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    sdk: SdkConfig,
    given: Endpoints,
    region: String,
}

/// Where a service is, and for which region its requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) url: String,
    pub(super) region: String,
}

impl Addresses {
    pub(super) fn new(sdk: &SdkConfig, given: Endpoints, region: &str) -> Self {
        Self { sdk: sdk.clone(), given, region: region.to_owned() }
    }

    /// The address of `service`: given, configured, or AWS's own in the region's partition, with
    /// FIPS and dual-stack as they are asked for.
    pub(super) async fn of(&self, service: Service) -> Result<Address, AwsError> {
        let own = self.of_aws(service).await?;
        let url = match self.given.of(service) {
            Some(url) => Some(url.to_owned()),
            None => self.configured(service),
        };
        let Some(url) = url else { return Ok(own) };
        Ok(Address { url: url.trim_end_matches('/').to_owned(), region: own.region })
    }

    /// That of the environment or of the profile.
    fn configured(&self, service: Service) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service.id())
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let own = self.sdk.service_config().and_then(|config| config.load_config(key.ok()?));
        own.or_else(|| self.sdk.endpoint_url().map(str::to_owned))
    }

    /// The SDK knows the partitions, by the example of SSM, whose hosts are named as the others'.
    async fn of_aws(&self, service: Service) -> Result<Address, AwsError> {
        let params = Params::builder()
            .region(&self.region)
            .use_fips(self.sdk.use_fips().unwrap_or_default())
            .use_dual_stack(self.sdk.use_dual_stack().unwrap_or_default())
            .build();
        let failed = |why: String| AwsError::Configuration { why };
        let params = params.map_err(|error| failed(chain(&error)))?;
        let ssm = DefaultResolver::new().resolve_endpoint(&params).await;
        let ssm = ssm.map_err(|error| failed(error.to_string()))?;
        let host = ssm.url().strip_prefix("https://ssm").unwrap_or_default();
        if service == Service::Iam {
            return Ok(iam(&self.region, host));
        }
        // In GovCloud SSM's and EC2's plain hosts keep to FIPS; the others' are named so.
        let is_plain = self.sdk.use_fips() == Some(true) && !host.starts_with(FIPS);
        let of_its_own = matches!(service, Service::Kms | Service::Ecs | Service::InstanceConnect);
        let fips = if is_plain && of_its_own { FIPS } else { "" };
        let url = format!("https://{}{fips}{host}", service.name());
        Ok(Address { url, region: self.region.clone() })
    }
}

/// Between a service's name and its region.
const FIPS: &str = "-fips";

/// IAM has one address for a partition, in one of its regions. `host` is what follows the
/// service's name in hosts of `region`.
fn iam(region: &str, host: &str) -> Address {
    let (home, host) = match region.split_once('-').unwrap_or_default() {
        ("cn", _) => ("cn-north-1", ".cn-north-1.amazonaws.com.cn".to_owned()),
        ("us", rest) if rest.starts_with("gov-") => {
            ("us-gov-west-1", ".us-gov.amazonaws.com".to_owned())
        }
        ("us", rest) if rest.starts_with("iso") => {
            let domain = host.split_once(region).unwrap_or_default().1;
            let home = if rest.starts_with("isob-") { "us-isob-east-1" } else { "us-iso-east-1" };
            (home, format!(".{home}{domain}"))
        }
        _ => ("us-east-1", ".amazonaws.com".to_owned()),
    };
    Address { url: format!("https://iam{host}"), region: home.to_owned() }
}

/// Refuses what is no address of a service.
pub(super) fn check(url: &str) -> Result<(), Malformed> {
    let parsed = url.parse::<Uri>().ok();
    let scheme = parsed.as_ref().and_then(Uri::scheme_str);
    let host = parsed.as_ref().and_then(Uri::host);
    if matches!(scheme, Some("http" | "https")) && host.is_some_and(|host| !host.is_empty()) {
        return Ok(());
    }
    let url = without_secrets(url);
    Err(format!("`{url}` is no endpoint (http:// or https:// and a host)").into())
}

pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_config::Region;

    use super::*;

    async fn url(
        sdk: aws_types::sdk_config::Builder,
        region: &'static str,
        service: Service,
    ) -> String {
        let sdk = sdk.region(Region::new(region)).build();
        let addresses = Addresses::new(&sdk, Endpoints::default(), region);
        addresses.of(service).await.unwrap().url
    }

    fn sdk() -> aws_types::sdk_config::Builder {
        SdkConfig::builder()
    }

    #[tokio::test]
    async fn hosts_follow_region_and_partition() {
        for (region, service, host) in [
            ("eu-west-1", Service::Ec2, "ec2.eu-west-1.amazonaws.com"),
            ("eu-west-1", Service::Iam, "iam.amazonaws.com"),
            ("eu-west-1", Service::InstanceConnect, "ec2-instance-connect.eu-west-1.amazonaws.com"),
            ("cn-north-1", Service::Kms, "kms.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", Service::Ecs, "ecs.cn-north-1.amazonaws.com.cn"),
            ("cn-northwest-1", Service::Iam, "iam.cn-north-1.amazonaws.com.cn"),
            ("us-gov-east-1", Service::Ec2, "ec2.us-gov-east-1.amazonaws.com"),
            ("us-gov-east-1", Service::Iam, "iam.us-gov.amazonaws.com"),
            ("us-iso-east-1", Service::Ec2, "ec2.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", Service::Iam, "iam.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(url(sdk(), region, service).await, format!("https://{host}"));
        }
    }

    #[tokio::test]
    async fn fips_and_dual_stack_have_hosts_of_their_own() {
        let fips = url(sdk().use_fips(true), "us-east-1", Service::Ec2).await;
        assert_eq!(fips, "https://ec2-fips.us-east-1.amazonaws.com");
        let dual = url(sdk().use_dual_stack(true), "eu-west-1", Service::Ecs).await;
        assert_eq!(dual, "https://ecs.eu-west-1.api.aws");
        let both = url(sdk().use_fips(true).use_dual_stack(true), "us-east-1", Service::Kms).await;
        assert_eq!(both, "https://kms-fips.us-east-1.api.aws");
    }

    #[tokio::test]
    async fn in_gov_cloud_fips_is_in_the_names_of_some_hosts() {
        for (service, host) in [
            (Service::Ec2, "ec2.us-gov-west-1.amazonaws.com"),
            (Service::Ecs, "ecs-fips.us-gov-west-1.amazonaws.com"),
            (Service::Kms, "kms-fips.us-gov-west-1.amazonaws.com"),
        ] {
            let url = url(sdk().use_fips(true), "us-gov-west-1", service).await;
            assert_eq!(url, format!("https://{host}"));
        }
    }

    #[tokio::test]
    async fn what_was_given_goes_first_and_single_services_before_all() {
        let sdk = sdk().region(Region::new("eu-west-1")).endpoint_url("http://profile").build();
        let given = Endpoints { all: Some("http://all/".to_owned()), ..Endpoints::default() }
            .with(Service::Ec2, Some("https://ec2".to_owned()))
            .with(Service::Ecs, Some(String::new()));
        let addresses = Addresses::new(&sdk, given.checked().unwrap(), "eu-west-1");
        assert_eq!(addresses.of(Service::Ec2).await.unwrap().url, "https://ec2");
        assert_eq!(addresses.of(Service::Ecs).await.unwrap().url, "http://all");
        let iam = addresses.of(Service::Iam).await.unwrap();
        assert_eq!((&*iam.url, &*iam.region), ("http://all", "us-east-1"));
        let none = Addresses::new(&sdk, Endpoints::default(), "eu-west-1");
        assert_eq!(none.of(Service::Ecs).await.unwrap().url, "http://profile");
    }

    #[test]
    fn only_http_urls_with_a_host_are_endpoints() {
        for url in ["http://127.0.0.1:4566", "https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com/"] {
            let given = Endpoints::default().with(Service::Ssm, Some(url.to_owned()));
            assert_eq!(given.checked().unwrap().of(Service::Ssm), Some(url));
        }
        for url in ["wss://ssmmessages.eu-west-1.amazonaws.com/x", "127.0.0.1:4566", "/x", "a b"] {
            let given = Endpoints { all: Some(url.to_owned()), ..Endpoints::default() };
            let message = given.checked().unwrap_err().to_string();
            assert!(message.contains(url), "{message}");
        }
    }
}
