//! A command on a node: how it is asked for, and the ways that are tried.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Error, Kind, Setting,
    opening::{Ended, Opening},
    service::{Request, SessionSource},
};
use crate::{
    channel::Ready,
    session::{Limits, SessionEnd},
    streams::{CommandEvent, Console, ExitMarker, Stop, Way},
};

/// A command that is to be run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Each arrives as it is.
    pub(crate) words: Vec<String>,
    /// A session document of the user's own.
    pub(crate) document: Option<String>,
    pub(crate) reason: Option<String>,
    /// There is input for it.
    pub(crate) has_input: bool,
    /// It sees to it by itself that its output arrives whole.
    pub(crate) is_as_it_is: bool,
    /// It writes all the time, and is stuck when it is silent so long behind an interruption.
    pub(crate) patience: Option<Duration>,
}

/// How a command came to its end, and what is known of its output.
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    way: Way,
    told: Told,
}

/// Where, and until when.
pub(crate) struct Place<'a> {
    pub(crate) service: &'a SessionSource,
    pub(crate) limits: Limits,
    /// Gives what resolves when the command's session is to end.
    pub(crate) stop: &'a (dyn Fn() -> Stop + Send + Sync),
    /// Whether it is to end already.
    pub(crate) is_stopped: &'a (dyn Fn() -> bool + Send + Sync),
    pub(crate) greet: &'a (dyn Fn(&Ready) + Send + Sync),
}

impl<'a> Place<'a> {
    pub(crate) fn opening(&self, request: &'a Request) -> Opening<'a> {
        let Self { service, limits, stop, greet, .. } = *self;
        Opening { service, request, limits, stop, greet }
    }
}

/// What a command has told beside its exit code.
#[derive(Clone, Copy, Default)]
struct Told {
    /// It ran, or was tried.
    has_begun: bool,
    lacks_tools: bool,
    is_short: bool,
    is_line_open: bool,
}

impl Told {
    fn note(&mut self, event: &CommandEvent) {
        match event {
            CommandEvent::Begun => self.has_begun = true,
            CommandEvent::LacksTools => self.lacks_tools = true,
            CommandEvent::Exited { is_whole, is_line_open, .. } => {
                (self.is_short, self.is_line_open) = (!is_whole, *is_line_open);
            }
            _ => {}
        }
    }
}

impl Wanted {
    /// What is asked for when the command is to have a terminal, and its exit code in `marker`.
    pub(crate) fn on_terminal(&self, marker: &ExitMarker) -> Result<Request, Error> {
        let command = vec![marker.wrap(&line_of(&self.words)?)];
        let parameters = BTreeMap::from([("command".to_owned(), command)]);
        Ok(self.of_document("AWS-StartInteractiveCommand", parameters))
    }

    /// Runs it without a terminal of the user's. The `console` is opened for each way that is tried, and
    /// told whether there is input; `observer` hears what the end does not say. `None` when it was to end
    /// before it had begun.
    pub(crate) async fn run(
        &self,
        place: &Place<'_>,
        mut console: impl FnMut(bool) -> Console + Send,
        mut observer: impl FnMut(&CommandEvent) + Send,
    ) -> Result<Option<Finished>, Error> {
        let mut way = self.way();
        loop {
            let request = self.request(way)?;
            let mut told = Told::default();
            let note = |event: &CommandEvent| {
                told.note(event);
                observer(event);
            };
            let takes_input = matches!(way, Way::WithInput(_));
            let opening = place.opening(&request);
            let run = opening.command(way, self.patience, || console(takes_input), note);
            let Some(ended) = run.await? else { return Ok(None) };
            let could_not_start = ended.exit_code.is_some() && !told.has_begun;
            if !(could_not_start && matches!(way, Way::Whole(_)) && !(place.is_stopped)()) {
                return Ok(Some(Finished { ended, way, told }));
            }
            // There is no shell that could have run anything, and so nothing has run.
            tracing::info!("the node has no POSIX shell: the command runs without one");
            way = Way::Plain;
        }
    }

    /// A document that the user names gets the command as it was given: it may be particular.
    fn way(&self) -> Way {
        let name = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        match () {
            () if self.document.is_some() || self.is_as_it_is => Way::Plain,
            () if self.has_input => Way::WithInput(name),
            () => Way::Whole(name),
        }
    }

    /// What StartSession is asked for. Each word is quoted, so that it arrives as it was given, whether
    /// the agent itself splits the line or a shell does.
    fn request(&self, way: Way) -> Result<Request, Error> {
        let command = vec![line_of(&way.words(&self.words))?];
        let command = ("command".to_owned(), command);
        let (document, parameters) = match way {
            Way::WithInput(_) => ("AWS-StartInteractiveCommand", BTreeMap::from([command])),
            Way::Plain | Way::AsOne | Way::Whole(_) => {
                let separate = ("separateOutputStream".to_owned(), vec!["true".to_owned()]);
                ("AWS-StartNonInteractiveCommand", BTreeMap::from([command, separate]))
            }
        };
        Ok(self.of_document(document, parameters))
    }

    fn of_document(
        &self,
        document: &'static str,
        parameters: BTreeMap<String, Vec<String>>,
    ) -> Request {
        let document = self.document.clone().map_or(document.into(), Into::into);
        Request { document: Some(document), parameters, reason: self.reason.clone() }
    }
}

fn line_of(words: &[String]) -> Result<String, Error> {
    shlex::try_join(words.iter().map(String::as_str)).map_err(|error| {
        Error::new(Kind::Usage, "the command cannot be put into words").because(error)
    })
}

impl Finished {
    /// Whether the last line of the output has no end.
    pub(crate) fn is_line_open(&self) -> bool {
        self.told.is_line_open
    }

    /// Whether the node cannot give a command its input.
    pub(crate) fn lacks_tools(&self) -> bool {
        let Self { ended, way, told } = self;
        let for_input = matches!(way, Way::WithInput(_));
        let is_closed = matches!(ended.end, Ok(SessionEnd::Closed { .. }));
        told.lacks_tools || (for_input && !told.has_begun && is_closed)
    }

    /// Whether all came that was to come, however the command has ended.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { ended, way, told } = self;
        if self.lacks_tools() {
            let what = "the node cannot give the command its input";
            return Err(Error::new(Kind::Target, what)
                .because(
                    "it takes sh, stty, dd, od, tr and base64 there, and one of them is missing",
                )
                .next("run it without input")
                .with(Setting::Input));
        }
        if told.is_short && ended.is_complete && ended.output_failed.is_none() {
            let lost = Error::new(Kind::Lost, "the command's output may not be whole");
            return Err(match told.has_begun && *way == Way::Plain {
                true => lost
                    .because("it is not UTF-8 text, and the agent cuts off what is none")
                    .next("have the node encode it: sh -c 'COMMAND | base64'"),
                false => lost
                    .because("the node did not send its end, or it is not UTF-8 text and the node lacks dd, base64, tr or cksum")
                    .next("start it again")
                    .with(Setting::Log),
            });
        }
        Ok(())
    }
}
