//! Who calls, and what they may do.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

use super::report::{Check, Report};
use crate::{
    aws::{Account, AwsError, Keys, Service},
    cli::{counted::counted, times},
    client::Error,
};

/// What the configuration came to.
pub(super) fn configuration(account: &Account) -> String {
    match account.profile() {
        "default" => format!("region {}", account.region()),
        profile => format!("profile {profile}, region {}", account.region()),
    }
}

/// Clock, credentials, identity and permissions; `false` when there is no use in going on.
pub(super) async fn look(account: &Account, is_reached: bool, report: &mut Report) -> bool {
    if is_reached {
        report.add(clock(account).await);
    }
    let keys = match account.keys().await {
        Ok(keys) => keys,
        Err(error) => {
            report.add(Check::failure("credentials", &error.into()));
            return false;
        }
    };
    report.add(credentials(&keys, SystemTime::now()));
    if !is_reached {
        return false;
    }
    let identity = identity(account, &keys).await;
    let is_known = !identity.is_failure();
    report.add(identity);
    if is_known {
        report
            .add(permission("nodes", account.nodes(&[("PingStatus", &["Online"])], |_| ()).await));
        report.add(permission("names", account.instances(&[("tag-key", &["Name"])]).await));
    }
    is_known
}

async fn clock(account: &Account) -> Check {
    let before = SystemTime::now();
    let told = account.time_of(Service::Ssm).await;
    let ours = before + before.elapsed().unwrap_or_default() / 2;
    let told = match told {
        Ok(Some(told)) => told,
        Ok(None) => return Check::skipped("clock", "SSM told no time"),
        Err(why) => return Check::skipped("clock", format!("SSM told no time: {why}")),
    };
    let (off, way) = match ours.duration_since(told) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let found = format!("{} {way} AWS's", humantime::format_duration(whole(off)));
    let remedy = "set this computer's clock, for instance with NTP: AWS takes requests signed within \
                  five minutes of its own time";
    match off {
        off if off > SKEW_LIMIT => Check::broken("clock", found, remedy),
        off if off > SKEW_WARNING => Check::warning("clock", found, remedy),
        _ => Check::ok("clock", "agrees with AWS's"),
    }
}

fn credentials(keys: &Keys, now: SystemTime) -> Check {
    let kind = if keys.are_long_term { "long-term keys" } else { "temporary keys" };
    let found = format!("{kind} {}", keys.access_key_id);
    let Some(expiry) = keys.expiry else { return Check::ok("credentials", found) };
    match expiry.duration_since(now) {
        Err(_) => Check::broken(
            "credentials",
            format!("{found} have expired"),
            "get new ones with `ssmport login` (or `aws sso login`)",
        ),
        Ok(_) => {
            let until = times::until(expiry, now, TimeZone::system());
            Check::ok("credentials", format!("{found}, until {until}"))
        }
    }
}

/// Whom AWS takes us for, and whether MFA could make a difference.
async fn identity(account: &Account, keys: &Keys) -> Check {
    let identity = match account.identity().await {
        Ok(identity) => identity,
        Err(error) => return Check::failure("identity", &error.into()),
    };
    let found = identity.arn;
    if !keys.are_long_term {
        return Check::ok("identity", found);
    }
    match account.mfa_devices().await {
        Ok(devices) if devices.is_empty() => {
            Check::ok("identity", format!("{found}, who has no MFA device"))
        }
        // Who has one is mostly asked for it.
        Ok(_) => Check::warning(
            "identity",
            format!("{found}, without MFA"),
            "where policies ask for MFA: run `ssmport login`",
        ),
        Err(_) => Check::ok("identity", format!("{found}, without MFA")),
    }
}

/// A call that is not needed for a session to a node whose id is known.
fn permission<T>(name: &'static str, listed: Result<Vec<T>, AwsError>) -> Check {
    match listed {
        Ok(found) if name == "nodes" => {
            Check::ok(name, format!("{} connected", counted(found.len(), "node")))
        }
        Ok(found) => Check::ok(name, format!("of {}", counted(found.len(), "instance"))),
        Err(error) => {
            let mut failure = Error::from(error);
            let without = match name {
                "nodes" => "names and `ssmport ls` do not work",
                _ => "`ssmport ls` shows no names",
            };
            failure.why = Some(format!("without it {without}"));
            Check::weakness(name, &failure)
        }
    }
}

/// To the second.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// AWS refuses what is signed further off.
const SKEW_LIMIT: Duration = Duration::from_secs(5 * 60);
const SKEW_WARNING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_have_expired_are_a_failure() {
        let now = SystemTime::now();
        let keys =
            |expiry| Keys { access_key_id: "ASIAEXAMPLE".to_owned(), are_long_term: false, expiry };
        let hour = Duration::from_secs(3600);
        assert!(credentials(&keys(Some(now - hour)), now).is_failure());
        let good = credentials(&keys(Some(now + hour)), now);
        let until = times::until(now + hour, now, TimeZone::system());
        let found = format!("temporary keys ASIAEXAMPLE, until {until}");
        assert!(until.ends_with(", for 1h"), "{until}");
        assert_eq!(good, Check::ok("credentials", found));
    }
}
