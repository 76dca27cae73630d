//! ssmport: AWS Session Manager's data channel, from the frame to the local port.

#![forbid(unsafe_code)]

pub mod channel;
pub mod wire;
