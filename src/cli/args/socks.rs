//! What can be typed of a proxy.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::client::{
    lanes::SESSIONS,
    limits::duration,
    pac::PacPattern,
    spec::{Bind, Listen},
    target::Target,
};
use crate::malformed::Malformed;

#[derive(Debug, Args)]
#[command(override_usage = "ssmport socks [PORT] -t TARGET [OPTIONS]")]
#[command(after_long_help = SOCKS_HELP)]
pub(crate) struct SocksArgs {
    /// [BIND:]PORT to listen on [default: 1080].
    ///
    /// On this machine alone, unless BIND says otherwise; 0 takes a free port, /run/proxy.sock listens on a
    /// Unix socket.
    ///
    /// A word that is none of these is the TARGET.
    #[arg(value_name = "PORT", num_args = 0..=2)]
    pub(crate) words: Vec<String>,
    /// An id, a name, a tag ... (ssmport help targets).
    ///
    /// Without it, SSMPORT_TARGET, the configuration file's, or one that is chosen from a list.
    #[arg(short, long, value_name = "TARGET")]
    pub(crate) target: Option<Target>,
    /// Close a session unused for this long.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) idle: Duration,
    /// Most sessions, one a destination.
    ///
    /// For another destination the one that has been idle longest is closed; where all are in use its
    /// connections wait for a while, and are refused then.
    #[arg(long, value_name = "N", default_value_t = SESSIONS as u16)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) sessions: u16,
    /// Hosts that /proxy.pac has [default: *.internal].
    ///
    /// They are led here; `*` and `?` stand for anything. May be given several times. Browsers take the page's address as that
    /// of an automatic configuration; it is given to this machine alone.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pac_for: Vec<PacPattern>,
    /// Add a line of JSON to this file for each connection.
    ///
    /// Who connected, where to, how many bytes went each way, how long it took, and what ended it
    /// (docs/json.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// A reason to be recorded with the sessions.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

impl SocksArgs {
    /// Where to listen, if that is typed, and the target.
    ///
    /// # Errors
    /// The word that is neither, or one too many.
    pub(crate) fn read(&self) -> Result<(Listen, Option<Target>), Malformed> {
        let (mut listen, mut target) = (None, self.target.clone());
        for word in &self.words {
            match word.parse::<Listen>() {
                Ok(at) if listen.is_none() => listen = Some(at),
                Ok(_) => return Err(format!("`{word}` is one port too many").into()),
                Err(why) if target.is_some() => return Err(why),
                Err(_) => {
                    target =
                        Some(word.parse().map_err(|why: Malformed| format!("`{word}`: {why}"))?);
                }
            }
        }
        Ok((listen.unwrap_or(USUAL), target))
    }
}

/// As of the first SOCKS servers.
const USUAL: Listen = Listen { bind: Bind::Loopback, port: 1080 };

const SOCKS_HELP: &str = "\
SOCKS5, SOCKS4 and HTTP (CONNECT, and plain requests) on one port, told apart by their first byte. Names are \
looked up on the far side. Each destination, a host and a port, is reached through a session of its own, which \
begins with the first connection, is shared by the others, and is closed when it is idle: a page with thirty \
hosts on it starts thirty sessions, each of them a StartSession in the account's records. `localhost` is the \
node itself. There is no password: whoever reaches the port reaches what the node does.

  curl -x socks5h://127.0.0.1:1080 http://web.internal/
  HTTPS_PROXY=http://127.0.0.1:1080 kubectl get nodes";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::args::{Cli, Command};

    fn read(line: &str) -> Result<(String, Option<String>), String> {
        let words = ["ssmport", "socks"].into_iter().chain(line.split_whitespace());
        let Command::Socks(arguments) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}")
        };
        let (listen, target) = arguments.read().map_err(|why| why.to_string())?;
        Ok((listen.to_string(), target.map(|target| target.to_string())))
    }

    #[test]
    fn port_and_target_stand_in_any_order() {
        for (line, listen, target) in [
            ("", "1080", None),
            ("-t web", "1080", Some("web")),
            ("1081 -t web", "1081", Some("web")),
            ("web", "1080", Some("web")),
            ("web 1081", "1081", Some("web")),
            ("0.0.0.0:1081 web", "0.0.0.0:1081", Some("web")),
            ("tag:Role=db /tmp/s", "/tmp/s", Some("tag:Role=db")),
            ("i-0123456789abcdef0", "1080", Some("i-0123456789abcdef0")),
        ] {
            let expected = (listen.to_owned(), target.map(str::to_owned));
            assert_eq!(read(line), Ok(expected), "{line}");
        }
        for (line, part) in [
            ("1080 1081", "one port too many"),
            ("web db", "`db` is not a port"),
            ("99999 -t web", "`99999` is not a port"),
        ] {
            assert!(read(line).unwrap_err().contains(part), "{line}");
        }
    }
}
