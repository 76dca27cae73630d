//! Where a data channel may lead.
//!
//! Whoever answers StartSession names the host that the session's token goes to, and the signature
//! of the upgrade. A mistyped endpoint, an intercepted answer or a forged response must not send
//! either to a stranger, so a stream URL is dialled only if it leads
//!
//! - to AWS's own hosts of Session Manager, with TLS, on port 443, in any partition and region;
//! - to the host and port of an endpoint that the user configured, with TLS unless that one has
//!   none either;
//! - to this machine.
//!
//! Where the user has given the message gateway's own address (an interface endpoint whose name is
//! not known to DNS, a tunnel, a mapped port), that takes the place of every stream URL's host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::wire::stream_url::{is_presigned, without_secrets};

/// Why a stream URL is not dialled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// The URL is none of a WebSocket.
    #[error("`{0}` is not the address of a WebSocket (ws:// or wss:// with a host)")]
    Form(String),
    /// What the user gave as the message gateway's address is none.
    #[error("`{0}` is not the address of a message gateway (http:// or https:// with a host)")]
    Gateway(String),
    /// Its signature is good for its own host alone.
    #[error("the stream URL is presigned for {host}, and cannot be led to another gateway")]
    Presigned {
        /// The host that it is signed for.
        host: String,
    },
    /// The URL names a user, as those do that are to look like another host's.
    #[error("the stream URL of {host} names a user, which those of Session Manager never do")]
    User {
        /// Host and port.
        host: String,
    },
    /// Nobody vouches for the host.
    #[error(
        "the stream URL leads to {host}, which is no host of Session Manager and no configured \
         endpoint"
    )]
    Stranger {
        /// Host, and port unless it is that of the scheme.
        host: String,
    },
    /// The host would do, but not without TLS.
    #[error("the stream URL leads to {host} without TLS")]
    Plain {
        /// Host, and port unless it is that of the scheme.
        host: String,
    },
}

impl AddressError {
    /// What to do about it, as a short sentence without capital or full stop.
    pub fn next_step(&self) -> String {
        match self {
            Self::Stranger { host } => format!(
                "if that host is yours, name it: AWS_ENDPOINT_URL_SSMMESSAGES=https://{host}"
            ),
            Self::Gateway(_) => {
                "check --ssmmessages-endpoint and AWS_ENDPOINT_URL_SSMMESSAGES".to_owned()
            }
            Self::Presigned { .. } => {
                "unset AWS_ENDPOINT_URL_SSMMESSAGES for this session".to_owned()
            }
            Self::Form(_) | Self::User { .. } | Self::Plain { .. } => {
                "check the endpoint that the session was started at".to_owned()
            }
        }
    }
}

/// A service's address that the user has configured: stream URLs may lead to its host and port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    host: String,
    port: u16,
    has_tls: bool,
}

impl Endpoint {
    /// The endpoint of an `http://` or `https://` URL; `None` for any other text.
    pub fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let (port, has_tls) = match url.scheme_str() {
            Some("http") => (80, false),
            Some("https") => (443, true),
            _ => return None,
        };
        let host = url.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { host, port: url.port_u16().unwrap_or(port), has_tls })
    }
}

/// The address at which a stream URL is dialled when the user has given the gateway's: host, port and
/// TLS are those of `gateway`, an `http://` or `https://` URL; path and query those of `url`. The
/// upgrade is signed for what this gives, and the certificate is to be the gateway's.
///
/// # Errors
/// `url` is none of a WebSocket, or `gateway` is no endpoint.
pub fn led_to(gateway: &str, url: &str) -> Result<Uri, AddressError> {
    let form = || AddressError::Form(without_secrets(url));
    let uri = websocket(url).ok_or_else(form)?;
    let Some(Endpoint { host, port, has_tls }) = Endpoint::parse(gateway) else {
        return Err(AddressError::Gateway(without_secrets(gateway)));
    };
    let its_host = uri.host().unwrap_or_default();
    if is_presigned(url) && its_host != host {
        return Err(AddressError::Presigned { host: its_host.to_owned() });
    }
    let (scheme, default_port) = if has_tls { ("wss", 443) } else { ("ws", 80) };
    let authority = if port == default_port { host } else { format!("{host}:{port}") };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let led = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    led.map_err(|_| form())
}

/// The address of a stream URL that may be dialled.
///
/// # Errors
/// It is no URL of a WebSocket, or leads elsewhere than to AWS, to one of `endpoints` or to this
/// machine.
pub fn checked(url: &str, endpoints: &[Endpoint]) -> Result<Uri, AddressError> {
    let form = || AddressError::Form(without_secrets(url));
    let uri = websocket(url).ok_or_else(form)?;
    let (default_port, has_tls) = match uri.scheme_str() {
        Some("ws") => (80, false),
        _ => (443, true),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(form)?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(default_port);
    let shown = if port == default_port { host.clone() } else { format!("{host}:{port}") };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(AddressError::User { host: shown });
    }
    if is_loopback(&host) {
        return Ok(uri);
    }
    let mut endpoints = endpoints.iter();
    let configured = endpoints.find(|endpoint| endpoint.host == host && endpoint.port == port);
    let needs_tls = match configured {
        Some(endpoint) => endpoint.has_tls,
        None if is_session_manager(&host) && (port == 443 || !has_tls) => true,
        None => return Err(AddressError::Stranger { host: shown }),
    };
    if needs_tls && !has_tls {
        return Err(AddressError::Plain { host: shown });
    }
    Ok(uri)
}

/// A stream URL with the scheme `ws` or `wss`, however it was written: in capitals, or as the
/// `http` or `https` that a WebSocket begins with.
fn websocket(url: &str) -> Option<Uri> {
    let mut parts = url.trim().parse::<Uri>().ok()?.into_parts();
    let scheme = match &*parts.scheme?.as_str().to_ascii_lowercase() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return None,
    };
    parts.scheme = Some(scheme.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether a host name belongs to AWS, whatever the service.
pub fn is_of_aws(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    AWS_DOMAINS.iter().any(|domain| below(&host, domain).is_some())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse() == Ok(Ipv6Addr::LOCALHOST),
        None => {
            host == "localhost"
                || host.parse().is_ok_and(|ip: Ipv4Addr| IpAddr::V4(ip).is_loopback())
        }
    }
}

/// `ssmmessages.REGION.DOMAIN`, and the names of its VPC endpoints,
/// `vpce-ID.ssmmessages.REGION.vpce.DOMAIN`.
fn is_session_manager(host: &str) -> bool {
    let names = AWS_DOMAINS.iter().filter_map(|domain| below(host, domain));
    names.into_iter().any(|name| match name.split('.').collect::<Vec<_>>()[..] {
        [service, region] => is_service(service) && is_region(region),
        [endpoint, service, region, "vpce"] => {
            endpoint.starts_with("vpce-") && is_service(service) && is_region(region)
        }
        _ => false,
    })
}

/// What stands before `.DOMAIN`.
fn below<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

fn is_service(label: &str) -> bool {
    matches!(label, "ssmmessages" | "ssmmessages-fips")
}

/// `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`. More is not a region: a bucket of S3 that
/// somebody has called `ssmmessages` is at `ssmmessages.s3.amazonaws.com`, and once was at
/// `ssmmessages.s3-eu-west-1.amazonaws.com`.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let number = parts.next_back().unwrap_or_default();
    let words: Vec<_> = parts.collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&words.len())
        && words.iter().all(is_word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// Under which AWS's services are, in the order of partitions, with the one for IPv6 second. From
/// the partitions that AWS's SDKs are published with (botocore, `partitions.json`).
const AWS_DOMAINS: [&str; 14] = [
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str, endpoints: &[&str]) -> Result<(), AddressError> {
        let endpoints = endpoints.iter().map(|url| Endpoint::parse(url).unwrap());
        checked(url, &endpoints.collect::<Vec<_>>()).map(drop)
    }

    #[track_caller]
    fn is_stranger(url: &str, endpoints: &[&str]) {
        let verdict = verdict(url, endpoints);
        assert!(matches!(verdict, Err(AddressError::Stranger { .. })), "{url}: {verdict:?}");
    }

    #[test]
    fn aws_is_dialled_in_every_partition() {
        for host in [
            "ssmmessages.eu-west-1.amazonaws.com",
            "SSMMessages.EU-West-1.AmazonAWS.com",
            "ssmmessages.eu-west-1.amazonaws.com:443",
            "ssmmessages-fips.us-east-1.amazonaws.com",
            "ssmmessages.us-gov-west-1.amazonaws.com",
            "ssmmessages.ap-southeast-12.amazonaws.com",
            "ssmmessages.eu-west-1.api.aws",
            "ssmmessages-fips.us-east-1.api.aws",
            "ssmmessages-fips.us-gov-east-1.amazonaws.com",
            "ssmmessages-fips.us-gov-east-1.api.aws",
            "ssmmessages.cn-north-1.amazonaws.com.cn",
            "ssmmessages.cn-north-1.api.amazonwebservices.com.cn",
            "ssmmessages.eusc-de-east-1.amazonaws.eu",
            "ssmmessages.eusc-de-east-1.api.amazonwebservices.eu",
            "ssmmessages.us-iso-east-1.c2s.ic.gov",
            "ssmmessages.us-isob-east-1.sc2s.sgov.gov",
            "ssmmessages.eu-isoe-west-1.cloud.adc-e.uk",
            "ssmmessages.us-isof-south-1.csp.hci.ic.gov",
            "vpce-0a1b-2c3d.ssmmessages.eu-west-1.vpce.amazonaws.com",
            "vpce-0a1b-2c3d-eu-west-1a.ssmmessages.eu-west-1.vpce.amazonaws.com",
            "vpce-0abc-xyz.ssmmessages-fips.us-east-1.vpce.amazonaws.com",
            "vpce-0a1b-2c3d.ssmmessages.cn-north-1.vpce.amazonaws.com.cn",
            "vpce-0abc-xyz.ssmmessages.us-iso-east-1.vpce.c2s.ic.gov",
        ] {
            let url = format!("wss://{host}/v1/data-channel/s?role=publish_subscribe");
            assert_eq!(verdict(&url, &[]), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_only_looks_like_aws_is_not() {
        for host in [
            "evil.org",
            "ssmmessages.eu-west-1.amazonaws.com.evil.org",
            "ssmmessages.eu-west-1.amazonaws.com.",
            "ssmmessages.eu-west-1.amazonaws.comm",
            "ssmmessages.eu-west-1.evilamazonaws.com",
            "evil-ssmmessages.eu-west-1.amazonaws.com",
            "ssmmessages-eu-west-1.amazonaws.com",
            "ssmmessages.amazonaws.com",
            "ssmmessages..amazonaws.com",
            // A bucket, a load balancer, a machine.
            "ssmmessages.s3.amazonaws.com",
            "ssmmessages.s3-eu-west-1.amazonaws.com",
            "ssmmessages.s3.eu-west-1.amazonaws.com",
            "ssmmessages.eu-west-1.elb.amazonaws.com",
            "ec2-203-0-113-1.eu-west-1.compute.amazonaws.com",
            "vpce-1.ssm.eu-west-1.vpce.amazonaws.com",
            "evil.ssmmessages.eu-west-1.vpce.amazonaws.com",
            "ssmmessages.eu-west-1.vpce.amazonaws.com",
            "ssm.eu-west-1.amazonaws.com",
            "ec2messages.eu-west-1.amazonaws.com",
            "ssmmessages.eu-west-1.amazonaws.com:8443",
            "amazonaws.com",
            "192.0.2.1",
            "169.254.169.254",
            "0.0.0.0",
            "[2001:db8::1]",
        ] {
            is_stranger(&format!("wss://{host}/v1/data-channel/s"), &[]);
        }
    }

    #[test]
    fn the_host_is_what_is_dialled_and_not_what_stands_before_it() {
        let aws = "ssmmessages.eu-west-1.amazonaws.com";
        for url in [
            format!("wss://{aws}@evil.org/s"),
            format!("wss://{aws}:443@evil.org/s"),
            format!("wss://evil.org@{aws}/s"),
            "ws://evil.org@127.0.0.1/s".to_owned(),
        ] {
            assert!(matches!(verdict(&url, &[]), Err(AddressError::User { .. })), "{url}");
        }
        for url in [
            format!("wss://evil.org#@{aws}/s"),
            format!("wss://evil.org/{aws}"),
            format!("wss://evil.org?{aws}"),
        ] {
            is_stranger(&url, &[]);
        }
        for url in [format!("wss://evil.org\\@{aws}/s"), format!("wss://evil.org%2f{aws}/")] {
            assert!(verdict(&url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn aws_is_never_dialled_without_tls() {
        for port in ["", ":80", ":443"] {
            let url = format!("ws://ssmmessages.eu-west-1.amazonaws.com{port}/s");
            assert!(matches!(verdict(&url, &[]), Err(AddressError::Plain { .. })), "{url}");
        }
    }

    #[test]
    fn a_configured_endpoint_is_dialled_at_its_port_with_its_security() {
        let plain = "http://emulator.internal:4566/path";
        let secure = "https://Gateway.internal";
        for (url, endpoint) in [
            ("ws://emulator.internal:4566/s", plain),
            ("wss://emulator.internal:4566/s", plain),
            ("wss://gateway.internal/s", secure),
            ("wss://GATEWAY.internal:443/s", secure),
            ("wss://[2001:db8::1]:8443/s", "https://[2001:db8::1]:8443"),
            ("ws://192.0.2.1/s", "http://192.0.2.1"),
        ] {
            assert_eq!(verdict(url, &[secure, plain, endpoint]), Ok(()), "{url}");
        }
        is_stranger("ws://emulator.internal:4567/s", &[plain]);
        is_stranger("ws://emulator.internal/s", &[plain]);
        is_stranger("wss://other.gateway.internal/s", &[secure]);
        is_stranger("ws://gateway.internal/s", &[secure]);
        let downgraded = verdict("ws://gateway.internal:443/s", &[secure]);
        assert!(matches!(downgraded, Err(AddressError::Plain { .. })), "{downgraded:?}");
    }

    #[test]
    fn a_gateway_of_ones_own_takes_the_place_of_the_host() {
        let path = "/v1/data-channel/s-1?role=publish_subscribe&cell-number=a%2Fb";
        for (gateway, host) in [
            (
                "https://vpce-0abc-xyz.ssmmessages.eu-west-1.vpce.amazonaws.com",
                "wss://vpce-0abc-xyz.ssmmessages.eu-west-1.vpce.amazonaws.com",
            ),
            ("https://Gateway.internal:443/ignored", "wss://gateway.internal"),
            ("https://gateway.internal:8443", "wss://gateway.internal:8443"),
            ("http://127.0.0.1:4566", "ws://127.0.0.1:4566"),
            ("http://gateway.internal", "ws://gateway.internal"),
            ("https://[2001:db8::1]:8443", "wss://[2001:db8::1]:8443"),
        ] {
            for from in [
                "wss://ssmmessages.eu-west-1.amazonaws.com",
                "wss://user@evil.org:1",
                "ws://127.0.0.1:9",
            ] {
                let led = led_to(gateway, &format!("{from}{path}")).unwrap().to_string();
                assert_eq!(led, format!("{host}{path}"));
                assert_eq!(verdict(&led, &[gateway]), Ok(()), "{led}");
            }
        }
        assert_eq!(led_to("https://g.internal", "wss://h").unwrap(), "wss://g.internal/");
        for url in ["ftp://127.0.0.1/?X-Amz-Token=s", "nowhere", ""] {
            let error = led_to("https://g.internal", url).unwrap_err();
            assert!(!error.to_string().contains("Token"), "{error}");
        }
        for gateway in ["wss://g.internal", "g.internal", "https://"] {
            let error = led_to(gateway, "wss://h/s").unwrap_err();
            assert_eq!(error, AddressError::Gateway(gateway.to_owned()));
        }
    }

    #[test]
    fn only_http_urls_are_endpoints() {
        for url in ["wss://evil.org/s", "evil.org", "ftp://evil.org", "http://", "", "/"] {
            assert_eq!(Endpoint::parse(url), None, "{url}");
        }
    }

    #[test]
    fn this_machine_is_dialled_with_and_without_tls() {
        for host in ["127.0.0.1:4600", "127.200.3.4", "[::1]:4600", "localhost:4600", "LocalHost"] {
            assert_eq!(verdict(&format!("ws://{host}/s"), &[]), Ok(()), "{host}");
            assert_eq!(verdict(&format!("wss://{host}/s"), &[]), Ok(()), "{host}");
        }
        for host in [
            "localhost.evil.org",
            "localhost.",
            "127.0.0.1.evil.org",
            "127.0.0.1.",
            "127.1",
            "0x7f000001",
            "2130706433",
            "[::ffff:127.0.0.1]",
            "[::]",
            "128.0.0.1",
        ] {
            is_stranger(&format!("ws://{host}/s"), &[]);
        }
    }

    #[test]
    fn a_scheme_may_be_in_capitals_or_that_of_http() {
        for (url, dialled) in [
            ("WS://127.0.0.1:1/s?a=b \n", "ws://127.0.0.1:1/s?a=b"),
            ("http://127.0.0.1:1/s", "ws://127.0.0.1:1/s"),
            ("Wss://127.0.0.1/s", "wss://127.0.0.1/s"),
            ("HTTPS://127.0.0.1/s", "wss://127.0.0.1/s"),
        ] {
            assert_eq!(checked(url, &[]).unwrap(), dialled);
        }
        let downgraded = verdict("http://ssmmessages.eu-west-1.amazonaws.com/s", &[]);
        assert!(matches!(downgraded, Err(AddressError::Plain { .. })), "{downgraded:?}");
        is_stranger("https://evil.org/s", &[]);
    }

    #[test]
    fn what_is_no_websocket_url_is_told_without_its_query() {
        for url in ["", "nowhere", "ftp://127.0.0.1/?X-Amz-Token=s", "ws://", "ws:///s", "a b?s"] {
            let error = verdict(url, &[]).unwrap_err();
            assert!(matches!(error, AddressError::Form(_)), "{url}: {error:?}");
            assert!(!error.to_string().contains("Token"), "{error}");
        }
    }

    #[test]
    fn the_host_is_named_with_what_to_do() {
        let error = verdict("wss://evil.org:8443/s?X-Amz-Token=secret", &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the stream URL leads to evil.org:8443, which is no host of Session Manager and no \
             configured endpoint"
        );
        assert_eq!(
            error.next_step(),
            "if that host is yours, name it: AWS_ENDPOINT_URL_SSMMESSAGES=https://evil.org:8443"
        );
    }
}
