//! `ssmport login`: MFA or SSO once, for every later call.

use crate::cli::{
    args::{Global, LoginArgs},
    failure::Failure,
    output::Output,
};

#[cfg(not(feature = "aws"))]
pub(crate) async fn run(_: LoginArgs, _: &Global, _: &Output) -> Result<(), Failure> {
    let failure =
        Failure::new(crate::cli::failure::Code::Usage, "this ssmport is built without AWS");
    Err(failure.next("build it with the feature `aws`"))
}

#[cfg(feature = "aws")]
pub(crate) use with_aws::run;

#[cfg(feature = "aws")]
mod with_aws {
    use std::{io::ErrorKind, process::Stdio};

    use jiff::tz::TimeZone;
    use tokio::process::Command;

    use super::*;
    use crate::{
        aws::{AwsError, Login, LoginRequest},
        cli::{
            failure::Code,
            report::{self, Event},
            signals::until_ended,
            times::{now, until, utc},
        },
    };

    pub(crate) async fn run(
        arguments: LoginArgs,
        global: &Global,
        output: &Output,
    ) -> Result<(), Failure> {
        until_ended(log_in(&arguments, global, output)).await
    }

    async fn log_in(
        arguments: &LoginArgs,
        global: &Global,
        output: &Output,
    ) -> Result<(), Failure> {
        let request = LoginRequest { with_mfa: arguments.mfa, duration: arguments.duration };
        let login = match Login::new(global.settings(), request).await {
            Err(AwsError::Sso { profile, why }) => {
                tracing::debug!("{why}");
                login_by_aws(&["sso", "login"], &profile).await?;
                Login::new(global.settings(), request).await?
            }
            Err(AwsError::Console { profile, why }) => {
                tracing::debug!("{why}");
                login_by_aws(&["login"], &profile).await?;
                Login::new(global.settings(), request).await?
            }
            login => login?,
        };
        let until = match login.expires {
            Some(expires) => format!("until {}", until(expires, now(), TimeZone::system())),
            None => "with keys that stay".to_owned(),
        };
        output.note(&format!("Logged in as {} {until}.", login.arn));
        output.report(&Event::Login(report::Login {
            arn: &login.arn,
            account: &login.account,
            expires: login.expires.map(utc),
        }));
        Ok(())
    }

    /// Has the AWS CLI log in: it is where the user's browser has been before.
    async fn login_by_aws(words: &[&str], profile: &str) -> Result<(), Failure> {
        let mut aws = Command::new("aws");
        aws.args(words).args(["--profile", profile]).kill_on_drop(true);
        // Its words are none of ours; on standard output there may be a report.
        let command = format!("aws {} --profile {profile}", words.join(" "));
        let failed = || Failure::new(Code::Refused, format!("`{command}` failed"));
        let spoken = aws.stdout(Stdio::from(std::io::stderr())).status().await;
        match spoken {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(failed().because("see above")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(failed()
                .because("there is no program `aws` on the PATH")
                .next(format!("install the AWS CLI and run: {command}"))),
            Err(error) => Err(failed().because(error)),
        }
    }
}
