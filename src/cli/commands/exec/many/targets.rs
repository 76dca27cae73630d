//! Which nodes are meant, files of them read.

use tokio::io::AsyncReadExt;

use crate::{
    cli::{
        args::{On, target_or_pattern},
        failure::{Code, Failure},
        standard_streams,
    },
    client::target::Target,
    files::{self, LONGEST_BY_HAND},
    malformed::Malformed,
};

/// All that were typed, and those of the files in their places.
pub(super) async fn read(on: &[On]) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for on in on {
        match on {
            On::Target(target) => targets.push(target.clone()),
            On::File(path) => {
                let shown = path.display().to_string();
                let text = files::read_text(path, LONGEST_BY_HAND).map_err(|error| {
                    Failure::local(format!("cannot read {shown}"))
                        .because(error)
                        .next("give a file with a target a line, as --on @FILE")
                })?;
                targets.extend(of_text(&text, &shown)?);
            }
            On::Input => {
                let failed = |why: String| {
                    Failure::local("cannot read standard input")
                        .because(why)
                        .next("give a target a line")
                };
                let mut text = String::new();
                // What is cut off could be another target.
                let mut input = standard_streams::input().take(LONGEST_BY_HAND + 1);
                let read = input.read_to_string(&mut text).await;
                if read.map_err(|error| failed(error.to_string()))? as u64 > LONGEST_BY_HAND {
                    return Err(failed(format!("it is longer than {LONGEST_BY_HAND} bytes")));
                }
                targets.extend(of_text(&text, "standard input")?);
            }
        }
    }
    match (&targets[..], on) {
        // What was asked for has nothing: that is no run without a fault.
        ([], [On::File(path)]) => Err(nobody(&path.display().to_string())),
        ([], [On::Input]) => Err(nobody("standard input")),
        ([], _) => Err(nobody("what --on names")),
        _ => Ok(targets),
    }
}

fn nobody(place: &str) -> Failure {
    Failure::new(Code::Usage, format!("there is no target in {place}")).next("give one a line")
}

/// One a line; `#` begins a comment.
fn of_text(text: &str, place: &str) -> Result<Vec<Target>, Failure> {
    let lines = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        (!line.is_empty() && !line.starts_with('#')).then_some((number, line))
    });
    let read = lines.map(|(number, line): (usize, &str)| {
        target_or_pattern(line).map_err(|why: Malformed| {
            Failure::new(Code::Usage, format!("{place}:{number}: `{line}` is not a target"))
                .because(why)
        })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_target_a_line() {
        let text =
            "# all of them\nweb-*\ni-0*\n\n  tag:Role=db # and these\r\ni-0123456789abcdef0\nc#1\n";
        let read = of_text(text, "nodes").unwrap();
        let shown: Vec<_> = read.iter().map(Target::to_string).collect();
        assert_eq!(shown, ["web-*", "i-0*", "tag:Role=db", "i-0123456789abcdef0", "c#1"]);
        let wrong = of_text("web\n\ni-xyz\n", "nodes").unwrap_err();
        assert_eq!((wrong.code, &*wrong.what), (Code::Usage, "nodes:3: `i-xyz` is not a target"));
    }
}
