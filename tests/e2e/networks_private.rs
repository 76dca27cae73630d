//! A host that has no way out but an HTTP proxy: tinyproxy, in front of a private network where the
//! endpoint is, behind TLS with a certificate of a private authority, under names that the proxy
//! alone knows.
//!
//! ```text
//!   lone host                gateway
//!   ssmport ---- cable ----- tinyproxy ---- nginx (TLS) ---- ssmport local, nginx (a web server)
//! ```

use std::{fs, net::SocketAddr, process::Command};

use data_encoding::HEXLOWER;

use crate::{
    support::{
        Endpoint, Forward, GATEWAY, GATEWAY_V6, Host, INNER, NODE, Network, PROXY_PORT, Program,
        REGION, Signal, Tinyproxy, file_digest, find_tool, in_shell, try_nginx,
    },
    tls::TlsProxy,
};

#[test]
fn a_shell_a_command_and_a_port_work_through_a_proxy_that_wants_a_user() {
    let site = Site::start();
    let proxy = Tinyproxy::start(&site.network.gateway, GATEWAY, GUARDED);
    let with_user = format!("http://jane:s%2Dcret@{GATEWAY}:{PROXY_PORT}");

    let exec = site.ssmport(&with_user, &["exec", NODE, "--", "sh", "-c", "echo $((6*7)); exit 3"]);
    let ended = Program::run(exec);
    assert_eq!((ended.code(), &*ended.stdout), (3, "42\n"), "{ended:#?}");
    assert_eq!(proxy.tunnels_to("ssm.corp.test:443"), 1, "{}", proxy.log());
    assert_eq!(proxy.tunnels_to("gateway.corp.test:443"), 1, "{}", proxy.log());

    let shell = site.ssmport(&with_user, &["shell", NODE]);
    let typed = in_shell(r#"echo 'echo $((7*8))' | "$@""#, &shell);
    let shown = Program::run(typed).success();
    assert!(shown.contains("56"), "{shown}");

    let digest = HEXLOWER.encode(&file_digest(&site.folder().join("bulk")));
    let forward = site.forward(&with_user, &[]);
    let fetched = site.fetch(&forward, "bulk");
    assert_eq!(fetched.finish().success().trim(), digest);

    // Without a user, and with a wrong one.
    for (user, what, step) in [
        ("", "wants authentication", "put USER:PASSWORD@ into HTTPS_PROXY"),
        ("jane:wrong@", "does not accept that user and password", "check USER:PASSWORD@ in HTTPS"),
    ] {
        let url = format!("http://{user}{GATEWAY}:{PROXY_PORT}");
        let ended = Program::run(site.ssmport(&url, &["exec", NODE, "--", "true"]));
        assert_eq!(ended.code(), 7, "{ended:#?}");
        let expected = format!("the proxy {GATEWAY}:{PROXY_PORT} {what}");
        assert!(ended.stderr.contains(&expected), "{ended:#?}");
        assert!(ended.stderr.contains(step), "{ended:#?}");
        assert!(!ended.stderr.contains("wrong"), "{ended:#?}");
    }
}

/// The proxy goes away in the middle of a transfer, with all its connections, and comes back.
#[test]
fn a_resumed_connection_goes_through_the_proxy_and_no_byte_is_lost() {
    let site = Site::start();
    let proxy = Tinyproxy::start(&site.network.gateway, GATEWAY, "");
    let url = format!("http://{GATEWAY}:{PROXY_PORT}");
    let forward = site.forward(&url, &["-v"]);
    let digest = HEXLOWER.encode(&file_digest(&site.folder().join("bulk")));

    // As slow as it takes for a cut to be in the middle.
    let fetched = site.fetch_slowly(&forward, "bulk");
    fetched.wait_for_stderr(|line| line.contains("middle"));
    proxy.stop(Signal::KILL);
    let proxy = Tinyproxy::start(&site.network.gateway, GATEWAY, "");
    forward.program.wait_for_stderr(|line| line.contains("resumed"));
    assert_eq!(fetched.finish().success().trim(), digest);
    assert_eq!(proxy.tunnels_to("gateway.corp.test:443"), 1, "{}", proxy.log());
    assert_eq!(proxy.tunnels_to("ssm.corp.test:443"), 1, "{}", proxy.log());
}

#[test]
fn without_its_proxy_the_host_reaches_nothing_and_says_so() {
    let site = Site::start();
    let proxy = Tinyproxy::start(&site.network.gateway, GATEWAY, "ConnectPort 563\n");
    let url = format!("http://{GATEWAY}:{PROXY_PORT}");
    let ended = Program::run(site.ssmport("", &["exec", NODE, "--", "true"]));
    assert_eq!(ended.code(), 7, "{ended:#?}");

    let ended = Program::run(site.ssmport(&url, &["exec", NODE, "--", "true"]));
    assert_eq!(ended.code(), 7, "{ended:#?}");
    let what =
        format!("the proxy {GATEWAY}:{PROXY_PORT} does not connect to ssm.corp.test:443: HTTP 403");
    assert!(ended.stderr.contains(&what), "{ended:#?}");
    assert!(ended.stderr.contains("allow CONNECT to ssm.corp.test:443"), "{ended:#?}");
    drop(proxy);
    let ended = Program::run(site.ssmport(&url, &["exec", NODE, "--", "true"]));
    let what = format!("cannot connect to the proxy {GATEWAY}:{PROXY_PORT}: Connection refused");
    assert!(ended.stderr.contains(&what), "{ended:#?}");
}

#[test]
fn a_proxy_may_have_an_address_of_ipv6() {
    let site = Site::start();
    let proxy = Tinyproxy::start(&site.network.gateway, GATEWAY_V6, "");
    let url = format!("http://[{GATEWAY_V6}]:{PROXY_PORT}");
    let ended = Program::run(site.ssmport(&url, &["exec", NODE, "--", "echo", "six"]));
    assert_eq!((ended.code(), &*ended.stdout), (0, "six\n"), "{ended:#?}");
    assert_eq!(proxy.tunnels_to("gateway.corp.test:443"), 1, "{}", proxy.log());
}

/// The network with everything but the proxy.
pub struct Site {
    pub network: Network,
    front: TlsProxy,
    _endpoint: Endpoint,
    _web: Program,
}

impl Site {
    pub fn start() -> Self {
        let names = format!("{INNER} ssm.corp.test gateway.corp.test\n");
        let network = Network::start("", &names);
        let gateway = &network.gateway;
        let inner: SocketAddr = format!("{INNER}:4566").parse().expect("an address");
        let endpoint = Endpoint::inside(gateway, inner);
        let names = "DNS:ssm.corp.test,DNS:gateway.corp.test";
        let front = TlsProxy::inside(gateway, INNER, 443, names, &endpoint.url);
        let web = serve(gateway);
        Self { network, front, _endpoint: endpoint, _web: web }
    }

    /// What the web server serves.
    fn folder(&self) -> &std::path::Path {
        self.network.gateway.folder()
    }

    /// ssmport on the lone host; the endpoints are names that it cannot look up.
    pub fn ssmport(&self, proxy: &str, arguments: &[&str]) -> Command {
        let mut ssmport = self.network.lone.command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments);
        ssmport.env("AWS_ENDPOINT_URL_SSM", "https://ssm.corp.test");
        ssmport.env("AWS_ENDPOINT_URL_SSMMESSAGES", "https://gateway.corp.test");
        ssmport.env("AWS_CA_BUNDLE", self.front.authority()).env("HTTPS_PROXY", proxy);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport.env("AWS_REGION", REGION);
        ssmport
    }

    /// A forward from the lone host to the web server.
    fn forward(&self, proxy: &str, arguments: &[&str]) -> Forward {
        Forward::run(self.ssmport(proxy, &[]), &[&format!("0:{WEB_PORT}")], NODE, arguments)
    }

    /// The digest of a file, fetched on the lone host.
    fn fetch(&self, forward: &Forward, file: &str) -> Program {
        let url = format!("http://127.0.0.1:{}/{file}", forward.port());
        self.in_lone_shell(&format!("curl -sS '{url}' | sha256sum | cut -d ' ' -f 1"))
    }

    /// The same, with a word on stderr and a pause once half of it has come.
    fn fetch_slowly(&self, forward: &Forward, file: &str) -> Program {
        let url = format!("http://127.0.0.1:{}/{file}", forward.port());
        let half = BULK_LEN / 2;
        self.in_lone_shell(&format!(
            "curl -sS '{url}' | (head -c {half}; echo middle >&2; sleep 1; cat) | sha256sum | \
             cut -d ' ' -f 1"
        ))
    }

    fn in_lone_shell(&self, script: &str) -> Program {
        find_tool("curl");
        let mut shell = self.network.lone.command("sh");
        shell.args(["-c", script]);
        Program::start(shell)
    }
}

/// A web server on a host, for a file of random bytes in the host's folder.
fn serve(host: &Host) -> Program {
    let bulk: Vec<u8> = (0..BULK_LEN / 8).flat_map(|_| rand::random::<[u8; 8]>()).collect();
    fs::write(host.folder().join("bulk"), bulk).expect("a file to fetch");
    let settings = format!(
        "user root;
daemon off;
worker_processes 1;
pid web.pid;
error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{WEB_PORT};
        root {};
    }}
}}
",
        host.folder().display()
    );
    let nginx = host.command(find_tool("nginx"));
    try_nginx(nginx, host.folder(), &settings).expect("every port of the host is free")
}

const GUARDED: &str = "ConnectPort 443\nBasicAuth jane s-cret\n";
const WEB_PORT: u16 = 8080;
const BULK_LEN: usize = 64 << 20;
