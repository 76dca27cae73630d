//! How long a session is waited for, and how it sends, as the user sets it.

use std::time::Duration;

use crate::malformed::Malformed;
use crate::{
    channel::{Order, Sending},
    session::Limits,
};

/// The limits that the environment sets.
///
/// # Errors
/// When a variable has no such value, by its name.
pub(crate) fn from_environment() -> Result<Limits, Malformed> {
    let defaults = Limits::default();
    Ok(Limits {
        silence: variable(DEAD_AFTER, duration)?.unwrap_or(defaults.silence),
        resumption: variable(RESUME_FOR, duration)?.unwrap_or(defaults.resumption),
        answer: variable(ANSWER_WITHIN, duration)?.unwrap_or(defaults.answer),
        sending: Sending {
            order: variable(SEND_ORDER, order)?.unwrap_or(defaults.sending.order),
            payload_len: variable(PAYLOAD_SIZE, payload_size)?
                .unwrap_or(defaults.sending.payload_len),
        },
    })
}

fn variable<T>(
    name: &str,
    read: impl Fn(&str) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            read(&text).map(Some).map_err(|why| format!("{name}={text}: {why}").into())
        }
        _ => Ok(None),
    }
}

fn order(text: &str) -> Result<Order, Malformed> {
    match text.to_ascii_lowercase().as_str() {
        "guarded" => Ok(Order::Guarded),
        "plain" => Ok(Order::Plain),
        _ => Err("neither guarded nor plain".into()),
    }
}

/// Reads the most bytes that a message may carry.
///
/// # Errors
/// What is wrong with it, for the user.
pub(crate) fn payload_size(text: &str) -> Result<usize, Malformed> {
    text.parse()
        .ok()
        .filter(|size| PAYLOAD_SIZES.contains(size))
        .ok_or_else(|| "not a number of bytes from 1024 to 65536".into())
}

/// Reads `90s`, `20m`, `1h 30m`, or a number of seconds.
///
/// # Errors
/// What is wrong with it, for the user.
pub(crate) fn duration(text: &str) -> Result<Duration, Malformed> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            humantime::parse_duration(text).map_err(|_| "not a time such as 90s, 20m or 1h")?
        }
    };
    if (SHORTEST..=LONGEST).contains(&duration) {
        return Ok(duration);
    }
    Err("not between 1 second and 30 days".into())
}

pub(crate) const DEAD_AFTER: &str = "SSMPORT_DEAD_AFTER";
pub(crate) const RESUME_FOR: &str = "SSMPORT_RESUME_FOR";
pub(crate) const ANSWER_WITHIN: &str = "SSMPORT_ANSWER_WITHIN";
pub(crate) const SEND_ORDER: &str = "SSMPORT_SEND_ORDER";
pub(crate) const PAYLOAD_SIZE: &str = "SSMPORT_PAYLOAD_SIZE";

/// From the reference client's to a little more than a multiplexer's largest frame.
const PAYLOAD_SIZES: std::ops::RangeInclusive<usize> = 1024..=65_536;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_that_an_agent_takes() {
        assert_eq!(payload_size("32768"), Ok(32_768));
        for text in ["", "32k", "1023", "65537", "-1"] {
            assert!(payload_size(text).is_err(), "{text}");
        }
    }

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
