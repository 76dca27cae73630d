//! The manual pages: the help's grammar and texts, for `man`.

use std::iter;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{Cli, EXAMPLES, PAGES, command};

/// A page of the manual.
pub(in crate::cli) struct Page {
    /// What it is called: `ssmport-forward`.
    pub(in crate::cli) name: String,
    /// 1 for commands, 7 for topics.
    pub(in crate::cli) section: u8,
    /// For groff or mandoc.
    pub(in crate::cli) text: String,
}

impl Page {
    /// What it is called as a file: `ssmport-forward.1`.
    pub(in crate::cli) fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    fn new(name: &str, section: u8, parts: &[String]) -> Self {
        let start = Roff::new().render();
        // Names of options and variables stay whole.
        let title =
            format!(".TH {name} {section} \"\" \"ssmport {VERSION}\" ssmport\n.nh\n.ad l\n");
        // Every part begins with the same definitions.
        let body: String = parts.iter().map(|part| part.replace(&start, "")).collect();
        // Typesetters have other letters for these, which no shell understands.
        let body = LETTERS.iter().fold(body, |body, (letter, name)| body.replace(*letter, name));
        Self { name: name.to_owned(), section, text: start + &title + &body }
    }
}

/// All pages: that of the program, one for each command, one for each topic.
pub(in crate::cli) fn pages() -> Vec<Page> {
    // A page has room for what `-h` leaves out.
    let shown = |argument: Arg| argument.hide_short_help(false);
    let mut command = command().mut_args(shown);
    command = command.mut_subcommands(|command| command.mut_args(shown));
    command.build();
    let commands = command.get_subcommands();
    let commands = commands.flat_map(|of| iter::once(of).chain(of.get_subcommands()));
    let commands = commands.map(|of| page_of(of, &command));
    let topics = PAGES.iter().map(|(name, text)| topic(name, text, &command));
    [overview(&command)].into_iter().chain(commands).chain(topics).collect()
}

fn overview(command: &Command) -> Page {
    let mut end = Roff::new();
    end.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        end.control("TP", []).text([bold(full_name(command)), roman("(1)")]).text([roman(about)]);
    }
    end.control("SH", ["TOPICS"]);
    for (name, page) in PAGES {
        let (_, about) = title(page);
        end.control("TP", []).text([bold(format!("ssmport-{name}")), roman("(7)")]);
        end.text([roman(about)]);
    }
    Page::new("ssmport", 1, &[beginning(command), end.render()])
}

fn page_of(command: &Command, whole: &Command) -> Page {
    let mut end = Roff::new();
    // The text without what the help puts behind it.
    let grammar = Cli::command();
    let typed = grammar.find_subcommand(command.get_name());
    if let Some(notes) = typed.and_then(Command::get_after_long_help) {
        end.control("SH", ["NOTES"]);
        for paragraph in notes.to_string().split("\n\n") {
            end.control("PP", []).text([roman(paragraph)]);
        }
    }
    let examples = EXAMPLES.iter().find(|(of, _)| *of == command.get_name());
    end.control("SH", ["EXAMPLES"]);
    as_it_is(&mut end, "2n", examples.into_iter().flat_map(|(_, lines)| *lines).copied());
    see_also(&mut end, whole);
    Page::new(&full_name(command), 1, &[beginning(command), end.render()])
}

/// Name, synopsis, description and options, as clap knows them.
fn beginning(command: &Command) -> String {
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    let parts = [
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    for render in parts {
        // A vector takes everything.
        let _ = render(&man, &mut text);
    }
    with_layout(&String::from_utf8_lossy(&text))
}

/// Lines that begin with blanks, entries of a list or an example of a file, are lines of their own; what
/// does not fit goes on below the second column.
fn with_layout(text: &str) -> String {
    let is_laid_out = |line: &&str| line.starts_with(' ');
    let mut lines = text.lines().peekable();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        if !is_laid_out(&line) {
            out.push_str(&format!("{line}\n"));
            continue;
        }
        out.push_str(&format!(".br\n.in +20n\n.ti -20n\n\\&{line}\n"));
        while let Some(line) = lines.next_if(is_laid_out) {
            out.push_str(&format!(".ti -20n\n\\&{line}\n"));
        }
        out.push_str(".br\n.in -20n\n");
    }
    out
}

fn topic(name: &str, page: &str, whole: &Command) -> Page {
    let (_, about) = title(page);
    let name = format!("ssmport-{name}");
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
    roff.control("SH", ["DESCRIPTION"]);
    // Its columns are made for a terminal of 80, from the first one on.
    as_it_is(&mut roff, "0", page.lines().skip(1).skip_while(|line| line.is_empty()));
    see_also(&mut roff, whole);
    Page::new(&name, 7, &[roff.render()])
}

/// Lines that nobody is to fill or break, `indent` behind the margin.
fn as_it_is<'a>(roff: &mut Roff, indent: &str, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []).control("in", [indent]);
    for line in lines {
        match line {
            "" => roff.control("sp", []),
            line => roff.text([roman(line)]),
        };
    }
    roff.control("in", []).control("fi", []);
}

fn see_also(roff: &mut Roff, whole: &Command) {
    let commands = whole.get_subcommands().map(|command| (full_name(command), "(1)"));
    let topics = PAGES.iter().map(|(name, _)| (format!("ssmport-{name}"), "(7)"));
    let all = [("ssmport".to_owned(), "(1)")].into_iter().chain(commands).chain(topics);
    roff.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for (name, section) in all {
        if !words.is_empty() {
            words.push(roman(", "));
        }
        words.extend([bold(name), roman(section)]);
    }
    roff.text(words);
}

fn full_name(command: &Command) -> String {
    let own = || format!("ssmport-{}", command.get_name());
    command.get_display_name().map_or_else(own, str::to_owned)
}

/// The two halves of a topic's first line.
fn title(page: &str) -> (&str, &str) {
    let title = page.lines().next().unwrap_or_default();
    title.split_once(": ").unwrap_or((title, title))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
const LETTERS: [(char, &str); 3] = [('`', "\\(ga"), ('~', "\\(ti"), ('^', "\\(ha")];
