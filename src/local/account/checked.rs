//! What may stand in an account file, checked as it is read, so that an error knows its line.

use std::{fmt, time::Duration};

use serde::Deserialize;

use super::mfa::Seed;
use crate::{local::node::Node, wire::Version};

/// Texts.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:expr, $problem:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub String);

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err($problem) }
            }
        }
    };
}

checked!(
    /// Twelve digits.
    AccountId,
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()),
    "an account's id has twelve digits"
);

impl Default for AccountId {
    fn default() -> Self {
        Self("000000000000".to_owned())
    }
}

checked!(
    /// A user's or a role's.
    Name,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)),
    "a name has 1 to 64 letters, digits and _+=,.@-"
);

checked!(
    /// Public.
    AccessKeyId,
    |text| (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
    "an access key's id has 16 to 128 letters and digits"
);

checked!(NodeId, Node::is_id, "a node's id is i- or mi- and 17 (or 8) hexadecimal digits");

checked!(
    /// A cluster's, a service's or a container's.
    ClusterName,
    |text| (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)),
    "a name of ECS has 1 to 255 letters, digits, hyphens and underscores"
);

checked!(
    TaskId,
    |text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()),
    "a task's id has 32 hexadecimal digits"
);

/// At least one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<ClusterName>")]
pub struct Containers(pub Vec<ClusterName>);

impl TryFrom<Vec<ClusterName>> for Containers {
    type Error = &'static str;

    fn try_from(names: Vec<ClusterName>) -> Result<Self, Self::Error> {
        if names.is_empty() { Err("a task has at least one container") } else { Ok(Self(names)) }
    }
}

checked!(
    AgentVersion,
    |text| Version::parse(text).is_some(),
    "a version has four numbers, such as 3.3.3050.0"
);

checked!(
    RegionName,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
    "a region is a name such as eu-west-1"
);

/// How long a machine boots.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct BootTime(pub Duration);

impl TryFrom<String> for BootTime {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = humantime::parse_duration(&text).ok();
        let time = time.filter(|time| *time <= Duration::from_secs(HOUR));
        time.map(Self).ok_or("a time of up to an hour is wanted, such as 30s")
    }
}

/// Nobody but its user sees it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct SecretKey(pub String);

impl TryFrom<String> for SecretKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("a secret must not be empty") } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct MfaSeed(pub Seed);

impl TryFrom<String> for MfaSeed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seed = Seed::read(&text).ok().filter(|seed| !seed.is_empty());
        seed.map(Self).ok_or("a seed is base32: the letters A to Z and the digits 2 to 7")
    }
}

/// In seconds.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u64")]
pub struct RoleDuration(pub u64);

impl TryFrom<u64> for RoleDuration {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        let fits = (HOUR..=12 * HOUR).contains(&seconds);
        fits.then_some(Self(seconds)).ok_or("a role's keys are good for 3600 to 43200 seconds")
    }
}

/// In seconds.
pub const HOUR: u64 = 3600;
