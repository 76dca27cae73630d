//! What can be typed about nodes that are not connected.

use std::time::Duration;

use clap::Args;

use crate::client::{Readiness, limits::duration};

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ReadinessArgs {
    /// Start the node if it is a stopped instance of EC2, and wait for it.
    ///
    /// Asks first, on a terminal.
    #[arg(long, hide_short_help = true)]
    pub(crate) start: bool,
    /// With --start: ask nothing.
    #[arg(long, requires = "start", hide_short_help = true)]
    pub(crate) yes: bool,
    /// Wait for a node that is not connected yet [default: 5m].
    ///
    /// Until its agent is there: after a reboot, for one. TIME is 90s, 10m or a number of seconds.
    #[arg(long, value_name = "TIME", value_parser = duration, hide_short_help = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    pub(crate) wait: Option<Duration>,
}

impl ReadinessArgs {
    pub(crate) fn readiness(self) -> Readiness {
        let readiness = match (self.start, self.yes) {
            (false, _) => Readiness::new(),
            (true, false) => Readiness::new().start(),
            (true, true) => Readiness::new().start_unasked(),
        };
        match self.wait {
            Some(patience) => readiness.wait(patience),
            None => readiness,
        }
    }
}
