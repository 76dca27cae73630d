//! The addresses of services that the user has configured: a stream URL may lead there.

use crate::session::Endpoint;

/// Those of the environment, and the one that was `given` for this run.
pub(super) fn configured(given: Option<&str>) -> Vec<Endpoint> {
    collect(given, |name| std::env::var(name).ok())
}

fn collect(given: Option<&str>, environment: impl Fn(&str) -> Option<String>) -> Vec<Endpoint> {
    // The AWS CLI's switch to go by none of its settings.
    let ignored = environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    let names = match ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        true => &[][..],
        false => &VARIABLES,
    };
    let urls = given.map(str::to_owned).into_iter();
    urls.chain(names.iter().filter_map(|name| environment(name)))
        .filter_map(|url| Endpoint::parse(&url))
        .collect()
}

const VARIABLES: [&str; 3] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SSMMESSAGES"];

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
            collect(Some("https://typed.internal"), environment),
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
            collect(Some("https://typed.internal"), ignoring),
            [endpoint("https://typed.internal")]
        );
    }
}
