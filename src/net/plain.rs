//! Errors of the system without what the standard library puts before them.

use std::io;

/// Of a name that was looked up: in the system's words alone.
pub fn lookup_failed(error: &io::Error) -> io::Error {
    let said = error.to_string();
    io::Error::new(error.kind(), said.strip_prefix(LOOKUP).unwrap_or(&said))
}

const LOOKUP: &str = "failed to lookup address information: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_not_found_is_told_in_the_systems_words() {
        let error = tokio::net::lookup_host(("no-such-host.invalid", 1)).await.err().expect("none");
        let said = lookup_failed(&error).to_string();
        assert!(!said.contains("lookup") && error.to_string().ends_with(&said), "{said}");
    }
}
