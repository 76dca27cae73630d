//! Which profile, region and endpoint are meant, from what was typed, the environment and `~/.aws`.

use std::{path::PathBuf, sync::Arc};

use aws_config::SdkConfig;
use aws_sdk_ssm::config::ProvideCredentials;

use super::{
    credentials::{CredentialStore, Sources},
    endpoints::{Endpoints, given},
    environment::variable,
    error::AwsError,
    files::{Profiles, expand},
    http_client::HttpWay,
    instance,
    mfa::Mfa,
    sdk::{EndpointPlace, configured_endpoint, sdk_config},
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
    /// The profile where neither `profile` nor the environment says who is meant.
    pub default_profile: Option<String>,
    /// The region where neither `region` nor the environment names one. A profile that is named elsewhere
    /// than here goes before it with its own.
    pub default_region: Option<String>,
}

/// The names of the profiles in `~/.aws`, as far as the files can be read.
#[must_use]
pub fn profile_names() -> Vec<String> {
    Profiles::names()
}

impl Settings {
    /// The region, if that is known without asking anybody.
    pub fn known_region(&self) -> Option<String> {
        let profiles = Profiles::load(self.profile_given().as_deref()).ok()?;
        self.region_of(variable, &profiles).ok()
    }

    /// What tells the account from others, as far as that is known without asking anybody: no secrets.
    pub fn known_account(&self) -> String {
        let profile = self.profile_given();
        let of_environment = |names: &[&str]| names.iter().find_map(|name| variable(name));
        // Keys of the environment do not count beside a profile that was given.
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN"].map(variable);
        let keys = if profile.is_none() { keys } else { [None, None] };
        let profile = profile.or_else(|| of_environment(&["AWS_DEFAULT_PROFILE", "AWS_PROFILE"]));
        let endpoint = self.endpoints.of(Service::Ssm).map(str::to_owned);
        let endpoint =
            endpoint.or_else(|| of_environment(&["AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL"]));
        let parts = [profile, endpoint].into_iter().chain(keys);
        parts.map(Option::unwrap_or_default).collect::<Vec<_>>().join("\n")
    }

    /// The profile that counts, and who says so; none where it is the profile `default`, or keys of the
    /// environment.
    pub fn chosen_profile(&self) -> (Option<String>, Whence) {
        if let Some(name) = given(self.profile.clone()) {
            return (Some(name), Whence::Given);
        }
        if let Some(variable_name) = WHO.into_iter().find(|name| variable(name).is_some()) {
            let name = variable(variable_name).filter(|_| PROFILES.contains(&variable_name));
            return (name, Whence::Variable(variable_name));
        }
        match given(self.default_profile.clone()) {
            Some(name) => (Some(name), Whence::Default),
            None => (None, Whence::Nowhere),
        }
    }

    /// The region that counts, as far as that is known without asking anybody, and who says so.
    pub fn chosen_region(&self) -> Option<(String, Whence)> {
        let profiles = Profiles::load(self.profile_given().as_deref()).ok()?;
        self.region_among(variable, &profiles)
    }

    /// The addresses that services have instead of AWS's own, as far as that is known without asking anybody,
    /// and who says so. One that is meant for all of them is there once, without a service.
    pub fn chosen_endpoints(&self) -> Vec<(Option<Service>, String, EndpointPlace)> {
        let Ok(profiles) = Profiles::load(self.profile_given().as_deref()) else {
            return Vec::new();
        };
        let mut chosen = Vec::new();
        for service in Service::ALL {
            let given =
                |url: &str, is_general| (url.to_owned(), EndpointPlace::Given { is_general });
            let found = self.endpoints.own(service).map(|url| given(url, false));
            let all = self.endpoints.all.as_deref().filter(|url| !url.is_empty());
            let found = found
                .or_else(|| all.map(|url| given(url, true)))
                .or_else(|| configured_endpoint(&profiles, service));
            let Some((url, place)) = found else { continue };
            let one = (Some(service).filter(|_| !place.is_general()), url, place);
            if !chosen.contains(&one) {
                chosen.push(one);
            }
        }
        chosen.sort_by_key(|(service, ..)| service.is_some());
        chosen
    }

    /// One that goes before all of the environment.
    fn profile_given(&self) -> Option<String> {
        let (name, whence) = self.chosen_profile();
        name.filter(|_| matches!(whence, Whence::Given | Whence::Default))
    }

    /// What was typed, then the environment, then the default, which yields to the own region of a profile
    /// that somebody has named, then the profile.
    fn region_among(
        &self,
        environment: impl Fn(&str) -> Option<String>,
        profiles: &Profiles,
    ) -> Option<(String, Whence)> {
        if let Some(region) = given(self.region.clone()) {
            return Some((region, Whence::Given));
        }
        let of_environment = |name| Some((environment(name)?, Whence::Variable(name)));
        if let Some(found) = REGIONS.into_iter().find_map(of_environment) {
            return Some(found);
        }
        let is_named = given(self.profile.clone()).is_some()
            || PROFILES.into_iter().any(|name| environment(name).is_some());
        let own = profiles.option("region").map(|region| (region.to_owned(), Whence::Profile));
        let default = given(self.default_region.clone()).map(|region| (region, Whence::Default));
        if is_named { own.or(default) } else { default.or(own) }
    }

    fn region_of(
        &self,
        environment: impl Fn(&str) -> Option<String>,
        profiles: &Profiles,
    ) -> Result<String, AwsError> {
        let (region, _) = self
            .region_among(environment, profiles)
            .ok_or_else(|| AwsError::NoRegion { profile: profiles.selected().to_owned() })?;
        // It becomes a part of hosts' names.
        let is_part =
            region.len() < 64 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match is_part && !region.starts_with('-') && !region.ends_with('-') {
            true => Ok(region),
            false => {
                Err(AwsError::Configuration { why: format!("`{region}` is no region's name") })
            }
        }
    }
}

/// Who has chosen a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// Whoever made the [`Settings`].
    Given,
    /// A variable of the environment.
    Variable(&'static str),
    /// The profile in `~/.aws`.
    Profile,
    /// The default of the [`Settings`].
    Default,
    /// Nobody.
    Nowhere,
}

/// Variables of which each says who is meant.
const WHO: [&str; 7] = [
    PROFILES[0],
    PROFILES[1],
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
const PROFILES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// All that an account is made of.
pub(super) struct Configuration {
    /// The region.
    pub region: String,
    /// The name of the profile in use.
    pub profile: String,
    /// What the user gave as services' addresses.
    pub endpoints: Endpoints,
    /// Who says where services are that are not at AWS's own addresses.
    pub endpoint_places: Vec<(Option<Service>, String, EndpointPlace)>,
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
    /// Reads the environment and the profile's files. Nothing goes over the network, but the question
    /// which region this instance is in, if nobody says which is meant.
    pub(super) async fn load(settings: Settings) -> Result<Self, AwsError> {
        Ok(Self::read(settings).await?.0)
    }

    /// The same, with the sources of its credentials.
    pub(super) async fn read(settings: Settings) -> Result<(Self, Arc<Sources>), AwsError> {
        let profile_name = settings.profile_given();
        let profiles = Profiles::load(profile_name.as_deref())?;
        let region = settings.region_of(variable, &profiles);
        let endpoint_places = settings.chosen_endpoints();
        let endpoints = settings.endpoints.checked()?;

        let authorities = authorities(&profiles)?;
        let http = HttpWay::new(&authorities);
        let region = match region {
            // Last, since it takes a while to find nobody.
            Err(error @ AwsError::NoRegion { .. }) => instance::region(&http).await.ok_or(error)?,
            region => region?,
        };
        let sdk = sdk_config(&profiles, &region, &http)?;
        let mfa = Mfa { serial: given(settings.mfa.serial), ..settings.mfa };
        let sts = Sts::new(sdk.clone(), &region, endpoints.of(Service::Sts));
        let sources = Sources::new(profile_name, &sdk, &http, sts, mfa);
        let sources = Arc::new(sources);
        let provider: Arc<dyn ProvideCredentials> = sources.clone();
        let configuration = Self {
            region,
            profile: profiles.selected().to_owned(),
            endpoints,
            endpoint_places,
            http,
            signs: signs(variable),
            sdk,
            authorities,
            credentials: CredentialStore::new(provider),
        };
        Ok((configuration, sources))
    }
}

/// The reference's switch for callers that know that no credentials are at hand.
fn signs(environment: impl Fn(&str) -> Option<String>) -> bool {
    environment("SSM_PLUGIN_SKIP_CLIENT_CONFIGURE").as_deref() != Some("true")
}

/// Those of AWS_CA_BUNDLE, then of the profile's `ca_bundle`, then of what the AWS CLI's library for
/// HTTP goes by, then the system's.
fn authorities(profiles: &Profiles) -> Result<Authorities, AwsError> {
    if let Some(authorities) = Authorities::of_environment()? {
        return Ok(authorities);
    }
    // A folder of certificates, which that library takes too, the AWS CLI does not.
    let of_library =
        || variable("REQUESTS_CA_BUNDLE").map(PathBuf::from).filter(|path| path.is_file());
    let bundle = profiles.option("ca_bundle").map(|path| expand(path, &variable));
    let bundle = bundle.or_else(of_library);
    let authorities = bundle.map(|path| Authorities::of_file(&path)).transpose()?;
    Ok(authorities.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: fn(&str) -> Option<String> = |_| None;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn with(region: Option<String>) -> Settings {
        Settings { region, ..Settings::default() }
    }

    #[test]
    fn what_is_typed_goes_before_the_environment() {
        let environment = |name: &str| match name {
            "AWS_DEFAULT_REGION" => text("eu-central-1"),
            _ => None,
        };
        let profile = Profiles::of_config("", "default");
        assert_eq!(with(text("eu-west-1")).region_of(environment, &profile).unwrap(), "eu-west-1");
        assert_eq!(with(None).region_of(environment, &profile).unwrap(), "eu-central-1");
    }

    #[test]
    fn without_a_region_the_ways_to_name_it_are_told() {
        let error = with(None).region_of(NOTHING, &Profiles::of_config("", "default")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no AWS region: not given, not in AWS_REGION, and not in profile `default`"
        );
        assert_eq!(error.next_step().unwrap(), "set AWS_REGION, or add `region` to the profile");
    }

    #[test]
    fn a_profile_gives_its_region() {
        let profiles = |config| Profiles::of_config(config, "work");
        let work = profiles("[profile work]\nregion = eu-north-1\n");
        assert_eq!(with(None).region_of(NOTHING, &work).unwrap(), "eu-north-1");
        // In these files nothing but a line of its own is a comment.
        let commented = profiles("[profile work]\nregion = eu-north-1 # the north\n");
        let error = with(None).region_of(NOTHING, &commented).unwrap_err().to_string();
        assert!(error.ends_with("`eu-north-1 # the north` is no region's name"), "{error}");
    }

    #[test]
    fn a_default_region_yields_to_whoever_is_named_nearer() {
        let profiles = Profiles::of_config("[profile work]\nregion = eu-north-1\n", "work");
        let other = Profiles::of_config("[profile bare]\n", "bare");
        let settings = |profile: Option<&str>| Settings {
            profile: profile.map(str::to_owned),
            default_region: text("us-east-1"),
            ..Settings::default()
        };
        let by_name = |name: &str| (name == "AWS_PROFILE").then(|| "work".to_owned());
        let by_region = |name: &str| (name == "AWS_REGION").then(|| "eu-west-2".to_owned());
        let of = |found: Result<String, AwsError>| found.unwrap();
        assert_eq!(of(settings(None).region_of(NOTHING, &profiles)), "us-east-1");
        assert_eq!(of(settings(Some("work")).region_of(NOTHING, &profiles)), "eu-north-1");
        assert_eq!(of(settings(None).region_of(by_name, &profiles)), "eu-north-1");
        assert_eq!(of(settings(Some("bare")).region_of(NOTHING, &other)), "us-east-1");
        assert_eq!(of(settings(Some("work")).region_of(by_region, &profiles)), "eu-west-2");
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
