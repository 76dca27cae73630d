//! Who gives credentials: programs, the AWS CLI's own login, containers.
#![cfg(feature = "aws")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use crate::support::{
    Endpoint, HttpServer, Program, command,
    home::{Home, hello, ssmport},
    sts::Sts,
};

/// A program of shell in somebody's home.
fn script(home: &Home, name: &str, text: &str) {
    let path = home.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
}

#[test]
fn a_programs_words_are_heard_and_its_dates_understood() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&[]));
    let home = Home::with("");
    let config = format!(
        "[profile p]\ncredential_process = '{}/my tool' --url http://x/?a=b&c=d\n",
        home.path().display()
    );
    fs::write(home.path().join(".aws/config"), config).expect("a file");
    for date in [
        r#""2099-06-25T17:15:10-05:00""#,
        r#""2099-06-25T17:15:10+0000""#,
        r#""2099-06-25T17:15:10UTC""#,
        r#""2099-06-25 17:15:10.123456Z""#,
        r#""""#,
        "null",
    ] {
        let told = format!(
            r#"{{"Version":1,"AccessKeyId":"ASIA","SecretAccessKey":"s","SessionToken":"","Expiration":{date},"Odd":[{{}}]}}"#
        );
        script(
            &home,
            "my tool",
            &format!(
                "test \"$*\" = '--url http://x/?a=b&c=d' || exit 3\necho 'touch your key' >&2\necho '{told}'"
            ),
        );
        let hello = hello(&endpoint, &sts, &["--profile", "p"]);
        let ran = Program::run(home.without_terminal(&hello));
        assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{date}: {ran:#?}");
        assert!(ran.stderr.contains("touch your key"), "{ran:#?}");
    }
    script(&home, "my tool", "echo 'not today' >&2\nexit 3");
    let ran = Program::run(home.without_terminal(&hello(&endpoint, &sts, &["--profile", "p"])));
    assert_eq!(ran.code(), 3, "{ran:#?}");
    let expected = "credential_process of profile `p`: it failed: exit status: 3";
    assert!(ran.stderr.contains(expected) && ran.stderr.contains("not today"), "{ran:#?}");
}

#[test]
fn sessions_of_aws_login_are_used_and_renewed_by_the_aws_cli() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&[]));
    let home = Home::with(
        "[profile console]\nlogin_session = arn:aws:iam::123456789012:user/dev\n\
         [profile via]\nrole_arn = arn:aws:iam::123456789012:role/open\nsource_profile = console\n",
    );
    let run = |arguments: &[&str]| {
        let mut hello = hello(&endpoint, &sts, arguments);
        hello.env("PATH", home.path());
        Program::run(home.without_terminal(&hello))
    };
    let none = run(&["--profile", "console"]);
    assert_eq!(none.code(), 3, "{none:#?}");
    assert!(none.stderr.contains("the session of `aws login` of profile `console`"), "{none:#?}");
    assert!(none.stderr.contains("run `ssmport login --profile console`"), "{none:#?}");

    // What the AWS CLI is asked for, and gives once its user has logged in.
    let keys =
        json!({ "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t" });
    let mark = home.path().join("logged-in");
    let aws = format!(
        "case \"$*\" in\n'login --profile console') echo hi; : >{mark};;\n\
         'configure export-credentials --format process --profile console')\n\
         test -e {mark} && echo '{keys}';;\n*) exit 9;;\nesac",
        mark = mark.display()
    );
    script(&home, "aws", &aws);
    let mut login = ssmport(&["login", "--profile", "console"], &sts);
    login.env("PATH", home.path());
    let login = Program::run(home.of(&login));
    assert_eq!((login.code(), &*login.stdout), (0, ""), "{login:#?}");
    assert!(login.stderr.starts_with("hi\nLogged in as "), "{login:#?}");
    for profile in ["console", "via"] {
        assert_eq!(run(&["--profile", profile]).success(), "hello\n");
    }

    // While what is cached holds, it is not asked.
    fs::remove_file(home.path().join("aws")).expect("the program");
    fs::remove_dir_all(home.path().join(".aws/cli")).expect("the role's entry");
    let cache = home.path().join(".aws/login/cache");
    fs::create_dir_all(&cache).expect("a directory");
    let token = json!({ "accessToken": {
        "accessKeyId": "ASIA", "secretAccessKey": "s", "sessionToken": "t", "expiresAt": "2099-01-01T00:00:00Z",
    }});
    write(&cache.join(format!("{DEV}.json")), &token.to_string());
    for profile in ["console", "via"] {
        assert_eq!(run(&["--profile", profile]).success(), "hello\n");
    }
}

#[test]
fn a_containers_answer_may_have_empty_members() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(""));
    let server = HttpServer::start(|request| {
        assert_eq!(request.headers()["authorization"], "secret");
        let answer = r#"{"AccessKeyId":"AKIA","SecretAccessKey":"s","Token":"","Expiration":"","Code":null}"#;
        http::Response::new(answer.into())
    });
    let mut hello = hello(&endpoint, &sts, &[]);
    hello.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/creds", server.url));
    hello.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret");
    hello.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "");
    assert_eq!(Program::run(home.without_terminal(&hello)).success(), "hello\n");
}

#[test]
fn on_an_instance_its_own_region_is_meant_where_none_is_given() {
    let endpoint = Endpoint::start();
    let metadata = HttpServer::start(|request| {
        let answer = match request.uri().path() {
            "/latest/api/token" => "token",
            "/latest/meta-data/placement/region" => "eu-north-1",
            _ => return http::Response::builder().status(404).body("".into()).expect("an answer"),
        };
        let answer = http::Response::builder().body(answer.into());
        let mut answer = answer.expect("an answer");
        let lifetime = http::HeaderValue::from_static("21600");
        answer.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", lifetime);
        answer
    });
    let mut doctor = command(env!("CARGO_BIN_EXE_ssmport"));
    doctor.args(["doctor", "--endpoint-url", &endpoint.url]);
    doctor.envs([("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    doctor.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    doctor.env_remove("AWS_EC2_METADATA_DISABLED");
    let told = Program::run(doctor);
    assert!(told.stdout.contains("region eu-north-1"), "{told:#?}");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
}

/// `sha256sum` of the session's name.
const DEV: &str = "893f13863f68a08133e541260597f1d60f5bf9b326625782990032cbad201e26";
