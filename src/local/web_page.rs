//! Requests that a web page may be behind: a browser on this machine reaches a loopback port, and
//! lends it to every page that it shows.
//!
//! A browser tells the page's `Origin` with every request that could do harm here; no AWS program
//! does. A page whose own name has been pointed at this machine afterwards (DNS rebinding) counts as
//! the same origin, and its requests name that host: on a loopback address only names of this
//! machine are answered to, and addresses, which nobody can point elsewhere. A proxy or mapped port
//! that keeps a name of its own has to be allowed it.
//!
//! With GET a browser tells no origin: neither for an image of another page, of which it says only
//! `Sec-Fetch-Site`, nor for the page's own host, where without TLS it does not even say that. So a
//! call by GET is answered to the same names wherever it comes in.

use std::net::{IpAddr, SocketAddr};

use http::{
    Method, Request, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

use super::api;

/// Why a request that reached us at `local` is refused; `None` if it is not. `allowed` are host
/// names that are answered to beside those of this machine.
pub(super) fn refusal<B>(
    request: &Request<B>,
    local: SocketAddr,
    allowed: &[String],
) -> Option<(StatusCode, &'static str)> {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        let why = "Requests from web pages (with an Origin header) are refused.";
        return Some((StatusCode::FORBIDDEN, why));
    }
    // `none` is an address that the user has typed.
    if headers.get_all(SITE).iter().any(|site| site != "none") {
        let why = "Requests from web pages (with a Sec-Fetch-Site header) are refused.";
        return Some((StatusCode::FORBIDDEN, why));
    }
    // A socket for both families has IPv4's addresses in the form of IPv6's.
    let is_loopback = local.ip().to_canonical().is_loopback();
    let is_checked =
        is_loopback || *request.method() == Method::GET && api::is_request(request.uri());
    let is_ours = |host: &str| !is_checked || is_of_this_machine(host, allowed);
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

/// How the page that sends a request is related to us; no page can make its browser leave it out.
const SITE: &str = "sec-fetch-site";

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, local: &str, allowed: &[&str]) -> Option<StatusCode> {
        refused(Request::post("/").header(HOST, host), local, allowed)
    }

    fn refused(
        request: http::request::Builder,
        local: &str,
        allowed: &[&str],
    ) -> Option<StatusCode> {
        let request = request.body(()).unwrap();
        let allowed: Vec<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        refusal(&request, local.parse().unwrap(), &allowed).map(|(status, _)| status)
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
        let upgrade = Request::get("/v1/data-channel/local-0").header(HOST, "endpoint.test:8080");
        assert_eq!(refused(upgrade, "192.0.2.7:4600", &[]), None);
    }

    /// The page's own host was pointed at us, and of a GET to its own host a browser tells nothing.
    #[test]
    fn a_call_by_get_is_answered_to_our_names_alone() {
        let call = |host: &str| Request::get("/?Action=DescribeInstances").header(HOST, host);
        for local in ["192.0.2.7:4600", "127.0.0.1:4600"] {
            let refused_status = refused(call("evil.test:4600"), local, &["good.test"]);
            assert_eq!(refused_status, Some(StatusCode::MISDIRECTED_REQUEST));
            for host in ["192.0.2.7:4600", "good.test:4600", "localhost"] {
                assert_eq!(refused(call(host), local, &["good.test"]), None, "{host}");
            }
        }
    }

    #[test]
    fn what_a_browser_sends_for_another_page_is_refused() {
        let image = |site: &str| {
            let call = Request::get("/?Action=GetSessionToken").header(HOST, "127.0.0.1:4600");
            refused(call.header("Sec-Fetch-Site", site), "127.0.0.1:4600", &[])
        };
        for site in ["cross-site", "same-site", "same-origin"] {
            assert_eq!(image(site), Some(StatusCode::FORBIDDEN), "{site}");
        }
        assert_eq!(image("none"), None, "typed by the user");
    }

    #[test]
    fn one_host_of_ours_does_not_vouch_for_another() {
        let request = Request::post("/").header(HOST, "localhost").header(HOST, "evil.org");
        assert!(refused(request, "127.0.0.1:1", &[]).is_some());
    }
}
