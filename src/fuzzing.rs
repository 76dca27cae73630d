//! What the fuzz targets need of the inside of the layers; there is no such module without
//! `--cfg fuzzing`.

pub use crate::{
    cli::fuzzing::{duration, invocation, spec, target},
    local::fuzzing::{HttpEndpoint, WholeCharacters, words},
    session::checked_stream_address,
};
