//! The addresses of services that the user has given or configured: calls go there, and stream
//! URLs may lead there.

use crate::session::Endpoint;

/// Where stream URLs may lead: to what was `given` for this run, and to what the environment says.
pub(crate) fn configured<'a>(given: impl IntoIterator<Item = &'a str>) -> Vec<Endpoint> {
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
pub(crate) fn gateway(given: Option<&str>) -> Option<String> {
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
