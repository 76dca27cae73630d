//! `ssmport decode FILE`: what `--trace` has written, for people.

mod conversation;
mod picture;
mod told;
mod traced;

use std::{collections::BTreeMap, fs, io::Write, path::Path};

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
    wire::foreign_text::one_line,
};

/// One session of a trace.
#[derive(Default)]
struct Seen {
    conversation: Conversation,
    picture: Picture,
}

pub(crate) fn run(arguments: &DecodeArgs, output: &Output) -> Result<(), Failure> {
    let mut sessions = BTreeMap::<String, Seen>::new();
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
            take(arguments, &mut sessions, &line, output);
        }
    }
    sessions.retain(|_, seen| seen.conversation.out.frames + seen.conversation.inward.frames > 0);
    if let Some(path) = &arguments.svg {
        if arguments.files.contains(path) {
            return Err(Failure::new(Code::Usage, "the picture would take the place of the trace")
                .next("give another file with --svg"));
        }
        return draw(&sessions, path, output);
    }
    if sessions.is_empty() {
        return Err(Failure::new(Code::Usage, "no frame of the trace is meant")
            .next("leave options out: --session, --direction, --kind, --sequence, --from, --to"));
    }
    for (session, seen) in &sessions {
        told::sums(session, &seen.conversation).iter().for_each(|line| output.note(line));
    }
    if left_out > 0 {
        output.warn(&format!("{left_out} lines are missing, for which the disk was too slow"));
    }
    output.written()
}

/// Takes a line, and prints it if it is meant.
fn take(
    arguments: &DecodeArgs,
    sessions: &mut BTreeMap<String, Seen>,
    line: &Line,
    output: &Output,
) {
    let is_meant = arguments.session.as_deref().is_none_or(|id| line.session.ends_with(id))
        && arguments.from.is_none_or(|from| line.t >= from)
        && arguments.to.is_none_or(|to| line.t <= to);
    if !is_meant {
        return;
    }
    let Seen { conversation, picture } = sessions.entry(line.session.clone()).or_default();
    let meaning = conversation.take(line);
    if arguments.svg.is_some() {
        picture.take(line, meaning);
    } else if is_shown(arguments, line)
        && let Some(told) = told::line(line, meaning)
    {
        output.line(&told);
    }
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
        return Err(Failure::new(Code::Usage, "there is nothing to be drawn"));
    };
    let failed = |why: String| {
        Failure::local(format!("cannot write {}", path.display()))
            .because(why)
            .next("give another file with --svg")
    };
    let svg = seen.picture.svg(&one_line(session)).map_err(|error| failed(error.to_string()))?;
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| failed(error.to_string()))?;
    file.write_all(svg.as_bytes()).map_err(|error| failed(error.to_string()))?;
    if sessions.len() > 1 {
        output.note(&format!("{} sessions: the one that is drawn is {session}", sessions.len()));
    }
    output.note(&format!("Drawn into {}", path.display()));
    Ok(())
}
