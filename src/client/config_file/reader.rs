//! A file's text, key by key, each with its line.

use std::{path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Origin, Setting,
    key::{self, Field, Key, Kind, Table},
};
use crate::{client::near::near, malformed::Malformed};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) settings: Vec<(Key, Setting)>,
    /// Aliases that are written in one line: nothing of them stays that another file has said.
    pub(super) whole: Vec<String>,
}

/// Reads it; what is wrong is told with its line.
pub(super) fn read(text: &str, file: &Arc<Path>) -> Result<Read, Malformed> {
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        format!("line {}: {}", line_of(text, start), error.message())
    })?;
    let mut reader = Reader { text, file, read: Read::default() };
    let mut has_target = false;
    for (name, value) in document.get_ref() {
        let table = Table::ALL.into_iter().find(|table| table.name() == name.get_ref());
        match table {
            Some(Table::Defaults) => reader.fields(Table::Defaults, "", value)?,
            Some(table) => reader.named(table, value)?,
            // One letter is missing of what has tables.
            None if name.get_ref() == TARGET && matches!(value.get_ref(), DeValue::Table(_)) => {
                return Err(reader.at(name.span().start, "[target] is no table: it is [targets]"));
            }
            // What there was before there were defaults.
            None if name.get_ref() == TARGET => {
                has_target = true;
                reader.field(Table::Defaults, "", name, value)?;
            }
            None => return Err(reader.unknown(name, "", TOP.into_iter())),
        }
    }
    let is_target = |key: &Key| key.table == Table::Defaults && key.field == TARGET;
    let mut targets = reader.read.settings.iter().filter(|(key, _)| is_target(key));
    if has_target && let (Some((_, one)), Some((_, other))) = (targets.next(), targets.next()) {
        let (first, last) = (one.origin.line, other.origin.line);
        let (first, last) = (first.min(last), first.max(last));
        return Err(
            format!("line {last}: the default target stands in line {first} already").into()
        );
    }
    Ok(reader.read)
}

struct Reader<'a> {
    text: &'a str,
    file: &'a Arc<Path>,
    read: Read,
}

type Name<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    /// A table of aliases or of tunnels.
    fn named(&mut self, table: Table, value: &Value<'_>) -> Result<(), Malformed> {
        let DeValue::Table(names) = value.get_ref() else {
            return Err(self.of_another_kind(value, table.name(), "a table"));
        };
        for (name, value) in names {
            let path = key::path(table, name.get_ref());
            let check = match table {
                Table::Tunnels => key::tunnel_name,
                _ => key::alias_name,
            };
            check(name.get_ref())
                .map_err(|why| self.at(name.span().start, &format!("{path}: {why}")))?;
            match (table, value.get_ref()) {
                (Table::Targets, DeValue::String(_)) => {
                    let field = Spanned::new(name.span(), TARGET.into());
                    self.read.whole.push(name.get_ref().to_string());
                    self.field(table, name.get_ref(), &field, value)?;
                }
                (_, DeValue::Table(_)) => self.fields(table, name.get_ref(), value)?,
                (Table::Targets, _) => {
                    return Err(self.of_another_kind(value, &path, "a text or a table"));
                }
                _ => return Err(self.of_another_kind(value, &path, "a table")),
            }
        }
        Ok(())
    }

    fn fields(&mut self, table: Table, name: &str, value: &Value<'_>) -> Result<(), Malformed> {
        let DeValue::Table(fields) = value.get_ref() else {
            return Err(self.of_another_kind(value, &key::path(table, name), "a table"));
        };
        fields.iter().try_for_each(|(field, value)| self.field(table, name, field, value))
    }

    fn field(
        &mut self,
        table: Table,
        name: &str,
        field: &Name<'_>,
        value: &Value<'_>,
    ) -> Result<(), Malformed> {
        let known = key::fields(table);
        let path = key::path(table, name);
        let Some(Field { name: field, kind, check }) =
            known.iter().find(|known| known.name == field.get_ref())
        else {
            return Err(self.unknown(field, &path, known.iter().map(|known| known.name)));
        };
        let key = Key { table, name: name.to_owned(), field };
        let is_whole = self.read.whole.last().is_some_and(|whole| whole == name);
        let shown = if is_whole && table == Table::Targets { path } else { key.to_string() };
        let text = match (value.get_ref(), kind) {
            (DeValue::String(text), Kind::Text | Kind::Either) => text.to_string(),
            (DeValue::Integer(number), Kind::Number | Kind::Either) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                parsed.map_or_else(|_| number.to_string(), |parsed| parsed.to_string())
            }
            (DeValue::Boolean(is_on), Kind::Switch) => is_on.to_string(),
            (_, kind) => return Err(self.of_another_kind(value, &shown, kind.name())),
        };
        let start = value.span().start;
        check(&text).map_err(|why| self.at(start, &format!("{shown}: {why}")))?;
        let origin = Origin { file: Arc::clone(self.file), line: line_of(self.text, start) };
        self.read.settings.push((key, Setting { value: text, origin }));
        Ok(())
    }

    fn at(&self, start: usize, why: &str) -> Malformed {
        format!("line {}: {why}", line_of(self.text, start)).into()
    }

    fn unknown(
        &self,
        name: &Name<'_>,
        path: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> Malformed {
        let known: Vec<_> = known.collect();
        let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
        let next = match near(name.get_ref(), known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let name_shown = name.get_ref().escape_debug();
        self.at(name.span().start, &format!("unknown key `{name_shown}`{place}: {next}"))
    }

    fn of_another_kind(&self, value: &Value<'_>, path: &str, wanted: &str) -> Malformed {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.at(value.span().start, &format!("{path} is {found}, and has to be {wanted}"))
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a whole number",
            Self::Either => "a number or a text",
            Self::Switch => "true or false",
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or("").matches('\n').count() + 1
}

const TARGET: &str = "target";
const TOP: [&str; 4] = ["defaults", "targets", "tunnels", TARGET];
