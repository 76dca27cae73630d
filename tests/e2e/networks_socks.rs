//! A host that has no way out but a SOCKS5 proxy: microsocks, in the place of an HTTP proxy.

use crate::{
    networks_private::Site,
    support::{GATEWAY, Microsocks, NODE, Program},
};

#[test]
fn calls_and_data_channels_go_through_a_socks_proxy() {
    let site = Site::start();
    let proxy = Microsocks::start(&site.network.gateway, GATEWAY, None);
    let address = format!("{GATEWAY}:1080");
    for (count, variable, scheme) in [
        (1, "HTTPS_PROXY", "socks5"),
        (2, "HTTPS_PROXY", "socks5h"),
        (3, "ALL_PROXY", "socks5"),
        (4, "all_proxy", "socks5h"),
    ] {
        let mut exec = site.ssmport("", &["exec", NODE, "--", "sh", "-c", "echo $((6*7)); exit 3"]);
        exec.env_remove("HTTPS_PROXY").env(variable, format!("{scheme}://{address}"));
        let ended = Program::run(exec);
        assert_eq!((ended.code(), &*ended.stdout), (3, "42\n"), "{variable} {scheme}: {ended:#?}");
        // The names are looked up there.
        for host in ["ssm.corp.test:443", "gateway.corp.test:443"] {
            assert_eq!(proxy.connections_to(host), count, "{}", proxy.log());
        }
    }
    // Where it would not have been used, nobody minds what a variable says.
    let mut exec = site.ssmport(&format!("socks5://{address}"), &["exec", NODE, "--", "true"]);
    exec.env("ALL_PROXY", "socks4://nowhere:1");
    assert_eq!(Program::run(exec).code(), 0);
}

#[test]
fn a_socks_proxy_that_wants_a_user_is_told_one() {
    let site = Site::start();
    let proxy = Microsocks::start(&site.network.gateway, GATEWAY, Some(("jane", "s@cret")));
    let run = |user: &str| {
        let url = format!("socks5://{user}{GATEWAY}:1080");
        Program::run(site.ssmport(&url, &["-vv", "exec", NODE, "--", "echo", "in"]))
    };
    let ended = run("jane:s%40cret@");
    assert_eq!((ended.code(), &*ended.stdout), (0, "in\n"), "{ended:#?}");
    assert!(!ended.stderr.contains("cret"), "{ended:#?}");
    assert_eq!(proxy.connections_to("gateway.corp.test:443"), 1, "{}", proxy.log());

    for (user, what, step) in [
        ("", "wants authentication", "put USER:PASSWORD@ into HTTPS_PROXY"),
        ("jane:wrong@", "does not accept that user and password", "check USER:PASSWORD@ in HTTPS"),
    ] {
        let ended = run(user);
        assert_eq!(ended.code(), 7, "{ended:#?}");
        assert!(ended.stderr.contains(&format!("the proxy {GATEWAY}:1080 {what}")), "{ended:#?}");
        assert!(ended.stderr.contains(step) && !ended.stderr.contains("wrong"), "{ended:#?}");
    }
}
