//! Files and variables of AWS as people have them: what the AWS CLI reads is read, what is empty is
//! unset, what makes no sense is named.
#![cfg(feature = "aws")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    raw_gateway::opened_port,
    support::{AwsCli, Endpoint, Finished, NODE, Program, command},
    tls::{TlsProxy, through},
};

/// A folder with files in it.
struct Files(TempDir);

impl Files {
    fn with(name: &str, text: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().expect("a directory");
        fs::write(folder.path().join(name), text).expect("a file");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// `ssmport exec` of `echo hello`, with nothing but what is in the environment.
fn hello(endpoint: &Endpoint, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut hello = command(env!("CARGO_BIN_EXE_ssmport"));
    hello.args(arguments).args(["exec", NODE, "--", "echo", "hello"]);
    hello.env("AWS_ENDPOINT_URL", &endpoint.url).envs(environment.iter().copied());
    hello
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn what_the_aws_cli_reads_is_read() {
    let endpoint = Endpoint::start();
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = s\n";
    let inner = format!("region = eu-west-1\n{keys}");
    let latin = [&b"# Gr\xfc\xdfe\n[profile work]\n"[..], inner.as_bytes()].concat();
    let files: [(&str, &str, Vec<u8>); 11] = [
        ("indented", "work", format!("[profile work]\n  {}", inner.replace("\naws", "\n  aws")).into()),
        ("another is", "work", format!("[profile x]\n  region = y\n[profile work]\n{inner}").into()),
        ("text behind the bracket", "work", format!("[profile work] /* team a */\n{inner}").into()),
        ("colons", "work", format!("[profile work]\n{}", inner.replace(" =", ":")).into()),
        ("quoted", "work", format!("[profile \"work\"]\n{inner}").into()),
        ("a space", "my work", format!("[profile \"my work\"]\n{inner}").into()),
        ("another space", "my work", format!("[profile 'my work']\n{inner}").into()),
        ("a byte order mark", "work", format!("\u{feff}[profile work]\r\n{inner}").into()),
        ("another encoding", "work", latin),
        ("what others write", "work", format!("[plugins]\nx = y\n[profile work]\nmax_attempts =\nretry_mode = legacy\ns3 =\n  x = 1\n{inner}").into()),
        ("common to all", "work", format!("[DEFAULT]\n{inner}[profile work]\noutput = json\n").into()),
    ];
    for (what, profile, file) in files {
        let files = Files::with("config", file);
        let path = files.path("config");
        let environment = [("AWS_CONFIG_FILE", text(&path))];
        let ran = Program::run(hello(&endpoint, &["--profile", profile], &environment));
        assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{what}: {ran:#?}");
        // The older variable, which the AWS CLI still reads.
        let by_name = [environment[0], ("AWS_DEFAULT_PROFILE", profile)];
        let ran = Program::run(hello(&endpoint, &[], &by_name));
        assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{what}: {ran:#?}");
    }
    let files = Files::with("keys", format!("[my work]\n{keys}"));
    let variables = [
        ("FOLDER", text(files.0.path())),
        ("AWS_SHARED_CREDENTIALS_FILE", "$FOLDER/keys"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let ran = Program::run(hello(&endpoint, &["--profile", "my work"], &variables));
    assert_eq!(ran.success(), "hello\n");
}

#[test]
fn the_plugin_signs_as_whoever_the_aws_cli_starts_sessions_for() {
    let endpoint = Endpoint::start();
    let proxy = TlsProxy::start(&endpoint);
    let config = "[profile \"my work\"] ; mine\n  region: eu-west-1\n  \
                  aws_access_key_id: AKIAMYWORK\n  aws_secret_access_key: s\n";
    let files = Files::with("config", config);
    let mut plugin = through(&endpoint, &proxy, 9);
    plugin.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    plugin.env("AWS_CONFIG_FILE", files.path("config")).env("AWS_PROFILE", "my work");
    opened_port(&Program::start({
        plugin.env("AWS_CA_BUNDLE", proxy.authority());
        plugin
    }));
    assert!(proxy.authorization_seen().contains("Credential=AKIAMYWORK/"));

    // And as what the AWS CLI itself makes of its options.
    for aws in AwsCli::each(&endpoint) {
        let proxy = TlsProxy::start(&endpoint);
        let document = ["--document-name", "AWS-StartPortForwardingSession"];
        let mut session = aws.command(&["start-session", "--profile", "my work", "--target", NODE]);
        session.args(document).args(["--parameters", "portNumber=9"]);
        session.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        session.env("AWS_CONFIG_FILE", files.path("config"));
        session.env("AWS_ENDPOINT_URL_SSMMESSAGES", proxy.url());
        session.env("AWS_CA_BUNDLE", proxy.authority());
        opened_port(&Program::start(session));
        assert!(proxy.authorization_seen().contains("Credential=AKIAMYWORK/"));
    }
}

#[test]
fn what_cannot_be_read_is_named_with_file_and_line() {
    let endpoint = Endpoint::start();
    let refused = |environment: &[(&str, &str)]| -> Finished {
        let refused = Program::run(hello(&endpoint, &["--profile", "work"], environment));
        assert_eq!(refused.code(), 2, "{refused:#?}");
        refused
    };
    let files = Files::with("config", "[profile work]\nregion = eu-west-1\nsecret words\n");
    let path = files.path("config");
    let broken = refused(&[("AWS_CONFIG_FILE", text(&path))]);
    let expected = format!("{}, line 3: it is neither", text(&path));
    assert!(broken.stderr.contains(&expected), "{broken:#?}");
    assert!(!broken.stderr.contains("secret"), "{broken:#?}");
    let missing = refused(&[("AWS_CONFIG_FILE", "/nowhere/aws")]);
    let expected = "there is no profile `work`: AWS_CONFIG_FILE names /nowhere/aws: No such file";
    assert!(missing.stderr.contains(expected), "{missing:#?}");
}

#[test]
fn empty_is_unset() {
    let (endpoint, mut environment) = (Endpoint::start(), KEYS.to_vec());
    environment.extend(VARIABLES.map(|name| (name, "")));
    // The address has to come from somewhere.
    let mut hello = hello(&endpoint, &["--endpoint-url", &endpoint.url], &environment);
    hello.env("AWS_ENDPOINT_URL", "");
    let ran = Program::run(hello);
    assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{ran:#?}");

    let proxy = TlsProxy::start(&endpoint);
    let mut plugin = through(&endpoint, &proxy, 9);
    plugin.envs(VARIABLES.map(|name| (name, ""))).env("SSL_CERT_FILE", proxy.authority());
    opened_port(&Program::start(plugin));
    assert!(proxy.authorization_seen().contains("Credential=test/"));
}

#[test]
fn what_makes_no_sense_is_named_and_nothing_worse_happens() {
    let endpoint = Endpoint::start();
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "nowhere"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("AWS_ENDPOINT_URL_SSM", "http:///x"),
        ("AWS_ENDPOINT_URL_KMS", "a b"),
        ("AWS_ENDPOINT_URL_STS", "ftp://x"),
        ("AWS_ENDPOINT_URL_SSO", "x"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_RETRY_MODE", "often"),
    ] {
        let environment = [&KEYS[..], &[(name, value)]].concat();
        let refused = Program::run(hello(&endpoint, &[], &environment));
        assert_eq!(refused.code(), 2, "{refused:#?}");
        let place = format!("AWS configuration: {name}: `{value}` is no");
        assert!(refused.stderr.contains(&place), "{refused:#?}");
    }
    for (name, value) in [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "nowhere"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "//nowhere"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "a b"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"),
    ] {
        let environment =
            [("AWS_REGION", "eu-west-1"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"), (name, value)];
        let refused = Program::run(hello(&endpoint, &[], &environment));
        assert!([2, 3].contains(&refused.code()), "{refused:#?}");
        assert!(refused.stderr.contains(value), "{refused:#?}");
    }
    // A name that is not good enough for the account's records is left out.
    let environment = [
        &KEYS[..],
        &[
            ("AWS_SDK_UA_APP_ID", "a\nb"),
            ("AWS_EXECUTION_ENV", "ü ["),
            ("AWS_USE_FIPS_ENDPOINT", "x"),
        ],
    ];
    let ran = Program::run(hello(&endpoint, &[], &environment.concat()));
    assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{ran:#?}");
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "eu-west-1")];

/// What either program, or what is built into it, reads.
const VARIABLES: [&str; 41] = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_SSMMESSAGES",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_STS",
    "AWS_EXECUTION_ENV",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_MAX_ATTEMPTS",
    "AWS_PROFILE",
    "AWS_RETRY_MODE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_UA_APP_ID",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSMPORT_CONFIG",
    "SSMPORT_DEAD_AFTER",
    "SSMPORT_LOG",
    "SSMPORT_MFA_CODE",
    "SSMPORT_MFA_PROCESS",
    "SSMPORT_MFA_SERIAL",
    "SSMPORT_TARGET",
    "SSM_PLUGIN_LOCAL_HOST",
];
