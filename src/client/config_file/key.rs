//! Which keys there are.

use std::fmt;

use crate::{
    client::{LaneCount, target::Target},
    malformed::Malformed,
};

/// One setting's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) table: Table,
    /// Of the alias or the tunnel; empty for defaults.
    pub(crate) name: String,
    pub(crate) field: &'static str,
}

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Table {
    Defaults,
    Targets,
    Tunnels,
}

/// What may stand in a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) check: fn(&str) -> Result<(), Malformed>,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    /// Either of the two.
    Either,
    Switch,
}

impl Table {
    pub(crate) const ALL: [Self; 3] = [Self::Defaults, Self::Targets, Self::Tunnels];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::Targets => "targets",
            Self::Tunnels => "tunnels",
        }
    }
}

/// The fields of a table, or of each table in it.
pub(super) fn fields(table: Table) -> &'static [Field] {
    match table {
        Table::Defaults => &DEFAULTS,
        Table::Targets => &TARGETS,
        Table::Tunnels => &TUNNELS,
    }
}

/// As it is written in the file.
pub(super) fn path(table: Table, name: &str) -> String {
    match (name, is_bare(name)) {
        ("", _) => table.name().to_owned(),
        (name, true) => format!("{}.{name}", table.name()),
        (name, false) => format!("{}.\"{name}\"", table.name()),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", path(self.table, &self.name), self.field)
    }
}

/// Whether TOML wants no quotes around it.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn target(text: &str) -> Result<(), Malformed> {
    text.parse::<Target>().map(drop)
}

/// A profile, a region, a host: what is handed on to others by that name.
fn word(text: &str) -> Result<(), Malformed> {
    match text {
        "" => Err("it is empty".into()),
        text if text.chars().any(char::is_control) || text.trim() != text => Err(format!(
            "`{}` has blanks at an end, or characters that cannot be seen",
            text.escape_debug()
        )
        .into()),
        _ => Ok(()),
    }
}

fn host(text: &str) -> Result<(), Malformed> {
    word(text)?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(());
    }
    match text.contains([':', '/', '[', ']']) || text.contains(char::is_whitespace) {
        true => Err(format!("`{text}` is no host: a name or an address, without a port").into()),
        false => Ok(()),
    }
}

fn port(text: &str) -> Result<(), Malformed> {
    match text.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("`{text}` is not a port (1 to 65535)").into()),
    }
}

/// `15432`, `0.0.0.0:15432`, or a path.
fn local(text: &str) -> Result<(), Malformed> {
    super::tunnel::spec(text, None, 1).map(drop).map_err(|_| {
        let form = "a port (0 for a free one), ADDRESS:PORT, or the path of a socket";
        format!("`{text}` is nothing to listen on: {form}").into()
    })
}

fn lanes(text: &str) -> Result<(), Malformed> {
    text.parse::<LaneCount>().map(drop).map_err(|error| error.what().to_owned().into())
}

/// A program and its arguments.
fn command(text: &str) -> Result<(), Malformed> {
    match shlex::split(text) {
        Some(words) if !words.is_empty() => Ok(()),
        Some(_) => Err("it is empty".into()),
        None => Err(format!("`{text}` has a quote without an end").into()),
    }
}

/// Whether it can name a tunnel: it is typed, and stands in lines and tables.
pub(super) fn tunnel_name(name: &str) -> Result<(), Malformed> {
    let is_typed = |c: char| !c.is_control() && !c.is_whitespace();
    let is_one = (1..=LONGEST_NAME).contains(&name.chars().count());
    match is_one && !name.starts_with('-') && name.chars().all(is_typed) {
        true => Ok(()),
        false => Err(format!(
            "a tunnel's name has 1 to {LONGEST_NAME} characters, none of them a blank, and no hyphen first"
        )
        .into()),
    }
}

/// Whether it can name a target that is none by itself.
pub(super) fn alias_name(name: &str) -> Result<(), Malformed> {
    match name.parse() {
        Ok(Target::Local | Target::Id(_) | Target::InRegion(..)) | Err(_) => {
            Err("this name means something else already".into())
        }
        Ok(_) => Ok(()),
    }
}

const fn text(name: &'static str, check: fn(&str) -> Result<(), Malformed>) -> Field {
    Field { name, kind: Kind::Text, check }
}

const DEFAULTS: [Field; 4] = [
    text("target", target),
    text("profile", word),
    text("region", word),
    text(RECORD, super::recording::check),
];
const TARGETS: [Field; 3] = [text("target", target), text("profile", word), text("region", word)];
const TUNNELS: [Field; 9] = [
    text("target", target),
    text("host", host),
    Field { name: "port", kind: Kind::Number, check: port },
    Field { name: "local", kind: Kind::Either, check: local },
    Field { name: "lanes", kind: Kind::Either, check: lanes },
    text("profile", word),
    text("region", word),
    text("open", command),
    Field { name: "turbo", kind: Kind::Switch, check: |_| Ok(()) },
];
pub(super) const RECORD: &str = "record";
const LONGEST_NAME: usize = 64;
