//! What `local` and `demo` tell of the embedded endpoint.

use serde::Serialize;

use super::State;
use crate::local::MadeUp;

/// The endpoint can be called.
#[derive(Serialize)]
pub(crate) struct Serving<'a> {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) region: &'a str,
    pub(crate) nodes: Vec<&'a str>,
    pub(crate) pid: u32,
    /// Its number, where there is an account file.
    pub(crate) account: Option<&'a str>,
    pub(crate) users: Vec<MadeUp<'a>>,
    /// Of the faults, where there are any.
    pub(crate) faults_seed: Option<u64>,
}

/// What a step of the demo came to.
#[derive(Debug, Serialize)]
pub(crate) struct Step<'a> {
    pub(crate) step: &'a str,
    pub(crate) state: State,
    /// Payload moved, both ways together.
    pub(crate) bytes: Option<u64>,
    pub(crate) seconds: Option<f64>,
    pub(crate) mb_per_s: Option<f64>,
    /// More that was measured, in words.
    pub(crate) note: Option<&'a str>,
    /// Of a failure.
    pub(crate) why: Option<&'a str>,
}

/// Without the keys.
impl std::fmt::Debug for Serving<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("url", &self.url).finish_non_exhaustive()
    }
}
