//! What people and programs pass: the drop-in's response and request, stream URLs, SPEC, TARGET,
//! times and lists of quirks. What is wrong is said without quoting a secret, and what is shown of
//! a URL has no user, no query and no fragment.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use ssmport::{
    fuzzing,
    local::{Faults, Quirks},
    session::{Endpoint, is_of_aws},
    wire::stream_url,
};
use ssmport_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let Some((kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    within(FIXED + FACTOR * input.len(), || match kind % 7 {
        0 => invocation(text),
        1 => url(text),
        2 => spec(text),
        3 => {
            if let Ok(shown) = fuzzing::target(text) {
                // Addresses are shown in their usual form.
                assert_eq!(fuzzing::target(&shown), Ok(shown));
            }
        }
        4 => {
            if let Ok(time) = fuzzing::duration(text) {
                assert!((1..=30 * 86_400).contains(&time.as_secs()));
            }
        }
        5 => {
            let _ = Faults::parse(text).map_err(|error| error.to_string());
        }
        _ => {
            let _ = Quirks::parse(text).map_err(|error| error.to_string());
        }
    });
});

/// The arguments, a line each.
fn invocation(text: &str) {
    let mut lines = text.split('\n');
    let response = lines.next().unwrap_or_default();
    let rest: Vec<String> = lines.map(str::to_owned).collect();
    if let Err(why) = fuzzing::invocation(response, &rest) {
        assert!(why.len() < 100, "{why} quotes what was passed");
    }
}

fn url(text: &str) {
    let shown = stream_url::without_secrets(text);
    assert!(!shown.contains(['?', '#']));
    let rest = shown.split_once("://").map_or(&*shown, |(_, rest)| rest);
    let authority = rest.split('/').next();
    assert!(!authority.unwrap_or_default().contains('@'), "{shown}");
    assert!(text.contains('?') || !stream_url::is_presigned(text));
    address(text);
}

/// Where a token may go: to AWS, to what the user named, and to this machine.
fn address(text: &str) {
    let endpoint = Endpoint::parse("https://endpoint.test:8443").expect("an endpoint");
    match fuzzing::checked_stream_address(text, &[endpoint]) {
        Ok(url) => {
            let host = url.host().expect("it is dialled").to_ascii_lowercase();
            let bare = host.trim_matches(['[', ']']).parse::<IpAddr>();
            let is_here = host == "localhost" || bare.is_ok_and(|ip| ip.is_loopback());
            let is_secure = url.scheme_str() == Some("wss");
            let is_named = host == "endpoint.test" && url.port_u16() == Some(8443);
            let is_aws = is_of_aws(&host) && host.contains("ssmmessages");
            assert!(is_here || is_secure && (is_named || is_aws), "{url}");
            assert!(!text.split(['/', '?', '#']).nth(2).unwrap_or_default().contains('@'));
        }
        Err(error) => {
            let _ = (error.to_string(), error.next_step());
        }
    }
}

/// What a SPEC leads to is a SPEC itself, behind a local port.
fn spec(text: &str) {
    let Ok((_, destination)) = fuzzing::spec(text) else { return };
    let again = fuzzing::spec(&format!("7:{destination}"));
    assert_eq!(again, Ok((7, destination)));
}

const FIXED: usize = 16 << 10;
const FACTOR: usize = 200;
