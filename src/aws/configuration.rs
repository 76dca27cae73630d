//! Which profile, region and endpoint are meant, from what was typed, the environment and `~/.aws`.

use std::{path::Path, sync::Arc};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, profile::ProfileSet,
};
use aws_sdk_ssm::config::ProvideCredentials;

use super::{
    credentials::{CredentialStore, Sources},
    endpoints::{Endpoints, given},
    error::{AwsError, chain},
    http_client::{HttpWay, timeouts},
    instance_region,
    mfa::Mfa,
    service::Service,
    sts::Sts,
};
use crate::net::Authorities;

/// What the user says about AWS. What is `None` comes from the environment and the files in
/// `~/.aws`, as the AWS CLI reads them; an empty text is as good as `None`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A profile's name. One that is given here goes before keys in the environment.
    pub profile: Option<String>,
    /// A region's name, for example `eu-west-1`.
    pub region: Option<String>,
    /// Addresses of services.
    pub endpoints: Endpoints,
    /// How MFA codes are had. By default they are not: what the cache has is used.
    pub mfa: Mfa,
}

/// All that an account is made of.
pub(super) struct Configuration {
    /// The region.
    pub region: String,
    /// What the user gave as services' addresses.
    pub endpoints: Endpoints,
    /// How calls go.
    pub http: HttpWay,
    /// Whether upgrades are signed at all.
    pub signs: bool,
    /// The SDK's own.
    pub sdk: SdkConfig,
    /// Whom TLS connections trust.
    pub authorities: Authorities,
    /// Who the caller is.
    pub credentials: CredentialStore,
}

impl Configuration {
    /// Reads the environment and the profile's files. Nothing goes over the network, unless the region is
    /// to be had from the instance alone.
    pub(super) async fn load(settings: Settings) -> Result<Self, AwsError> {
        Ok(Self::read(settings).await?.0)
    }

    /// The same, with the sources of its credentials.
    pub(super) async fn read(settings: Settings) -> Result<(Self, Arc<Sources>), AwsError> {
        let environment = |name: &str| std::env::var(name).ok();
        let profile_name = given(settings.profile);
        let profile = read_profile(profile_name.as_deref(), &ConfigFiles::default()).await?;
        let endpoints = settings.endpoints.checked()?;

        let authorities = authorities(&profile)?;
        let http = HttpWay::new(&authorities);
        let region = match region(given(settings.region), environment, &profile) {
            Ok(region) => region,
            Err(nowhere) => instance_region::region(&http).await.ok_or(nowhere)?,
        };
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .http_client(http.client())
            .timeout_config(timeouts())
            // The credential store keeps them already, for the signature too.
            .identity_cache(IdentityCache::no_cache())
            .no_credentials();
        let loader = match &profile_name {
            Some(name) => loader.profile_name(name),
            None => loader,
        };
        let sdk = loader.load().await;
        let mfa = Mfa { serial: given(settings.mfa.serial), ..settings.mfa };
        let sts = Sts::new(sdk.clone(), &region, endpoints.of(Service::Sts));
        let sources = Sources::new(profile_name, &region, http.client(), sdk.use_fips(), sts, mfa);
        let sources = Arc::new(sources);
        let provider: Arc<dyn ProvideCredentials> = sources.clone();
        let configuration = Self {
            region,
            endpoints,
            http,
            signs: signs(environment),
            sdk,
            authorities,
            credentials: CredentialStore::new(provider),
        };
        Ok((configuration, sources))
    }
}

/// The profile in use: the named one, else that of `AWS_PROFILE`, else `default`, which need not
/// exist. A misspelt one must not end with somebody else's credentials.
pub(super) async fn read_profile(
    name: Option<&str>,
    files: &ConfigFiles,
) -> Result<ProfileSet, AwsError> {
    let name = name.map(|name| name.to_owned().into());
    let profiles =
        aws_config::profile::load(&Default::default(), &Default::default(), files, name).await;
    let profiles = profiles.map_err(|error| AwsError::Configuration { why: chain(&error) })?;
    let name = profiles.selected_profile();
    if name == "default" || profiles.get_profile(name).is_some() {
        return Ok(profiles);
    }
    Err(AwsError::Configuration { why: format!("there is no profile `{name}`") })
}

/// `~/.aws/config` and `~/.aws/credentials`, or what stands for them.
#[expect(deprecated, reason = "its new name is in a crate that nothing else here needs")]
pub(super) type ConfigFiles = aws_config::profile::profile_file::ProfileFiles;

/// What was typed, then the environment, then the profile.
fn region(
    typed: Option<String>,
    environment: impl Fn(&str) -> Option<String>,
    profile: &ProfileSet,
) -> Result<String, AwsError> {
    typed
        .or_else(|| given(environment("AWS_REGION")))
        .or_else(|| given(environment("AWS_DEFAULT_REGION")))
        .or_else(|| given(profile.get("region").map(str::to_owned)))
        .ok_or_else(|| AwsError::NoRegion { profile: profile.selected_profile().to_owned() })
}

/// The reference's switch for callers that know that no credentials are at hand.
fn signs(environment: impl Fn(&str) -> Option<String>) -> bool {
    environment("SSM_PLUGIN_SKIP_CLIENT_CONFIGURE").as_deref() != Some("true")
}

/// Those of AWS_CA_BUNDLE, then of the profile's `ca_bundle`, then the system's.
fn authorities(profile: &ProfileSet) -> Result<Authorities, AwsError> {
    if let Some(authorities) = Authorities::of_environment()? {
        return Ok(authorities);
    }
    let bundle = given(profile.get("ca_bundle").map(str::to_owned));
    let authorities = bundle.map(|path| Authorities::of_file(Path::new(&path))).transpose()?;
    Ok(authorities.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(deprecated, reason = "as above")]
    type FileKind = aws_config::profile::profile_file::ProfileFileKind;

    const NOTHING: fn(&str) -> Option<String> = |_| None;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_typed_goes_before_the_environment() {
        let environment = |name: &str| match name {
            "AWS_REGION" => text(""),
            "AWS_DEFAULT_REGION" => text("eu-central-1"),
            _ => None,
        };
        let profile = ProfileSet::default();
        assert_eq!(region(text("eu-west-1"), environment, &profile).unwrap(), "eu-west-1");
        assert_eq!(region(None, environment, &profile).unwrap(), "eu-central-1");
    }

    #[test]
    fn without_a_region_the_three_ways_are_named() {
        let error = region(None, NOTHING, &ProfileSet::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no AWS region: not given, not in AWS_REGION, and not in profile `default`"
        );
        assert_eq!(
            error.next_step().unwrap(),
            "give --region, set AWS_REGION, or add `region` to the profile"
        );
    }

    #[tokio::test]
    async fn a_profile_gives_its_region_and_a_misspelt_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, "[profile work]\nregion = eu-north-1\n").unwrap();
        let files = ConfigFiles::builder().with_file(FileKind::Config, path).build();

        let work = read_profile(Some("work"), &files).await.unwrap();
        assert_eq!(region(None, NOTHING, &work).unwrap(), "eu-north-1");
        assert!(read_profile(Some("default"), &files).await.is_ok());
        let error = read_profile(Some("wrok"), &files).await.unwrap_err();
        assert_eq!(error.to_string(), "AWS configuration: there is no profile `wrok`");
    }

    #[test]
    fn signing_is_switched_off_by_the_word_true_alone() {
        let variable = |value: Option<&'static str>| {
            move |name: &str| {
                assert_eq!(name, "SSM_PLUGIN_SKIP_CLIENT_CONFIGURE");
                value.map(str::to_owned)
            }
        };
        assert!(!signs(variable(Some("true"))));
        assert!(signs(variable(Some("false"))));
        assert!(signs(variable(None)));
    }
}
