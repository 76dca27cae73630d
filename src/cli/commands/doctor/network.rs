//! The way to AWS: names, addresses, proxies, TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use http::Uri;
use tokio::time::timeout;

use super::report::{Check, Report};
use crate::{
    aws::{Account, Service},
    client::Error,
    net::{lookup, now},
    wire::stream_url::without_secrets,
};

/// Tries each endpoint; `false` when SSM itself is not reached.
pub(super) async fn look(account: &Account, report: &mut Report) -> bool {
    let (ssm, gateway, sts) = tokio::join!(
        endpoint("ssm", Service::Ssm, account),
        endpoint("ssmmessages", Service::SsmMessages, account),
        endpoint("sts", Service::Sts, account),
    );
    let is_reached = !ssm.is_failure();
    [ssm, gateway, sts].into_iter().for_each(|check| report.add(check));
    is_reached
}

async fn endpoint(name: &'static str, service: Service, account: &Account) -> Check {
    let url = match account.address(service).await {
        Ok(url) => url,
        Err(error) => return Check::failure(name, &error.into()),
    };
    let Ok(uri) = url.parse::<Uri>() else {
        let url = without_secrets(&url);
        return Check::broken(name, format!("{url} is no address"), "check the endpoint");
    };
    let host = uri.host().unwrap_or_default().to_owned();
    let connector = account.connector();
    let proxy = match connector.way_to(&uri) {
        Ok(proxy) => proxy,
        Err(error) => return Check::broken(name, error.to_string(), error.next_step()),
    };
    let way = match &proxy {
        Some(proxy) => format!(", through the proxy {}", proxy.address()),
        None => match addresses(&host).await {
            Ok(addresses) => addresses,
            Err(why) => return Check::broken(name, why.to_string(), DNS_STEP),
        },
    };
    let before: Instant = now();
    match connector.connect(&uri, CONNECT_LIMIT).await {
        Ok(_) => {
            let took = before.elapsed().as_millis();
            let said = account.endpoint_place(service);
            let said = said.map(|place| format!(", by {place}")).unwrap_or_default();
            Check::ok(name, format!("{host}{way}{said}, in {took} ms"))
        }
        Err(error) => {
            let mut failure = Error::from(error);
            failure.why =
                Some(way.trim_start_matches([',', ' ']).to_owned()).filter(|way| !way.is_empty());
            Check::failure(name, &failure)
        }
    }
}

/// Why nobody knows where a host is.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{host} has no address: {why}")]
    Because { host: String, why: io::Error },
    #[error("{0} has no address")]
    Nowhere(String),
    #[error("no name server tells where {0} is")]
    Untold(String),
}

/// Where a name leads, and whether that is a private address: then it is an interface endpoint. It goes behind
/// the name, and is not said of an address once more.
async fn addresses(host: &str) -> Result<String, Unknown> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(DNS_LIMIT, lookup(bare, 443)).await;
    let found: Vec<IpAddr> = match found {
        Ok(Ok(found)) => found.iter().map(SocketAddr::ip).collect(),
        Ok(Err(why)) => return Err(Unknown::Because { host: host.to_owned(), why }),
        Err(_) => return Err(Unknown::Untold(host.to_owned())),
    };
    let Some(first) = found.first() else { return Err(Unknown::Nowhere(host.to_owned())) };
    let kind = match first {
        first if first.is_loopback() => "this machine",
        first if is_private(*first) => "a private address, of a VPC endpoint",
        _ => "",
    };
    let kind = if kind.is_empty() { String::new() } else { format!(" ({kind})") };
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(kind);
    }
    let more =
        if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    Ok(format!(", {first}{more}{kind}"))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.octets()[0] == 100,
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

const DNS_STEP: &str = "check the region's name and this computer's name servers; in a network without \
                        internet: the VPC endpoint and its private DNS";
const DNS_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for (address, private) in [
            ("10.0.0.5", true),
            ("172.31.255.1", true),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("52.94.236.1", false),
            ("fd12::1", true),
            ("2a05:d000::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_said_so() {
        let why = addresses("no-such-host.invalid").await.unwrap_err().to_string();
        assert!(why.contains("no-such-host.invalid"), "{why}");
        assert!(addresses("localhost").await.unwrap().ends_with(" (this machine)"));
        // An address is there already.
        for address in ["127.0.0.1", "[::1]"] {
            assert_eq!(addresses(address).await.unwrap(), " (this machine)");
        }
    }
}
