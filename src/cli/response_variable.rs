//! The environment variable in which callers of the drop-in hand over a session, token included.

use std::{env, ffi::OsString};

/// Whether a variable of this name may hold a response of StartSession.
pub fn is_response_variable(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The variables of the environment that may hold one. A program that starts others takes them out
/// first: the token is not theirs.
pub fn response_variables() -> Vec<OsString> {
    let names = env::vars_os().map(|(name, _)| name);
    names.filter(|name| is_response_variable(&name.to_string_lossy())).collect()
}

/// Overwrites the responses in the memory that the system shows as this process's environment, to every
/// process of the same user: a variable that is taken out stays there. To be called when they are.
pub fn overwrite_responses() {
    #[cfg(target_os = "linux")]
    if let Err(error) = initial_environment::overwrite(|name| name.starts_with(PREFIX)) {
        tracing::debug!("a response stays in /proc/self/environ: {error}");
    }
}

/// What the system has put into memory as the program started.
#[cfg(target_os = "linux")]
mod initial_environment {
    use std::{
        fs::{self, OpenOptions},
        io::{Error, Result},
        os::unix::fs::FileExt,
    };

    /// Puts zeros in the place of the values of the variables that are meant.
    pub(super) fn overwrite(is_meant: impl Fn(&str) -> bool) -> Result<()> {
        let environment = fs::read("/proc/self/environ")?;
        let mut values = Vec::new();
        let mut offset = 0;
        for variable in environment.split_inclusive(|byte| *byte == 0) {
            let name_len = variable.iter().position(|byte| *byte == b'=').unwrap_or(0);
            if is_meant(&String::from_utf8_lossy(&variable[..name_len])) {
                values.push((offset + name_len as u64 + 1, variable.len() - name_len - 1));
            }
            offset += variable.len() as u64;
        }
        if values.is_empty() {
            return Ok(());
        }
        let start = start()?;
        let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
        for (offset, len) in values {
            memory.write_all_at(&vec![0; len], start + offset)?;
        }
        Ok(())
    }

    /// Where it begins: `env_start` of proc_pid_stat(5).
    fn start() -> Result<u64> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // Behind the name, which may have blanks and brackets in it.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let start = fields.split_whitespace().nth(ENV_START).and_then(|field| field.parse().ok());
        start.filter(|start| *start != 0).ok_or_else(|| Error::other("its place is not told"))
    }

    /// The 50th field; the first one behind the name is the third.
    const ENV_START: usize = 50 - 3;
}

/// The AWS CLI's name for it; other callers put something behind.
const PREFIX: &str = "AWS_SSM_START_SESSION_RESPONSE";
