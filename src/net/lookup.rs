//! Where a host's name leads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::lookup_host;

/// The addresses of a host, a name or an address without brackets, as the system sorts them.
///
/// # Errors
/// The system's words alone, without what the standard library puts before them.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if is_this_machine(host) {
        return Ok(LOOPBACK.map(|ip| SocketAddr::new(ip, port)).into());
    }
    let found = lookup_host((host, port)).await.map_err(|error| in_plain_words(&error))?;
    Ok(found.collect())
}

/// `localhost` and what is below it (RFC 6761). No file of hosts and no name server is asked, which
/// may know one family alone, or nothing: many a container has neither.
fn is_this_machine(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn in_plain_words(error: &io::Error) -> io::Error {
    let said = error.to_string();
    io::Error::new(error.kind(), said.strip_prefix(LOOKUP).unwrap_or(&said))
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
const LOOKUP: &str = "failed to lookup address information: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_not_found_is_told_in_the_systems_words() {
        let said = lookup("no-such-host.invalid", 1).await.unwrap_err().to_string();
        assert!(!said.is_empty() && !said.contains("lookup"), "{said}");
    }

    #[tokio::test]
    async fn this_machine_has_both_families_whatever_others_say() {
        for host in ["localhost", "LocalHost", "localhost.", "db.localhost"] {
            let found = lookup(host, 5432).await.unwrap();
            assert_eq!(found, LOOPBACK.map(|ip| SocketAddr::new(ip, 5432)), "{host}");
        }
        for host in ["localhost.example.com", "mylocalhost", "", "."] {
            assert!(!is_this_machine(host), "{host}");
        }
        assert_eq!(lookup("::1", 1).await.unwrap(), [SocketAddr::new(LOOPBACK[1], 1)]);
    }
}
