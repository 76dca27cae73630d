//! `ssmport sessions stop`.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;

use super::table::{Table, short_owner};
use crate::aws::Account;
use crate::cli::{
    args::{Global, StopArgs},
    confirm::confirmed,
    counted::counted,
    failure::{Code, Failure},
    output::Output,
    picker,
    report::{self, Event, StoppedState},
    times::now,
};
use crate::client::{Client, Error, Kind, SessionQuery, SessionRecord, sessions};

pub(super) async fn run(
    arguments: StopArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let client = global.client(output);
    let account = client.account().await?;
    let meant = meant(&arguments, &client, account).await?;
    if meant.is_empty() {
        output.note("There are no such sessions.");
        return Ok(());
    }
    if !arguments.yes {
        // Who cannot be told apart from others is asked about all of them.
        let caller = sessions::caller(account).await.ok();
        agree(&meant, caller.as_deref(), output).await?;
    }
    let stopped = stream::iter(&meant)
        .map(|session| async { told(session, session.stop(&client).await, output) })
        .buffer_unordered(AT_A_TIME);
    let failures: Vec<Failure> = stopped.filter_map(std::future::ready).collect().await;
    end(failures, meant.len(), output)
}

/// A session that is to be ended.
struct Meant {
    id: String,
    known: Known,
}

/// What the account says of it.
enum Known {
    Record(Box<SessionRecord>),
    /// There is none.
    Nothing,
    /// It does not tell this user.
    Untold,
}

impl Meant {
    fn record(&self) -> Option<&SessionRecord> {
        match &self.known {
            Known::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Whether it may be somebody else's, who is to be asked about.
    fn may_be_others(&self, caller: Option<&str>) -> bool {
        match &self.known {
            Known::Record(record) => !record.is_over() && Some(&*record.owner) != caller,
            Known::Nothing => false,
            Known::Untold => true,
        }
    }

    async fn stop(&self, client: &Client) -> Result<bool, Error> {
        match &self.known {
            Known::Nothing => Err(sessions::unknown(&self.id)),
            Known::Record(record) if record.is_over() => Ok(false),
            Known::Record(_) | Known::Untold => client.end_session(&self.id).await,
        }
    }
}

/// The sessions that were named, each of them once.
async fn meant(
    arguments: &StopArgs,
    client: &Client,
    account: &Account,
) -> Result<Vec<Meant>, Failure> {
    if !arguments.ids.is_empty() {
        let ids: BTreeSet<_> = arguments.ids.iter().cloned().collect();
        let known = stream::iter(ids).map(|id| async {
            let known = match sessions::find(account, &id).await {
                Ok(Some(record)) => Known::Record(Box::new(record)),
                Ok(None) => Known::Nothing,
                // Ending one's own may be all that is allowed.
                Err(Error { kind: Kind::Refused, .. }) => Known::Untold,
                Err(error) => return Err(error),
            };
            Ok(Meant { id, known })
        });
        return Ok(known.buffered(AT_A_TIME).try_collect().await?);
    }
    let mut query = SessionQuery::new();
    if arguments.all {
        query = query.everybodys();
    }
    let mut sessions = client.sessions(&query).await?;
    if let Some(age) = arguments.older_than {
        let now = now();
        sessions.retain(|session| {
            let started = session.started.and_then(|started| now.duration_since(started).ok());
            started.is_some_and(|lasted| lasted >= age)
        });
    }
    let meant = sessions.into_iter().map(|record| {
        let id = record.id.clone();
        Meant { id, known: Known::Record(Box::new(record)) }
    });
    Ok(meant.collect())
}

/// Has the user agree to the end of what may be others'.
async fn agree(meant: &[Meant], caller: Option<&str>, output: &Output) -> Result<(), Failure> {
    let others: Vec<_> = meant.iter().filter(|session| session.may_be_others(caller)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let table = Table { with_owners: true, now: now(), zone: TimeZone::system() };
    let line = |session: &&Meant| match session.record() {
        Some(record) => {
            let (owner, target) = (short_owner(&record.owner), &record.target);
            format!("{}  {target}  {owner}  {}", session.id, table.started(record))
        }
        None => format!("{}  (whose it is you may not see)", session.id),
    };
    let mut shown: Vec<_> = others.iter().take(SHOWN).map(line).collect();
    if others.len() > SHOWN {
        shown.push(format!("and {} more", others.len() - SHOWN));
    }
    let whose = match others.len() {
        1 => "1 session that is not your own".to_owned(),
        count => format!("{count} sessions that are not your own"),
    };
    if !picker::can_ask() {
        return Err(Failure::new(Code::Usage, format!("this would end {whose}"))
            .because(shown.join("\n"))
            .next("give --yes if that is meant; nothing was ended"));
    }
    // Part of the question, however little is to be said.
    shown.iter().for_each(|line| output.asked(&format!("  {line}")));
    if confirmed(format!("End {whose}?")).await? {
        return Ok(());
    }
    output.note("Nothing was ended.");
    Err(Failure::new(Code::Check, ""))
}

/// Tells what became of a session; gives what went wrong.
fn told(session: &Meant, stopped: Result<bool, Error>, output: &Output) -> Option<Failure> {
    let record = session.record();
    let owner = record.map(|record| &*record.owner);
    let (state, failure) = match stopped {
        Ok(true) => (StoppedState::Ended, None),
        Ok(false) => (StoppedState::WasOver, None),
        Err(mut error) => {
            if let (Kind::Refused, Some(owner)) = (error.kind, owner) {
                error.what = format!("{}; it is a session of {}", error.what, short_owner(owner));
            }
            (StoppedState::Failure, Some(Failure::from(error)))
        }
    };
    let why = failure.as_ref().map(|failure| &*failure.what);
    output.report(&Event::Stopped(report::Stopped {
        id: &session.id,
        target: record.map(|record| &*record.target),
        owner,
        state,
        why,
    }));
    match state {
        StoppedState::Ended => output.note(&format!("{}: ended", session.id)),
        StoppedState::WasOver => output.note(&format!("{}: was over", session.id)),
        StoppedState::Failure => {}
    }
    failure
}

/// One failure tells for itself; of several each has a line, and the worst gives the exit code.
fn end(mut failures: Vec<Failure>, count: usize, output: &Output) -> Result<(), Failure> {
    if failures.len() < 2 {
        return failures.pop().map_or(Ok(()), Err);
    }
    for Failure { what, next, .. } in &failures {
        let next = next.as_ref().map(|next| format!(" ({next})")).unwrap_or_default();
        output.warn_people(&format!("{what}{next}"));
    }
    let worst = failures.iter().map(|failure| failure.code).max_by_key(|code| code.number());
    let what = format!("{} of {} are not ended", failures.len(), counted(count, "session"));
    Err(Failure::new(worst.unwrap_or(Code::Refused), what))
}

/// Calls at the same time; SSM allows few of them a second.
const AT_A_TIME: usize = 4;
/// So that the question stands below them on the screen.
const SHOWN: usize = 15;
