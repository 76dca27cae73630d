//! What `-h`, `--help` and `ssmport help` say.
//!
//! `-h` is for a terminal of 80x24: what a command does, its own options and two examples. `--help` and
//! `ssmport help COMMAND` have everything. What concerns no single command is a page of its own.

pub(super) mod manual;

use clap::{
    Arg, Args, Command, CommandFactory,
    builder::{PossibleValuesParser, Styles},
};

use super::{
    args::{Cli, Global, HelpArgs},
    failure::Failure,
    output::Output,
};

/// The grammar, with its help in place.
pub(super) fn command() -> Command {
    let command = Cli::command().mut_args(for_all_commands);
    let shared: Vec<Arg> = command.get_arguments().cloned().collect();
    let command = command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let command = command.mut_subcommands(|below| explained(below, &shared, &name));
        explained(command, &shared, &name)
    });
    let (subjects, overview) = (subjects(&command), overview(&command));
    let options = Global::augment_args(Command::new("ssmport"))
        .version(env!("CARGO_PKG_VERSION"))
        .help_template("{all-args}")
        .max_term_width(WIDEST)
        .render_long_help();
    command
        .mut_subcommand(HELP, |help| help.mut_arg("subject", |arg| arg.value_parser(subjects)))
        .help_template(format!("{BEGINNING}{overview}{{after-help}}"))
        .override_usage("ssmport [OPTIONS] COMMAND")
        .after_long_help(options)
}

/// Prints what was asked for.
pub(super) fn print(arguments: &HelpArgs, output: &Output) -> Result<(), Failure> {
    let mut command = command();
    command.build();
    let text = match arguments.subject.as_deref() {
        None => command.render_help().ansi().to_string(),
        Some(TOPICS) => topics(),
        Some(subject) => match PAGES.iter().find(|(name, _)| *name == subject) {
            Some((_, page)) => (*page).to_owned(),
            None => match command.find_subcommand_mut(subject) {
                Some(command) => command.render_long_help().ansi().to_string(),
                None => topics(),
            },
        },
    };
    output.line(text.trim_end());
    output.written()
}

/// Options of all commands come behind a command's own, and only where there is room.
fn for_all_commands(argument: Arg) -> Arg {
    let argument = argument.hide_short_help(true);
    match argument.get_help_heading() {
        None => argument.display_order(LAST),
        Some(_) => argument,
    }
}

/// With its examples, and without the options that mean nothing to it. `subject` is what help there is for
/// it: of one below another, that one's.
fn explained(command: Command, shared: &[Arg], subject: &str) -> Command {
    let name = command.get_name().to_owned();
    let meaningless = match subject {
        "local" | "demo" | "play" | "decode" | "status" | "down" | "logs" | "completions"
        | "man" | "help" => &["AWS", "Connection"][..],
        "ls" | "sessions" | "login" | "config" => &["Connection"],
        _ => &[],
    };
    let is_meaningless =
        |arg: &&Arg| arg.get_help_heading().is_some_and(|heading| meaningless.contains(&heading));
    // They are taken all the same: an alias of the shell may have them for every command.
    let hidden = shared.iter().filter(is_meaningless).cloned();
    let command = command.args(hidden.map(|arg| arg.global(false).hide(true)));

    let header = Styles::styled();
    let header = header.get_header();
    let examples = EXAMPLES.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, lines)| lines);
    let examples: String = examples.iter().map(|line| format!("\n  {line}")).collect();
    let examples = format!("{header}Examples:{header:#}{examples}");
    let notes = command.get_after_long_help().map(|notes| format!("{notes}\n\n"));
    let notes = notes.unwrap_or_default();
    let more = if name == HELP { TOPICS } else { subject };
    command
        .after_help(format!("{examples}\n\nMore: ssmport help {more}"))
        .after_long_help(format!("{notes}{examples}\n\nMore: ssmport help topics"))
}

/// The commands by what people do.
fn overview(command: &Command) -> String {
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::new();
    for &(group, names) in GROUPS {
        let mut group = group;
        let is_here = |name: &&&str| command.find_subcommand(name).is_some();
        let mut names = names.iter().filter(is_here).copied().peekable();
        while let Some(name) = names.next() {
            let mut shown = vec![name];
            let together = TOGETHER.iter().find(|(of, _)| of.contains(&name));
            while let Some(other) =
                names.next_if(|name| together.is_some_and(|(of, _)| of.contains(name)))
            {
                shown.push(other);
            }
            let own = || command.find_subcommand(name)?.get_about().map(ToString::to_string);
            let about = together.map(|(_, about)| (*about).to_owned()).or_else(own);
            let (shown, about) = (shown.join(", "), about.unwrap_or_default());
            text.push_str(&format!(
                "{header}{group}{header:#}{:1$}",
                "",
                10_usize.saturating_sub(group.len())
            ));
            text.push_str(&format!(
                "{literal}{shown}{literal:#}{:1$}{about}\n",
                "",
                20_usize.saturating_sub(shown.len()).max(2)
            ));
            group = "";
        }
    }
    text + GO_ON
}

/// What help can be about, for completion scripts, too.
fn subjects(command: &Command) -> PossibleValuesParser {
    let commands = GROUPS.iter().flat_map(|(_, names)| *names).copied();
    let commands = commands.filter(|name| command.find_subcommand(name).is_some());
    let topics = PAGES.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(commands.chain(topics).chain([TOPICS]))
}

fn topics() -> String {
    let mut text = "Topics, each by: ssmport help TOPIC\n".to_owned();
    for (name, page) in PAGES {
        let title = page.lines().next().unwrap_or_default();
        let about = title.split_once(": ").map_or(title, |(_, about)| about);
        text.push_str(&format!("\n  {name:<13} {about}"));
    }
    text
}

const BEGINNING: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n";
const GO_ON: &str = "
Go on with: ssmport COMMAND -h, ssmport help COMMAND, ssmport help topics";

const GROUPS: &[(&str, &[&str])] = &[
    ("Sessions", &["shell", "exec", "cp", "forward", "socks", "proxy"]),
    ("SSH", &["ssh", "ssh-config"]),
    ("Tunnels", &["up", "connect", "status", "down", "logs"]),
    ("Account", &["ls", "sessions", "login", "doctor", "config"]),
    ("Files", &["play", "decode"]),
    ("No AWS", &["local", "demo"]),
    ("Help", &["completions", "man", "help"]),
];

/// Commands that share a line of the overview, and what it says.
const TOGETHER: &[(&[&str], &str)] = &[
    (&["ssh", "ssh-config"], "ssh, scp, rsync and git through Session Manager"),
    (&["socks", "proxy"], "A SOCKS and HTTP proxy; a stream: a ProxyCommand"),
    (&["up", "connect"], "Keep configured tunnels up; run the program of one"),
    (&["status", "down", "logs"], "How these are; end them; what has become of them"),
    (&["play", "decode"], "A recorded shell; the frames of a session"),
    (&["local", "demo"], "The embedded endpoint; every stream through it"),
    (&["ls", "sessions"], "Nodes that can be reached; sessions, and their end"),
    (&["completions", "man"], "For the shell; manual pages"),
];

const EXAMPLES: &[(&str, &[&str])] = &[
    ("shell", &["ssmport shell i-0123456789abcdef0", "ssmport shell web --profile prod"]),
    (
        "exec",
        &[
            "ssmport exec i-0123456789abcdef0 -- df -h /",
            "ssmport exec --on tag:Role=web -- sh -c 'uptime; df -h /'",
        ],
    ),
    ("cp", &["ssmport cp notes.txt web:/tmp/", "ssmport cp -r web:/var/log/nginx logs"]),
    (
        "forward",
        &[
            "ssmport forward 5432 -t i-0123456789abcdef0",
            "ssmport forward 15432:db.internal:5432 -t tag:Role=bastion",
        ],
    ),
    (
        "socks",
        &[
            "ssmport socks -t bastion",
            "ssmport socks 1081 -t bastion --sessions 4 --pac-for '*.corp.example'",
        ],
    ),
    (
        "proxy",
        &[
            "ssh -o ProxyCommand='ssmport proxy %h %p' ec2-user@i-0123456789abcdef0",
            "echo PING | ssmport proxy web 6379",
        ],
    ),
    ("play", &["ssmport play web.cast --idle 2s", "ssmport play web.cast --text"]),
    (
        "ssh",
        &["ssmport ssh ec2-user@i-0123456789abcdef0", "ssmport ssh --push-key ubuntu@web uptime"],
    ),
    (
        "ssh-config",
        &[
            "ssmport ssh-config --install --alias web=i-0123456789abcdef0",
            "scp notes.txt ec2-user@web:    # from then on",
        ],
    ),
    ("up", &["ssmport up", "ssmport up db redis --background"]),
    ("connect", &["ssmport connect db", "ssmport connect db -- pg_dump -h {host} -p {port} shop"]),
    ("status", &["ssmport status", "ssmport status db --json"]),
    ("down", &["ssmport down db", "ssmport down"]),
    ("logs", &["ssmport logs -n 20", "ssmport logs db --follow"]),
    ("ls", &["ssmport ls --online", "ssmport ls 'web-*' tag:Env=prod --json"]),
    ("sessions", &["ssmport sessions", "ssmport sessions --all --past --since 8h -t web"]),
    (
        "stop",
        &["ssmport sessions stop alice-0123456789abcdef0", "ssmport sessions stop --older-than 8h"],
    ),
    ("login", &["ssmport login --profile prod", "ssmport login --mfa --duration 8h"]),
    ("doctor", &["ssmport doctor", "ssmport doctor i-0123456789abcdef0 --region eu-west-1"]),
    ("config", &["ssmport config", "ssmport config --profile prod --json"]),
    (
        "local",
        &[
            "ssmport local --listen 8080",
            "ssmport shell i-0123456789abcdef0 --endpoint-url http://127.0.0.1:8080",
        ],
    ),
    ("demo", &["ssmport demo", "ssmport demo --size 256 --pace real"]),
    ("decode", &["ssmport decode t.trace --sequence 17", "ssmport decode t.trace --svg t.svg"]),
    (
        "completions",
        &[
            "ssmport completions bash > ~/.local/share/bash-completion/completions/ssmport",
            "ssmport completions fish > ~/.config/fish/completions/ssmport.fish",
        ],
    ),
    ("man", &["ssmport man ~/.local/share/man", "man ssmport-forward    # from then on"]),
    ("help", &["ssmport help forward", "ssmport help targets"]),
];

const HELP: &str = "help";
const TOPICS: &str = "topics";
const PAGES: [(&str, &str); 4] = [
    ("targets", include_str!("help/targets.txt")),
    ("exit-codes", include_str!("help/exit-codes.txt")),
    ("environment", include_str!("help/environment.txt")),
    ("proxies", include_str!("help/proxies.txt")),
];

/// Behind what commands have of their own, before `--help`, which clap puts at 999.
const LAST: usize = 900;
/// In columns; nobody reads longer lines.
pub(super) const WIDEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_place_and_two_examples() {
        let command = command();
        command.clone().debug_assert();
        for command in command.get_subcommands() {
            let name = command.get_name();
            let places = GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(places, 1, "the groups that {name} is in");
            let examples = EXAMPLES.iter().find(|(of, _)| *of == name);
            assert_eq!(examples.map(|(_, lines)| lines.len()), Some(2), "the examples of {name}");
        }
    }

    #[test]
    fn every_example_is_taken() {
        for line in EXAMPLES.iter().flat_map(|(_, lines)| *lines) {
            let Some(line) = line.strip_prefix("ssmport ") else { continue };
            let line = line.split([' ']).take_while(|word| !["<", ">"].contains(word));
            let line = line.collect::<Vec<_>>().join(" ");
            let words = shlex::split(&format!("ssmport {line}")).expect("whole quotes");
            let is_here = command().find_subcommand(&words[1]).is_some();
            // Without the SDK there are fewer.
            if is_here || cfg!(feature = "aws") {
                command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }

    #[test]
    fn pages_fit_a_terminal_and_have_a_title() {
        for (name, page) in PAGES {
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{name}");
            assert!(page.lines().count() <= 22, "{name}");
            assert!(page.lines().next().is_some_and(|title| title.contains(": ")), "{name}");
        }
        assert!(topics().lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn the_page_of_variables_has_those_of_every_option() {
        let command = command();
        let page = include_str!("help/environment.txt");
        for variable in command.get_arguments().filter_map(Arg::get_env) {
            assert!(page.contains(variable.to_str().unwrap()), "{variable:?}");
        }
    }
}
