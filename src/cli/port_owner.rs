//! Who holds a port that cannot be had.

use listeners::Protocol;

/// Name and id of the process that listens on a TCP port, if the system tells.
pub(super) fn of(port: u16) -> Option<String> {
    let process = listeners::get_process_by_port(port, Protocol::TCP).ok()?;
    Some(format!("{} (process {})", process.name, process.pid))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_this_process_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = of(listener.local_addr().unwrap().port()).unwrap();
        assert!(owner.ends_with(&format!("(process {})", std::process::id())), "{owner}");
    }
}
