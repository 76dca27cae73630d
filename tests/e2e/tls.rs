//! Data channels behind TLS, as the real service has them: nginx with a certificate of a private
//! authority in front of the endpoint.

use std::{fs, path::Path, process::Command};

use rustix::process::getuid;
use serde_json::Value;
use tempfile::TempDir;
#[cfg(feature = "aws")]
use tokio::net::TcpStream;

use crate::{
    support::{Endpoint, Plugin, Program, command, find_tool, port_request, start_nginx},
    targets::TcpTarget,
};
#[cfg(feature = "aws")]
use crate::{
    support::{Host, try_nginx},
    targets::echoes,
};

#[cfg(feature = "aws")]
#[tokio::test(flavor = "multi_thread")]
async fn a_wss_url_is_dialled_with_tls_and_signed() {
    let (endpoint, server) = (Endpoint::start(), TcpTarget::echo().await);
    let proxy = TlsProxy::start(&endpoint);
    let plugin = attach(&endpoint, &proxy, server.port, Some(proxy.authority()));
    let opened = plugin.wait_for_stdout(|line| line.starts_with("Port "));
    let port: u16 = opened.split(' ').nth(1).and_then(|port| port.parse().ok()).expect("a port");

    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
    echoes(&mut socket, b"through TLS").await;
    let signature = proxy.authorization_seen();
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=test/"), "{signature}");
    assert!(signature.contains("/eu-west-1/ssmmessages/aws4_request"), "{signature}");
    assert!(signature.contains("SignedHeaders=host;x-amz-date,"), "{signature}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (endpoint, server) = (Endpoint::start(), TcpTarget::echo().await);
    let proxy = TlsProxy::start(&endpoint);
    let other = TlsProxy::start(&endpoint);
    let plugin = attach(&endpoint, &proxy, server.port, Some(other.authority()));
    let finished = plugin.finish();
    let expected = format!(
        "Cannot perform start session: the certificate of localhost:{} is not to be trusted: ",
        proxy.port
    );
    assert!(finished.stdout.contains(&expected), "{finished:#?}");
    assert_eq!(finished.code(), 0);
}

/// The plugin, for a session whose stream URL leads through the proxy.
fn attach(endpoint: &Endpoint, proxy: &TlsProxy, port: u16, roots: Option<String>) -> Program {
    let mut plugin = through(endpoint, proxy, port);
    plugin.envs(roots.map(|roots| ("SSL_CERT_FILE", roots)));
    Program::start(plugin)
}

/// The plugin that is to go through the proxy.
pub fn through(endpoint: &Endpoint, proxy: &TlsProxy, port: u16) -> Command {
    let response = proxy.lead_through(endpoint, &endpoint.start_port_session(port));
    Plugin::command(endpoint, &response, &port_request(port))
}

pub struct TlsProxy {
    pub port: u16,
    folder: TempDir,
    _server: Program,
}

/// What is wrong with a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    None,
    /// The certificate is another host's.
    OtherName,
    /// The certificate was good until yesterday.
    Expired,
    /// The certificate has no authority but itself.
    SelfSigned,
    /// TLS 1.1 is the newest that it speaks.
    OldTls,
}

impl TlsProxy {
    pub fn start(endpoint: &Endpoint) -> Self {
        Self::with(Flaw::None, endpoint)
    }

    pub fn with(flaw: Flaw, endpoint: &Endpoint) -> Self {
        let name = if flaw == Flaw::OtherName { "other.test" } else { "localhost" };
        Self::named(&format!("DNS:{name}"), flaw, endpoint)
    }

    /// One whose certificate is for `names`, as OpenSSL writes them.
    pub fn named(names: &str, flaw: Flaw, endpoint: &Endpoint) -> Self {
        let folder = TempDir::new().expect("a directory for nginx");
        certify(folder.path(), names, flaw);
        let is_root = getuid().is_root();
        let listen = |port: u16| format!("127.0.0.1:{port}");
        let settings = |port| configuration(&listen(port), is_root, flaw, &endpoint.url);
        let (port, server) = start_nginx(folder.path(), settings);
        Self { port, folder, _server: server }
    }

    /// One on a host of its own, at `address`, for the endpoint at `url`.
    #[cfg(feature = "aws")]
    pub fn inside(host: &Host, address: &str, port: u16, names: &str, url: &str) -> Self {
        let folder = TempDir::new().expect("a directory for nginx");
        certify(folder.path(), names, Flaw::None);
        // Everybody is root there.
        let settings = configuration(&format!("{address}:{port}"), true, Flaw::None, url);
        let server = try_nginx(host.command(find_tool("nginx")), folder.path(), &settings);
        Self { port, folder, _server: server.expect("every port of the host is free") }
    }

    /// The response of StartSession, with a stream URL that leads through this proxy.
    pub fn lead_through(&self, endpoint: &Endpoint, response: &Value) -> Value {
        let mut response = response.clone();
        let url = response["StreamUrl"].as_str().expect("a URL");
        let plain = format!("ws://{}", endpoint.address());
        let url = url.replace(&plain, &format!("wss://localhost:{}", self.port));
        response["StreamUrl"] = Value::String(url);
        response
    }

    /// Where it serves the endpoint's API.
    #[cfg(feature = "aws")]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The file that vouches for the proxy's certificate.
    pub fn authority(&self) -> String {
        self.folder.path().join("ca.pem").to_string_lossy().into_owned()
    }

    /// The Authorization header of the upgrade. nginx wrote it before it passed the request on.
    pub fn authorization_seen(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("mirror.log")).unwrap_or_default();
        log.lines().next().unwrap_or_default().to_owned()
    }
}

/// A certificate for `names`, in cert.pem and key.pem, and the authority that signed it, in ca.pem.
pub fn certify(folder: &Path, names: &str, flaw: Flaw) {
    let openssl = |arguments: &str| {
        let mut command: Command = command(find_tool("openssl"));
        command.current_dir(folder).args(arguments.split(' '));
        Program::run(command).success();
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -days 2 -keyout ca.key -out ca.pem -subj /CN=Test"));
    openssl(&format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"));
    fs::write(folder.join("san"), format!("subjectAltName={names}")).expect("the names");
    let days = if flaw == Flaw::Expired { -1 } else { 2 };
    let signer = match flaw {
        Flaw::SelfSigned => "-signkey key.pem",
        _ => "-CA ca.pem -CAkey ca.key",
    };
    openssl(&format!("x509 -req -in request.pem {signer} -days {days} -out cert.pem -extfile san"));
}

fn configuration(listen: &str, is_root: bool, flaw: Flaw, url: &str) -> String {
    let protocols = match flaw {
        // Its ciphers are too weak for OpenSSL's ordinary level.
        Flaw::OldTls => "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;",
        _ => "",
    };
    // As root the workers would become someone who cannot read the folder.
    let user = if is_root { "user root;" } else { "" };
    // An access log is written when a request ends, which a WebSocket's does not while it is in
    // use: the mirrored request beside it ends at once.
    format!(
        "daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    log_format authorization '$http_authorization';
    access_log off;
    log_subrequest on;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {listen} ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        {protocols}
        location / {{
            mirror /seen;
            proxy_pass {url};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
        }}
        location = /seen {{
            internal;
            access_log mirror.log authorization;
            return 204;
        }}
    }}
}}
"
    )
}
