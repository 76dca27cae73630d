//! What can be typed of recordings.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::malformed::Malformed;

#[derive(Debug, Args)]
#[command(after_long_help = PLAY_NOTES)]
pub(crate) struct PlayArgs {
    /// A recording of `ssmport shell --record`, or of asciinema (version 2).
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// So many times as fast.
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// Make no pause longer than this (2s, 500ms, or seconds, as in 0.5).
    #[arg(long, value_name = "TIME", value_parser = pause)]
    pub(crate) idle: Option<Duration>,
    /// Print it as text, at once: without colours and pauses.
    #[arg(long, conflicts_with_all = ["speed", "idle"])]
    pub(crate) text: bool,
}

fn speed(text: &str) -> Result<f64, Malformed> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("not a number from 0.01 to 1000".into()),
    }
}

/// Shorter ones than a command waits for.
fn pause(text: &str) -> Result<Duration, Malformed> {
    let pause = match text.strip_suffix('s').unwrap_or(text).parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    match pause {
        None => Err("not a time such as 0.5, 2s or 500ms".into()),
        Some(Duration::ZERO) => {
            Err("no pause at all would be left; --speed 1000 is the fastest".into())
        }
        Some(pause) if (SHORTEST..=LONGEST).contains(&pause) => Ok(pause),
        Some(_) => Err("not between 1 millisecond and 1 day".into()),
    }
}

const SHORTEST: Duration = Duration::from_millis(1);
/// As long as a pause is shown at all.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const PLAY_NOTES: &str = "\
Keys, where standard input and output are a terminal: Space pauses it and has it go on, . shows the next \
piece while it is paused, q ends it, Ctrl-C too, and Ctrl-Z suspends it. Other keys do nothing.

What was shown goes to the terminal as it came from the node, and rules it as it did then: play what you \
trust, or read it with --text.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_units_or_are_seconds_and_parts_of_them() {
        for (text, millis) in [
            ("2", 2000),
            ("2s", 2000),
            ("0.5", 500),
            ("0.5s", 500),
            ("500ms", 500),
            (".25", 250),
            ("1m 30s", 90_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(pause(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, why) in [
            ("0", "no pause at all"),
            ("0s", "no pause at all"),
            ("0ms", "no pause at all"),
            ("0.0001", "not between"),
            ("2d", "not between"),
            ("-1", "not a time"),
            ("nan", "not a time"),
            ("inf", "not a time"),
            ("soon", "not a time"),
            ("", "not a time"),
        ] {
            let told = pause(text).unwrap_err().to_string();
            assert!(told.starts_with(why), "{text}: {told}");
        }
    }
}
