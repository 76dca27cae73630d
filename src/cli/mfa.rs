//! The options about MFA, and the question at the terminal.

use clap::Args;

/// How a second factor is had.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct MfaOptions {
    /// MFA device to use: its ARN or number, instead of the profile's mfa_serial.
    #[arg(long = "mfa-serial", global = true, value_name = "ARN")]
    #[arg(env = "SSMPORT_MFA_SERIAL", hide_env_values = true)]
    pub(super) serial: Option<String>,
    /// Code of the MFA device, where one is needed; good for one use. A command that prints one is
    /// `mfa_process` of the profile, or SSMPORT_MFA_PROCESS.
    #[arg(long = "mfa-code", global = true, value_name = "CODE")]
    #[arg(env = MFA_CODE, hide_env_values = true)]
    pub(super) code: Option<String>,
}

pub(super) const MFA_CODE: &str = "SSMPORT_MFA_CODE";

#[cfg(feature = "aws")]
pub(super) use with_aws::close_prompt;

#[cfg(feature = "aws")]
mod with_aws {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use zeroize::Zeroizing;

    use super::MfaOptions;
    use crate::{
        aws::{Mfa, Prompt},
        term::ask_secret,
        wire::foreign_text::visible,
    };

    impl MfaOptions {
        /// With the terminal's user to be asked.
        pub(crate) fn settings(&self) -> Mfa {
            let given = |text: Option<String>| text.filter(|text| !text.is_empty());
            Mfa {
                serial: given(self.serial.clone()),
                code: given(self.code.clone()),
                process: given(std::env::var(MFA_PROCESS).ok()),
                prompt: Some(Arc::new(TerminalPrompt)),
            }
        }
    }

    /// The user at the process's terminal.
    #[derive(Debug)]
    struct TerminalPrompt;

    impl Prompt for TerminalPrompt {
        fn is_open(&self) -> bool {
            !IS_CLOSED.load(Ordering::Relaxed)
        }

        fn ask(&self, question: &str) -> io::Result<Zeroizing<String>> {
            ask_secret(&visible(question))
        }
    }

    /// Nobody is asked any more: a session has the terminal, and what is typed is for it.
    pub(crate) fn close_prompt() {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }

    /// A process has one terminal.
    static IS_CLOSED: AtomicBool = AtomicBool::new(false);
    const MFA_PROCESS: &str = "SSMPORT_MFA_PROCESS";
}
