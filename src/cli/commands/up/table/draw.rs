//! What the screen shows.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::rates::Rates;
use crate::cli::{
    amounts::bytes,
    columns::{Columns, GAP, Yielding},
    commands::up::told::{clock, state},
    counted::counted,
    cut::cut,
    output::{GOOD, WARNING},
};
use crate::client::{
    bind::listening,
    upkeep::{Event, State, Status},
};
use crate::term::Size;
use crate::wire::foreign_text::one_line;

/// All that it depends on.
pub(super) struct Frame<'a> {
    pub(super) statuses: &'a [Status],
    pub(super) rates: &'a Rates,
    pub(super) events: &'a [Event],
    /// The place of the chosen tunnel.
    pub(super) chosen: usize,
    pub(super) page: Page,
    /// What has come of the last key.
    pub(super) said: &'a str,
    pub(super) size: Size,
    /// Another process keeps them up.
    pub(super) is_elsewhere: bool,
    /// Without colours.
    pub(super) is_plain: bool,
}

/// What is shown below the title.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    Tunnels,
    /// Those of the chosen tunnel.
    Events,
}

impl Frame<'_> {
    /// The lines of the screen, from its first to its last.
    pub(super) fn lines(&self) -> Vec<String> {
        let (cols, rows) = (usize::from(self.size.cols), usize::from(self.size.rows));
        let mut lines = vec![self.painted(TITLE, &cut(&self.title(), cols)), String::new()];
        let below = [cut(self.said, cols), self.painted(FAINT, &cut(self.keys(), cols))];
        let room = rows.saturating_sub(lines.len() + below.len());
        let mut middle = match self.page {
            Page::Tunnels => self.tunnels(cols, room),
            Page::Events => self.events(cols, room),
        };
        middle.resize(room, String::new());
        lines.append(&mut middle);
        lines.extend(below);
        // A terminal may be lower than the least that there is to show.
        lines.truncate(rows);
        lines
    }

    fn title(&self) -> String {
        let count = |wanted: State| self.statuses.iter().filter(|s| s.state == wanted).count();
        let states = [State::Up, State::Idle, State::Starting, State::Resuming, State::Waiting];
        let states = states.into_iter().filter(|wanted| count(*wanted) > 0);
        let states: Vec<_> = states.map(|s| format!("{} {}", count(s), state(s))).collect();
        let elsewhere = if self.is_elsewhere { " (another ssmport keeps them up)" } else { "" };
        let tunnels = counted(self.statuses.len(), "tunnel");
        format!("ssmport up{elsewhere}   {tunnels}: {}", states.join(", "))
    }

    fn keys(&self) -> &'static str {
        match (self.page, self.is_elsewhere) {
            (Page::Tunnels, false) => {
                "up/down choose  r restart  c copy address  e events  q end all"
            }
            (Page::Tunnels, true) => "up/down choose  r restart  c copy address  e events  q leave",
            (Page::Events, false) => "e back  up/down another tunnel  q end all",
            (Page::Events, true) => "e back  up/down another tunnel  q leave",
        }
    }

    fn tunnels(&self, cols: usize, room: usize) -> Vec<String> {
        let details = self.details(cols);
        // The heading, the details and a line between.
        let most = room.saturating_sub(details.len() + 2).max(FEW);
        let most = most.min(room.saturating_sub(1)).max(1);
        let first = (self.chosen + 1).saturating_sub(most);
        let shown = self.statuses.iter().enumerate().skip(first).take(most);
        let shown: Vec<(usize, &Status)> = shown.collect();
        let heading = HEADING.map(str::to_owned).to_vec();
        let rows = shown.iter().map(|(_, status)| self.row(status, cols));
        let rows = [heading].into_iter().chain(rows).collect();
        let width = cols.saturating_sub(MARK);
        let lines = Columns::new(rows).lines(Some(width), YIELDING, |_, _, cell| cell);
        let widths = lines.iter().map(|line| line.width()).max().unwrap_or_default();
        let beside = width.saturating_sub(widths + GAP);
        let mut found = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let status = number.checked_sub(1).and_then(|at| shown.get(at));
            let is_chosen = status.is_some_and(|(at, _)| *at == self.chosen);
            let mut line = format!("{}{line}", if is_chosen { "> " } else { "  " });
            if beside >= LEAST_LAST {
                let last = match status {
                    None => "LAST EVENT".to_owned(),
                    Some((_, status)) => status.last.as_ref().map(told).unwrap_or_default(),
                };
                let pad = (MARK + widths + GAP).saturating_sub(line.width());
                line = format!("{line}{:pad$}{}", "", cut(&last, beside));
            }
            let line = cut(line.trim_end(), cols);
            found.push(match status {
                None => self.painted(FAINT, &line),
                Some((_, status)) => self.of_state(status.state, &line),
            });
        }
        let more = self.statuses.len() - shown.len();
        found.push(match more {
            0 => String::new(),
            more => self.painted(FAINT, &cut(&format!("  and {more} more"), cols)),
        });
        found.extend(details);
        found
    }

    fn row(&self, status: &Status, cols: usize) -> Vec<String> {
        let rate = match self.rates.of(&status.name) {
            0 => "-".to_owned(),
            rate => format!("{}/s", bytes(rate)),
        };
        let round_trip =
            status.round_trip_ms.map_or("-".to_owned(), |time| format!("{time:.0} ms"));
        let again = status.again_in.filter(|_| status.state == State::Waiting);
        let state = match again {
            Some(seconds) => format!("{} {seconds} s", state(status.state)),
            None => state(status.state).to_owned(),
        };
        let local = status.local.first().map_or("-", String::as_str);
        let local = &*from_its_end(local, if cols < WIDE { LONGEST_LOCAL } else { cols / 4 });
        // Where there is little room, this machine alone goes without saying.
        let short = local.strip_prefix("127.0.0.1:").filter(|_| cols < WIDE).unwrap_or(local);
        let node = status.destination.strip_prefix("localhost:").filter(|_| cols < WIDE);
        let leads = node.map_or(status.destination.clone(), |port| format!("port {port}"));
        let both = [status.bytes_sent, status.bytes_received].map(bytes).join(" / ");
        let cells = [
            &*status.name,
            &state,
            short,
            &leads,
            &status.target,
            &status.connections.to_string(),
            &both,
            &rate,
            &round_trip,
        ];
        cells.map(one_line).to_vec()
    }

    /// All that is known of the chosen one.
    fn details(&self, cols: usize) -> Vec<String> {
        let Some(status) = self.statuses.get(self.chosen) else {
            return Vec::new();
        };
        let listens = match &status.local[..] {
            [] => "does not listen".to_owned(),
            local if status.is_open() => {
                format!("listens on {}, which other machines reach", listening(local))
            }
            local => format!("listens on {}", listening(local)),
        };
        let round_trip = status.round_trip_ms.map(|time| format!(", round trip {time:.1} ms"));
        let lines = [
            format!("{}: {listens}", status.name),
            format!("leads to {} through {}", status.destination, status.target),
            format!(
                "{} open, {} so far; {} sent, {} received{}",
                counted(status.connections, "connection"),
                status.taken,
                bytes(status.bytes_sent),
                bytes(status.bytes_received),
                round_trip.unwrap_or_default()
            ),
        ];
        let why = status.why.as_ref().map(|why| format!("waits: {why}"));
        let last = status.last.as_ref().filter(|_| why.is_none()).map(told);
        let lines = lines.into_iter().chain(why).chain(last);
        let lines = lines.map(|line| wrapped(&one_line(&line), cols).into_iter());
        lines.flat_map(|lines| lines.take(MOST_WRAPPED)).collect()
    }

    fn events(&self, cols: usize, room: usize) -> Vec<String> {
        let name = self.statuses.get(self.chosen).map(|status| status.name.as_str());
        let is_its = |event: &&Event| event.tunnel.is_none() || event.tunnel.as_deref() == name;
        let of_it: Vec<&Event> = self.events.iter().filter(is_its).collect();
        let heading = format!("What has become of {}", name.unwrap_or("it"));
        let mut lines = vec![self.painted(FAINT, &cut(&one_line(&heading), cols))];
        let words =
            of_it.iter().rev().take(room).rev().flat_map(|event| wrapped(&told(event), cols));
        let words: Vec<_> = words.collect();
        let first = words.len().saturating_sub(room.saturating_sub(1));
        lines.extend(words.into_iter().skip(first));
        lines
    }

    fn of_state(&self, state: State, line: &str) -> String {
        match state {
            State::Up => self.painted(GOOD, line),
            State::Waiting | State::Resuming => self.painted(WARNING, line),
            State::Idle | State::Starting => line.to_owned(),
        }
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.is_plain { text.to_owned() } else { format!("{style}{text}{style:#}") }
    }
}

/// An event in a line.
fn told(event: &Event) -> String {
    one_line(&format!("{} {}", clock(event.time), event.what))
}

/// Its last columns, where it has more: of a path those tell most.
fn from_its_end(text: &str, cols: usize) -> String {
    let mut taken = 1;
    let is_in = |c: &char| {
        taken += c.width().unwrap_or_default();
        taken <= cols
    };
    match text.width() > cols {
        true => {
            let end: Vec<char> = text.chars().rev().take_while(is_in).collect();
            format!("\u{2026}{}", end.into_iter().rev().collect::<String>())
        }
        false => text.to_owned(),
    }
}

/// In lines of that many columns; those behind the first stand below its text.
fn wrapped(text: &str, cols: usize) -> Vec<String> {
    let options = textwrap::Options::new(cols.max(1));
    let options = if cols > LEAST_LAST { options.subsequent_indent(INDENT) } else { options };
    textwrap::wrap(text, options).iter().map(|line| cut(line, cols)).collect()
}

const HEADING: [&str; 9] =
    ["NAME", "STATE", "LOCAL", "LEADS TO", "THROUGH", "OPEN", "SENT / RECEIVED", "RATE", "RTT"];
/// What is left is in the details; where to can be told from a part of it.
const YIELDING: Yielding =
    Yielding { third: Some(0), leaving: &[4, 8], shortened: 3, last: Some(6) };
/// Tunnels that are shown before details are.
const FEW: usize = 3;
/// Lines of a text among the details.
const MOST_WRAPPED: usize = 4;
/// In columns.
const WIDE: usize = 120;
/// An IPv4 address with its port is no longer.
const LONGEST_LOCAL: usize = 21;
/// As wide as a time.
const INDENT: &str = "         ";
/// Columns before the names.
const MARK: usize = 2;
/// Columns in which an event can be read.
const LEAST_LAST: usize = 24;
const TITLE: Style = Style::new().bold();
const FAINT: Style = AnsiColor::BrightBlack.on_default();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::upkeep::EventKind;

    fn status(name: &str, state: State) -> Status {
        let event = Event {
            number: 0,
            time: 0,
            tunnel: Some(name.to_owned()),
            kind: EventKind::Up,
            what: "forwarding 127.0.0.1:15432 (and ::1) to db.internal:5432 on bastion".to_owned(),
        };
        Status {
            name: name.to_owned(),
            state,
            since: 0,
            local: vec!["127.0.0.1:15432".to_owned(), "[::1]:15432".to_owned()],
            port: 15432,
            destination: "orders-db.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com:5432"
                .to_owned(),
            target: "tag:Role=bastion".to_owned(),
            connections: 12,
            taken: 345,
            bytes_sent: 1_234_567,
            bytes_received: 987_654_321,
            round_trip_ms: Some(23.4),
            why: (state == State::Waiting).then(|| "the node is away".to_owned()),
            again_in: (state == State::Waiting).then_some(32),
            last: Some(event),
        }
    }

    fn lines(statuses: &[Status], chosen: usize, cols: u16, rows: u16, page: Page) -> Vec<String> {
        let (rates, events) = (Rates::default(), Vec::new());
        let frame = Frame {
            statuses,
            rates: &rates,
            events: &events,
            chosen,
            page,
            said: "",
            size: Size { cols, rows },
            is_elsewhere: false,
            is_plain: true,
        };
        frame.lines()
    }

    #[test]
    fn it_fits_terminals_of_all_sizes() {
        let mut statuses: Vec<_> = (0..30).map(|n| status(&format!("t{n}"), State::Up)).collect();
        statuses.push(status("a-name-that-is-as-long-as-names-may-be", State::Waiting));
        for (cols, rows) in [(80, 24), (200, 50), (40, 10), (20, 5), (1, 1)] {
            for chosen in [0, 17, 30] {
                for page in [Page::Tunnels, Page::Events] {
                    let lines = lines(&statuses, chosen, cols, rows, page);
                    assert_eq!(lines.len(), usize::from(rows), "{cols}x{rows}");
                    let widest = lines.iter().map(|line| line.width()).max().unwrap();
                    assert!(widest <= usize::from(cols).max(3), "{cols}x{rows}: {lines:#?}");
                    let is_whole = rows >= 10 && page == Page::Tunnels;
                    let has_it = lines.iter().any(|line| line.starts_with("> "));
                    assert!(!is_whole || has_it, "{cols}x{rows}: {chosen} in {lines:#?}");
                }
            }
        }
    }

    #[test]
    fn a_wide_one_has_all_in_a_line_and_a_narrow_one_the_rest_below() {
        let statuses = [status("db", State::Up), status("lost", State::Waiting)];
        let wide = lines(&statuses, 0, 200, 50, Page::Tunnels);
        for part in ["up", "tag:Role=bastion", "12", "1.2 MB / 988 MB", "23 ms", "forwarding 127"] {
            assert!(wide[3].contains(part), "{part}: {wide:#?}");
        }
        assert_eq!(wide[0], "ssmport up   2 tunnels: 1 up, 1 waiting");
        let narrow = lines(&statuses, 1, 80, 24, Page::Tunnels);
        assert!(narrow[3].starts_with("  db    up            15432  orders-db"), "{narrow:#?}");
        assert!(narrow[4].starts_with("> lost  waiting 32 s  "), "{narrow:#?}");
        let below = narrow[6..15].join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in
            ["listens on", "through tag:Role=bastion", "345 so far", "waits: the node is away"]
        {
            assert!(below.contains(part), "{part}: {narrow:#?}");
        }
    }
}
