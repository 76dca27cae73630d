//! `ssmport decode FILE`: what `--trace` has written, for people.

mod axis;
mod conversation;
mod picture;
mod told;
mod traced;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
};

use self::{
    conversation::Conversation,
    picture::Picture,
    traced::{Line, Lines},
};
use crate::{
    cli::{
        args::DecodeArgs,
        failure::{Code, Failure},
        output::Output,
    },
    client::near::near,
    wire::foreign_text::one_line,
};

/// One session of a trace.
#[derive(Default)]
struct Seen {
    conversation: Conversation,
    picture: Picture,
}

/// What has been found among the lines that are meant by time and session.
#[derive(Default)]
struct Found {
    sessions: BTreeMap<String, Seen>,
    /// Of frames.
    kinds: BTreeSet<String>,
    /// So many lines were printed.
    printed: u64,
}

pub(crate) fn run(arguments: &DecodeArgs, output: &Output) -> Result<(), Failure> {
    let mut found = Found::default();
    let mut left_out = 0;
    for path in &arguments.files {
        let failed = |why| {
            Failure::local(format!("cannot read {}", path.display()))
                .because(why)
                .next("give a file that --trace has written")
        };
        let mut lines = Lines::of(path).map_err(failed)?;
        while let Some(line) = lines.next().map_err(failed)? {
            left_out += line.left_out.unwrap_or_default();
            take(arguments, &mut found, &line, output);
        }
        if let Some(doubts) = lines.doubts() {
            output.warn(&format!("{}: {doubts}", path.display()));
        }
    }
    let Found { mut sessions, kinds, printed } = found;
    sessions.retain(|_, seen| seen.conversation.out.frames + seen.conversation.inward.frames > 0);
    if let Some(path) = &arguments.svg {
        if !is_stream(path) && arguments.files.contains(path) {
            return Err(Failure::new(Code::Usage, "the picture would take the place of the trace")
                .next("give another file with --svg"));
        }
        return draw(&sessions, path, output);
    }
    if sessions.is_empty() || printed == 0 {
        return Err(Failure::new(Code::Usage, "no frame of the trace is meant")
            .next(what_is_meant(arguments, &kinds)));
    }
    for (session, seen) in &sessions {
        told::sums(session, &seen.conversation).iter().for_each(|line| output.note(line));
    }
    if left_out > 0 {
        output.warn(&format!("{left_out} lines are missing, for which the disk was too slow"));
    }
    output.written()
}

/// All that there is to be said of a trace, in words and as a picture; how many lines that is.
///
/// # Errors
/// It is no trace.
#[cfg(any(fuzzing, test))]
pub(crate) fn said_of(trace: &[u8]) -> std::io::Result<usize> {
    let (mut sessions, mut said) = (BTreeMap::<String, Seen>::new(), 0);
    let mut lines = Lines::read(Box::new(std::io::Cursor::new(trace.to_vec())))?;
    while let Some(line) = lines.next()? {
        let Seen { conversation, picture } = sessions.entry(line.session.clone()).or_default();
        let meaning = conversation.take(&line);
        picture.take(&line, meaning);
        said += usize::from(told::line(&line, meaning).is_some());
    }
    said += usize::from(lines.doubts().is_some());
    for (session, seen) in &sessions {
        said += told::sums(session, &seen.conversation).len();
        // Why it cannot be drawn is said, too.
        said += usize::from(seen.picture.svg(session).is_ok());
    }
    Ok(said)
}

/// Takes a line, and prints it if it is meant.
fn take(arguments: &DecodeArgs, found: &mut Found, line: &Line, output: &Output) {
    let is_meant = arguments.session.as_deref().is_none_or(|id| line.session.ends_with(id))
        && arguments.from.is_none_or(|from| line.t >= from)
        && arguments.to.is_none_or(|to| line.t <= to);
    if !is_meant {
        return;
    }
    let Found { sessions, kinds, printed } = found;
    let Seen { conversation, picture } = sessions.entry(line.session.clone()).or_default();
    let meaning = conversation.take(line);
    if line.way().is_some() && kinds.len() < MOST_KINDS && !kinds.contains(&line.kind) {
        kinds.insert(line.kind.clone());
    }
    if arguments.svg.is_some() {
        picture.take(line, meaning);
    } else if is_shown(arguments, line)
        && let Some(told) = told::line(line, meaning)
    {
        output.line(&told);
        *printed += 1;
    }
}

/// How frames are chosen of which there are some.
fn what_is_meant(arguments: &DecodeArgs, kinds: &BTreeSet<String>) -> String {
    let wrong = arguments.kind.as_deref().filter(|wanted| {
        let is_one = |kind: &String| kind.contains(wanted);
        !kinds.is_empty() && !kinds.iter().any(is_one)
    });
    let Some(wrong) = wrong else {
        let options = "--session, --direction, --kind, --sequence, --from, --to";
        return format!("leave options out: {options}");
    };
    let meant = near(wrong, kinds.iter().map(String::as_str));
    let meant = meant.map(|kind| format!("did you mean {}? ", one_line(kind))).unwrap_or_default();
    let kinds: Vec<_> = kinds.iter().map(|kind| one_line(kind)).collect();
    format!("{meant}the kinds that there are: {}", kinds.join(", "))
}

/// Whether standard output is meant, or input.
fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether a line is wanted that counts in any case, for what others mean.
fn is_shown(arguments: &DecodeArgs, line: &Line) -> bool {
    let DecodeArgs { direction, kind, sequence, .. } = arguments;
    let of_number = |number| match line.acknowledges {
        Some(acknowledged) => acknowledged == number,
        None => line.is_data() && line.sequence == number,
    };
    direction.is_none_or(|way| line.way() == Some(way))
        && kind.as_deref().is_none_or(|kind| line.kind.contains(kind))
        && sequence.is_none_or(of_number)
}

/// Draws the session that is meant; of several the one with the most frames.
fn draw(sessions: &BTreeMap<String, Seen>, path: &Path, output: &Output) -> Result<(), Failure> {
    let frames = |seen: &Seen| seen.conversation.out.frames + seen.conversation.inward.frames;
    let Some((session, seen)) = sessions.iter().max_by_key(|(_, seen)| frames(seen)) else {
        return Err(Failure::new(Code::Usage, "there is nothing to be drawn")
            .next("leave options out: --session, --from, --to"));
    };
    let failed = |why: String| {
        Failure::local(format!("cannot write {}", path.display()))
            .because(why)
            .next("give another file with --svg")
    };
    let svg = seen.picture.svg(&one_line(session)).map_err(|error| failed(error.to_string()))?;
    if sessions.len() > 1 {
        output.note(&format!("{} sessions: the one that is drawn is {session}", sessions.len()));
    }
    if is_stream(path) {
        output.line(svg.trim_end());
        return output.written();
    }
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| failed(error.to_string()))?;
    file.write_all(svg.as_bytes()).map_err(|error| failed(error.to_string()))?;
    output.note(&format!("Drawn into {}", path.display()));
    Ok(())
}

/// More are none of the protocol's.
const MOST_KINDS: usize = 16;

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| format!("{number:e}")),
            "-?[0-9]{1,3}",
            Just("1e308".to_owned()),
            Just("null".to_owned()),
        ]
    }

    #[test]
    fn kinds_that_there_are_not_are_told_with_those_that_there_are() {
        #[derive(Parser)]
        struct Words {
            #[command(flatten)]
            decode: DecodeArgs,
        }
        let kinds: BTreeSet<_> =
            ["acknowledge", "input_stream_data", "\u{1b}[2J"].map(str::to_owned).into();
        let next = |words: &[&str], kinds| {
            let words = [&["decode", "trace"], words].concat();
            what_is_meant(&Words::parse_from(words).decode, kinds)
        };
        let told = next(&["--kind", "acknowlegde"], &kinds);
        assert!(told.starts_with("did you mean acknowledge? the kinds that there are: "), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
        let told = next(&["--kind", "bogus"], &kinds);
        assert!(told.starts_with("the kinds") && told.contains("input_stream_data"), "{told}");
        let told = next(&["--kind", "stream", "--sequence", "77"], &kinds);
        assert!(told.starts_with("leave options out: --session, "), "{told}");
        let told = next(&["--kind", "bogus"], &BTreeSet::new());
        assert!(told.starts_with("leave options out: "), "{told}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Files that are handed on may say anything.
        #[test]
        fn nothing_that_a_trace_says_is_too_much(
            frames in proptest::collection::vec((0..4_usize, number(), number(), number()), 0..12),
        ) {
            let mut trace = "{\"trace\":1}\n".to_owned();
            for (kind, t, sequence, other) in frames {
                let rest = [
                    format!("\"kind\":\"input_stream_data\",\"direction\":\"out\",\"bytes\":{other}"),
                    format!("\"kind\":\"acknowledge\",\"direction\":\"in\",\"acknowledges\":{other}"),
                    format!("\"window\":{other},\"under_way\":1,\"rate\":{other},\"round_trip_ms\":{other}"),
                    format!("\"note\":\"resumed\",\"left_out\":{other}"),
                ];
                let rest = &rest[kind];
                trace += &format!("{{\"t\":{t},\"session\":\"s\",\"sequence\":{sequence},{rest}}}\n");
            }
            said_of(trace.as_bytes()).expect("a trace");
        }

        #[test]
        fn what_is_no_trace_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with_head = [b"{\"trace\":1}\n", &bytes[..]].concat();
            said_of(&with_head).expect("its first line is one");
            prop_assume!(!bytes.starts_with(b"{"));
            prop_assert!(said_of(&bytes).is_err());
        }
    }
}
