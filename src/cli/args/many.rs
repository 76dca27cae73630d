//! What can be typed of a command on many nodes.

use std::{path::PathBuf, str::FromStr};

use clap::Args;

use crate::{
    client::{
        many::PARALLEL,
        target::{Lookup, Target},
    },
    malformed::Malformed,
};

#[derive(Debug, Args)]
pub(crate) struct ManyArgs {
    /// On all of these: web-*, tag:KEY=VALUE, @FILE ...
    ///
    /// Every form of a TARGET, and may be given several times. Of a name or of tags
    /// (tag:Role=web,tag:Env=prod) all nodes that bear it are meant; in both * stands for anything, ?
    /// for one character. A FILE has one of them a line, # begins a comment; @- is standard input.
    #[arg(long, value_name = "TARGETS", conflicts_with_all = ["tty", "no_input"])]
    pub(crate) on: Vec<On>,
    /// With --on: on so many nodes at a time.
    #[arg(long, value_name = "COUNT", requires = "on", default_value_t = PARALLEL)]
    #[arg(value_parser = parallel, hide_short_help = true)]
    pub(crate) parallel: usize,
    /// With --on: node by node, under headings, as each ends.
    #[arg(long, requires = "on")]
    pub(crate) group: bool,
    /// With --on: end it everywhere once it has failed on one node.
    ///
    /// Nodes whose turn has not come are left out.
    #[arg(long, requires = "on", hide_short_help = true)]
    pub(crate) fail_fast: bool,
    /// With --on: leave out nodes that are not connected, which are failures otherwise.
    #[arg(long, requires = "on", hide_short_help = true)]
    pub(crate) online: bool,
}

/// Nodes that are meant.
#[derive(Clone, Debug)]
pub(crate) enum On {
    Target(Target),
    /// Those in a file.
    File(PathBuf),
    /// Those on standard input.
    Input,
}

impl FromStr for On {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.strip_prefix('@') {
            Some("") => Err("@ stands before the name of a file".into()),
            Some("-") => Ok(Self::Input),
            Some(path) => Ok(Self::File(path.into())),
            // Between tags a comma is an "and".
            None if text.contains(',') && !text.starts_with("tag:") => {
                let each: Vec<_> = text.split(',').map(|one| format!("--on {one}")).collect();
                Err(format!("several are given one by one: {}", each.join(" ")).into())
            }
            None => target_or_pattern(text).map(Self::Target),
        }
    }
}

/// A target, or a pattern of ids, which is none by itself.
pub(crate) fn target_or_pattern(text: &str) -> Result<Target, Malformed> {
    match text.parse() {
        Err(_) if text.contains(['*', '?']) && !text.starts_with("tag:") => {
            Ok(Target::Lookup(Lookup::Name(text.to_owned())))
        }
        parsed => parsed,
    }
}

fn parallel(text: &str) -> Result<usize, Malformed> {
    match text.parse() {
        Ok(count @ 1..=MOST) => Ok(count),
        _ => Err(format!("not a number from 1 to {MOST}").into()),
    }
}

/// Each has a connection, and a file descriptor with it.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_an_and_of_tags_alone() {
        assert!(matches!("tag:Role=web,tag:Env=prod".parse(), Ok(On::Target(_))));
        assert!(matches!("@a,b".parse(), Ok(On::File(_))));
        assert!(matches!("web-*--eu-west-1".parse(), Ok(On::Target(Target::InRegion(..)))));
        assert!(matches!("i-0*".parse(), Ok(On::Target(Target::Lookup(Lookup::Name(_))))));
        for (text, options) in [
            ("web,db", "--on web --on db"),
            ("i-01234567,i-89abcdef", "--on i-01234567 --on i-89abcdef"),
        ] {
            let why = text.parse::<On>().unwrap_err().to_string();
            assert!(why.ends_with(options), "{why}");
        }
    }
}
