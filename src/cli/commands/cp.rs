//! `ssmport cp SRC... DST`.

mod had_enough;
mod progress;

use std::{path::PathBuf, sync::atomic::Ordering};

use had_enough::HadEnough;
use progress::Progress;

use crate::{
    cli::{
        args::{CopyEnd, CopyWay, CpArgs, Global},
        failure::{Code, Failure},
        output::Output,
        signals::{self, Signals},
        standard_streams,
    },
    client::{Copied, Node, config_file::ConfigFile, service::SessionSource, target::Target},
    malformed::Malformed,
};

pub(crate) async fn run(
    arguments: CpArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    let usage = |why: Malformed| {
        Failure::new(Code::Usage, "the copy makes no sense")
            .because(why)
            .next("as in: ssmport cp FILE TARGET:PATH, or: ssmport cp TARGET:PATH FILE")
    };
    let way = arguments.read().map_err(usage)?;
    let mut node = None;
    let work = async {
        let target = match &way {
            CopyWay::Up { target, .. } | CopyWay::Down { target, .. } => target,
        };
        let node = node.insert(find(target, &arguments, global, output).await?);
        copy(&way, node, target, &arguments, output).await
    };
    let done = tokio::select! {
        done = work => done,
        number = signals.next() => Err(Failure::new(Code::Signal(number), "interrupted")),
    };
    if let Err(Failure { code: Code::Signal(number), .. }) = done
        && number != signals::PIPE
    {
        output.note("interrupted; the same command goes on with a file where it was, and begins a folder anew");
    }
    if let Some(node) = node {
        // Whoever says it twice does not want to wait.
        tokio::select! {
            () = node.end() => {}
            _ = signals.next() => {}
        }
    }
    done
}

async fn find(
    target: &Target,
    arguments: &CpArgs,
    global: &Global,
    output: &Output,
) -> Result<Node, Failure> {
    let target = ConfigFile::load_target(Some(target.clone()), output)?;
    let client = global.client(output).with_readiness(arguments.readiness.readiness());
    let service = SessionSource::of(&target, &client).await?;
    let node = Node::new(client, service);
    Ok(match &arguments.reason {
        Some(reason) => node.with_reason(reason),
        None => node,
    })
}

async fn copy(
    way: &CopyWay,
    node: &Node,
    target: &Target,
    arguments: &CpArgs,
    output: &Output,
) -> Result<(), Failure> {
    let mut progress = Progress::new(*output);
    match way {
        CopyWay::Up { from, to, .. } => {
            for end in from {
                let (upload, source) = match end {
                    CopyEnd::Here(path) => (node.upload(path, to), path.display().to_string()),
                    _ => (node.upload_from(standard_streams::input(), to), "-".to_owned()),
                };
                let upload = if from.len() > 1 { upload.in_folder() } else { upload };
                let upload =
                    if arguments.no_preserve { upload.without_attributes() } else { upload };
                let destination = format!("{target}:{}", to.to_string_lossy());
                progress.begin(source, destination);
                let done = upload.run(|event| progress.event(event)).await;
                progress.end(done.map(|copied| on_node(copied, target)))?;
            }
        }
        CopyWay::Down { from, to, .. } => {
            for path in from {
                let source = format!("{target}:{}", path.to_string_lossy());
                let mut had_enough = None;
                let (download, destination) = match to {
                    CopyEnd::Here(to) => {
                        (node.download(path, PathBuf::clone(to)), to.display().to_string())
                    }
                    _ => {
                        let (stdout, is_so) = HadEnough::of(standard_streams::output());
                        had_enough = Some(is_so);
                        (node.download_to(path, stdout), "-".to_owned())
                    }
                };
                let download = if from.len() > 1 { download.in_folder() } else { download };
                let download =
                    if arguments.no_preserve { download.without_attributes() } else { download };
                let download = match arguments.sessions {
                    Some(sessions) => download.sessions(sessions.into()),
                    None => download,
                };
                progress.begin(source, destination);
                let done = download.run(|event| progress.event(event)).await;
                if had_enough.is_some_and(|is_so| is_so.load(Ordering::Relaxed)) {
                    return Err(Failure::new(Code::Signal(signals::PIPE), "nobody reads"));
                }
                progress.end(done)?;
            }
        }
    }
    progress.finish();
    Ok(())
}

fn on_node(copied: Copied, target: &Target) -> Copied {
    let path = format!("{target}:{}", copied.path);
    Copied { path, ..copied }
}
