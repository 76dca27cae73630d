//! What the SDK's clients go by: read here, in the environment and the profile, since the SDK's own
//! reader refuses files that the AWS CLI takes, and ends the process at settings that make no sense.

use std::{collections::HashMap, fmt};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, identity::IdentityCache, retry::RetryConfig,
};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::{
    endpoints::check,
    environment::variable,
    error::AwsError,
    files::Profiles,
    http_client::{HttpWay, timeouts},
    service::Service,
};
use crate::malformed::Malformed;

/// The settings of clients in `region`.
///
/// # Errors
/// [`AwsError::Configuration`] names the setting that makes no sense.
pub(super) fn sdk_config(
    profiles: &Profiles,
    region: &str,
    http: &HttpWay,
) -> Result<SdkConfig, AwsError> {
    let settings = Settings { profiles, environment: &variable };
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http.client())
        .timeout_config(timeouts())
        .retry_config(settings.retries()?)
        // The credential store keeps them already, for the signature too.
        .identity_cache(IdentityCache::no_cache())
        .use_fips(settings.is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"))
        .use_dual_stack(settings.is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"))
        .service_config(ConfiguredEndpoints::of(&settings)?);
    // For the account's records alone: one that cannot be is left out.
    let application = settings.either("AWS_SDK_UA_APP_ID", "sdk_ua_app_id");
    config.set_app_name(application.and_then(|name| AppName::new(name).ok()));
    Ok(config.build())
}

/// Variables, and the options of the profile in use behind them.
struct Settings<'a> {
    profiles: &'a Profiles,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Settings<'_> {
    fn either(&self, variable: &str, option: &str) -> Option<String> {
        let own = || self.profiles.option(option).map(str::to_owned);
        (self.environment)(variable).or_else(own)
    }

    fn is_on(&self, variable: &str, option: &str) -> bool {
        self.either(variable, option).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn retries(&self) -> Result<RetryConfig, AwsError> {
        let (variable, option) = ("AWS_RETRY_MODE", "retry_mode");
        let retries = match self.either(variable, option).as_deref() {
            // What botocore did before it knew modes is nothing that the SDK does.
            None | Some("standard" | "legacy") => RetryConfig::standard(),
            Some("adaptive") => RetryConfig::adaptive(),
            Some(other) => {
                let wanted = "none of standard, adaptive and legacy";
                return Err(self.senseless(variable, option, other, wanted));
            }
        };
        let (variable, option) = ("AWS_MAX_ATTEMPTS", "max_attempts");
        let Some(attempts) = self.either(variable, option) else { return Ok(retries) };
        match attempts.trim().parse() {
            Ok(attempts @ 1..) => Ok(retries.with_max_attempts(attempts)),
            _ => Err(self.senseless(variable, option, &attempts, "no number from 1 on")),
        }
    }

    fn senseless(&self, variable: &str, option: &str, value: &str, why: &str) -> AwsError {
        let place = match (self.environment)(variable) {
            Some(_) => variable.to_owned(),
            None => format!("profile `{}`: {option}", self.profiles.selected()),
        };
        AwsError::Configuration { why: format!("{place}: `{value}` is {why}") }
    }
}

/// The addresses that the environment and the profile give to services.
#[derive(Clone, Debug, Default)]
struct ConfiguredEndpoints(HashMap<&'static str, String>);

impl ConfiguredEndpoints {
    fn of(settings: &Settings<'_>) -> Result<Self, AwsError> {
        if settings.ignores_endpoints() {
            return Ok(Self::default());
        }
        let mut endpoints = HashMap::new();
        for id in Service::ALL.map(Service::id).into_iter().chain(OF_SDK) {
            let Some((url, place)) = settings.endpoint(id) else { continue };
            // The SDK would end the process; of the gateway it knows nothing.
            if id != Service::SsmMessages.id() {
                let named =
                    |why: Malformed| AwsError::Configuration { why: format!("{place}: {why}") };
                check(&url).map_err(named)?;
            }
            endpoints.insert(id, url);
        }
        Ok(Self(endpoints))
    }
}

impl Settings<'_> {
    fn ignores_endpoints(&self) -> bool {
        self.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
    }

    /// What is said, and where; in the order of botocore.
    fn endpoint(&self, service: &str) -> Option<(String, EndpointPlace)> {
        let variable = |name: String| {
            let is_general = name == VARIABLE;
            Some(((self.environment)(&name)?, EndpointPlace::Variable { name, is_general }))
        };
        let option = |url: Option<&str>, is_general| {
            let profile = self.profiles.selected().to_owned();
            url.map(|url| (url.to_owned(), EndpointPlace::Profile { profile, is_general }))
        };
        variable(format!("{VARIABLE}_{}", service.to_uppercase()))
            .or_else(|| variable(VARIABLE.to_owned()))
            .or_else(|| option(self.profiles.service_endpoint(service), false))
            .or_else(|| option(self.profiles.option(OPTION), true))
    }
}

/// The address that counts for a service, and where it is said, unless it is nowhere.
pub(super) fn configured_endpoint(
    profiles: &Profiles,
    service: Service,
) -> Option<(String, EndpointPlace)> {
    let settings = Settings { profiles, environment: &variable };
    if settings.ignores_endpoints() { None } else { settings.endpoint(service.id()) }
}

/// Where a service's address is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointPlace {
    /// By whoever made the [`super::Settings`].
    Given {
        /// Whether it is meant for all services.
        is_general: bool,
    },
    /// In the environment.
    Variable {
        /// The variable's name.
        name: String,
        /// Whether it is meant for all services.
        is_general: bool,
    },
    /// In `~/.aws`.
    Profile {
        /// The profile in use.
        profile: String,
        /// Whether it is meant for all services.
        is_general: bool,
    },
}

impl EndpointPlace {
    /// Whether what is said there is meant for all services.
    pub fn is_general(&self) -> bool {
        let (Self::Given { is_general }
        | Self::Variable { is_general, .. }
        | Self::Profile { is_general, .. }) = self;
        *is_general
    }
}

impl fmt::Display for EndpointPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { .. } => f.write_str("what was given"),
            Self::Variable { name, .. } => f.write_str(name),
            Self::Profile { profile, is_general } => {
                write!(f, "profile `{profile}`: {}", if *is_general { OPTION } else { "services" })
            }
        }
    }
}

impl LoadServiceConfig for ConfiguredEndpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let id = key.service_id().to_lowercase().replace([' ', '-'], "_");
        self.0.get(id.as_str()).filter(|_| key.profile() == OPTION).cloned()
    }
}

/// Services that the SDK calls by itself.
const OF_SDK: [&str; 2] = ["sso", "sso_oidc"];
const VARIABLE: &str = "AWS_ENDPOINT_URL";
const OPTION: &str = "endpoint_url";

#[cfg(test)]
mod tests {
    use super::*;

    fn settings<T>(
        config: &str,
        variables: &[(&str, &str)],
        ask: impl FnOnce(Settings<'_>) -> T,
    ) -> T {
        let profiles = Profiles::of_config(config, "p");
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ask(Settings { profiles: &profiles, environment: &environment })
    }

    #[test]
    fn endpoints_come_from_the_nearest_place() {
        let config = "[profile p]\nendpoint_url = http://all\nservices = s\n\
                      [services s]\nsts =\n  endpoint_url = http://sts\nkms =\n  endpoint_url =\n";
        let of = |service: &str, variables: &[(&str, &str)]| {
            settings(config, variables, |settings| settings.endpoint(service)).unwrap().0
        };
        assert_eq!(of("kms", &[]), "http://all");
        assert_eq!(of("sts", &[]), "http://sts");
        assert_eq!(of("sts", &[("AWS_ENDPOINT_URL", "http://env")]), "http://env");
        let own = [("AWS_ENDPOINT_URL", "http://env"), ("AWS_ENDPOINT_URL_STS", "http://own")];
        assert_eq!(of("sts", &own), "http://own");
        let ignoring = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")];
        let ignored = settings(config, &ignoring, |settings| ConfiguredEndpoints::of(&settings));
        assert!(ignored.unwrap().0.is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_place() {
        for (config, variables, expected) in [
            ("", &[("AWS_MAX_ATTEMPTS", "0")][..], "AWS_MAX_ATTEMPTS: `0` is no number from 1 on"),
            (
                "",
                &[("AWS_RETRY_MODE", "x")],
                "AWS_RETRY_MODE: `x` is none of standard, adaptive and legacy",
            ),
            (
                "[profile p]\nmax_attempts = many\n",
                &[],
                "profile `p`: max_attempts: `many` is no number from 1 on",
            ),
        ] {
            let error = settings(config, variables, |settings| settings.retries()).unwrap_err();
            assert_eq!(error.to_string(), format!("AWS configuration: {expected}"));
        }
        let error = settings("", &[("AWS_ENDPOINT_URL_KMS", "x")], |settings| {
            ConfiguredEndpoints::of(&settings).unwrap_err().to_string()
        });
        assert!(error.starts_with("AWS configuration: AWS_ENDPOINT_URL_KMS: `x` is no"), "{error}");
        let legacy = "[profile p]\nretry_mode = legacy\nmax_attempts = 7\n";
        let retries = settings(legacy, &[], |settings| settings.retries()).unwrap();
        assert_eq!(retries.max_attempts(), 7);
    }
}
