//! What is typed behind `forward`: SPECs, a target before them, and habits of `ssh`.

use crate::cli::{
    args::{ForwardArgs, SshHabits},
    failure::{Code, Failure},
};
use crate::client::{
    config_file::{ConfigFile, Table},
    spec::{Spec, is_number},
    target::Target,
};

/// The target, and what is to be forwarded.
pub(super) fn read(arguments: &ForwardArgs) -> Result<(Option<Target>, Vec<Spec>), Failure> {
    no_other_way(&arguments.habits)?;
    let (target, words) = match (&arguments.target, &arguments.words[..]) {
        (None, [first, rest @ ..]) if names_a_target(first) => {
            if rest.is_empty() && arguments.as_of_ssh.is_empty() {
                return Err(nothing_to_forward(first));
            }
            (Some(target(first)?), rest)
        }
        (typed, words) => (typed.clone(), words),
    };
    let typed = words.iter().map(|word| spec(word, target.is_some()));
    let of_ssh = arguments.as_of_ssh.iter().cloned().map(Ok);
    let specs = of_ssh.chain(typed).collect::<Result<_, _>>()?;
    Ok((target, specs))
}

/// Every SPEC ends in a port, behind a colon or alone; what does not is a target, unless it leads to a
/// socket.
fn names_a_target(word: &str) -> bool {
    let (before, last) = word.rsplit_once(':').map_or((None, word), |(b, l)| (Some(b), l));
    let is_spec = is_number(last) || last.is_empty() || before.is_some() && last.contains('/');
    word.starts_with("tag:") || !is_spec
}

fn target(word: &str) -> Result<Target, Failure> {
    word.parse().map_err(|why| usage(format!("`{word}` is no target: {why}")))
}

fn spec(word: &str, has_target: bool) -> Result<Spec, Failure> {
    word.parse().map_err(|why| {
        let failure = usage(why);
        match names_a_target(word) && !has_target {
            true => failure.next(format!("a target stands first: ssmport forward {word} SPEC...")),
            false => failure.next(FORM),
        }
    })
}

/// What is alone is either of the two.
fn nothing_to_forward(word: &str) -> Failure {
    match word.parse::<Spec>() {
        Err(_) if is_tunnel(word) => usage(format!("{word} is a tunnel of the configuration file"))
            .next(format!(
                "ssmport up {word} has it stand, ssmport connect {word} with its program"
            )),
        Err(why) if word.parse::<Target>().is_ok() => usage(why).next(format!(
            "if it is a target, say what to forward behind it: ssmport forward {word} 5432"
        )),
        Err(why) => usage(why).next(FORM),
        Ok(_) => usage(format!("`{word}` is nothing to forward")).next(FORM),
    }
}

/// Whether the configuration file has a tunnel of that name, as far as the file can be read.
fn is_tunnel(word: &str) -> bool {
    let files = ConfigFile::load().unwrap_or_default();
    files.settings().any(|(key, _)| key.table == Table::Tunnels && key.name == word)
}

/// Fails on what `ssh` does and `forward` does not, with the way to it.
fn no_other_way(habits: &SshHabits) -> Result<(), Failure> {
    // -N is what a forward always is.
    let SshHabits { no_command: _, dynamic, remote } = habits;
    if let Some(port) = dynamic {
        return Err(usage("a SOCKS proxy (-D) is a command of its own")
            .next(format!("ssmport socks {port} -t TARGET")));
    }
    if let Some(spec) = remote {
        return Err(usage("Session Manager has no way from a node to this machine (-R)")
            .next(format!("with SSH on the node: ssmport ssh -N -R {spec} TARGET")));
    }
    Ok(())
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, what)
}

const FORM: &str = "what to forward is [[BIND:]LOCAL:][HOST:]PORT: 5432, 15432:5432, 15432:db:5432";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn typed(line: &str) -> Result<(Option<String>, Vec<String>), Failure> {
        let words = ["ssmport", "forward"].into_iter().chain(line.split(' '));
        let Command::Forward(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}")
        };
        let (target, specs) = read(&arguments)?;
        let specs = specs.iter().map(ToString::to_string).collect();
        Ok((target.map(|target| target.to_string()), specs))
    }

    #[test]
    fn the_target_stands_first_or_behind_its_option() {
        let id = "i-0123456789abcdef0";
        for (line, target, specs) in [
            ("5432 -t local", "local", &["5432:localhost:5432"][..]),
            ("-t local 5432", "local", &["5432:localhost:5432"]),
            ("-N -L 5432:db:5432 i-0123456789abcdef0", id, &["5432:db:5432"]),
            ("-fNL 5432:db:5432 i-0123456789abcdef0", id, &["5432:db:5432"]),
            ("-NL 5432:db:5432 -t i-0123456789abcdef0", id, &["5432:db:5432"]),
            ("i-0123456789abcdef0 5432 1:2", id, &["5432:localhost:5432", "1:localhost:2"]),
            ("web db.internal:5432", "web", &["5432:db.internal:5432"]),
            ("tag:Role=db 0:5432", "tag:Role=db", &["0:localhost:5432"]),
            ("tag:Path=/a:1 0:5432", "tag:Path=/a:1", &["0:localhost:5432"]),
            ("10.0.0.7 80", "10.0.0.7", &["80:localhost:80"]),
            ("ecs/prod/web/app 80", "ecs/prod/web/app", &["80:localhost:80"]),
            ("ecs:prod_1_2-3 80", "ecs:prod_1_2-3", &["80:localhost:80"]),
            ("root@i-0123456789abcdef0 80", id, &["80:localhost:80"]),
        ] {
            let expected = specs.iter().map(ToString::to_string).collect();
            assert_eq!(typed(line), Ok((Some(target.to_owned()), expected)), "{line}");
        }
    }

    #[test]
    fn what_is_neither_is_told_with_the_form() {
        for (line, what, next) in [
            ("web", "`web` is not a port", "ssmport forward web 5432"),
            ("5432 web", "`web` is not a port", "ssmport forward web SPEC..."),
            ("x 80 -t local", "`x` is not a port", "[[BIND:]LOCAL:][HOST:]PORT"),
            ("99999:80 80", "`99999` is not a port", "[[BIND:]LOCAL:][HOST:]PORT"),
            ("i-xyz 80", "`i-xyz` is no target", ""),
            ("8080:/run/docker.sock", "leads to a socket", ""),
        ] {
            let failure = typed(line).unwrap_err();
            assert_eq!(failure.code, Code::Usage);
            assert!(failure.what.contains(what), "{line}: {failure:?}");
            assert!(failure.next.unwrap_or_default().contains(next), "{line}");
        }
    }

    #[test]
    fn what_ssh_has_and_forward_has_not_is_told_with_the_way_to_it() {
        for (line, what, next) in [
            ("-D 1080 web", "a command of its own", "ssmport socks 1080 -t TARGET"),
            ("-R 80:localhost:80 web", "no way from a node", "ssh -N -R 80:localhost:80 TARGET"),
        ] {
            let failure = typed(line).unwrap_err();
            assert!(failure.what.contains(what), "{line}: {failure:?}");
            assert!(failure.next.unwrap().contains(next), "{line}");
        }
    }
}
