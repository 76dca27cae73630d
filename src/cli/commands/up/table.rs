//! The tunnels on a terminal, as they are by now, with keys.

mod draw;
mod keys;
mod rates;
mod screen;

use std::{io, time::Duration};

use data_encoding::BASE64;
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use super::source::{Events, Source, gone};
use crate::cli::{
    failure::{Code, Failure},
    signals::INTERRUPT,
};
use crate::client::upkeep::{Event, EventKind, MOST, Status};
use crate::term::{Size, size_of_terminal, sizes};
use draw::{Frame, Page};
use keys::{Key, Keys};
use rates::Rates;
use screen::Screen;

/// Why they are shown no more.
pub(super) enum Seen {
    /// The user has seen enough.
    Enough,
    /// They have been ended.
    Ended,
}

/// Shows them until the user or they have enough.
pub(super) async fn show(source: &Source, names: &[String]) -> Result<Seen, Failure> {
    let failed = |error: io::Error| Failure::local("cannot use the terminal").because(error);
    let Some(events) = source.events(names, MOST).await? else {
        return Ok(Seen::Ended);
    };
    let mut screen = Screen::take().map_err(failed)?;
    let mut keys = Keys::read();
    let mut sizes = Box::pin(sizes().map_err(failed)?);
    let mut table = Table::new(source, names, events);
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => if !table.look(true).await? { return table.is_over().await },
            event = table.events.next() => match event? {
                Some(event) => {
                    table.happened(event);
                    if !table.look(false).await? {
                        return table.is_over().await;
                    }
                }
                None => return table.is_over().await,
            },
            key = keys.next() => match table.pressed(key).await? {
                Pressed::Quit => return Ok(Seen::Enough),
                Pressed::Interrupt => {
                    return Err(Failure::new(Code::Signal(INTERRUPT), "interrupted"));
                }
                Pressed::Copy(text) => screen.write(&copied(&text)).map_err(failed)?,
                Pressed::Shown => {}
            },
            size = sizes.next() => if let Some(Some(size)) = size { table.size = size },
        }
        screen.show(&table.frame().lines()).map_err(failed)?;
    }
}

/// What a key asks of whoever has the terminal.
enum Pressed {
    Shown,
    Quit,
    Interrupt,
    Copy(String),
}

struct Table<'a> {
    source: &'a Source,
    names: &'a [String],
    events: Events,
    /// The last of them.
    happened: Vec<Event>,
    statuses: Vec<Status>,
    rates: Rates,
    /// The chosen tunnel's name, which stays while others come and go.
    chosen: Option<String>,
    page: Page,
    said: String,
    size: Size,
}

impl<'a> Table<'a> {
    fn new(source: &'a Source, names: &'a [String], events: Events) -> Self {
        Self {
            source,
            names,
            events,
            happened: Vec::new(),
            statuses: Vec::new(),
            rates: Rates::default(),
            chosen: None,
            page: Page::Tunnels,
            said: String::new(),
            size: size_of_terminal().unwrap_or(USUAL),
        }
    }

    /// Looks how they are; `false` when nobody keeps them up any more.
    async fn look(&mut self, is_tick: bool) -> Result<bool, Failure> {
        let Some(statuses) = self.source.statuses(self.names).await? else { return Ok(false) };
        if is_tick {
            self.rates.note(&statuses);
        }
        self.statuses = statuses;
        Ok(true)
    }

    /// Nobody keeps them up any more: whether that was meant.
    ///
    /// # Errors
    /// It was not, as far as can be told.
    async fn is_over(&mut self) -> Result<Seen, Failure> {
        // What happened last may not have been read yet.
        while let Ok(Some(event)) = self.events.next().await {
            self.happened(event);
        }
        let is_ended = |status: &Status| {
            let mut happened = self.happened.iter();
            let last = happened.rfind(|event| event.tunnel.as_ref() == Some(&status.name));
            last.is_some_and(|event| event.kind == EventKind::Ended)
        };
        gone(self.statuses.iter().all(is_ended)).map(|()| Seen::Ended)
    }

    fn happened(&mut self, event: Event) {
        if event.tunnel.is_none() && event.kind == EventKind::Warning {
            self.said.clone_from(&event.what);
        }
        if self.happened.len() == MOST {
            self.happened.remove(0);
        }
        self.happened.push(event);
    }

    async fn pressed(&mut self, key: Key) -> Result<Pressed, Failure> {
        self.said.clear();
        let at = self.at();
        match key {
            Key::Quit => return Ok(Pressed::Quit),
            Key::Interrupt => return Ok(Pressed::Interrupt),
            Key::Up => self.choose(at.saturating_sub(1)),
            Key::Down => self.choose(at + 1),
            Key::PageUp => self.choose(at.saturating_sub(PAGE)),
            Key::PageDown => self.choose(at + PAGE),
            Key::First => self.choose(0),
            Key::Last => self.choose(usize::MAX),
            Key::Back => self.page = Page::Tunnels,
            Key::Events => {
                self.page = match self.page {
                    Page::Tunnels => Page::Events,
                    Page::Events => Page::Tunnels,
                };
            }
            Key::Restart => {
                if let Some(name) = self.statuses.get(at).map(|status| status.name.clone()) {
                    self.source.restart(&name).await?;
                    self.said = format!("{name} begins another session");
                }
            }
            Key::Copy => {
                let address = self.statuses.get(at).and_then(|status| status.local.first());
                if let Some(address) = address.cloned() {
                    self.said = format!("{address} is copied, where the terminal allows it");
                    return Ok(Pressed::Copy(address));
                }
            }
            Key::Other => {}
        }
        Ok(Pressed::Shown)
    }

    fn at(&self) -> usize {
        let is_chosen = |status: &Status| Some(&status.name) == self.chosen.as_ref();
        self.statuses.iter().position(is_chosen).unwrap_or_default()
    }

    fn choose(&mut self, at: usize) {
        let last = self.statuses.len().saturating_sub(1);
        self.chosen = self.statuses.get(at.min(last)).map(|status| status.name.clone());
    }

    fn frame(&self) -> Frame<'_> {
        Frame {
            statuses: &self.statuses,
            rates: &self.rates,
            events: &self.happened,
            chosen: self.at(),
            page: self.page,
            said: &self.said,
            size: self.size,
            is_elsewhere: self.source.is_elsewhere(),
            is_plain: anstream::AutoStream::choice(&io::stdout()) == anstream::ColorChoice::Never,
        }
    }
}

/// What has a terminal put a text onto its user's clipboard.
fn copied(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", BASE64.encode(text.as_bytes()))
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tunnels; fewer than there are on any screen, so that none is passed over.
const PAGE: usize = 8;
const USUAL: Size = Size { cols: 80, rows: 24 };
