//! TARGET: where a session goes.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::malformed::Malformed;

/// A node, a container, or the embedded endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// The embedded endpoint, started in this process.
    Local,
    /// A node or container by the id that the service knows it by.
    Id(String),
    /// One that has to be looked up.
    Lookup(Lookup),
    /// One of them in a region that is named with it.
    InRegion(Box<Target>, String),
    /// One of them whose account the configuration file names; what is typed goes before that.
    InAccount(Box<Target>, Whose),
}

/// Whose nodes are meant, as far as somebody says so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Whose {
    pub(crate) profile: Option<String>,
    pub(crate) region: Option<String>,
}

/// What is known of a target whose id is not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lookup {
    /// Nothing: whoever is asked chooses.
    Any,
    /// An alias of the configuration file, else what the node is called.
    Name(String),
    /// A tag, and its value.
    Tag(String, String),
    /// Its private address.
    Address(IpAddr),
    /// Its private DNS name.
    PrivateDns(String),
    /// A container of a service or task of ECS.
    Container(TaskPath),
}

/// `ecs/CLUSTER/SERVICE-or-TASK[/CONTAINER]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TaskPath {
    pub(crate) cluster: String,
    pub(crate) service_or_task: String,
    pub(crate) container: Option<String>,
}

/// The forms, for the help.
pub(crate) const FORMS: &str = "\
A TARGET is a node's id (i-..., mi-..., or another KIND:ID that Session Manager knows), its name (the tag Name, or an alias of the configuration file), \
tag:KEY=VALUE, a private address or private DNS name, a container (ecs/CLUSTER/SERVICE-or-TASK[/CONTAINER] \
or ecs:CLUSTER_TASK_RUNTIME), or `local`, the embedded endpoint. TARGET--REGION is one in another region.";

impl Target {
    /// Without what says whose it is; its region, if that is named with it; and what the configuration file
    /// says.
    pub(crate) fn apart(self) -> (Self, Option<String>, Whose) {
        match self {
            Self::InRegion(target, region) => {
                let (target, _, whose) = target.apart();
                (target, Some(region), whose)
            }
            Self::InAccount(target, Whose { profile, region }) => {
                let (target, named, whose) = target.apart();
                let profile = profile.or(whose.profile);
                // What stands around it is nearer to what is meant.
                let named = if region.is_some() { None } else { named };
                (target, named, Whose { profile, region: region.or(whose.region) })
            }
            target => (target, None, Whose::default()),
        }
    }

    /// What has to be found, whoever it belongs to.
    pub(crate) fn bare(&self) -> &Self {
        match self {
            Self::InRegion(target, _) | Self::InAccount(target, _) => target.bare(),
            target => target,
        }
    }
}

impl Whose {
    /// A target that is theirs.
    pub(crate) fn of(self, target: Target) -> Target {
        match self == Self::default() {
            true => target,
            false => Target::InAccount(Box::new(target), self),
        }
    }
}

impl FromStr for Target {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() || text.chars().any(char::is_control) || text.trim() != text {
            return Err(format!("nothing is called that. {FORMS}").into());
        }
        if text == "local" {
            return Ok(Self::Local);
        }
        if let Some((target, region)) = in_region(text) {
            return match target.parse()? {
                Self::Local => Err("the embedded endpoint is in no region".into()),
                target => Ok(Self::InRegion(Box::new(target), region.to_owned())),
            };
        }
        // Habit of ssh: here the session's document says who one is.
        if let Some((_, host)) = text.rsplit_once('@')
            && starts_like_an_id(host)
            && !text.starts_with("tag:")
        {
            return host.parse();
        }
        if let Some(id) = ["i-", "mi-"].iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return match id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                true => Ok(Self::Id(text.to_owned())),
                false => {
                    Err("a node's id has 8 or 17 digits from 0 to f behind its hyphen; a name \
                              that begins like one is written tag:Name=..."
                        .into())
                }
            };
        }
        if let Some(task) = text.strip_prefix("ecs:") {
            return match task.matches('_').count() >= 2 {
                true => Ok(Self::Id(text.to_owned())),
                false => Err("a container's id is ecs:CLUSTER_TASK_RUNTIME".into()),
            };
        }
        match Lookup::parse(text)? {
            Lookup::Name(name) if is_of_another_kind(&name) => Ok(Self::Id(name)),
            lookup => Ok(Self::Lookup(lookup)),
        }
    }
}

/// `TARGET--REGION`, or `ID.REGION`.
fn in_region(text: &str) -> Option<(&str, &str)> {
    let dotted = || text.split_once('.').filter(|(id, _)| starts_like_an_id(id));
    let (target, region) = text.rsplit_once("--").or_else(dotted)?;
    (!target.is_empty() && is_region(region)).then_some((target, region))
}

/// Whether it has the form of a region: `eu-west-1`, `us-gov-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let is_word = |word: &&str| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
    is_number && (2..=3).contains(&words.len()) && words.iter().all(is_word)
}

fn starts_like_an_id(text: &str) -> bool {
    text.starts_with("i-") || text.starts_with("mi-")
}

/// Targets of which AWS alone knows the form, such as `sagemaker-cluster:ID_GROUP-NODE`. A name with a
/// colon is written `tag:Name=...`.
fn is_of_another_kind(text: &str) -> bool {
    let Some((kind, id)) = text.split_once(':') else { return false };
    let is_kind = kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_kind && !id.is_empty() && !id.contains(char::is_whitespace)
}

impl Lookup {
    fn parse(text: &str) -> Result<Self, Malformed> {
        if let Some(path) = text.strip_prefix("ecs/") {
            return TaskPath::parse(path).map(Self::Container);
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            return match tag.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    Ok(Self::Tag(key.to_owned(), value.to_owned()))
                }
                _ => Err("a tag is written tag:KEY=VALUE".into()),
            };
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Ok(Self::Address(address));
        }
        if text.ends_with(".internal") {
            return Ok(Self::PrivateDns(text.to_owned()));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl TaskPath {
    fn parse(path: &str) -> Result<Self, Malformed> {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(TASK_FORM.into());
        }
        let (cluster, service_or_task, container) = match parts[..] {
            [cluster, task] => (cluster, task, None),
            [cluster, task, container] => (cluster, task, Some(container.to_owned())),
            _ => return Err(TASK_FORM.into()),
        };
        let (cluster, service_or_task) = (cluster.to_owned(), service_or_task.to_owned());
        Ok(Self { cluster, service_or_task, container })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Id(id) => f.write_str(id),
            Self::Lookup(lookup) => lookup.fmt(f),
            Self::InRegion(target, region) => write!(f, "{target}--{region}"),
            Self::InAccount(target, _) => target.fmt(f),
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("the node"),
            Self::Name(name) | Self::PrivateDns(name) => f.write_str(name),
            Self::Tag(key, value) => write!(f, "tag:{key}={value}"),
            Self::Address(address) => address.fmt(f),
            Self::Container(TaskPath { cluster, service_or_task, container }) => {
                write!(f, "ecs/{cluster}/{service_or_task}")?;
                container.iter().try_for_each(|container| write!(f, "/{container}"))
            }
        }
    }
}

const TASK_FORM: &str = "a container is ecs/CLUSTER/SERVICE-or-TASK[/CONTAINER]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_local_need_no_lookup() {
        assert_eq!("local".parse(), Ok(Target::Local));
        for id in ["i-0123456789abcdef0", "i-01234567", "mi-0123456789abcdef0", "ecs:c_t_r"] {
            assert_eq!(id.parse(), Ok(Target::Id(id.to_owned())));
        }
    }

    #[test]
    fn every_other_form_is_told_from_the_rest_and_shown_as_it_was_typed() {
        let name = |text: &str| Lookup::Name(text.to_owned());
        let task = |container: Option<&str>| {
            Lookup::Container(TaskPath {
                cluster: "prod".to_owned(),
                service_or_task: "web".to_owned(),
                container: container.map(str::to_owned),
            })
        };
        for (text, lookup) in [
            ("web", name("web")),
            ("web server 1", name("web server 1")),
            ("web.example.com", name("web.example.com")),
            ("tag:Env=prod=1", Lookup::Tag("Env".to_owned(), "prod=1".to_owned())),
            ("tag:Spare=", Lookup::Tag("Spare".to_owned(), String::new())),
            ("10.0.0.5", Lookup::Address([10, 0, 0, 5].into())),
            ("fd00::5", Lookup::Address("fd00::5".parse().unwrap())),
            (
                "ip-10-0-0-5.eu-west-1.compute.internal",
                Lookup::PrivateDns("ip-10-0-0-5.eu-west-1.compute.internal".to_owned()),
            ),
            ("ecs/prod/web", task(None)),
            ("ecs/prod/web/app", task(Some("app"))),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target, Target::Lookup(lookup));
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn what_aws_alone_knows_is_handed_on_as_it_is() {
        for text in [
            "sagemaker-cluster:aa11bbbbb222_group1-i-111222333444555aa",
            "sagemaker-training-job:my-job_algo-1",
            "codebuild:4d5c5c6e-0000-0000-0000-000000000000",
        ] {
            assert_eq!(text.parse(), Ok(Target::Id(text.to_owned())));
        }
        for name in ["Web:1", "web: one", "web:", ":1", "tag:web:x=1"] {
            assert!(matches!(name.parse(), Ok(Target::Lookup(_))), "{name}");
        }
    }

    #[test]
    fn a_region_may_stand_behind_a_target_and_a_user_before_an_id() {
        let id = || Target::Id("i-0123456789abcdef0".to_owned());
        let name = |name: &str| Target::Lookup(Lookup::Name(name.to_owned()));
        let within = |target, region: &str| Target::InRegion(Box::new(target), region.to_owned());
        for (text, target) in [
            ("i-0123456789abcdef0--eu-west-1", within(id(), "eu-west-1")),
            ("i-0123456789abcdef0.us-gov-east-1", within(id(), "us-gov-east-1")),
            ("root@i-0123456789abcdef0", id()),
            ("root@i-0123456789abcdef0--ap-southeast-2", within(id(), "ap-southeast-2")),
            ("web--eu-west-1", within(name("web"), "eu-west-1")),
            ("web--1--eu-west-1", within(name("web--1"), "eu-west-1")),
            ("web--1", name("web--1")),
            ("web--eu-west", name("web--eu-west")),
            ("--eu-west-1", name("--eu-west-1")),
            ("web.eu-west-1", name("web.eu-west-1")),
            ("jane@web", name("jane@web")),
        ] {
            assert_eq!(text.parse(), Ok(target), "{text}");
        }
        assert_eq!(within(name("web"), "eu-west-1").to_string(), "web--eu-west-1");
        assert!("local--eu-west-1".parse::<Target>().is_err());
        assert!("root@i-nowhere".parse::<Target>().is_err());
    }

    #[test]
    fn what_looks_like_a_form_and_is_none_is_refused() {
        for text in [
            "",
            "i-",
            "i-xyz",
            "i-0123",
            "ecs:",
            "ecs:c_t",
            " web",
            "a\nb",
            "tag:",
            "tag:x",
            "tag:=x",
            "ecs/",
            "ecs/prod",
            "ecs/prod/",
            "ecs/prod/web/app/more",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
