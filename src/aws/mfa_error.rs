//! Why there is no code of MFA.

use thiserror::Error as ThisError;

/// Why there is no session with MFA.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum MfaError {
    /// Nobody can be asked.
    #[error("an MFA code of {serial} is needed, and there is no terminal to ask for it")]
    NoTerminal {
        /// The device.
        serial: String,
    },
    /// Nobody may be asked any more, because a session has the terminal.
    #[error("the MFA session has expired")]
    Expired,
    /// AWS did not accept the code, or none of those that were tried.
    #[error("the MFA code of {serial} was not accepted: {message}")]
    Wrong {
        /// The device.
        serial: String,
        /// AWS's own words.
        message: String,
    },
    /// The command that makes codes failed.
    #[error("mfa_process: {why}")]
    Process {
        /// What is wrong with it.
        why: String,
    },
    /// The terminal failed.
    #[error("cannot ask for the MFA code: {why}")]
    Terminal {
        /// What is wrong with it.
        why: String,
    },
    /// Whoever was asked wants the program to end.
    #[error("interrupted")]
    Interrupted,
    /// The user has no device.
    #[error("{user} has no MFA device")]
    NoDevice {
        /// The user.
        user: String,
    },
    /// The user has more than one.
    #[error("there are several MFA devices: {serials}")]
    SeveralDevices {
        /// Their ARNs.
        serials: String,
    },
    /// The credentials in use are temporary ones: MFA goes with long-term keys and with roles.
    #[error("the credentials in use are temporary ones, which take no MFA code")]
    Temporary,
}

impl MfaError {
    pub(super) fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::NoTerminal { .. } => {
                Some("set `mfa_process` in the profile, or run `ssmport login` in a terminal first")
            }
            Self::Expired => Some("run `ssmport login` in another terminal"),
            Self::Wrong { .. } => Some(
                "a code is good for one use: wait for the next one; check the device and the clock",
            ),
            Self::Process { .. } => {
                Some("check `mfa_process` of the profile, or SSMPORT_MFA_PROCESS")
            }
            Self::Terminal { .. } => Some("set `mfa_process` in the profile"),
            Self::NoDevice { .. } => Some("have a device assigned to the user"),
            Self::Temporary => Some("give a profile with keys of an IAM user, or with a role"),
            Self::SeveralDevices { .. } => Some("set `mfa_serial` in the profile to one of them"),
            Self::Interrupted => None,
        }
    }
}
