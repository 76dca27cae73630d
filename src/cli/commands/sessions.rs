//! `ssmport sessions`: which sessions there are, whose they are, and ending them.

mod stop;
mod table;

use std::io::Write;

use jiff::tz::TimeZone;

use crate::cli::{
    args::{Global, SessionsAction, SessionsArgs},
    counted::counted,
    failure::{Code, Failure},
    output::Output,
    report::{self, Event},
    signals::until_ended,
    times::{now, utc},
};
use crate::client::{
    Client, Error, SessionQuery, SessionRecord,
    config_file::ConfigFile,
    service::SessionSource,
    target::{FORMS, Target},
};

pub(crate) async fn run(
    arguments: SessionsArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let about_list = arguments.are_about_the_list();
    match arguments.action {
        Some(SessionsAction::Stop(_)) if about_list => Err(Failure::new(
            Code::Usage,
            "options before `stop` are about the list, and nothing is listed",
        )
        .next("put those of `stop` behind it: ssmport sessions stop -h")),
        Some(SessionsAction::Stop(arguments)) => {
            until_ended(stop::run(arguments, global, output)).await
        }
        None => until_ended(list(arguments, global, output)).await,
    }
}

async fn list(arguments: SessionsArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let mut client = global.client(output);
    let mut query = SessionQuery::new();
    if let Some(typed) = arguments.target {
        let (target, in_its_region) = place(typed, &client, output).await?;
        (query, client) = (query.target(target), in_its_region);
    }
    if arguments.all {
        query = query.everybodys();
    }
    if arguments.past {
        query = query.past();
    }
    if let Some(name) = arguments.document {
        query = query.document(name);
    }
    if let Some(since) = arguments.since.and_then(|since| now().checked_sub(since)) {
        query = query.since(since);
    }
    let sessions = client.sessions(&query).await?;
    if output.is_json() {
        sessions.iter().for_each(|session| output.report(&event(session)));
    } else {
        print(&sessions, arguments.all)?;
    }
    output.note(&match (sessions.len(), arguments.past) {
        (0, _) => none(arguments.all, arguments.past),
        (count, false) => counted(count, "session"),
        (count, true) => counted(count, "past session"),
    });
    Ok(())
}

/// What the target's id is, and the client for its region.
async fn place(
    typed: Target,
    client: &Client,
    output: &Output,
) -> Result<(String, Client), Failure> {
    let target = ConfigFile::load_target(Some(typed), output)?;
    if target == Target::Local {
        let what = "sessions of the target `local` end with the command that has them";
        return Err(Failure::new(Code::Usage, what).next(FORMS));
    }
    let (target, client) = client.in_account_of(target);
    let service = SessionSource::of(&target, &client).await;
    // There is nothing to be waited for.
    let service = service.map_err(|error| Error { setting: None, ..error })?;
    Ok((service.target(), client))
}

fn none(of_all: bool, are_over: bool) -> String {
    match (of_all, are_over) {
        (true, false) => "There are no such sessions in this account and region.",
        (true, true) => "There were no such sessions in this account and region.",
        (false, false) => {
            "You have no such sessions in this account and region; --all shows others'."
        }
        (false, true) => {
            "You had no such sessions in this account and region; --all shows others'."
        }
    }
    .to_owned()
}

fn event(session: &SessionRecord) -> Event<'_> {
    Event::Session(report::Session {
        id: &session.id,
        target: &session.target,
        document: &session.document,
        owner: &session.owner,
        status: &session.status,
        reason: session.reason.as_deref(),
        started: session.started.map(utc),
        ended: session.ended.map(utc),
        details: session.details.as_deref(),
    })
}

fn print(sessions: &[SessionRecord], with_owners: bool) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let width = crate::term::size_of_stdout().map(|size| size.cols.into());
    let table = table::Table { with_owners, now: now(), zone: TimeZone::system() };
    match writeln!(anstream::stdout(), "{}", table.of(sessions, width)) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::local("cannot write the list").because(error)),
    }
}
