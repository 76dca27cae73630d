//! Data channels and calls through HTTP proxies: which proxy is asked for which host, and by what
//! name the server behind it is known.

use std::{fs, net::SocketAddr, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    raw_gateway::opened_port,
    support::{ConnectProxy, Endpoint, Habit, Plugin, Program, port_request},
    targets::{TcpTarget, echoes},
    tls::{Flaw, TlsProxy, certify},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_data_channel_goes_through_the_proxy_to_the_host_of_its_url() {
    let site = Site::start();
    let target = TcpTarget::echo().await;
    for scheme in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
        let mut plugin = site.plugin(target.port, AWS);
        plugin.env(scheme, format!("http://jane:{PASSWORD}@{}", proxy.address));
        plugin.env("SSMPORT_LOG", "trace");
        let plugin = Program::start(plugin);
        echoes_through(&plugin).await;

        assert_eq!(proxy.hosts(), [format!("{AWS}:443")], "{scheme}");
        let asked = proxy.asked().concat();
        // jane:pa:ss@word
        assert!(asked.contains("proxy-authorization: Basic amFuZTpwYTpzc0B3b3Jk\r\n"), "{asked}");
        let told = plugin.stdout() + &plugin.stderr();
        assert!(told.contains(&proxy.address.to_string()), "{told}");
        for secret in [PASSWORD, "pa:ss@word", "amFuZTpwYTpzc0B3b3Jk"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

/// The drop-in resumes its session if it can ask for that at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_channel_that_breaks_goes_through_the_proxy_again() {
    let site = Site::start();
    let target = TcpTarget::echo().await;
    let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("HTTPS_PROXY", format!("http://{}", proxy.address));
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", format!("https://{AWS}"));
    let plugin = Program::start(plugin);
    let mut socket = TcpStream::connect(("127.0.0.1", opened_port(&plugin))).await.expect("open");
    echoes(&mut socket, b"before").await;
    proxy.cut();
    if cfg!(feature = "aws") {
        echoes(&mut socket, b"after").await;
        assert_eq!(proxy.hosts(), [format!("{AWS}:443"), format!("{AWS}:443")]);
    } else {
        let ended = plugin.finish();
        assert!(ended.stdout.contains("and could not be resumed: "), "{ended:#?}");
        assert_eq!(proxy.hosts(), [format!("{AWS}:443")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_may_want_tls_itself() {
    let site = Site::start();
    let target = TcpTarget::echo().await;
    let folder = TempDir::new().expect("a directory for certificates");
    certify(folder.path(), "DNS:localhost", Flaw::None);
    let proxy = ConnectProxy::with_tls(Habit::LeadTo(site.address()), folder.path());
    let url = format!("https://localhost:{}", proxy.address.port());

    let mut both = fs::read(site.front.authority()).expect("an authority");
    both.extend(fs::read(folder.path().join("ca.pem")).expect("another one"));
    let bundle = folder.path().join("both.pem");
    fs::write(&bundle, both).expect("a bundle");
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("HTTPS_PROXY", &url).env("AWS_CA_BUNDLE", &bundle);
    echoes_through(&Program::start(plugin)).await;
    assert_eq!(proxy.hosts(), [format!("{AWS}:443")]);

    // Its certificate counts as anybody's.
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("HTTPS_PROXY", &url);
    let ended = Program::run(plugin);
    let expected = format!("the certificate of localhost:{} is not to be ", proxy.address.port());
    assert!(ended.stdout.contains(&expected), "{ended:#?}");
    assert!(ended.stdout.contains("AWS_CA_BUNDLE"), "{ended:#?}");
}

#[test]
fn hosts_of_no_proxy_are_reached_directly() {
    let site = Site::start();
    let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
    for bypassed in
        ["*", "gateway.test", ".test", "other.test, *.gateway.test:8443,gateway.test:8443"]
    {
        let mut plugin = site.plugin(9, AWS);
        plugin.env("HTTPS_PROXY", format!("http://{}", proxy.address));
        plugin.env("NO_PROXY", bypassed);
        plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", "https://gateway.test:8443");
        let ended = Program::run(plugin);
        assert!(ended.stdout.contains("cannot connect to gateway.test:8443: "), "{ended:#?}");
    }
    assert_eq!(proxy.hosts(), [""; 0]);
}

/// Where the gateway's own address is given, stream URLs lead there, with its name in TLS.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_address_takes_the_place_of_the_urls() {
    let site = Site::start();
    let target = TcpTarget::echo().await;
    let gateway = format!("https://localhost:{}", site.front.port);
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", &gateway);
    echoes_through(&Program::start(plugin)).await;

    let vpc = "vpce-0abc-xyz.ssmmessages.eu-west-1.vpce.amazonaws.com";
    let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
    let mut plugin = site.plugin(target.port, "127.0.0.1:9");
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", format!("https://{vpc}"));
    plugin.env("HTTPS_PROXY", format!("http://{}", proxy.address));
    echoes_through(&Program::start(plugin)).await;
    assert_eq!(proxy.hosts(), [format!("{vpc}:443")]);

    // Without TLS only if it is given so.
    let endpoint = &site.endpoint;
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", &endpoint.url);
    echoes_through(&Program::start(plugin)).await;

    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", "wss://gateway.test");
    let ended = Program::run(plugin);
    let expected = "`wss://gateway.test` is not the address of a message gateway";
    assert!(ended.stdout.contains(expected), "{ended:#?}");
}

/// A gateway without TLS is asked for through a tunnel, too.
#[tokio::test(flavor = "multi_thread")]
async fn http_proxy_leads_to_gateways_without_tls() {
    let site = Site::start();
    let target = TcpTarget::echo().await;
    let proxy = ConnectProxy::start(Habit::LeadTo(site.endpoint.address()));
    let mut plugin = site.plugin(target.port, AWS);
    plugin.env("AWS_ENDPOINT_URL_SSMMESSAGES", "http://192.0.2.9:4566");
    plugin.env("HTTP_PROXY", format!("http://{}", proxy.address));
    plugin.env("HTTPS_PROXY", "http://127.0.0.1:9");
    echoes_through(&Program::start(plugin)).await;
    assert_eq!(proxy.hosts(), ["192.0.2.9:4566"]);
}

async fn echoes_through(plugin: &Program) {
    let mut socket = TcpStream::connect(("127.0.0.1", opened_port(plugin))).await.expect("open");
    echoes(&mut socket, b"through the proxy").await;
}

/// An endpoint behind TLS, with a certificate for the names of AWS.
pub struct Site {
    pub endpoint: Endpoint,
    pub front: TlsProxy,
}

impl Site {
    pub fn start() -> Self {
        let endpoint = Endpoint::start();
        let names = ["*.eu-west-1.amazonaws.com", "*.eu-west-1.api.aws", "localhost"];
        let vpc = "*.ssmmessages.eu-west-1.vpce.amazonaws.com";
        let names: Vec<_> = names.iter().chain([&vpc]).map(|name| format!("DNS:{name}")).collect();
        let front = TlsProxy::named(&names.join(","), Flaw::None, &endpoint);
        Self { endpoint, front }
    }

    /// Where its TLS is.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.front.port))
    }

    /// The drop-in, for a session whose stream URL leads to `host`.
    pub fn plugin(&self, port: u16, host: &str) -> Command {
        let mut response = self.endpoint.start_port_session(port);
        let url = response["StreamUrl"].as_str().expect("a URL");
        let plain = format!("ws://{}", self.endpoint.address());
        response["StreamUrl"] = Value::String(url.replace(&plain, &format!("wss://{host}")));
        let mut plugin = Plugin::command(&self.endpoint, &response, &port_request(port));
        plugin.env("AWS_CA_BUNDLE", self.front.authority());
        plugin
    }
}

/// Where stream URLs of AWS lead to.
pub const AWS: &str = "ssmmessages.eu-west-1.amazonaws.com";
/// As it stands in the URL.
const PASSWORD: &str = "pa:ss%40word";

#[cfg(feature = "aws")]
mod calls {
    use std::time::Instant;

    use super::*;
    use crate::support::{Forward, NODE, REGION, await_that, command};

    /// Calls and channels with AWS's own names; the proxy leads all of them to one endpoint.
    #[tokio::test(flavor = "multi_thread")]
    async fn calls_and_channels_go_through_the_proxy_and_so_do_those_that_resume() {
        let site = Site::start();
        let target = TcpTarget::echo().await;
        let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
        let gateway = format!("https://{AWS}");
        let arguments = ["-v", "--ssmmessages-endpoint", &gateway];
        let mut ssmport = ssmport(&site, &proxy);
        // What is typed goes before it.
        ssmport.env("AWS_ENDPOINT_URL_SSMMESSAGES", "https://other.test");
        let forward = Forward::run(ssmport, &[&format!("0:{}", target.port)], NODE, &arguments);
        let mut socket = TcpStream::connect(forward.address()).await.expect("open");
        echoes(&mut socket, b"before").await;
        let (ssm, gateway) = ("ssm.eu-west-1.amazonaws.com:443", format!("{AWS}:443"));
        assert_eq!(proxy.hosts(), [ssm, &gateway]);
        let asked = proxy.asked().len();

        proxy.cut();
        echoes(&mut socket, b"after").await;
        forward.program.wait_for_stderr(|line| line.contains("resumed"));
        assert_eq!(proxy.hosts()[asked..], [ssm, &gateway]);
        let signature = site.front.authorization_seen();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 "), "{signature}");
        let told = forward.program.stdout() + &forward.program.stderr();
        assert!(!told.contains("s3cret"), "{told}");
    }

    /// A plain endpoint is asked for by its whole URL, as proxies want it.
    #[test]
    fn http_proxy_leads_to_endpoints_without_tls() {
        let site = Site::start();
        let proxy = ConnectProxy::start(Habit::Say(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ));
        let mut exec = ssmport(&site, &proxy);
        exec.env("HTTP_PROXY", format!("http://jane:s3cret@{}", proxy.address));
        exec.args(["exec", "--endpoint-url", "http://192.0.2.9:4566", NODE, "--", "true"]);
        let ended = Program::run(exec);
        assert_eq!(ended.code(), 7, "{ended:#?}");
        let expected =
            format!("the proxy {} does not accept that user and password", proxy.address);
        assert!(ended.stderr.contains(&expected), "{ended:#?}");
        let asked = proxy.asked().concat();
        assert!(asked.starts_with("POST http://192.0.2.9:4566/ HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("proxy-authorization: Basic amFuZTpzM2NyZXQ=\r\n"), "{asked}");
    }

    #[test]
    fn calls_go_to_the_kind_of_endpoint_that_is_asked_for() {
        let site = Site::start();
        let folder = TempDir::new().expect("a directory");
        let config = folder.path().join("config");
        let text = "[profile fips]\nuse_fips_endpoint = true\n\
                    [profile dual]\nuse_dualstack_endpoint = true\n";
        fs::write(&config, text).expect("a configuration");
        let config = config.to_string_lossy().into_owned();
        let yes = "true".to_owned();
        let (fips, dual) =
            (("AWS_USE_FIPS_ENDPOINT", &*yes), ("AWS_USE_DUALSTACK_ENDPOINT", &*yes));
        let profile = |name: &'static str| [("AWS_PROFILE", name), ("AWS_CONFIG_FILE", &*config)];
        for (environment, host) in [
            (vec![], "ssm.eu-west-1.amazonaws.com"),
            (vec![fips], "ssm-fips.eu-west-1.amazonaws.com"),
            (vec![dual], "ssm.eu-west-1.api.aws"),
            (vec![fips, dual], "ssm-fips.eu-west-1.api.aws"),
            (profile("fips").to_vec(), "ssm-fips.eu-west-1.amazonaws.com"),
            (profile("dual").to_vec(), "ssm.eu-west-1.api.aws"),
        ] {
            let proxy = ConnectProxy::start(Habit::LeadTo(site.address()));
            let mut exec = ssmport(&site, &proxy);
            exec.envs(environment.iter().copied()).args(["exec", NODE, "--", "echo", "hello"]);
            let ended = Program::run(exec);
            assert_eq!((ended.code(), &*ended.stdout), (0, "hello\n"), "{ended:#?}");
            // The endpoint's stream URL leads to this machine.
            assert_eq!(proxy.hosts(), [format!("{host}:443")], "{environment:?}");
        }
    }

    /// Other partitions have other domains.
    #[test]
    fn regions_of_other_partitions_have_their_own_hosts() {
        let site = Site::start();
        for (region, host) in [
            ("cn-north-1", "ssm.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "ssm.us-gov-west-1.amazonaws.com"),
            ("us-iso-east-1", "ssm.us-iso-east-1.c2s.ic.gov"),
        ] {
            let proxy = ConnectProxy::start(Habit::Say(FORBIDDEN.to_vec()));
            let mut exec = ssmport(&site, &proxy);
            exec.env("AWS_REGION", region).args(["exec", NODE, "--", "true"]);
            let ended = Program::run(exec);
            assert_eq!(ended.code(), 7, "{ended:#?}");
            assert_eq!(proxy.hosts(), [format!("{host}:443")]);
        }
    }

    /// The metadata service hands out credentials: it is not asked for through anybody.
    #[test]
    fn neither_metadata_nor_this_machine_is_asked_for_through_a_proxy() {
        let site = Site::start();
        let proxy = ConnectProxy::start(Habit::Say(FORBIDDEN.to_vec()));
        let proxied = |mut exec: Command| {
            exec.env("HTTP_PROXY", format!("http://{}", proxy.address));
            exec
        };
        let mut exec = proxied(ssmport(&site, &proxy));
        exec.args(["exec", "--endpoint-url", &site.endpoint.url, NODE, "--", "true"]);
        Program::run(exec).success();

        for container in ["http://169.254.170.2/role", "http://169.254.170.23/v1/credentials"] {
            let mut exec = proxied(ssmport(&site, &proxy));
            exec.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            exec.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container);
            exec.args(["exec", NODE, "--", "true"]);
            let exec = Program::start(exec);
            // It looks for credentials until its time is up, or there is nobody on the link.
            let start = Instant::now();
            await_that("metadata was asked for", || start.elapsed().as_secs() >= 2);
            drop(exec);
        }
        assert_eq!(proxy.asked(), [""; 0]);
    }

    /// ssmport with keys of its own, the site's authority, and the proxy for TLS.
    fn ssmport(site: &Site, proxy: &ConnectProxy) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.env("HTTPS_PROXY", format!("http://jane:s3cret@{}", proxy.address));
        ssmport.env("AWS_CA_BUNDLE", site.front.authority()).env("AWS_REGION", REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport
    }

    const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
}
