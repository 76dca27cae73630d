//! What the fuzz targets need of the inside of the layers; there is no such module without
//! `--cfg fuzzing`.

pub use crate::{
    cli::fuzzing::{duration, installed, invocation, spec, target, trace},
    local::fuzzing::{
        Decided, HttpEndpoint, WholeCharacters, account, decide, decide_trust, words,
    },
    net::fuzzing::{SECRET, connect_answer, proxy_for, socks_answer, upgrade_answer},
    session::checked_stream_address,
};
