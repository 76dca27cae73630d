//! Signals that were ignored when this process started: by `nohup`, by a script's `&`, by the AWS CLI
//! around the drop-in. A handler would undo that, so it is asked before the first one is installed.

use std::{
    process::{Command, Stdio},
    sync::{LazyLock, Once},
};

use tokio::signal::unix::{SignalKind, signal};

/// Whether a signal was ignored from the start.
pub fn is_ignored(number: u8) -> bool {
    IGNORED.contains(&number)
}

/// Has programs that are started from now on heed what this process was started to ignore, as those of a login do:
/// a handler, which here does nothing, is not passed on to them.
pub fn heed_for_programs() {
    static IS_DONE: Once = Once::new();
    IS_DONE.call_once(|| {
        for number in ASKED.into_iter().filter(|number| is_ignored(*number)) {
            // Where none can be installed they ignore it as well.
            let _ = signal(SignalKind::from_raw(number.into()));
        }
    });
}

static IGNORED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mask = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| mask(&text));
    match mask {
        Some(mask) => (1..64).filter(|number| mask >> (number - 1) & 1 == 1).collect(),
        None => ASKED.into_iter().filter(|number| outlives(*number)).collect(),
    }
});

/// Linux says so: a bit for each signal, the lowest for number 1.
fn mask(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Elsewhere a child, which inherits what is ignored, sends itself the signal.
fn outlives(number: u8) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("ulimit -c 0; kill -{number} $$")]);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}

/// SIGHUP, SIGINT and SIGQUIT. A child that stops for SIGTSTP would not say so.
const ASKED: [u8; 3] = [1, 2, 3];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_is_the_first_signal() {
        let status = "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001003\nSigCgt:\t00\n";
        assert_eq!(mask(status), Some(0x1003));
        assert_eq!(mask("Name:\tx\n"), None);
    }

    #[test]
    fn a_child_tells_what_the_system_does_not() {
        // What was ignored another test may have had heeded meanwhile.
        for number in ASKED.into_iter().filter(|number| !is_ignored(*number)) {
            assert!(!outlives(number), "{number}");
        }
        assert!(outlives(17) || cfg!(not(target_os = "linux")), "SIGCHLD ends nobody");
    }
}
