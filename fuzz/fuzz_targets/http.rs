//! The embedded endpoint's HTTP: whatever comes on a connection, each answer is one of HTTP, no
//! WebSocket is opened but for a session id, and memory is bounded.
//!
//! Time is virtual: a request that breaks off is given up at once.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use ssmport::fuzzing::HttpEndpoint;
use ssmport_fuzz::within;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
    );
}

fuzz_target!(|input: &[u8]| {
    // One that begins with a lower-case letter is the body of an API call.
    let requests = match input.first() {
        Some(first) if first.is_ascii_lowercase() => api_call(&input[1..], *first),
        _ => input.to_vec(),
    };
    let endpoint = HttpEndpoint::new().expect("the system has random bytes");
    RUNTIME.with_borrow(|runtime| {
        within(FIXED + FACTOR * requests.len(), || {
            let (answers, opened) = runtime.block_on(endpoint.converse(&requests));
            assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."));
            let switched = answers.windows(12).any(|window| window == b"HTTP/1.1 101");
            assert!(opened.is_none() || switched, "a WebSocket without an answer");
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+=,".contains(&byte);
            assert!(
                opened.is_none_or(|id| { (1..=96).contains(&id.len()) && id.bytes().all(allowed) })
            );
        });
    });
});

fn api_call(body: &[u8], which: u8) -> Vec<u8> {
    let operation = OPERATIONS[usize::from(which) % OPERATIONS.len()];
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost:8080\r\nX-Amz-Target: {operation}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const OPERATIONS: [&str; 8] = [
    "AmazonSSM.StartSession",
    "AmazonSSM.ResumeSession",
    "AmazonSSM.TerminateSession",
    "AmazonSSM.DescribeSessions",
    "AmazonSSM.DescribeInstanceInformation",
    "AmazonSSM.GetConnectionStatus",
    "TrentService.GenerateDataKey",
    "TrentService.Decrypt",
];

/// The connection's buffers, of either side.
const FIXED: usize = 2 << 20;
const FACTOR: usize = 400;
