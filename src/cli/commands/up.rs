//! `ssmport up [NAME...]`: the tunnels of the configuration file, kept up.

#[cfg(unix)]
mod background;
#[cfg(unix)]
pub(crate) mod down;
pub(crate) mod install;
mod lines;
#[cfg(unix)]
pub(crate) mod logs;
mod options;
mod source;
#[cfg(unix)]
pub(crate) mod status;
mod table;
mod told;

#[cfg(feature = "aws")]
use std::collections::HashSet;
use std::{
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

use tokio::time::sleep;

use crate::cli::{
    args::{Global, UpArgs},
    failure::{Code, Failure},
    logging,
    output::Output,
    signals::Signals,
};
#[cfg(feature = "aws")]
use crate::cli::{mfa, picker};
#[cfg(unix)]
use crate::client::upkeep::control::{Control, Remote, Request};
use crate::client::{Client, upkeep::Upkeep};
#[cfg(feature = "aws")]
use crate::client::{Error, Kind, config_file::ConfigFile, target::Target};
use source::Source;
use table::Seen;

pub(crate) async fn run(
    arguments: UpArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    if let Some(keeper) = arguments.install {
        return keeper.print(&arguments.names, global, output);
    }
    #[cfg(unix)]
    {
        if arguments.background {
            return background::start(&arguments.names, global, output, &mut signals).await;
        }
        if arguments.detached {
            background::detach();
        }
        let client = global.client(output);
        match bound(&arguments, &client, output, &mut signals).await? {
            Some(control) => keep(control, &arguments, client, output, &mut signals).await,
            // Nobody would see what it shows.
            None if arguments.detached => Ok(()),
            None => join(&arguments.names, output, &mut signals).await,
        }
    }
    #[cfg(not(unix))]
    {
        let client = global.client(output);
        log_in(&arguments.names, &client, &mut signals).await?;
        keep((), &arguments, client, output, &mut signals).await
    }
}

/// The socket that makes this process the one that keeps tunnels up; `None` where there is another, which
/// has been told what is wanted here.
#[cfg(unix)]
async fn bound(
    arguments: &UpArgs,
    client: &Client,
    output: &Output,
    signals: &mut Signals,
) -> Result<Option<Control>, Failure> {
    let request = Request::Up { names: arguments.names.clone(), wait: false };
    let mut is_logged_in = false;
    loop {
        let asked = tokio::select! {
            asked = Remote::statuses(&request) => asked?,
            number = signals.next() => return Err(interrupted(number)),
        };
        if asked.is_some() {
            output.note(
                "Another ssmport keeps the tunnels up, and has these too from now on; this one shows them",
            );
            return Ok(None);
        }
        // Whoever has the socket is to answer at once: what takes its time comes before.
        if !is_logged_in {
            log_in(&arguments.names, client, signals).await?;
            is_logged_in = true;
        }
        if let Some(control) = Control::bind()? {
            return Ok(Some(control));
        }
        // There is one by now, or it has just ended.
        sleep(PAUSE).await;
    }
}

#[cfg(unix)]
type Held = Control;
#[cfg(not(unix))]
type Held = ();

/// Keeps them up in this process.
async fn keep(
    control: Held,
    arguments: &UpArgs,
    client: Client,
    output: &Output,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let upkeep = Upkeep::start(&client, &arguments.names)?;
    #[cfg(unix)]
    let serving = control.serve(&upkeep);
    #[cfg(not(unix))]
    let serving = async move {
        let () = control;
        std::future::pending::<()>().await;
    };
    let mut beside = pin!(async {
        tokio::select! {
            () = serving => {}
            never = upkeep.follow_files() => match never {},
        }
    });
    #[cfg(unix)]
    if arguments.detached {
        background::let_go();
    }
    let source = Source::Here(upkeep.clone());
    let ended = {
        let mut view = pin!(view(&source, &[], output));
        tokio::select! {
            // Whoever has asked for the end sees it, and is answered below.
            biased;
            number = signals.next() => Err(interrupted(number)),
            viewed = &mut view => viewed,
            () = &mut beside => return Ok(()),
            unwritten = output.unwritten() => Err(unwritten),
        }
    };
    let mut end = pin!(async { tokio::join!(upkeep.end(), beside) });
    let mut say_so = pin!(sleep(MOMENT));
    let mut is_told = false;
    loop {
        tokio::select! {
            _ = &mut end => return ended,
            // Whoever says it twice does not want to wait.
            _ = signals.next() => return ended,
            () = &mut say_so, if !is_told => {
                is_told = true;
                output.lasting().note(
                    "The local ports are free. Waiting for the service to hear that the sessions are \
                     over, for a few seconds; Ctrl-C does without",
                );
            }
        }
    }
}

/// Asks for what the accounts of these tunnels need, codes of MFA, while there is somebody to ask: later there
/// is a table, or nobody. What does not work shows when the tunnel is begun.
#[cfg(feature = "aws")]
async fn log_in(names: &[String], client: &Client, signals: &mut Signals) -> Result<(), Failure> {
    if !picker::can_ask() {
        return Ok(());
    }
    let tunnels = ConfigFile::load()?.tunnels()?;
    let asked = tunnels.into_iter().filter(|one| names.is_empty() || names.contains(&one.name));
    let mut seen = HashSet::new();
    for target in asked.map(|tunnel| tunnel.target) {
        let (bare, _, whose) = target.clone().apart();
        if bare == Target::Local || !seen.insert(whose.profile) {
            continue;
        }
        let (_, client) = client.in_account_of(target);
        let keys = async { Ok::<_, Error>(client.account().await?.keys().await.map(drop)?) };
        let had = tokio::select! {
            had = keys => had,
            number = signals.next() => return Err(interrupted(number)),
        };
        match had {
            Err(error) if error.kind() == Kind::Interrupted => return Err(error.into()),
            _ => mfa::close_prompt(),
        }
    }
    Ok(())
}

#[cfg(not(feature = "aws"))]
async fn log_in(_: &[String], _: &Client, _: &mut Signals) -> Result<(), Failure> {
    Ok(())
}

fn interrupted(number: u8) -> Failure {
    Failure::new(Code::Signal(number), "interrupted")
}

/// Shows those of another process.
#[cfg(unix)]
async fn join(names: &[String], output: &Output, signals: &mut Signals) -> Result<(), Failure> {
    let source = Source::There;
    tokio::select! {
        number = signals.next() => Err(interrupted(number)),
        viewed = view(&source, names, output) => viewed,
        unwritten = output.unwritten() => Err(unwritten),
    }
}

/// Shows what becomes of them, until they or the user have enough: on a terminal in a table.
async fn view(source: &Source, names: &[String], output: &Output) -> Result<(), Failure> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    match is_terminal && output.is_for_people() && !logging::is_asked_for() {
        true => {
            if let Seen::Ended = table::show(source, names).await?
                && source.is_elsewhere()
            {
                output.note("The tunnels have been ended");
            }
            Ok(())
        }
        false => lines::show(source, names, output).await,
    }
}

#[cfg(unix)]
const PAUSE: Duration = Duration::from_millis(100);
/// What the end of a session takes whose service is there.
const MOMENT: Duration = Duration::from_millis(500);
