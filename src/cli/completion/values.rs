//! What there is to choose from for each argument.

use std::{
    ffi::{OsStr, OsString},
    sync::Arc,
};

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, ValueCompleter,
};

use super::regions::REGIONS;
use crate::client::{
    config_file::{ConfigFile, ConfiguredTunnel},
    target::{Lookup, Target},
};

/// What the line says of whose nodes are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) profile: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    ssm_endpoint: Option<String>,
    /// A target is named already, where other words follow it.
    has_target: bool,
}

impl Typed {
    pub(super) fn new(words: &[OsString]) -> Self {
        let mut typed = Self::default();
        let mut words = words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value.to_owned())),
                None => (&*word, None),
            };
            let place = match option {
                "--profile" => &mut typed.profile,
                "--region" => &mut typed.region,
                "--endpoint-url" => &mut typed.endpoint,
                "--ssm-endpoint" => &mut typed.ssm_endpoint,
                // What follows is somebody else's.
                "--" => break,
                _ => continue,
            };
            *place = value.or_else(|| words.next().map(|word| word.into_owned()));
        }
        typed
    }
}

/// Whether what follows in a list of words is none: the first is, or an option names it.
fn has_target(command: &Command, words: &[OsString]) -> bool {
    let parsed = command.clone().ignore_errors(true).try_get_matches_from(words);
    let Ok(matches) = parsed else { return false };
    let is_given = |id| {
        let (_, matches) = matches.subcommand()?;
        Some(matches.try_get_raw(id).ok()??.len() > 0)
    };
    ["words", "target"].into_iter().any(|id| is_given(id).unwrap_or(false))
}

/// The grammar, with values where they are known.
pub(super) fn with_values(command: Command, words: &[OsString]) -> Command {
    let typed = Arc::new(Typed { has_target: has_target(&command, words), ..Typed::new(words) });
    command.mut_args(with_account).mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let with_values = |argument| with_targets(&name, of_files(with_account(argument)), &typed);
        command.mut_args(with_values)
    })
}

/// Files where any path is taken, but folders where their name says so.
fn of_files(argument: Arg) -> Arg {
    let is_folder =
        argument.get_value_names().is_some_and(|names| names.iter().any(|n| n == "DIR"));
    match argument.get_value_hint() {
        ValueHint::AnyPath if is_folder => argument.value_hint(ValueHint::DirPath),
        ValueHint::AnyPath => argument.value_hint(ValueHint::FilePath),
        _ => argument,
    }
}

fn with_account(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        #[cfg(feature = "aws")]
        "profile" | "profiles" => argument.add(ArgValueCandidates::new(profiles)),
        "region" => argument.add(ArgValueCandidates::new(|| REGIONS.map(Into::into).into())),
        _ => argument,
    }
}

fn with_targets(command: &str, argument: Arg, typed: &Arc<Typed>) -> Arg {
    let form = match (command, argument.get_id().as_str()) {
        ("sessions", "target") => Form::Name,
        (_, "target" | "named" | "on") => Form::Target,
        ("forward" | "socks", "words") if !typed.has_target => Form::Target,
        ("ls", "filters") => Form::Name,
        ("ssh", "words") if !typed.has_target => Form::BehindUser,
        ("ssh-config", "aliases") => Form::BehindAlias,
        ("up" | "status" | "down" | "logs", "names") | ("connect", "name") => {
            return argument.add(ArgValueCandidates::new(tunnels));
        }
        _ => return argument,
    };
    argument.add(ArgValueCompleter::new(Targets { form, typed: Arc::clone(typed) }))
}

/// How a target stands in its word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Target,
    /// A node's, without `local` and aliases.
    Name,
    /// `[USER@]TARGET`
    BehindUser,
    /// `NAME=TARGET`
    BehindAlias,
}

struct Targets {
    form: Form,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the nodes are an account's"))]
    typed: Arc<Typed>,
}

impl ValueCompleter for Targets {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let begin = match self.form {
            Form::Target | Form::Name => 0,
            Form::BehindUser => current.rfind('@').map_or(0, |at| at + 1),
            Form::BehindAlias => match current.find('=') {
                Some(at) => at + 1,
                None => return Vec::new(),
            },
        };
        let (before, current) = current.split_at(begin);
        let targets = self.targets(current).into_iter();
        let targets = targets.filter(|(target, _)| target.starts_with(current));
        let candidate = |(target, about): (String, String)| {
            let about = (!about.is_empty()).then(|| about.into());
            CompletionCandidate::new(target).help(about).add_prefix(before)
        };
        targets.map(candidate).collect()
    }
}

impl Targets {
    /// Targets and what there is to say of them.
    fn targets(&self, current: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if self.form != Form::Name {
            let aliases = ConfigFile::load_aliases().unwrap_or_default();
            let aliases = aliases.into_iter().filter(|(alias, _)| is_name(alias));
            found.extend(aliases.map(|(alias, target)| (alias, target.to_string())));
            found.push(("local".to_owned(), "the embedded endpoint, without AWS".to_owned()));
        }
        found.extend(self.nodes(current));
        let mut seen = std::collections::HashSet::new();
        found.retain(|(target, _)| seen.insert(target.clone()));
        found
    }

    #[cfg(feature = "aws")]
    fn nodes(&self, current: &str) -> Vec<(String, String)> {
        use super::seen_nodes::SeenNodes;
        let Some(seen) = SeenNodes::of(&self.typed.settings(), None) else { return Vec::new() };
        let by_id = ["i-", "mi-"].iter().any(|start| current.starts_with(start));
        let nodes = seen.nodes().into_iter().filter_map(|node| {
            let name = node.name.filter(|name| is_name(name));
            match name {
                Some(name) if !by_id => Some((name, format!("{} {}", node.id, node.platform))),
                // A filter is a name.
                _ if self.form == Form::Name => None,
                name => Some((node.id, format!("{} {}", name.unwrap_or_default(), node.platform))),
            }
        });
        let mut nodes: Vec<_> = nodes.map(|(one, about)| (one, about.trim().to_owned())).collect();
        nodes.sort();
        nodes
    }

    #[cfg(not(feature = "aws"))]
    fn nodes(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
}

#[cfg(feature = "aws")]
impl Typed {
    fn settings(&self) -> crate::aws::Settings {
        let all = self.ssm_endpoint.clone().or_else(|| self.endpoint.clone());
        let endpoints = crate::aws::Endpoints { all, ..Default::default() };
        let (profile, region) = (self.profile.clone(), self.region.clone());
        let defaults = ConfigFile::load().unwrap_or_default().defaults();
        crate::aws::Settings {
            profile,
            region,
            endpoints,
            default_profile: defaults.profile,
            default_region: defaults.region,
            ..Default::default()
        }
    }
}

/// Those of the configuration file, and where they lead.
fn tunnels() -> Vec<CompletionCandidate> {
    let tunnels = ConfigFile::load().and_then(|files| files.tunnels()).unwrap_or_default();
    let candidate = |tunnel: ConfiguredTunnel| {
        let about = format!("{} on {}", tunnel.spec.destination(), tunnel.target);
        CompletionCandidate::new(tunnel.name).help(Some(about.into()))
    };
    tunnels.into_iter().map(candidate).collect()
}

#[cfg(feature = "aws")]
fn profiles() -> Vec<CompletionCandidate> {
    crate::aws::profile_names().into_iter().map(CompletionCandidate::new).collect()
}

/// Whether a command takes it for a name, rather than for something else or an option.
fn is_name(text: &str) -> bool {
    let is_lookup = matches!(text.parse(), Ok(Target::Lookup(Lookup::Name(_))));
    is_lookup && !text.starts_with('-')
}
