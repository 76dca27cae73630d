//! What can be typed of a login.

use std::time::Duration;

use clap::Args;

use crate::{client::limits::duration, malformed::Malformed};

#[derive(Debug, Args)]
#[command(after_long_help = NOTES)]
pub(crate) struct LoginArgs {
    /// Use MFA, though the profile does not ask for it.
    #[arg(long)]
    pub(crate) mfa: bool,
    /// How long the session is to hold.
    ///
    /// Without it, the profile's duration_seconds, or 12h; for a role 1h.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub(crate) duration: Option<Duration>,
}

/// A time that AWS issues credentials for.
fn lifetime(text: &str) -> Result<Duration, Malformed> {
    let lifetime = duration(text)?;
    let is_possible = (SHORTEST..=LONGEST).contains(&lifetime);
    is_possible.then_some(lifetime).ok_or_else(|| "not between 15 minutes and 36 hours".into())
}

const SHORTEST: Duration = Duration::from_secs(15 * 60);
const LONGEST: Duration = Duration::from_secs(36 * 3600);

const NOTES: &str = "\
Asks for an MFA code, whatever is cached, and keeps what AWS gives for it in ~/.aws/cli/cache: for a \
role what the AWS CLI keeps there too, for keys of an IAM user a session that all later commands with \
the same access key use. A profile with SSO or with `aws login` whose session has expired is logged in by \
the AWS CLI.";
