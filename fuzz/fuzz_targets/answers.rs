//! What proxies and servers answer on the way to a data channel: to CONNECT, to SOCKS5, to the request
//! for a WebSocket; and what the environment says of proxies. Each comes to a way through or to an
//! error in one line without secrets.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use ssmport::fuzzing::{self, SECRET};
use ssmport_fuzz::within;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
    );
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    RUNTIME.with_borrow(|runtime| {
        within(FIXED + FACTOR * input.len(), || {
            let come = match kind % 5 {
                0 => runtime.block_on(fuzzing::connect_answer(bytes)),
                1 => runtime.block_on(fuzzing::socks_answer(bytes, false)),
                2 => runtime.block_on(fuzzing::socks_answer(bytes, true)),
                3 => runtime.block_on(fuzzing::upgrade_answer(bytes)),
                _ => variables(bytes),
            };
            if let Err(why) = come {
                assert!(!why.contains(SECRET), "{why}");
                assert!(!why.contains(char::is_control), "{why:?}");
                assert!(why.len() < 2000, "{why}");
            }
        });
    });
});

/// The proxy, a host and NO_PROXY, a line each.
fn variables(bytes: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let mut lines = text.split('\n');
    let [proxy, host, no_proxy] = [(); 3].map(|()| lines.next().unwrap_or_default());
    if let Some(shown) = fuzzing::proxy_for(proxy, no_proxy, host)? {
        assert!(!shown.contains('@'), "{shown}");
    }
    Ok(())
}

const FIXED: usize = 2 << 20;
const FACTOR: usize = 400;
