//! Lines that are typed behind `~C`, in the grammar of `ssh`.

use crate::client::spec::Spec;

/// What a line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Help,
    /// `-L SPEC`.
    Add(Box<Spec>),
    /// `-KL PORT`, or the path of a socket.
    Remove(String),
}

impl Command {
    /// `None` for a line with nothing on it; an error is what is to be said.
    pub(super) fn read(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        // As for ssh, whose command line needs no dash.
        let words = line.strip_prefix('-').unwrap_or(line);
        let is_help = words.starts_with(['h', 'H', '?']) || words.starts_with("-h");
        Ok(Some(match words {
            "" => return Ok(None),
            _ if is_help => Self::Help,
            _ if words.starts_with('L') => {
                let spec = words[1..].trim();
                let bad = |why| format!("Bad forwarding specification: {why}.");
                Self::Add(Box::new(spec.parse().map_err(bad)?))
            }
            _ if words.starts_with("KL") => {
                let local = words[2..].trim();
                // The address before it is not needed: a port is one forward's.
                let port = local.rsplit_once(':').map_or(local, |(_, port)| port);
                match local {
                    "" => return Err("Bad forwarding close port.".to_owned()),
                    path if path.contains('/') => Self::Remove(path.to_owned()),
                    _ => Self::Remove(port.to_owned()),
                }
            }
            _ if words.starts_with(['D', 'R', '!']) || words.starts_with('K') => {
                return Err(
                    "Not offered: only -L and -KL are; ssmport socks is a proxy.".to_owned()
                );
            }
            _ => return Err("Invalid command: ? shows those that there are.".to_owned()),
        }))
    }
}

pub(super) const HELP: &str = "\
Commands:
      -L[[bind_address:]port:][host:]hostport  Add a forward
      -KL[bind_address:]port                   Cancel a forward";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_ssh_reads_them() {
        let add = |spec: &str| Ok(Some(Command::Add(Box::new(spec.parse().expect("a SPEC")))));
        let remove = |local: &str| Ok(Some(Command::Remove(local.to_owned())));
        for (line, wanted) in [
            ("-L 15432:db.internal:5432", add("15432:db.internal:5432")),
            ("  L8080 ", add("8080")),
            ("-L/run/db.sock:5432", add("/run/db.sock:5432")),
            ("-KL 15432", remove("15432")),
            ("-KL127.0.0.1:15432", remove("15432")),
            ("-KL [::1]:15432", remove("15432")),
            ("KL /run/db.sock", remove("/run/db.sock")),
            ("help", Ok(Some(Command::Help))),
            ("?", Ok(Some(Command::Help))),
            ("-h", Ok(Some(Command::Help))),
            ("", Ok(None)),
            (" - ", Ok(None)),
        ] {
            assert_eq!(Command::read(line), wanted, "{line:?}");
        }
        for (line, part) in [
            ("-L", "Bad forwarding specification: "),
            ("-L 99999", "Bad forwarding specification: "),
            ("-KL", "Bad forwarding close port."),
            ("-D 1080", "only -L and -KL"),
            ("-KR 80", "only -L and -KL"),
            ("exit", "Invalid command"),
        ] {
            let why = Command::read(line).expect_err(line);
            assert!(why.starts_with(part) || why.contains(part), "{line:?}: {why}");
        }
    }
}
