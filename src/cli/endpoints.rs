//! The addresses of services that the user has given or configured: calls go there, and stream
//! URLs may lead there.

use clap::Args;

use crate::session::Endpoint;

/// Addresses that were typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct EndpointArgs {
    /// Address of every service that is not given one of its own: that of `ssmport local`, say.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// Address of SSM, which starts sessions and knows the nodes.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) ssm_endpoint: Option<String>,
    /// Address of Session Manager's message gateway, which carries the sessions: it takes the place of
    /// the host that AWS names.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) ssmmessages_endpoint: Option<String>,
    /// Address of KMS, for encrypted sessions.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) kms_endpoint: Option<String>,
    /// Address of STS, for roles and MFA.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) sts_endpoint: Option<String>,
    /// Address of EC2, for names, tags and addresses of instances.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) ec2_endpoint: Option<String>,
}

impl EndpointArgs {
    /// The options with what they were given.
    pub(super) fn options(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let options = [
            ("--endpoint-url", &self.endpoint_url),
            ("--ssm-endpoint", &self.ssm_endpoint),
            ("--ssmmessages-endpoint", &self.ssmmessages_endpoint),
            ("--kms-endpoint", &self.kms_endpoint),
            ("--sts-endpoint", &self.sts_endpoint),
            ("--ec2-endpoint", &self.ec2_endpoint),
        ];
        options.into_iter().filter_map(|(option, url)| Some((option, url.as_ref()?)))
    }

    /// For the calls.
    #[cfg(feature = "aws")]
    pub(super) fn given(&self) -> crate::aws::Endpoints {
        use crate::aws::{Endpoints, Service};
        Endpoints { all: self.endpoint_url.clone(), ..Endpoints::default() }
            .with(Service::Ssm, self.ssm_endpoint.clone())
            .with(Service::SsmMessages, self.ssmmessages_endpoint.clone())
            .with(Service::Kms, self.kms_endpoint.clone())
            .with(Service::Sts, self.sts_endpoint.clone())
            .with(Service::Ec2, self.ec2_endpoint.clone())
    }
}

/// Where stream URLs may lead: to what was `given` for this run, and to what the environment says.
pub(super) fn configured<'a>(given: impl IntoIterator<Item = &'a str>) -> Vec<Endpoint> {
    collect(given, |name| std::env::var(name).ok())
}

fn collect<'a>(
    given: impl IntoIterator<Item = &'a str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Vec<Endpoint> {
    let names = match is_ignoring(&environment) {
        true => &[][..],
        false => &VARIABLES,
    };
    let urls = given.into_iter().map(str::to_owned);
    urls.chain(names.iter().filter_map(|name| environment(name)))
        .filter_map(|url| Endpoint::parse(&url))
        .collect()
}

/// The message gateway's URL: what was `given` for this run, else what the environment says.
pub(super) fn gateway(given: Option<&str>) -> Option<String> {
    find_gateway(given, |name| std::env::var(name).ok())
}

fn find_gateway(
    given: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let named = if is_ignoring(&environment) { None } else { environment(GATEWAY) };
    let is_given = |url: &String| !url.is_empty();
    given.map(str::to_owned).filter(is_given).or(named.filter(is_given))
}

/// The AWS CLI's switch to go by none of its settings.
fn is_ignoring(environment: impl Fn(&str) -> Option<String>) -> bool {
    let ignored = environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    ignored.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

const VARIABLES: [&str; 3] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM", GATEWAY];
const GATEWAY: &str = "AWS_ENDPOINT_URL_SSMMESSAGES";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_what_was_given_and_what_the_environment_says() {
        let environment = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://one.internal:4566".to_owned()),
            "AWS_ENDPOINT_URL_SSMMESSAGES" => Some("https://two.internal".to_owned()),
            "AWS_ENDPOINT_URL_SSM" => Some(String::new()),
            _ => None,
        };
        let endpoint = |url| Endpoint::parse(url).unwrap();
        assert_eq!(
            collect(["https://typed.internal"], environment),
            [
                endpoint("https://typed.internal"),
                endpoint("http://one.internal:4566"),
                endpoint("https://two.internal"),
            ]
        );
        let ignoring = |name: &str| match name {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => Some("true".to_owned()),
            name => environment(name),
        };
        assert_eq!(
            collect(["https://typed.internal"], ignoring),
            [endpoint("https://typed.internal")]
        );
        let gateway = "https://two.internal".to_owned();
        assert_eq!(find_gateway(None, environment), Some(gateway.clone()));
        assert_eq!(find_gateway(Some(""), environment), Some(gateway));
        let typed = "https://typed.internal";
        assert_eq!(find_gateway(Some(typed), environment).as_deref(), Some(typed));
        assert_eq!(find_gateway(None, ignoring), None);
    }
}
