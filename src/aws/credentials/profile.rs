//! What a profile says about credentials: where they come from, and which roles are assumed.

use std::time::Duration;

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;

use crate::aws::{error::AwsError, mfa::Device, sts::RoleRequest};

/// From a source to the credentials of a profile.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    /// The device of the profile in use, for long-term keys.
    pub(super) device: Option<Device>,
    /// How long a session of such keys is to hold, if the profile says so.
    pub(super) duration: Option<Duration>,
    /// In the order in which they are assumed.
    pub(super) roles: Vec<Role>,
}

/// Where credentials come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Keys that stand in a profile beside a role.
    Keys(Credentials),
    /// What the SDK makes of a profile: keys, a process, SSO, web identity.
    Profile {
        name: String,
        uses_sso: bool,
    },
    Environment,
    InstanceMetadata,
    Container,
}

/// A role, and the device that its assumption needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) request: RoleRequest,
    pub(super) device: Option<Device>,
}

impl Plan {
    /// Follows `source_profile` from the selected profile on. `serial` takes the place of the
    /// device of the last role that names one, or else of the source's.
    ///
    /// The rules are botocore's: keys beside a role win in a source profile, and lose in the
    /// profile in use; a role with a `web_identity_token_file` is a source.
    pub(super) fn of(profiles: &ProfileSet, serial: Option<&str>) -> Result<Self, AwsError> {
        let selected = profiles.selected_profile();
        let mut visited = vec![selected];
        let mut roles = Vec::new();
        let (source, profile) = loop {
            let name = visited.last().copied().unwrap_or(selected);
            let Some(profile) = profiles.get_profile(name) else {
                break (Source::Profile { name: name.to_owned(), uses_sso: false }, None);
            };
            let is_in_use = visited.len() == 1;
            let Some(role) = role(profile).filter(|_| is_in_use || !has_keys(profile)) else {
                break (source_of(profile)?, Some(profile));
            };
            roles.push(role);
            match (given(profile, "source_profile"), given(profile, "credential_source")) {
                (Some(_), Some(_)) => {
                    return Err(broken(name, "it has both source_profile and credential_source"));
                }
                (None, None) => {
                    return Err(broken(
                        name,
                        "it has a role_arn, but neither source_profile nor credential_source",
                    ));
                }
                (None, Some(source)) => break (named(name, source)?, None),
                // The role stands beside the keys that it is assumed with.
                (Some(source), None) if source == name && has_keys(profile) => {
                    break (source_of(profile)?, Some(profile));
                }
                (Some(source), None) if visited.contains(&source) => {
                    let chain = [&visited[..], &[source]].concat().join(" -> ");
                    return Err(broken(selected, &format!("source_profile goes round: {chain}")));
                }
                (Some(source), None) if profiles.get_profile(source).is_none() => {
                    return Err(broken(name, &format!("its source_profile `{source}` is missing")));
                }
                (Some(source), None) => visited.push(source),
            }
        };
        roles.reverse();
        let mut plan = Self {
            source,
            device: profile.filter(|_| roles.is_empty()).and_then(device),
            duration: profile.filter(|_| roles.is_empty()).and_then(duration),
            roles,
        };
        plan.complete(profiles.get_profile(selected), serial);
        Ok(plan)
    }

    /// The keys in the environment, which no profile says anything of.
    pub(super) fn of_environment(serial: Option<&str>) -> Self {
        let device = serial.map(|serial| Device { serial: serial.to_owned(), process: None });
        Self { source: Source::Environment, device, duration: None, roles: Vec::new() }
    }

    fn complete(&mut self, in_use: Option<&Profile>, serial: Option<&str>) {
        let process = in_use.and_then(|profile| given(profile, "mfa_process"));
        let process = process.map(str::to_owned);
        if let Some(serial) = serial {
            let last = self.roles.iter_mut().rev().find_map(|role| role.device.as_mut());
            match last {
                Some(device) => serial.clone_into(&mut device.serial),
                None => {
                    self.device = Some(Device { serial: serial.to_owned(), process: None });
                }
            }
        }
        let devices = self.roles.iter_mut().filter_map(|role| role.device.as_mut());
        for device in devices.chain(&mut self.device) {
            device.process = device.process.take().or_else(|| process.clone());
        }
    }
}

fn role(profile: &Profile) -> Option<Role> {
    if given(profile, "web_identity_token_file").is_some() {
        return None;
    }
    let own = |name| given(profile, name).map(str::to_owned);
    let request = RoleRequest {
        arn: own("role_arn")?,
        session_name: own("role_session_name"),
        external_id: own("external_id"),
        duration: duration(profile),
    };
    Some(Role { request, device: device(profile) })
}

fn device(profile: &Profile) -> Option<Device> {
    let process = given(profile, "mfa_process").map(str::to_owned);
    given(profile, "mfa_serial").map(|serial| Device { serial: serial.to_owned(), process })
}

/// botocore takes no notice of what is no number.
fn duration(profile: &Profile) -> Option<Duration> {
    let text = given(profile, "duration_seconds")?;
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let name = profile.name();
            tracing::warn!("profile `{name}`: duration_seconds is no number, and is left out");
            None
        }
    }
}

fn has_keys(profile: &Profile) -> bool {
    ["aws_access_key_id", "aws_secret_access_key"].iter().any(|key| given(profile, key).is_some())
}

fn source_of(profile: &Profile) -> Result<Source, AwsError> {
    // For the SDK the role beside them would win.
    if given(profile, "role_arn").is_some() && has_keys(profile) {
        let own = |name| given(profile, name);
        let (Some(id), Some(secret)) = (own("aws_access_key_id"), own("aws_secret_access_key"))
        else {
            return Err(broken(profile.name(), "half of its key is missing"));
        };
        let token = own("aws_session_token").map(str::to_owned);
        return Ok(Source::Keys(Credentials::new(id, secret, token, None, "profile")));
    }
    let uses_sso = ["sso_session", "sso_start_url"];
    let uses_sso = uses_sso.iter().any(|name| given(profile, name).is_some());
    Ok(Source::Profile { name: profile.name().to_owned(), uses_sso })
}

fn named(profile: &str, source: &str) -> Result<Source, AwsError> {
    match source.to_ascii_lowercase().as_str() {
        "environment" => Ok(Source::Environment),
        "ec2instancemetadata" => Ok(Source::InstanceMetadata),
        "ecscontainer" => Ok(Source::Container),
        _ => Err(broken(
            profile,
            &format!(
                "its credential_source `{source}` is none of Environment, Ec2InstanceMetadata and \
                 EcsContainer"
            ),
        )),
    }
}

fn given<'a>(profile: &'a Profile, name: &str) -> Option<&'a str> {
    profile.get(name).filter(|value| !value.is_empty())
}

fn broken(profile: &str, why: &str) -> AwsError {
    AwsError::Configuration { why: format!("profile `{profile}`: {why}") }
}

#[cfg(test)]
mod tests;
