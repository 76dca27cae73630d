//! What can be typed of copies.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Args, ValueHint};

use super::readiness::ReadinessArgs;
use crate::{client::target::Target, malformed::Malformed};

#[derive(Debug, Args)]
#[command(after_long_help = CP_HELP, override_usage = CP_USAGE)]
pub(crate) struct CpArgs {
    /// TARGET:PATH, PATH here, or -; the last is where to.
    ///
    /// TARGET:PATH is on a node, - is standard input or output. Folders go with all that is in them. As cp has it: in a folder that is there a copy keeps its name,
    /// and several go into one. A path here with a colon in it is written ./a:b.
    #[arg(value_name = "PATH", required = true, num_args = 2.., value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<OsString>,
    /// Most sessions that a download takes, one for 16 MiB [default: 2].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) sessions: Option<u16>,
    /// Permissions and times as of new files.
    #[arg(long)]
    pub(crate) no_preserve: bool,
    /// A reason to be recorded with the sessions.
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
    #[command(flatten)]
    pub(crate) habits: CpHabits,
}

/// What fingers that know `scp` and `cp` type; it is so anyway.
#[derive(Debug, Default, Args)]
pub(crate) struct CpHabits {
    #[arg(short = 'r', short_alias = 'R', hide = true)]
    pub(crate) recursive: bool,
    #[arg(short = 'p', short_alias = 'a', hide = true, conflicts_with = "no_preserve")]
    pub(crate) preserve: bool,
}

/// One end of a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CopyEnd {
    Here(PathBuf),
    /// Standard input, or standard output.
    Stream,
    Node(Target, OsString),
}

/// What is copied, and which way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CopyWay {
    Up { from: Vec<CopyEnd>, target: Target, to: OsString },
    Down { target: Target, from: Vec<OsString>, to: CopyEnd },
}

impl CpArgs {
    /// Whether standard output is for what comes.
    pub(crate) fn has_stdout(&self) -> bool {
        self.words.last().is_some_and(|word| word == "-")
    }

    /// What is meant.
    ///
    /// # Errors
    /// What is wrong with it, and what to write, for the user.
    pub(crate) fn read(&self) -> Result<CopyWay, Malformed> {
        let mut ends =
            self.words.iter().map(|word| CopyEnd::read(word)).collect::<Result<Vec<_>, _>>()?;
        // There are two at least.
        let to = ends.pop().unwrap_or(CopyEnd::Stream);
        let mut targets = ends.iter().filter_map(CopyEnd::target);
        match (to, targets.next().cloned()) {
            (CopyEnd::Node(target, path), None) => {
                if ends.len() > 1 && ends.contains(&CopyEnd::Stream) {
                    return Err(
                        "- is a source alone, or a folder would have it without a name".into()
                    );
                }
                Ok(CopyWay::Up { from: ends, target, to: path })
            }
            (CopyEnd::Node(..), Some(_)) => Err("both ends are on a node; in two steps it goes: \
                                                 ssmport cp A:FILE - | ssmport cp - B:FILE"
                .into()),
            (_, None) => Err("neither end is on a node; one that is has TARGET: in front".into()),
            (to, Some(target)) => {
                if targets.any(|other| *other != target) {
                    return Err(
                        "the sources are on several nodes; copy from one after the other".into()
                    );
                }
                let mut from = Vec::new();
                for end in ends {
                    match end {
                        CopyEnd::Node(_, path) => from.push(path),
                        CopyEnd::Here(_) | CopyEnd::Stream => {
                            return Err(
                                "some sources are here and some on a node; copy one kind at a \
                                        time"
                                    .into(),
                            );
                        }
                    }
                }
                if to == CopyEnd::Stream && from.len() > 1 {
                    return Err("- takes one file".into());
                }
                Ok(CopyWay::Down { target, from, to })
            }
        }
    }
}

impl CopyEnd {
    fn read(word: &OsStr) -> Result<Self, Malformed> {
        if word == "-" {
            return Ok(Self::Stream);
        }
        let Some((target, path)) = split(word) else { return Ok(Self::Here(word.into())) };
        let shown = word.to_string_lossy();
        let target = target.to_str().ok_or("a TARGET is text")?.parse();
        let target = target.map_err(|why| {
            format!("`{shown}`: {why} A file of that name here is written ./{shown}")
        })?;
        Ok(Self::Node(target, path))
    }

    fn target(&self) -> Option<&Target> {
        match self {
            Self::Node(target, _) => Some(target),
            Self::Here(_) | Self::Stream => None,
        }
    }
}

/// The target in front of a path, and the path; as scp has it a slash in front of the colon makes it a
/// path, but for a container's.
fn split(word: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = word.as_encoded_bytes();
    let behind = |start: usize| {
        bytes[start..].iter().position(|byte| *byte == b':').map(|colon| start + colon)
    };
    let first = behind(0)?;
    let colon = match bytes {
        _ if bytes.starts_with(b"tag:") => {
            behind(bytes.iter().position(|byte| *byte == b'=').unwrap_or(first + 1))?
        }
        [b'[', ..] => behind(bytes.iter().position(|byte| *byte == b']')?)?,
        _ if KINDS.iter().any(|kind| bytes.starts_with(kind.as_bytes())) => behind(first + 1)?,
        _ if bytes.starts_with(b"ecs/") => first,
        _ if bytes[..first].contains(&b'/') => return None,
        // A drive.
        _ if cfg!(windows) && first == 1 => return None,
        _ => first,
    };
    Some((part(&bytes[..colon]), part(&bytes[colon + 1..])))
}

fn part(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(bytes).into_owned().into()
    }
}

/// Targets with a colon of their own.
const KINDS: [&str; 2] = ["ecs:", "sagemaker-cluster:"];

const CP_USAGE: &str = "\
ssmport cp [OPTIONS] SRC... TARGET:DST
       ssmport cp [OPTIONS] TARGET:SRC... DST";

const CP_HELP: &str = "\
There need be no SSH server: a download is the output of a command, which the agent does not pace, an upload \
a port session into a listener on the node's loopback, of python3 or perl; without these it goes by a \
terminal session, more slowly. The node needs sh, dd, head, tail, od, tr, wc, a program for SHA-256, and tar \
for folders; busybox has them. Nothing is installed there.

A copy is kept beside its place as .NAME.ssmport-part until its SHA-256 is that of the other side, and then \
gets its name: what stands under that is whole, always. The same command goes on where an interrupted one \
was; a folder begins anew. Permissions and times are kept, owners are not. Links in a folder stay links, \
devices are left out.

Paths on a node that are relative begin where sessions do; ~ is the home of the session's user, and nothing \
else is expanded. `-` reads standard input, or writes standard output.

Exit codes: 4 for a file or folder on the node that is not there, or cannot be read or written, 5 for one \
here, 6 when the session was lost: run it again then.";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn read(line: &str) -> Result<CopyWay, String> {
        let words = ["ssmport", "cp"].into_iter().chain(line.split_whitespace());
        let Command::Cp(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}")
        };
        arguments.read().map_err(|why| why.to_string())
    }

    #[test]
    fn a_colon_makes_a_target_unless_a_slash_is_before_it() {
        for (word, target, path) in [
            ("web:", "web", ""),
            ("web:/etc/hosts", "web", "/etc/hosts"),
            ("web:a:b", "web", "a:b"),
            ("i-0123456789abcdef0:x", "i-0123456789abcdef0", "x"),
            ("ec2-user@web:x", "ec2-user@web", "x"),
            ("ecs/prod/api:/x", "ecs/prod/api", "/x"),
            ("ecs/prod/api/app:/x", "ecs/prod/api/app", "/x"),
            ("ecs:prod_0a1b_2c3d:/x", "ecs:prod_0a1b_2c3d", "/x"),
            ("tag:Name=web:/x:y", "tag:Name=web", "/x:y"),
            ("[fd00::1]:/x", "[fd00::1]", "/x"),
            ("10.0.0.1:x", "10.0.0.1", "x"),
        ] {
            let (of, behind) = split(word.as_ref()).expect(word);
            assert_eq!((&*of, &*behind), (target.as_ref(), path.as_ref()), "{word}");
        }
        for word in ["a", "./a:b", "/a:b", "../a:b", "a/b:c", "tag:Name=web", "ecs:prod_0a1b_2c3d"]
        {
            assert_eq!(split(word.as_ref()), None, "{word}");
        }
    }

    #[test]
    fn one_end_is_on_a_node() {
        assert!(matches!(read("a b web:/x"), Ok(CopyWay::Up { from, .. }) if from.len() == 2));
        assert!(matches!(read("- web:/x"), Ok(CopyWay::Up { .. })));
        assert!(
            matches!(read("-r web:a web:b ."), Ok(CopyWay::Down { from, .. }) if from.len() == 2)
        );
        for (line, part) in [
            ("a b", "neither end is on a node"),
            ("web:a db:b", "both ends are on a node"),
            ("web:a db:b .", "on several nodes"),
            ("web:a b .", "some sources are here"),
            ("a - web:b", "is a source alone"),
            ("web:a web:b -", "takes one file"),
            ("i-x:a .", "8 or 17 digits"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
