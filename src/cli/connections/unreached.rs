//! Why a destination is not reached, as far as it can be told: the agent says no more than that it could not
//! connect. What is refused is so at once; what nobody answers takes as long as the node's system tries.

use std::{net::IpAddr, time::Duration};

/// What is told of `destination`, a host and a port, as `target` sees it.
pub(super) fn told(
    target: &str,
    destination: &str,
    after: Option<Duration>,
    times: &str,
) -> String {
    let (host, port) = destination.rsplit_once(':').unwrap_or((destination, ""));
    let is_node = host == "localhost";
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    match after {
        Some(after) if after >= SLOW => {
            let seconds = after.as_secs();
            let who = match is_node {
                true => format!("the firewall of {target}"),
                false => format!("the security group of {host}, network ACLs and routes"),
            };
            format!(
                "{target} has no answer from {destination} after {seconds} s{times}: something drops \
                 what it sends; check that {who} let port {port} through"
            )
        }
        // Its program did not wait for it: what nobody answers looks the same then.
        None => format!(
            "{target} cannot connect to {destination}{times}: refused, or nobody answers; is the service \
             running there, and does nothing drop what {target} sends?"
        ),
        _ if is_node || is_address => format!(
            "{target} cannot connect to {destination}{times}: refused; is the service running there, and \
             does it listen on that address?"
        ),
        _ => format!(
            "{target} cannot connect to {destination}{times}: refused, or the name is not known there; is \
             the service running, and does {target} find {host} in its DNS?"
        ),
    }
}

/// The same where the node's system has said why.
pub(super) fn told_why(target: &str, destination: &str, why: &str, times: &str) -> String {
    let says = |word: &str| why.to_ascii_lowercase().contains(word);
    let (host, _) = destination.rsplit_once(':').unwrap_or((destination, ""));
    let next = if says("refused") {
        "is the service running there, and does it listen on that address?".to_owned()
    } else if says("timed out") {
        "something drops what it sends: do firewalls, security groups and routes let it through?"
            .to_owned()
    } else if says("name") {
        format!("does {target} find {host} in its DNS?")
    } else {
        return format!("{target} cannot connect to {destination}{times}: {why}");
    };
    format!("{target} cannot connect to {destination}{times}: {why}; {next}")
}

/// Longer than a name and a refusal take.
const SLOW: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_from_what_nobody_answers() {
        let told = |destination, seconds| {
            told("web", destination, Some(Duration::from_secs(seconds)), " (2 times)")
        };
        for (destination, seconds, parts) in [
            (
                "localhost:5432",
                0,
                ["web cannot connect to localhost:5432 (2 times): refused;", "running"],
            ),
            ("10.0.0.7:5432", 0, ["cannot connect to 10.0.0.7:5432", "refused; is the service"]),
            ("[fd00::7]:5432", 0, ["cannot connect to [fd00::7]:5432", "refused; is the service"]),
            (
                "db.internal:5432",
                1,
                ["or the name is not known there", "web find db.internal in its DNS"],
            ),
            (
                "db.internal:5432",
                130,
                ["no answer from db.internal:5432 after 130 s", "security group of db"],
            ),
            ("localhost:5432", 130, ["web has no answer", "the firewall of web let port 5432"]),
        ] {
            let told = told(destination, seconds);
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        }
    }

    #[test]
    fn what_the_nodes_system_says_is_told() {
        for (why, end) in [
            (
                "Connection refused",
                "refused; is the service running there, and does it listen on that address?",
            ),
            (
                "Connection timed out",
                "timed out; something drops what it sends: do firewalls, security groups and \
              routes let it through?",
            ),
            ("Name or service not known", "not known; does web find db.internal in its DNS?"),
            ("Network is unreachable", "(2 times): Network is unreachable"),
        ] {
            let told = told_why("web", "db.internal:5432", why, " (2 times)");
            assert!(
                told.starts_with("web cannot connect to db.internal:5432 (2 times): "),
                "{told}"
            );
            assert!(told.contains(why) && told.ends_with(end), "{told}");
        }
    }

    #[test]
    fn where_nobody_waited_for_it_either_may_be() {
        let told = told("web", "10.0.0.7:5432", None, "");
        assert!(told.contains("refused, or nobody answers"), "{told}");
    }
}
