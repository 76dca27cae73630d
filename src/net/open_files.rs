//! Errors for want of file descriptors: they name whatever happened to need one more, and what is to be
//! done is always the same.

use std::fmt::Display;

/// What to do about an error in these words, if it is that too many files are open, and not yet told.
pub fn too_many_open_files(said: &str) -> Option<String> {
    #[cfg(unix)]
    {
        use rustix::{
            io::Errno,
            process::{Resource, getrlimit},
        };

        let code = format!("(os error {})", Errno::MFILE.raw_os_error());
        if said.contains(&code) && !said.contains("(ulimit -n)") {
            let limit = getrlimit(Resource::Nofile).current;
            let limit = limit.map_or_else(|| "no".to_owned(), |limit| limit.to_string());
            return Some(format!("{limit} open files are the limit here: raise it (ulimit -n)"));
        }
    }
    let _ = said;
    None
}

/// An error's words, and what to do if too many files are open.
pub fn with_open_files(error: impl Display) -> String {
    let said = error.to_string();
    match too_many_open_files(&said) {
        Some(remedy) => format!("{said}; {remedy}"),
        None => said,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_limit_is_named_where_it_is_the_reason() {
        let many = io::Error::from(Errno::MFILE);
        let told = with_open_files(&many);
        assert!(told.starts_with(&format!("{many}; ")), "{told}");
        assert!(told.ends_with(" open files are the limit here: raise it (ulimit -n)"), "{told}");
        assert_eq!(with_open_files(&told), told);
        let other = io::Error::from(Errno::CONNREFUSED);
        assert_eq!(with_open_files(&other), other.to_string());
    }
}
