//! Codes of MFA devices: given, made by a program, or typed by somebody.

use std::{
    fmt, io,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};
use zeroize::Zeroizing;

use super::{error::AwsError, mfa_error::MfaError};

/// How a code is had where one is needed. The first of these that there is, is asked: `code`,
/// `process`, the profile's `mfa_process`, `prompt`.
#[derive(Clone, Default)]
pub struct Mfa {
    /// The device: an ARN, or the number of one made of plastic. It goes before the profile's.
    pub serial: Option<String>,
    /// A code. It is used once, since AWS takes none twice.
    pub code: Option<String>,
    /// A command whose standard output is a code.
    pub process: Option<String>,
    /// Somebody to be asked.
    pub prompt: Option<Arc<dyn Prompt>>,
}

impl fmt::Debug for Mfa {
    /// Without the code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa")
            .field("serial", &self.serial)
            .field("process", &self.process)
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}

/// Somebody who knows codes.
pub trait Prompt: fmt::Debug + Send + Sync {
    /// Whether they may be asked now. Once a session has their terminal they may not.
    fn is_open(&self) -> bool;

    /// Asks, and waits for the answer, for as long as it takes.
    ///
    /// # Errors
    /// Of kind `NotFound` without a terminal, `Interrupted` when they want the program to end,
    /// `UnexpectedEof` when they do not answer.
    fn ask(&self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// A device, and what makes its codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) serial: String,
    /// The profile's `mfa_process`.
    pub(super) process: Option<String>,
}

/// All ways to a code.
#[derive(Debug, Default)]
pub(super) struct Codes {
    mfa: Mfa,
    is_used: AtomicBool,
}

impl Codes {
    pub(super) fn new(mfa: Mfa) -> Self {
        Self { mfa, ..Self::default() }
    }

    /// The device that was asked for.
    pub(super) fn serial(&self) -> Option<&str> {
        self.mfa.serial.as_deref()
    }

    /// Whether a code of `device` can be had now, or why not.
    pub(super) fn check(&self, device: &Device) -> Result<(), MfaError> {
        if self.has_code() || self.process(device).is_some() {
            return Ok(());
        }
        match &self.mfa.prompt {
            Some(prompt) if prompt.is_open() => Ok(()),
            Some(_) => Err(MfaError::Expired),
            None => Err(MfaError::NoTerminal { serial: device.serial.clone() }),
        }
    }

    /// Whether there is one that was given, and not used yet.
    pub(super) fn has_code(&self) -> bool {
        self.mfa.code.is_some() && !self.is_used.load(Ordering::Relaxed)
    }

    /// Whether there is somebody who may be spoken to, or nobody who could be disturbed.
    pub(super) fn is_heard(&self) -> bool {
        self.mfa.prompt.as_ref().is_none_or(|prompt| prompt.is_open())
    }

    /// The codes to try for `device`, one after the other.
    pub(super) fn of<'a>(&'a self, device: &'a Device) -> Attempts<'a> {
        Attempts { codes: self, device, typed: 0, refused: None }
    }

    /// The program is not run on behalf of those who must not wait.
    fn process<'a>(&'a self, device: &'a Device) -> Option<&'a str> {
        let may_wait = self.mfa.process.is_some() || self.mfa.prompt.is_some();
        let process = self.mfa.process.as_deref().or(device.process.as_deref());
        process.filter(|_| may_wait)
    }
}

/// Codes to try: one that was given or made by a program, or up to three that are typed.
pub(super) struct Attempts<'a> {
    codes: &'a Codes,
    device: &'a Device,
    typed: u32,
    refused: Option<MfaError>,
}

impl Attempts<'_> {
    /// The next code; the error of the last one when there is no other to try.
    pub(super) async fn next(&mut self) -> Result<Zeroizing<String>, MfaError> {
        let Mfa { code, prompt, .. } = &self.codes.mfa;
        if self.typed == 0 {
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            if let Some(code) = code
                && !self.codes.is_used.swap(true, Ordering::Relaxed)
            {
                return self.checked(code);
            }
            if let Some(process) = self.codes.process(self.device) {
                let code = run(process, self.codes.is_heard(), PROCESS_PATIENCE).await;
                return code.map_err(|error| MfaError::Process { why: error.to_string() });
            }
        }
        self.codes.check(self.device)?;
        let Some(prompt) = prompt else {
            return Err(MfaError::NoTerminal { serial: self.device.serial.clone() });
        };
        loop {
            if self.typed == MOST_TYPED {
                return Err(self.refused.take().unwrap_or_else(|| self.wrong(NOT_A_CODE)));
            }
            self.typed += 1;
            let again = if self.typed > 1 { "Not accepted. " } else { "" };
            let question = format!("{again}MFA code for {}: ", self.device.serial);
            let answer = ask(Arc::clone(prompt), question).await;
            let answer = answer.map_err(|error| self.unasked(&error))?;
            match self.checked(answer.trim()) {
                Ok(code) => return Ok(code),
                Err(wrong) => self.refused = Some(wrong),
            }
        }
    }

    /// Takes the error of a call that was made with the last code, if it is about the code.
    pub(super) fn refused(&mut self, error: AwsError) -> Result<(), AwsError> {
        match error {
            AwsError::Refused { message, .. } if message.contains(WRONG_CODE) => {
                self.refused = Some(self.wrong(&message));
                Ok(())
            }
            other => Err(other),
        }
    }

    fn checked(&self, code: &str) -> Result<Zeroizing<String>, MfaError> {
        let is_code = is_code(code);
        is_code.then(|| Zeroizing::new(code.to_owned())).ok_or_else(|| self.wrong(NOT_A_CODE))
    }

    fn wrong(&self, message: &str) -> MfaError {
        MfaError::Wrong { serial: self.device.serial.clone(), message: message.to_owned() }
    }

    fn unasked(&self, error: &io::Error) -> MfaError {
        match error.kind() {
            io::ErrorKind::NotFound => MfaError::NoTerminal { serial: self.device.serial.clone() },
            io::ErrorKind::Interrupted => MfaError::Interrupted,
            _ => MfaError::Terminal { why: error.to_string() },
        }
    }
}

/// A thread of its own: nobody knows when the answer comes.
async fn ask(prompt: Arc<dyn Prompt>, question: String) -> io::Result<Zeroizing<String>> {
    let asked = tokio::task::spawn_blocking(move || prompt.ask(&question));
    asked.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Why a command gave no code.
#[derive(Debug, Error)]
enum NoCode {
    #[error("cannot start it: {0}")]
    NotStarted(io::Error),
    #[error("no code within {seconds} s")]
    Late { seconds: u64 },
    #[error(transparent)]
    Unread(io::Error),
    #[error("it failed: {0}")]
    Failed(ExitStatus),
    #[error("it prints no code of six digits")]
    Unprinted,
}

/// The code that `command` prints. It is a line of shell, as `credential_process` is. What it says
/// on standard error, such as that a key is to be touched, is for the user while they may be spoken
/// to.
async fn run(command: &str, is_heard: bool, limit: Duration) -> Result<Zeroizing<String>, NoCode> {
    let mut shell = shell(command);
    let error = if is_heard { Stdio::inherit() } else { Stdio::null() };
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(error).kill_on_drop(true);
    let mut child = shell.spawn().map_err(NoCode::NotStarted)?;
    let stdout = child.stdout.take().ok_or(NoCode::Unprinted)?;
    let mut printed = Zeroizing::new(Vec::with_capacity(MOST_PRINTED as usize));
    let ended = async {
        stdout.take(MOST_PRINTED).read_to_end(&mut printed).await?;
        // Who has more to say may never end.
        let is_whole = (printed.len() as u64) < MOST_PRINTED;
        io::Result::Ok(if is_whole { Some(child.wait().await?) } else { None })
    };
    let status = timeout(limit, ended)
        .await
        .map_err(|_| NoCode::Late { seconds: limit.as_secs() })?
        .map_err(NoCode::Unread)?;
    let status = status.ok_or(NoCode::Unprinted)?;
    if !status.success() {
        return Err(NoCode::Failed(status));
    }
    let code = std::str::from_utf8(&printed).map(str::trim).unwrap_or_default();
    // What else it is may be a secret.
    is_code(code).then(|| Zeroizing::new(code.to_owned())).ok_or(NoCode::Unprinted)
}

/// A line of shell.
#[cfg(unix)]
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

/// A line of shell.
#[cfg(windows)]
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    shell.arg("/C").raw_arg(command);
    shell
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What STS says of a code that is wrong, or was used before.
const WRONG_CODE: &str = "MultiFactorAuthentication failed";
const NOT_A_CODE: &str = "a code has six digits";
/// How often somebody is asked for one code.
const MOST_TYPED: u32 = 3;
/// Enough for a key to be found, and touched.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);
/// In bytes; a code and the end of its line are seven.
const MOST_PRINTED: u64 = 256;

#[cfg(test)]
mod tests;
