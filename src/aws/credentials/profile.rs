//! What a profile says about credentials: where they come from, and which roles are assumed.

use std::time::Duration;

use aws_credential_types::Credentials;

use super::profile_source::{has_keys, source_of};
use crate::aws::{
    error::AwsError,
    files::{Profile, Profiles},
    mfa::Device,
    sts::{RoleRequest, WebIdentity},
};

/// From a source to the credentials of a profile.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    /// The device of the profile in use, for long-term keys.
    pub(super) device: Option<Device>,
    /// The device of the source of a role that names none. The AWS CLI never asks for its code: it is
    /// of use when the role is refused without.
    pub(super) spare: Option<Device>,
    /// How long a session of such keys is to hold, if the profile says so.
    pub(super) duration: Option<Duration>,
    /// In the order in which they are assumed.
    pub(super) roles: Vec<Role>,
}

/// Where credentials come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Keys that stand in a profile.
    Keys(Credentials),
    /// What a program prints, on behalf of a profile.
    Process {
        profile: String,
        command: String,
    },
    Sso {
        profile: String,
        login: SsoLogin,
    },
    WebIdentity(WebIdentity),
    /// `aws login`: a session of the console, of a profile.
    Console {
        profile: String,
        session: String,
    },
    Environment,
    InstanceMetadata,
    Container,
    /// The profile says nothing of credentials.
    Machine {
        profile: String,
    },
}

/// What SSO gives credentials for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SsoLogin {
    /// The session's name, unless the profile itself says where SSO is.
    pub(super) session: Option<String>,
    pub(super) start_url: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) role: String,
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
    pub(super) fn of(profiles: &Profiles, serial: Option<&str>) -> Result<Self, AwsError> {
        let selected = profiles.selected();
        let mut visited = vec![selected];
        let mut roles = Vec::new();
        let (source, profile) = loop {
            let name = visited.last().copied().unwrap_or(selected);
            let Some(profile) = profiles.get(name) else {
                break (Source::Machine { profile: name.to_owned() }, None);
            };
            let is_in_use = visited.len() == 1;
            let Some(role) = role(profile).filter(|_| is_in_use || !has_keys(profile)) else {
                break (source_of(profiles, profile)?, Some(profile));
            };
            roles.push(role);
            match (profile.option("source_profile"), profile.option("credential_source")) {
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
                    break (source_of(profiles, profile)?, Some(profile));
                }
                (Some(source), None) if visited.contains(&source) => {
                    let chain = [&visited[..], &[source]].concat().join(" -> ");
                    return Err(broken(selected, &format!("source_profile goes round: {chain}")));
                }
                (Some(source), None) if profiles.get(source).is_none() => {
                    return Err(broken(name, &format!("its source_profile `{source}` is missing")));
                }
                (Some(source), None) => visited.push(source),
            }
        };
        roles.reverse();
        let mut plan = Self {
            source,
            device: profile.filter(|_| roles.is_empty()).and_then(device),
            spare: profile.filter(|_| is_without_device(&roles)).and_then(device),
            duration: profile.filter(|_| roles.is_empty()).and_then(duration),
            roles,
        };
        // From the profile in use to the source.
        let mut chain = visited.iter().filter_map(|name| profiles.get(name));
        plan.complete(chain.find_map(|profile| profile.option("mfa_process")), serial);
        Ok(plan)
    }

    /// The keys in the environment, which no profile says anything of.
    pub(super) fn of_environment(serial: Option<&str>) -> Self {
        let device = serial.map(|serial| Device { serial: serial.to_owned(), process: None });
        Self { source: Source::Environment, device, spare: None, duration: None, roles: Vec::new() }
    }

    fn complete(&mut self, process: Option<&str>, serial: Option<&str>) {
        let process = process.map(str::to_owned);
        if let Some(serial) = serial {
            let last = self.roles.iter_mut().rev().find_map(|role| role.device.as_mut());
            match last {
                Some(device) => serial.clone_into(&mut device.serial),
                None => {
                    self.device = Some(Device { serial: serial.to_owned(), process: None });
                    self.spare = None;
                }
            }
        }
        let devices = self.roles.iter_mut().filter_map(|role| role.device.as_mut());
        for device in devices.chain(&mut self.device).chain(&mut self.spare) {
            device.process = device.process.take().or_else(|| process.clone());
        }
    }

    /// Whether codes are of use at all.
    pub(super) fn has_device(&self) -> bool {
        self.device.is_some() || self.roles.iter().any(|role| role.device.is_some())
    }

    /// Takes the device of the source for the user's wish to use one.
    pub(super) fn use_spare(&mut self) {
        self.device = self.device.take().or_else(|| self.spare.take());
    }
}

fn is_without_device(roles: &[Role]) -> bool {
    !roles.is_empty() && roles.iter().all(|role| role.device.is_none())
}

fn role(profile: &Profile) -> Option<Role> {
    if profile.option("web_identity_token_file").is_some() {
        return None;
    }
    let own = |name| profile.option(name).map(str::to_owned);
    let request = RoleRequest {
        arn: own("role_arn")?,
        session_name: own("role_session_name"),
        external_id: own("external_id"),
        duration: duration(profile),
    };
    Some(Role { request, device: device(profile) })
}

fn device(profile: &Profile) -> Option<Device> {
    let process = profile.option("mfa_process").map(str::to_owned);
    profile.option("mfa_serial").map(|serial| Device { serial: serial.to_owned(), process })
}

/// botocore takes no notice of what is no number.
fn duration(profile: &Profile) -> Option<Duration> {
    let text = profile.option("duration_seconds")?;
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let name = profile.name();
            tracing::warn!("profile `{name}`: duration_seconds is no number, and is left out");
            None
        }
    }
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

pub(super) fn broken(profile: &str, why: &str) -> AwsError {
    AwsError::Configuration { why: format!("profile `{profile}`: {why}") }
}

#[cfg(test)]
mod tests;
