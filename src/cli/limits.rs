//! How long a session is waited for, as the user sets it.

use std::time::Duration;

use super::args::Global;
use crate::session::Limits;

impl Global {
    /// How long sessions are to wait.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            silence: self.dead_after.unwrap_or(defaults.silence),
            resumption: self.resume_for.unwrap_or(defaults.resumption),
        }
    }
}

/// The limits of a program without options.
///
/// # Errors
/// When a variable is no duration, by its name.
pub(super) fn from_environment() -> Result<Limits, String> {
    let defaults = Limits::default();
    let read = |name: &str, default| match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            duration(&text).map_err(|why| format!("{name}={text}: {why}"))
        }
        _ => Ok(default),
    };
    Ok(Limits {
        silence: read(DEAD_AFTER, defaults.silence)?,
        resumption: read(RESUME_FOR, defaults.resumption)?,
    })
}

/// Reads `90s`, `20m`, `1h 30m`, or a number of seconds.
///
/// # Errors
/// What is wrong with it, for the user.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| "not a time such as 90s, 20m or 1h".to_owned())?,
    };
    if (SHORTEST..=LONGEST).contains(&duration) {
        return Ok(duration);
    }
    Err("not between 1 second and 30 days".to_owned())
}

pub(super) const DEAD_AFTER: &str = "SSMPORT_DEAD_AFTER";
pub(super) const RESUME_FOR: &str = "SSMPORT_RESUME_FOR";

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("20m", 1200), ("1h 30m", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-1s", "0", "500ms", "1000d", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
