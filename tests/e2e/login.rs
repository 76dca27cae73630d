//! `ssmport login`.
#![cfg(feature = "aws")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::support::{
    Endpoint, HttpServer, Program, Terminal,
    home::{Home, hello, ssmport},
    sts::{DEVICE, Sts},
};

#[test]
fn a_user_without_a_profile_is_asked_for_the_code_of_the_only_device() {
    let (sts, home) = (Sts::start(&["604125", "719304"]), Home::with(""));
    let mut login = ssmport(&["login", "--json", "--duration", "1h"], &sts);
    login.envs([("AWS_ACCESS_KEY_ID", "AKIAALICE"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    // Twice: whatever is cached.
    for code in ["604125", "719304"] {
        let mut terminal = Terminal::start(&home.of(&login));
        terminal.wait_for(&format!("MFA code for {DEVICE}: "));
        terminal.press(&format!("{code}\n"));
        terminal.wait_for("Logged in as arn:aws:iam::123456789012:user/alice until 20");
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(0), "{screen}");
        let report = screen.lines().find(|line| line.starts_with('{')).expect("a report");
        let mut report: Value = serde_json::from_str(report).expect("JSON");
        let expires = report["expires"].take();
        let expires = expires.as_str().and_then(|time| humantime::parse_rfc3339(time).ok());
        let left = expires.expect("a time").duration_since(SystemTime::now());
        assert!((3500..=3600).contains(&left.expect("to come").as_secs()));
        let expected = json!({
            "schema": 1,
            "event": "login",
            "arn": "arn:aws:iam::123456789012:user/alice",
            "account": "123456789012",
            "expires": null,
        });
        assert_eq!(report, expected);
    }
    assert_eq!(sts.last("GetSessionToken")["DurationSeconds"], "3600");
    assert_eq!(home.cached().len(), 1);
}

#[test]
fn aws_sets_limits_to_a_sessions_time() {
    let (sts, home) = (Sts::start(&[]), Home::with(""));
    for time in ["14m", "37h", "soon"] {
        let refused = Program::run(home.of(&ssmport(&["login", "--duration", time], &sts)));
        assert_eq!(refused.code(), 2, "{refused:#?}");
    }
}

#[test]
fn temporary_keys_take_no_code() {
    let (sts, home) = (Sts::start(&[]), Home::with(""));
    let keys = [
        ("AWS_ACCESS_KEY_ID", "ASIAALICE"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t"),
    ];
    let mut login = ssmport(&["login", "--mfa"], &sts);
    let refused = Program::run(home.of(login.envs(keys)));
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert!(refused.stderr.contains("temporary"), "{refused:#?}");

    let mut login = ssmport(&["login"], &sts);
    let ended = Program::run(home.of(login.envs(keys)));
    assert_eq!(
        ended.stderr,
        "Logged in as arn:aws:iam::123456789012:user/alice with keys that stay.\n"
    );
    assert_eq!(ended.code(), 0);
}

#[test]
fn sso_is_left_to_the_aws_cli() {
    let sts = Sts::start(&[]);
    let home = Home::with(SSO);
    let mut login = ssmport(&["login", "--profile", "corp"], &sts);
    login.env("PATH", home.path());
    let refused = Program::run(home.of(&login));
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert_eq!(
        refused.stderr,
        "ssmport: `aws sso login --profile corp` failed\n  there is no program `aws` on the PATH\n  \
         install the AWS CLI and run: aws sso login --profile corp\n"
    );

    let aws = home.path().join("aws");
    fs::write(&aws, "#!/bin/sh\necho \"$@\"\nexit 1\n").expect("a program");
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("its mode");
    let failed = Program::run(home.of(&login));
    assert_eq!((failed.code(), failed.stdout.as_str()), (3, ""));
    let said = "sso login --profile corp\nssmport: `aws sso login --profile corp` failed\n";
    assert!(failed.stderr.starts_with(said), "{failed:#?}");
}

#[test]
fn after_the_aws_clis_login_sso_gives_credentials_for_roles_too() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(SSO));
    let portal = HttpServer::start(|request| {
        assert_eq!(request.headers()["x-amz-sso_bearer_token"], "sso-token");
        http::Response::new(role_credentials().to_string().into())
    });
    // What the AWS CLI writes when its user has logged in; the name is the digest of `corp`.
    let tokens = home.path().join(".aws/sso/cache");
    fs::create_dir_all(&tokens).expect("a directory");
    let token = json!({
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
        "accessToken": "sso-token",
        "expiresAt": "2099-01-01T00:00:00Z",
    });
    let script = format!(
        "#!/bin/sh\necho '{token}' >{}/ee0bfd2552fbd840c02cc48b6e823320543c450f.json\n",
        tokens.display()
    );
    let aws = home.path().join("aws");
    fs::write(&aws, script).expect("a program");
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("its mode");

    let mut login = ssmport(&["login", "--profile", "corp"], &sts);
    login.env("PATH", home.path()).env("AWS_ENDPOINT_URL_SSO", &portal.url);
    let login = Program::run(home.of(&login));
    assert_eq!(login.code(), 0, "{login:#?}");
    assert!(login.stderr.starts_with("Logged in as "), "{login:#?}");

    for profile in ["corp", "role-of-corp"] {
        let mut hello = hello(&endpoint, &sts, &["--profile", profile]);
        hello.env("AWS_ENDPOINT_URL_SSO", &portal.url);
        assert_eq!(Program::run(home.without_terminal(&hello)).success(), "hello\n");
    }
    assert_eq!(sts.last("AssumeRole")["RoleArn"], "arn:aws:iam::123456789012:role/open");
}

/// The addresses in the profile; and tokens that are about to end, which are renewed as far as they can.
#[test]
fn sso_is_where_the_profile_says() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&[]));
    let portal = HttpServer::start(|request| {
        let answer = match request.uri().path() {
            "/token" => {
                let asked: Value = serde_json::from_slice(request.body()).expect("JSON");
                assert_eq!(asked["refreshToken"], "refresh");
                json!({ "accessToken": "renewed", "expiresIn": 3600, "tokenType": "Bearer" })
            }
            _ => {
                let token = request.headers()["x-amz-sso_bearer_token"].to_str().expect("text");
                let expected = if request.uri().query().is_some_and(|query| query.contains("=old"))
                {
                    "of-the-address"
                } else {
                    "renewed"
                };
                assert_eq!(token, expected);
                role_credentials()
            }
        };
        http::Response::new(answer.to_string().into())
    });
    let services = format!(
        "[services own]\nsso =\n  endpoint_url = {0}\nsso_oidc =\n  endpoint_url = {0}\n\
         [profile old]\nservices = own\nsso_start_url = https://old.awsapps.com/start\n\
         sso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = old\n",
        portal.url
    );
    let home =
        Home::with(&(SSO.replace("[profile corp]", "[profile corp]\nservices = own") + &services));
    let tokens = home.path().join(".aws/sso/cache");
    fs::create_dir_all(&tokens).expect("a directory");
    // The names are the digests of the session's name, and of the address where there is none.
    for (name, token) in [
        (
            "ee0bfd2552fbd840c02cc48b6e823320543c450f",
            json!({
                "accessToken": "ended", "expiresAt": "2020-01-01T00:00:00Z",
                "refreshToken": "refresh", "clientId": "id", "clientSecret": "secret",
                "registrationExpiresAt": "2099-01-01T00:00:00Z", "region": "eu-west-1",
            }),
        ),
        (
            "33d5ca4bf3b1a62edb96b47f7c203034a43ac435",
            json!({
                "accessToken": "of-the-address", "expiresAt": "2099-01-01T00:00:00Z",
            }),
        ),
    ] {
        fs::write(tokens.join(name).with_extension("json"), token.to_string()).expect("a token");
    }
    for profile in ["corp", "old"] {
        let hello = hello(&endpoint, &sts, &["--profile", profile]);
        assert_eq!(Program::run(home.without_terminal(&hello)).success(), "hello\n", "{profile}");
    }
}

/// What SSO gives for an hour.
fn role_credentials() -> Value {
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    json!({ "roleCredentials": {
        "accessKeyId": "ASIASSO",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiration": in_an_hour.duration_since(UNIX_EPOCH).expect("now").as_millis() as u64,
    }})
}

const SSO: &str = "\
[profile role-of-corp]
role_arn = arn:aws:iam::123456789012:role/open
source_profile = corp
[profile corp]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = operator
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-west-1
";
