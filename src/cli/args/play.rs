//! What can be typed of recordings.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{client::limits::duration, malformed::Malformed};

#[derive(Debug, Args)]
#[command(after_long_help = PLAY_NOTES)]
pub(crate) struct PlayArgs {
    /// A recording of `ssmport shell --record`, or of asciinema (version 2).
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// So many times as fast.
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// Make no pause longer than this (2s, or seconds).
    #[arg(long, value_name = "TIME", value_parser = duration)]
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

const PLAY_NOTES: &str = "\
What was shown goes to the terminal as it came from the node, and rules it as it did then: play what you \
trust, or read it with --text.";
