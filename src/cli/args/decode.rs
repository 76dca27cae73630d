//! What can be typed of traces.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(override_usage = "ssmport decode FILE... [OPTIONS]", after_long_help = NOTES)]
pub(crate) struct DecodeArgs {
    /// What --trace has written; of a long one, FILE.1 before FILE.
    ///
    /// - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only frames that go this way: in, out.
    #[arg(long, value_enum, value_name = "WAY", hide_possible_values = true)]
    pub(crate) direction: Option<Way>,
    /// Only frames of this kind: data, acknowledge.
    ///
    /// Or of any whose name has this in it.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only this message and its acknowledgements.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) sequence: Option<i64>,
    /// Only what came then or later.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) from: Option<f64>,
    /// Only what came until then.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) to: Option<f64>,
    /// Only this session: its id, or the end of it.
    #[arg(long, value_name = "ID", hide_short_help = true)]
    pub(crate) session: Option<String>,
    /// Draw it into this file instead.
    ///
    /// - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// As a client sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Way {
    /// From the node.
    In,
    /// To the node.
    Out,
}

const NOTES: &str = "\
Times are seconds since the trace began; -> goes to the node, <- comes from it. Copy 2 of a message is one \
that was sent once more; an acknowledgement says how long after the last copy it came. The sums behind the \
lines are those of everything that was chosen by time and session. The picture has a dot for each message by \
its number, red when it came again; below it are the window beside what was under way, the rate, and the \
round trip.";
