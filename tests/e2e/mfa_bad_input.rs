//! Credentials that cannot be had: a line that says why, within seconds, and nothing left behind.
#![cfg(feature = "aws")]

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::{
    Endpoint, Finished, Program, Signal,
    home::{Home, hello},
    sts::{DEVICE, Sts},
};

/// What `exec` with a profile of these settings says, without a terminal.
fn exec(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(config));
    let mut hello = hello(&endpoint, &sts, arguments);
    hello.env("AWS_PROFILE", "p").envs(variables.iter().copied());
    let began = Instant::now();
    let ended = Program::run(home.without_terminal(&hello));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}: {ended:#?}", began.elapsed());
    assert_eq!((ended.stdout.as_str(), home.cached().len()), ("", 0), "{ended:#?}");
    ended
}

/// That it exits with `code` and says `lines`.
#[track_caller]
fn says(ended: &Finished, code: i32, lines: &str) {
    assert_eq!((ended.code(), ended.stderr.as_str()), (code, lines));
}

#[test]
fn without_a_terminal_the_other_ways_are_named() {
    for config in [USER, ROLE] {
        let said = format!(
            "ssmport: an MFA code of {DEVICE} is needed, and there is no terminal to ask for it\n  \
             give --mfa-code, or set `mfa_process` in the profile, or run `ssmport login` in a \
             terminal first\n"
        );
        says(&exec(config, &[], &[]), 3, &said);
    }
}

#[test]
fn a_code_that_is_wrong_is_tried_once() {
    let refused = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let said = |why: &str| {
        format!(
            "ssmport: the MFA code of {DEVICE} was not accepted: {why}\n  a code is good for one \
             use: wait for the next one; check the device and the clock\n"
        )
    };
    for config in [USER, ROLE] {
        says(&exec(config, &["--mfa-code", "000000"], &[]), 3, &said(refused));
        says(&exec(config, &[], &[("SSMPORT_MFA_CODE", "000000")]), 3, &said(refused));
        let made = [("SSMPORT_MFA_PROCESS", "echo 000000")];
        says(&exec(config, &[], &made), 3, &said(refused));
        says(&exec(config, &["--mfa-code", "00000"], &[]), 3, &said("a code has six digits"));
    }
}

#[test]
fn programs_that_make_no_code_are_told_of() {
    for (process, why) in [
        ("exit 7", "it failed: exit status: 7"),
        ("echo the password", "it prints no code of six digits"),
    ] {
        let said = format!(
            "ssmport: mfa_process: {why}\n  check `mfa_process` of the profile, or \
             SSMPORT_MFA_PROCESS\n"
        );
        says(&exec(&format!("{USER}mfa_process = {process}\n"), &[], &[]), 3, &said);
    }
}

#[test]
fn profiles_that_lead_nowhere_are_wrong_usage() {
    let next = "\n  check the profile, the region, the endpoint and the files in ~/.aws\n";
    let what = "ssmport: AWS configuration: profile `p`: ";
    for (config, why) in [
        (
            "source_profile = q\n[profile q]\nrole_arn = r\nsource_profile = p\n",
            "source_profile goes round: p -> q -> p",
        ),
        ("source_profile = gone\n", "its source_profile `gone` is missing"),
        (
            "source_profile = q\ncredential_source = Environment\n",
            "it has both source_profile and credential_source",
        ),
        ("source_profile = q\n[profile q]\nregion = eu-west-1\n", ""),
    ] {
        let config = format!("[profile p]\nrole_arn = {}\n{config}", crate::support::sts::GUARDED);
        let said = match why {
            "" => format!(
                "ssmport: AWS configuration: profile `q`: it has no credentials to assume a role \
                 with{next}"
            ),
            why => format!("{what}{why}{next}"),
        };
        says(&exec(&config, &[], &[]), 2, &said);
    }
}

#[test]
fn an_expired_sso_session_names_the_login() {
    let config = "[profile p]\nsso_session = corp\nsso_account_id = 123456789012\n\
                  sso_role_name = operator\n[sso-session corp]\n\
                  sso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n";
    let ended = exec(config, &[], &[]);
    assert_eq!(ended.code(), 3, "{ended:#?}");
    let what = "ssmport: no AWS credentials: the SSO session of profile `p` has expired, or there \
                is none: ";
    assert!(ended.stderr.starts_with(what), "{ended:#?}");
    assert!(ended.stderr.ends_with("\n  run `ssmport login --profile p`\n"), "{ended:#?}");
}

#[test]
fn programs_that_give_no_credentials_are_told_of() {
    for (process, why) in [
        ("echo not today >&2; exit 7", "exit status: 7"),
        ("echo rubbish", "no JSON object"),
        ("echo '{\"Version\": 1}'", "AccessKeyId"),
    ] {
        let ended = exec(&format!("[profile p]\ncredential_process = {process}\n"), &[], &[]);
        assert_eq!(ended.code(), 3, "{ended:#?}");
        // What it says itself comes first.
        let lines: Vec<_> = ended.stderr.lines().skip_while(|line| *line == "not today").collect();
        let [what, _next] = lines[..] else { panic!("not two lines: {ended:#?}") };
        assert!(what.starts_with("ssmport: no AWS credentials: "), "{what}");
        assert!(what.contains(why), "{what}");
    }
}

#[test]
fn a_program_that_hangs_is_named_and_can_be_interrupted() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&[]));
    let home = Home::with("[profile p]\ncredential_process = exec sleep 100\n");
    let hello = hello(&endpoint, &sts, &["--profile", "p"]);
    let hanging = Program::start(home.of(&hello));
    hanging.wait_for_stderr(|line| line.ends_with("waiting for the credentials of profile `p`"));
    // It alone: the program would end, too.
    rustix::process::kill_process(hanging.pid(), Signal::INT).expect("it is there");
    assert_eq!(hanging.finish_within(Duration::from_secs(5)).code(), 130);
}

#[test]
fn instance_metadata_that_hang_are_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let metadata =
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "")];
    for config in [
        "[profile p]\nregion = eu-west-1\n",
        "[profile p]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n",
    ] {
        let ended = exec(config, &[], &metadata);
        assert_eq!(ended.code(), 3, "{ended:#?}");
        assert!(ended.stderr.starts_with("ssmport: no AWS credentials: "), "{ended:#?}");
    }
}

const USER: &str = "\
[profile p]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";

const ROLE: &str = "\
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
[profile p]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
