//! Requests that a web page may be behind: a browser on this machine reaches a loopback port, and
//! lends it to every page that it shows.
//!
//! A browser tells the page's `Origin` with every request that could do harm here; no AWS program
//! does. A page whose own name has been pointed at this machine afterwards (DNS rebinding) counts as
//! the same origin, and its requests name that host: on a loopback address only names of this
//! machine are answered to, and addresses, which nobody can point elsewhere. A proxy or mapped port
//! that keeps a name of its own has to be allowed it.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

/// Why a request that reached us at `local` is refused; `None` if it is not. `allowed` are host
/// names that are answered to beside those of this machine.
pub(super) fn refusal(
    headers: &HeaderMap,
    local: SocketAddr,
    allowed: &[String],
) -> Option<(StatusCode, &'static str)> {
    if headers.contains_key(ORIGIN) {
        let why = "Requests from web pages (with an Origin header) are refused.";
        return Some((StatusCode::FORBIDDEN, why));
    }
    // A socket for both families has IPv4's addresses in the form of IPv6's.
    let is_loopback = local.ip().to_canonical().is_loopback();
    let is_ours = |host: &str| !is_loopback || is_of_this_machine(host, allowed);
    // Without the header it is no browser.
    let mut hosts = headers.get_all(HOST).iter();
    let all_ours = hosts.all(|host| {
        let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| is_ours(authority.host()))
    });
    (!all_ours).then_some((
        StatusCode::MISDIRECTED_REQUEST,
        "The Host header names neither this machine nor a name given with --allow-host.",
    ))
}

fn is_of_this_machine(host: &str, allowed: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, local: &str, allowed: &[&str]) -> Option<StatusCode> {
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        let allowed: Vec<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        refusal(&headers, local.parse().unwrap(), &allowed).map(|(status, _)| status)
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_answered_to() {
        for local in ["127.0.0.1:4600", "[::1]:4600", "[::ffff:127.0.0.1]:4600"] {
            for host in [
                "127.0.0.1:4600",
                "localhost",
                "LocalHost:80",
                "ssm.localhost:4600",
                "[::1]:4600",
                "192.0.2.7:1",
                "host.docker.internal:4600",
            ] {
                assert_eq!(status(host, local, &["Host.Docker.Internal"]), None, "{host}");
            }
            for host in ["evil.org", "evil.org:4600", "localhost.evil.org", "127.0.0.1.evil.org"] {
                let refused = Some(StatusCode::MISDIRECTED_REQUEST);
                assert_eq!(status(host, local, &["good.org"]), refused, "{host}");
            }
        }
    }

    #[test]
    fn elsewhere_every_name_may_be_ours() {
        assert_eq!(status("endpoint.test:8080", "192.0.2.7:4600", &[]), None);
    }

    #[test]
    fn one_host_of_ours_does_not_vouch_for_another() {
        let host = |name: &'static str| (HOST, name.parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.extend([host("localhost")]);
        headers.append(HOST, "evil.org".parse().unwrap());
        assert!(refusal(&headers, "127.0.0.1:1".parse().unwrap(), &[]).is_some());
    }
}
