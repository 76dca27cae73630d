//! Sections and options of a text, as Python's `configparser.RawConfigParser` finds them.

use std::collections::{BTreeMap, HashSet};

use crate::malformed::Malformed;

/// Sections in the order in which they begin.
pub type Sections = Vec<(String, Options)>;

/// By name. What a section does not say, `[DEFAULT]` says.
pub type Options = BTreeMap<String, Value>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// Options below an option without a value.
    Nested(BTreeMap<String, String>),
}

/// A line that means nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Unreadable {
    line: usize,
    why: String,
}

/// Reads a file's content.
pub fn parse(bytes: &[u8]) -> Result<Sections, Unreadable> {
    let mut parser = Parser::default();
    for (at, line) in lines(bytes).enumerate() {
        parser.read(at + 1, &line).map_err(|why| Unreadable { line: at + 1, why: why.into() })?;
    }
    parser.finish()
}

/// As much of a name as fits into an error.
fn beginning(name: &str) -> String {
    match name.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// The lines as Python's universal newlines give them.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut unified = Vec::with_capacity(bytes.len());
    let mut previous = 0;
    for &byte in bytes {
        match byte {
            b'\n' if previous == b'\r' => {}
            b'\r' => unified.push(b'\n'),
            byte => unified.push(byte),
        }
        previous = byte;
    }
    if unified.last() == Some(&b'\n') {
        unified.pop();
    }
    unified.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
}

#[derive(Default)]
struct Parser {
    defaults: Lines,
    sections: Vec<(String, Lines)>,
    names: HashSet<String>,
    /// Which section's options follow; `None` at the beginning.
    current: Option<Current>,
    /// The option whose value may go on.
    option: Option<String>,
    /// How far the last line that was no continuation is indented.
    indent: usize,
    /// Options of `[DEFAULT]`, which may be there twice.
    in_defaults: HashSet<String>,
}

/// A section's values, as lines.
type Lines = BTreeMap<String, Written>;

struct Written {
    /// Where it begins.
    line: usize,
    lines: Vec<String>,
}

#[derive(Clone, Copy)]
enum Current {
    Defaults,
    Section(usize),
}

impl Parser {
    fn read(&mut self, number: usize, line: &[u8]) -> Result<(), Malformed> {
        let Ok(line) = std::str::from_utf8(line) else {
            let lossy = String::from_utf8_lossy(line);
            return match is_comment(strip(&lossy)) {
                true => Ok(()),
                false => Err("it is not UTF-8".into()),
            };
        };
        let content = strip(line);
        if is_comment(content) {
            return Ok(());
        }
        if content.is_empty() {
            if let Some(lines) = self.value() {
                lines.push(String::new());
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        let last_indent = self.indent;
        if let Some(lines) = self.value()
            && indent > last_indent
        {
            lines.push(content.to_owned());
            return Ok(());
        }
        self.indent = indent;
        match header(content) {
            Some(name) => self.begin(name),
            None => self.set(number, content),
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), Malformed> {
        self.option = None;
        if name == DEFAULTS {
            self.current = Some(Current::Defaults);
            return Ok(());
        }
        if !self.names.insert(name.to_owned()) {
            return Err(format!("the section [{}] is there already", beginning(name)).into());
        }
        self.sections.push((name.to_owned(), Lines::new()));
        self.current = Some(Current::Section(self.sections.len() - 1));
        Ok(())
    }

    fn set(&mut self, number: usize, content: &str) -> Result<(), Malformed> {
        let Some(current) = self.current else {
            return Err("there is no section yet: it must begin with [".into());
        };
        let delimiter = content.find(['=', ':']);
        // What stands there may be a secret.
        let delimiter = delimiter.ok_or("it is neither a [section] nor `name = value`")?;
        let name = strip(&content[..delimiter]).to_lowercase();
        if name.is_empty() {
            return Err("the name before the = is missing".into());
        }
        let value = strip(&content[delimiter + 1..]).to_owned();
        let is_again = match current {
            Current::Defaults => !self.in_defaults.insert(name.clone()),
            Current::Section(at) => self.sections[at].1.contains_key(&name),
        };
        if is_again {
            return Err(format!("`{}` is there already in this section", beginning(&name)).into());
        }
        self.lines_of(current).insert(name.clone(), Written { line: number, lines: vec![value] });
        self.option = Some(name);
        Ok(())
    }

    fn lines_of(&mut self, current: Current) -> &mut Lines {
        match current {
            Current::Defaults => &mut self.defaults,
            Current::Section(at) => &mut self.sections[at].1,
        }
    }

    /// The value that may go on.
    fn value(&mut self) -> Option<&mut Vec<String>> {
        let (current, option) = (self.current?, self.option.clone()?);
        self.lines_of(current).get_mut(&option).map(|written| &mut written.lines)
    }

    fn finish(self) -> Result<Sections, Unreadable> {
        let Self { defaults, sections, .. } = self;
        let sections = sections.into_iter().map(|(name, own)| {
            let others = defaults.iter().filter(|(name, _)| !own.contains_key(*name));
            let options = own.iter().chain(others);
            let options = options.map(|(name, written)| Ok((name.clone(), value(written)?)));
            Ok((name, options.collect::<Result<_, _>>()?))
        });
        sections.collect()
    }
}

/// botocore's one level of nesting: options below an option that has no value itself.
fn value(written: &Written) -> Result<Value, Unreadable> {
    let joined = written.lines.join("\n");
    let text = joined.trim_end_matches(is_space);
    if !text.starts_with('\n') {
        return Ok(Value::Text(text.to_owned()));
    }
    let mut nested = BTreeMap::new();
    for (below, lines) in text.split('\n').enumerate() {
        for line in lines.split(is_line_end).map(strip).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').ok_or_else(|| Unreadable {
                line: written.line + below,
                why: "it is below an option, and not `name = value`".to_owned(),
            })?;
            nested.insert(strip(name).to_owned(), strip(value).to_owned());
        }
    }
    Ok(Value::Nested(nested))
}

/// What stands between the first `[` and the last `]`; anything may follow.
fn header(content: &str) -> Option<&str> {
    let inner = content.strip_prefix('[')?;
    inner.rfind(']').map(|end| &inner[..end]).filter(|name| !name.is_empty())
}

fn is_comment(content: &str) -> bool {
    content.starts_with(['#', ';'])
}

pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// What Python takes for space: some separators of ASCII more than Unicode does.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Beside `\n`, where Python's `splitlines` ends a line.
fn is_line_end(c: char) -> bool {
    matches!(c, '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The section whose options are everybody's.
const DEFAULTS: &str = "DEFAULT";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// In characters.
const LONGEST_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn fault(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_byte_order_mark_and_comments_in_any_encoding_are_passed_over() {
        let file = b"\xef\xbb\xbf[a]\r\n# Gr\xfc\xdfe\r\nname: value\r\n";
        let options = Options::from([("name".to_owned(), text("value"))]);
        assert_eq!(parse(file).unwrap(), [("a".to_owned(), options)]);
        assert_eq!(fault(b"[a]\nname = Gr\xfc\xdfe\n"), "line 2: it is not UTF-8");
    }

    #[test]
    fn a_line_that_means_nothing_is_named_and_not_shown() {
        let twice = format!("[{0}]\n[{0}]\n", "ä".repeat(500));
        let long_name = format!("line 2: the section [{}...] is there already", "ä".repeat(60));
        for (file, expected) in [
            ("secret\n", "line 1: there is no section yet: it must begin with ["),
            ("\n[a]\nsecret\n", "line 3: it is neither a [section] nor `name = value`"),
            ("[a]\n= secret\n", "line 2: the name before the = is missing"),
            ("[a]\n[b]\n[a]\n", "line 3: the section [a] is there already"),
            (&twice, &long_name),
            ("[a]\nx = 1\nX = 2\n", "line 3: `x` is there already in this section"),
            (
                "[a]\ns3 =\n\n  b = 1\n  secret\n",
                "line 5: it is below an option, and not `name = value`",
            ),
        ] {
            assert_eq!(fault(file.as_bytes()), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_sections_or_a_line_that_is_named(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100),
            text in "([\\[\\]=:#;\" \n\ra-c\u{a0}\u{2028}\u{feff}]|\n){0,60}",
        ) {
            for file in [bytes.as_slice(), text.as_bytes()] {
                if let Err(error) = parse(file) {
                    assert!(error.to_string().starts_with("line "));
                }
            }
        }
    }

    #[test]
    fn options_below_an_option_are_its_own() {
        let sections = parse(b"[a]\ns3 =\n  addressing_style = path\n  x=\nregion = r\n").unwrap();
        let nested = [("addressing_style", "path"), ("x", "")];
        let nested = nested.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(sections[0].1["s3"], Value::Nested(nested.into()));
        assert_eq!(sections[0].1["region"], text("r"));
    }
}
