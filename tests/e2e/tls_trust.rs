//! Whom TLS trusts: certificates that are not good, protocols that are too old, and the bundle that
//! AWS_CA_BUNDLE names.

use std::{fs, process::Stdio};

use tempfile::TempDir;

use crate::{
    raw_gateway::opened_port,
    support::{Endpoint, Program, command, find_tool, in_shell},
    tls::{Flaw, TlsProxy, through},
};

#[test]
fn a_server_that_is_not_what_it_says_is_refused_with_the_reason() {
    let endpoint = Endpoint::start();
    for (flaw, reason) in [
        (Flaw::OtherName, "it is for another name"),
        (Flaw::Expired, "it has expired"),
        (Flaw::SelfSigned, "no authority that is trusted has signed it"),
        (Flaw::OldTls, "it has neither TLS 1.2 nor 1.3"),
    ] {
        let proxy = TlsProxy::with(flaw, &endpoint);
        if flaw == Flaw::OldTls {
            assert_eq!(protocol(&proxy), "TLSv1.1");
        }
        let mut plugin = through(&endpoint, &proxy, 9);
        plugin.env("AWS_CA_BUNDLE", proxy.authority());
        let ended = Program::run(plugin);
        let told = ended.stdout.lines().last().unwrap_or_default();
        assert!(told.starts_with("Cannot perform start session: "), "{flaw:?}: {ended:#?}");
        assert!(told.contains(&format!("localhost:{}", proxy.port)), "{flaw:?}: {told}");
        assert!(told.contains(reason), "{flaw:?}: {told}");
        assert_eq!(ended.code(), 0);
    }
}

#[test]
fn data_channels_trust_the_bundle_of_the_environment_and_the_system() {
    let endpoint = Endpoint::start();
    let proxies = [(); 3].map(|()| TlsProxy::start(&endpoint));
    let [proxy, other, third] = &proxies;
    // Many a bundle knows the proxy on the way to AWS's calls alone.
    for (bundle, system) in [(proxy, other), (other, proxy)] {
        let mut plugin = through(&endpoint, proxy, 9);
        plugin.env("AWS_CA_BUNDLE", bundle.authority()).env("SSL_CERT_FILE", system.authority());
        opened_port(&Program::start(plugin));
    }
    let mut plugin = through(&endpoint, proxy, 9);
    plugin.env("AWS_CA_BUNDLE", other.authority()).env("SSL_CERT_FILE", third.authority());
    let ended = Program::run(plugin);
    assert!(ended.stdout.contains("is not to be trusted: "), "{ended:#?}");
}

#[test]
fn a_bundle_that_cannot_be_used_is_named() {
    let endpoint = Endpoint::start();
    let proxy = TlsProxy::start(&endpoint);
    let folder = TempDir::new().expect("a directory");
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    fs::write(&empty, "").expect("an empty file");
    for (bundle, reason) in [(empty, "it has no certificates"), (missing, "No such file")] {
        let mut plugin = through(&endpoint, &proxy, 9);
        plugin.env("AWS_CA_BUNDLE", &bundle).env("SSL_CERT_FILE", proxy.authority());
        let ended = Program::run(plugin);
        let expected = format!(
            "Cannot perform start session: cannot use the certificate authorities of {}: {reason}",
            bundle.display()
        );
        assert!(ended.stdout.contains(&expected), "{ended:#?}");
        assert_eq!(ended.code(), 0);
    }
}

/// The version that a server agrees to with a client that takes any.
fn protocol(proxy: &TlsProxy) -> String {
    let mut client = command(find_tool("openssl"));
    client.args(["s_client", "-cipher", "ALL:@SECLEVEL=0", "-connect"]);
    client.arg(format!("localhost:{}", proxy.port)).stdin(Stdio::null());
    let told = Program::run(in_shell(r#""$@" </dev/null 2>&1; true"#, &client)).stdout;
    let line = told.lines().find_map(|line| line.trim().strip_prefix("Protocol  : "));
    line.unwrap_or_else(|| panic!("no protocol: {told}")).to_owned()
}

#[cfg(feature = "aws")]
mod calls {
    use super::*;
    use crate::support::{Forward, NODE, REGION};

    #[test]
    fn calls_trust_the_bundle_of_the_environment_alone() {
        let endpoint = Endpoint::start();
        let (proxy, other) = (TlsProxy::start(&endpoint), TlsProxy::start(&endpoint));
        let ended = Program::run(exec(&proxy, &[("AWS_CA_BUNDLE", proxy.authority())]));
        assert_eq!((ended.code(), &*ended.stdout), (0, "hello\n"), "{ended:#?}");

        let wrong = [("AWS_CA_BUNDLE", other.authority()), ("SSL_CERT_FILE", proxy.authority())];
        let ended = Program::run(exec(&proxy, &wrong));
        assert_eq!(ended.code(), 7, "{ended:#?}");
        assert!(ended.stderr.contains("no authority that is trusted has signed it"), "{ended:#?}");

        // What the AWS CLI's library for HTTP goes by counts where nothing else is said.
        let library = [("REQUESTS_CA_BUNDLE", proxy.authority())];
        let ended = Program::run(exec(&proxy, &library));
        assert_eq!((ended.code(), &*ended.stdout), (0, "hello\n"), "{ended:#?}");

        let missing = [("AWS_CA_BUNDLE", "/nowhere/bundle.pem".to_owned())];
        let ended = Program::run(exec(&proxy, &missing));
        assert_eq!(ended.code(), 2, "{ended:#?}");
        assert!(ended.stderr.contains("/nowhere/bundle.pem: No such file"), "{ended:#?}");
    }

    #[test]
    fn the_bundle_of_the_profile_is_trusted_by_calls_and_data_channels() {
        let endpoint = Endpoint::start();
        let (proxy, other) = (TlsProxy::start(&endpoint), TlsProxy::start(&endpoint));
        let folder = TempDir::new().expect("a directory");
        let config = folder.path().join("config");
        let text = format!("[profile private]\nca_bundle = {}\n", proxy.authority());
        fs::write(&config, text).expect("a configuration");
        let environment = [
            ("AWS_CONFIG_FILE", config.to_string_lossy().into_owned()),
            ("AWS_PROFILE", "private".to_owned()),
        ];
        let ended = Program::run(exec(&proxy, &environment));
        assert_eq!((ended.code(), &*ended.stdout), (0, "hello\n"), "{ended:#?}");
        let mut plugin = through(&endpoint, &proxy, 9);
        plugin.envs(environment.clone()).env("SSL_CERT_FILE", other.authority());
        opened_port(&Program::start(plugin));

        // The environment goes before the profile.
        let mut exec = exec(&proxy, &environment);
        exec.env("AWS_CA_BUNDLE", other.authority());
        let ended = Program::run(exec);
        assert!(ended.stderr.contains("no authority that is trusted has signed it"), "{ended:#?}");
    }

    #[test]
    fn calls_refuse_a_server_that_is_not_what_it_says() {
        let endpoint = Endpoint::start();
        for (flaw, reason) in [
            (Flaw::OtherName, "it is for another name"),
            (Flaw::Expired, "it has expired"),
            (Flaw::SelfSigned, "no authority that is trusted has signed it"),
            (Flaw::OldTls, "it has neither TLS 1.2 nor 1.3"),
        ] {
            let proxy = TlsProxy::with(flaw, &endpoint);
            let ended = Program::run(exec(&proxy, &[("AWS_CA_BUNDLE", proxy.authority())]));
            assert_eq!(ended.code(), 7, "{ended:#?}");
            assert!(ended.stderr.contains(reason), "{flaw:?}: {ended:#?}");
        }
        assert_eq!(endpoint.active_sessions(), [""; 0]);
    }

    /// A plain endpoint beside it goes on to work: no TLS, no authorities.
    #[test]
    fn a_plain_endpoint_needs_no_authorities() {
        let endpoint = Endpoint::start();
        Forward::start(&["0:9"], NODE, &["--endpoint-url", &endpoint.url]);
    }

    fn exec(proxy: &TlsProxy, environment: &[(&str, String)]) -> std::process::Command {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(["exec", "--endpoint-url", &proxy.url(), NODE, "--", "echo", "hello"]);
        exec.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        exec.env("AWS_REGION", REGION);
        exec.envs(environment.iter().map(|(name, value)| (name, value)));
        exec
    }
}
