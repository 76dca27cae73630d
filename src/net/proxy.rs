//! Which proxy leads to a host: what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.
//!
//! Neither this machine nor what answers on the link alone (the metadata of EC2 and of containers) is
//! ever asked for through a proxy: nobody there could reach it, and it hands out credentials.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use data_encoding::BASE64;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use super::proxy_error::ProxyError;

/// Proxies as the environment names them. Nothing is checked before one of them is needed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    /// Entries of NO_PROXY.
    bypassed: Vec<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Setting {
    variable: &'static str,
    /// May hold a password.
    url: String,
}

/// A proxy on the way to some host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// A name or an address, in brackets if it is one of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) kind: Kind,
    /// Where it was named.
    pub(super) variable: &'static str,
}

/// What a proxy speaks, and who it is told that we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// HTTP.
    Http {
        /// It is spoken to over TLS.
        has_tls: bool,
        /// The value of `Proxy-Authorization`; never shown.
        authorization: Option<HeaderValue>,
    },
    /// SOCKS5. It looks names up, whatever the scheme says: names of private networks mean nothing
    /// here.
    Socks(Option<Login>),
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(hidden)")
    }
}

impl Proxies {
    /// Those of the environment.
    pub fn of_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(environment: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        // A web server hands a request's `Proxy` header to its programs as HTTP_PROXY.
        let is_cgi = environment("REQUEST_METHOD").is_some();
        let setting = |upper: &'static str, lower: &'static str| {
            let upper = [upper].into_iter().filter(|name| !(is_cgi && *name == "HTTP_PROXY"));
            let found = upper.chain([lower]).find_map(|name| Some((name, given(name)?)));
            found.map(|(variable, url)| Setting { variable, url: url.trim().to_owned() })
        };
        let all = setting("ALL_PROXY", "all_proxy");
        let bypassed = given("NO_PROXY").or_else(|| given("no_proxy")).unwrap_or_default();
        Self {
            http: setting("HTTP_PROXY", "http_proxy").or_else(|| all.clone()),
            https: setting("HTTPS_PROXY", "https_proxy").or(all),
            bypassed: bypassed.split(',').map(|entry| entry.trim().to_owned()).collect(),
        }
    }

    /// The proxy on the way to an `http`, `https`, `ws` or `wss` URL; `None` when it is reached
    /// directly.
    ///
    /// # Errors
    /// A proxy is named for it, but not in a way that one could be reached by.
    pub fn way_to(&self, url: &Uri) -> Result<Option<Proxy>, ProxyError> {
        let (setting, default_port) = match url.scheme_str() {
            Some("https" | "wss") => (&self.https, 443),
            _ => (&self.http, 80),
        };
        let (Some(setting), Some(host)) = (setting, url.host()) else { return Ok(None) };
        let port = url.port_u16().unwrap_or(default_port);
        if is_here(host) || self.is_bypassed(host, port) {
            return Ok(None);
        }
        setting.proxy().map(Some).ok_or(ProxyError::Address { variable: setting.variable })
    }

    fn is_bypassed(&self, host: &str, port: u16) -> bool {
        let entries = self.bypassed.iter().filter_map(|entry| bypass(entry, port));
        let entries: Vec<_> = entries.collect();
        // The matcher takes `*` for names alone.
        entries.contains(&"*") || intercepted("http://proxy", &entries.join(","), host).is_none()
    }
}

#[cfg(fuzzing)]
impl Proxies {
    /// As the environment has them with these two.
    pub(super) fn of_variables(https_proxy: &str, no_proxy: &str) -> Self {
        Self::read(|name| match name {
            "HTTPS_PROXY" => Some(https_proxy.to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }
}

#[cfg(test)]
impl Proxies {
    /// One for everything with TLS.
    pub(super) fn of_https(url: &str) -> Self {
        Self::read(|name| (name == "HTTPS_PROXY").then(|| url.to_owned()))
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |setting: &Option<Setting>| setting.as_ref().map(|setting| setting.variable);
        f.debug_struct("Proxies")
            .field("http", &name(&self.http))
            .field("https", &name(&self.https))
            .field("bypassed", &self.bypassed)
            .finish()
    }
}

impl Setting {
    fn proxy(&self) -> Option<Proxy> {
        // What desktops write for it.
        let socks = self.url.strip_prefix("socks://").map(|rest| format!("socks5://{rest}"));
        let found = intercepted(socks.as_ref().unwrap_or(&self.url), "", "host.test")?;
        let uri = found.uri();
        let authorization = found.basic_auth().cloned();
        let (kind, default_port) = match uri.scheme_str() {
            Some("http") => (Kind::Http { has_tls: false, authorization }, 80),
            Some("https") => (Kind::Http { has_tls: true, authorization }, 443),
            Some("socks5" | "socks5h") => {
                let login = found.raw_auth().map(|(user, password)| Login {
                    user: user.to_owned(),
                    password: password.to_owned(),
                });
                (Kind::Socks(login), 1080)
            }
            _ => return None,
        };
        // A password with an `@` of its own would be cut there, and be sent to a wrong host.
        if self.url.matches('@').count() > 1 {
            return None;
        }
        let host = uri.host().filter(|host| !host.is_empty())?.to_owned();
        let port = uri.port_u16().unwrap_or(default_port);
        Some(Proxy { host, port, kind, variable: self.variable })
    }
}

impl Proxy {
    /// Host and port, as messages name it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is spoken to over TLS.
    pub fn has_tls(&self) -> bool {
        matches!(self.kind, Kind::Http { has_tls: true, .. })
    }

    /// Whether it is asked for plain `http` URLs themselves, instead of for a way through.
    pub fn takes_requests(&self) -> bool {
        matches!(self.kind, Kind::Http { .. })
    }

    /// The value of `Proxy-Authorization`, marked as sensitive.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        match &self.kind {
            Kind::Http { authorization, .. } => authorization.as_ref(),
            Kind::Socks(_) => None,
        }
    }

    /// What it was told and may repeat, and nobody is to read.
    pub(super) fn secrets(&self) -> Vec<String> {
        let authorization = match &self.kind {
            Kind::Http { authorization, .. } => authorization.as_ref(),
            Kind::Socks(login) => {
                return login.iter().map(|login| login.password.clone()).collect();
            }
        };
        let given = authorization.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let encoded = given.trim_start_matches("Basic ");
        let decoded = BASE64.decode(encoded.as_bytes()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let password = decoded.split_once(':').map_or("", |(_, password)| password);
        [given, encoded, &decoded, password].map(str::to_owned).into()
    }

    /// It refuses us: in HTTP with the status 407.
    pub fn wants_authentication(&self) -> ProxyError {
        let was_given = match &self.kind {
            Kind::Http { authorization, .. } => authorization.is_some(),
            Kind::Socks(login) => login.is_some(),
        };
        ProxyError::Authentication { proxy: self.address(), variable: self.variable, was_given }
    }

    /// It does not connect to `host`, with its port.
    pub(super) fn refusal(&self, host: &str, said: String, is_temporary: bool) -> ProxyError {
        ProxyError::Refused { proxy: self.address(), host: host.to_owned(), said, is_temporary }
    }

    pub(super) fn answer(&self, why: String) -> ProxyError {
        let kind = if self.takes_requests() { "an HTTP" } else { "a SOCKS5" };
        ProxyError::Answer { proxy: self.address(), variable: self.variable, kind, why }
    }
}

/// What the crate's rules, those of curl, make of a host.
fn intercepted(
    proxy: &str,
    bypassed: &str,
    host: &str,
) -> Option<hyper_util::client::proxy::matcher::Intercept> {
    let url = Uri::builder().scheme("http").authority(host).path_and_query("/").build().ok()?;
    Matcher::builder().all(proxy).no(bypassed).build().intercept(&url)
}

/// An entry of NO_PROXY as the matcher takes it; `None` when it is for another port.
fn bypass(entry: &str, port: u16) -> Option<&str> {
    let is_address = entry.parse::<IpAddr>().is_ok() || entry.contains('/');
    let (entry, its_port) = match entry.rsplit_once(':') {
        Some((host, number)) if !is_address && !entry.ends_with(']') => (host, Some(number)),
        _ => (entry, None),
    };
    if its_port.is_some_and(|its_port| its_port.parse() != Ok(port)) {
        return None;
    }
    let entry = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    // `*.internal` is what others write for `.internal`.
    Some(if entry.starts_with("*.") { &entry[1..] } else { entry })
}

/// Whether a host is this machine, or answers on the link alone.
fn is_here(host: &str) -> bool {
    let bare = without_brackets(host);
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip == Ipv6Addr::LOCALHOST
                || ip.is_unicast_link_local()
                || ip.segments()[..2] == EC2_METADATA
        }
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// A host as the system's functions take it.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// fd00:ec2::254 is the metadata of EC2, ::23 that of EKS.
const EC2_METADATA: [u16; 2] = [0xfd00, 0xec2];

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// The address of the proxy to `url`, with its variable.
    fn way(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxy = proxies(variables).way_to(&url.parse().unwrap()).unwrap()?;
        Some(format!("{} {}", proxy.variable, proxy.address()))
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_have_one() {
        let all = [
            ("HTTPS_PROXY", "http://secure.test:1"),
            ("HTTP_PROXY", "plain.test:2"),
            ("ALL_PROXY", "http://all.test:3"),
        ];
        for url in ["https://aws.test/", "wss://aws.test/s"] {
            assert_eq!(way(&all, url).unwrap(), "HTTPS_PROXY secure.test:1");
            assert_eq!(way(&all[2..], url).unwrap(), "ALL_PROXY all.test:3");
            assert_eq!(way(&all[1..2], url), None);
        }
        for url in ["http://aws.test/", "ws://aws.test/s"] {
            assert_eq!(way(&all, url).unwrap(), "HTTP_PROXY plain.test:2");
            assert_eq!(way(&all[2..], url).unwrap(), "ALL_PROXY all.test:3");
            assert_eq!(way(&all[..1], url), None);
        }
    }

    #[test]
    fn small_letters_count_where_capitals_say_nothing() {
        let small = [("https_proxy", "http://small.test:1")];
        assert_eq!(way(&small, "https://a.test").unwrap(), "https_proxy small.test:1");
        let both = [("HTTPS_PROXY", "http://big.test:1"), small[0]];
        assert_eq!(way(&both, "https://a.test").unwrap(), "HTTPS_PROXY big.test:1");
        let empty = [("HTTPS_PROXY", " "), small[0]];
        assert_eq!(way(&empty, "https://a.test").unwrap(), "https_proxy small.test:1");
        assert_eq!(way(&[("HTTPS_PROXY", "")], "https://a.test"), None);
    }

    #[test]
    fn a_request_to_a_web_server_names_no_proxy() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil.test")];
        assert_eq!(way(&cgi, "http://a.test"), None);
    }

    #[test]
    fn this_machine_and_the_link_are_reached_directly() {
        let all = [("ALL_PROXY", "http://p.test:1")];
        for host in [
            "127.0.0.1",
            "127.255.0.1:8080",
            "[::1]:4600",
            "[::ffff:127.0.0.1]",
            "localhost:1",
            "LocalHost",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fe80::1]",
        ] {
            assert_eq!(way(&all, &format!("http://{host}/")), None, "{host}");
        }
        for host in ["localhost.evil.test", "128.0.0.1", "[fd00:ec3::254]", "10.0.0.1", "[::2]"] {
            assert!(way(&all, &format!("http://{host}/")).is_some(), "{host}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_suffixes_networks_and_ports() {
        let is_direct = |bypassed: &str, url: &str| {
            way(&[("ALL_PROXY", "http://p.test:1"), ("no_proxy", bypassed)], url).is_none()
        };
        for (bypassed, url) in [
            ("*", "https://ssm.eu-west-1.amazonaws.com"),
            ("*", "https://10.1.2.3"),
            ("a.test, b.test", "https://b.test"),
            ("b.test", "https://B.Test:8443"),
            ("b.test", "wss://x.b.test"),
            (".b.test", "wss://x.b.test"),
            ("*.b.test", "wss://x.y.b.test"),
            ("10.0.0.0/8", "https://10.1.2.3"),
            ("10.1.2.3", "ws://10.1.2.3:80"),
            ("2001:db8::/32", "https://[2001:db8::1]:8443"),
            ("2001:db8::1", "https://[2001:db8::1]"),
            ("[2001:db8::1]", "https://[2001:db8::1]"),
            ("b.test:443", "https://b.test"),
            ("10.1.2.3:8443", "https://10.1.2.3:8443"),
            ("[2001:db8::1]:443", "https://[2001:db8::1]"),
        ] {
            assert!(is_direct(bypassed, url), "{bypassed}: {url}");
        }
        for (bypassed, url) in [
            ("", "https://b.test"),
            ("b.test", "https://notb.test"),
            ("x.b.test", "https://b.test"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.0.0.0/8", "https://ten.test"),
            ("b.test:443", "https://b.test:8443"),
            ("2001:db8::/32", "https://[2001:db9::1]"),
            ("**", "https://b.test"),
        ] {
            assert!(!is_direct(bypassed, url), "{bypassed}: {url}");
        }
    }

    #[test]
    fn the_user_goes_into_a_header_that_is_never_shown() {
        let with_user = proxies(&[("HTTPS_PROXY", "https://jane:s%40cret@p.test")]);
        let proxy = with_user.way_to(&Uri::from_static("https://a.test")).unwrap().unwrap();
        assert_eq!((&*proxy.address(), proxy.has_tls()), ("p.test:443", true));
        // jane:s@cret
        assert_eq!(proxy.authorization().unwrap(), "Basic amFuZTpzQGNyZXQ=");
        for shown in [format!("{with_user:?}"), format!("{proxy:?}")] {
            assert!(!shown.contains("cret") && !shown.contains("amFu"), "{shown}");
        }
    }

    #[test]
    fn socks_is_known_by_each_of_its_schemes_and_hides_its_user() {
        for (url, address) in [
            ("socks5://jane:s%40cret@p.test", "p.test:1080"),
            ("socks5h://jane:s%40cret@p.test:9050", "p.test:9050"),
            ("socks://jane:s%40cret@p.test:1/", "p.test:1"),
        ] {
            let proxy = proxies(&[("all_proxy", url)]).way_to(&Uri::from_static("ws://a.test"));
            let proxy = proxy.unwrap().unwrap();
            assert_eq!(proxy.address(), address);
            let login = Login { user: "jane".to_owned(), password: "s@cret".to_owned() };
            assert_eq!(proxy.kind, Kind::Socks(Some(login)));
            assert!(!proxy.takes_requests() && !proxy.has_tls());
            assert!(!format!("{proxy:?}").contains("cret"), "{proxy:?}");
        }
    }

    #[test]
    fn what_names_no_proxy_is_an_error_when_it_is_needed() {
        for value in [
            "socks4://p.test:1080",
            "ftp://p.test:21",
            "http://",
            "http://jane:s@cret@p.test:1",
            "a b",
            "http://u:p w@h",
        ] {
            let bad = proxies(&[("ALL_PROXY", value), ("NO_PROXY", "direct.test")]);
            let error = bad.way_to(&Uri::from_static("wss://a.test")).unwrap_err();
            assert_eq!(
                error.to_string(),
                "ALL_PROXY does not name a proxy (http://, https:// or socks5://, a host and a port)"
            );
            assert!(!error.next_step().contains("cret"));
            for url in ["https://direct.test", "https://127.0.0.1"] {
                assert_eq!(bad.way_to(&url.parse().unwrap()).unwrap(), None);
            }
        }
    }
}
