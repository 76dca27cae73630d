//! Paths on a node, whatever bytes they have.

use std::{
    ffi::{OsStr, OsString},
    fmt::{self, Write},
};

/// A path there; one that is relative begins where sessions begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::client) struct NodePath(Vec<u8>);

impl NodePath {
    pub(in crate::client) fn new(path: &OsStr) -> Self {
        Self(path.as_encoded_bytes().to_vec())
    }

    /// Of what a script says of a path: two digits for each byte.
    pub(super) fn of_digits(digits: &str) -> Option<Self> {
        data_encoding::HEXLOWER.decode(digits.as_bytes()).ok().map(Self)
    }

    /// Its last name, unless it has none: that of a file, or of a folder.
    pub(super) fn name(&self) -> Option<Self> {
        let path = self.trimmed();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_name = !matches!(name, b"" | b"." | b"..") && path != b"~";
        is_name.then(|| Self(name.to_vec()))
    }

    /// Whether it says that it is a folder.
    pub(super) fn is_folder(&self) -> bool {
        self.0.ends_with(b"/")
    }

    /// The same as a local name.
    pub(super) fn to_os_string(&self) -> OsString {
        #[cfg(unix)]
        {
            std::os::unix::ffi::OsStringExt::from_vec(self.0.clone())
        }
        #[cfg(not(unix))]
        {
            String::from_utf8_lossy(&self.0).into_owned().into()
        }
    }

    /// As a word of plain letters, of which printf(1) makes the path again.
    pub(super) fn encoded(&self) -> String {
        let mut path = self.trimmed();
        while let Some(rest) = path.strip_prefix(b"./".as_slice()).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(b"~") {
                break;
            }
            path = rest.trim_prefix_slashes();
        }
        let mut word = String::new();
        for &byte in if path.is_empty() { b"." } else { path } {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'~' | b',' | b'+' | b'@' | b':' | b'=' => {
                    word.push(char::from(byte));
                }
                byte if byte.is_ascii_alphanumeric() => word.push(char::from(byte)),
                // Writing to a string does not fail.
                byte => drop(write!(word, "\\0{byte:03o}")),
            }
        }
        word
    }

    /// Without slashes at its end.
    fn trimmed(&self) -> &[u8] {
        let len = self.0.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        match (len, self.0.first()) {
            (0, Some(_)) => b"/",
            (len, _) => &self.0[..len],
        }
    }
}

trait Slashes {
    fn trim_prefix_slashes(&self) -> &[u8];
}

impl Slashes for [u8] {
    fn trim_prefix_slashes(&self) -> &[u8] {
        let slashes = self.iter().take_while(|byte| **byte == b'/').count();
        &self[slashes..]
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> NodePath {
        NodePath::new(text.as_ref())
    }

    #[test]
    fn words_have_plain_letters_alone() {
        for (text, word) in [
            ("/var/log/app.log", "/var/log/app.log"),
            ("", "."),
            (".", "."),
            ("./", "."),
            ("./a/", "a"),
            (".//a", "a"),
            ("/", "/"),
            ("//", "/"),
            ("./~", "./~"),
            ("~/a b", "~/a\\0040b"),
            ("-r\n", "-r\\0012"),
            ("\u{e9}'\"$", "\\0303\\0251\\0047\\0042\\0044"),
            ("100%\\n", "100\\0045\\0134n"),
        ] {
            assert_eq!(path(text).encoded(), word, "{text}");
        }
    }

    #[test]
    fn the_last_name_is_that_of_the_copy() {
        for (text, name) in [
            ("/var/log/", Some("log")),
            ("a b", Some("a b")),
            ("~/x", Some("x")),
            ("/", None),
            ("", None),
            (".", None),
            ("a/..", None),
            ("~", None),
            ("./~", Some("~")),
        ] {
            assert_eq!(path(text).name(), name.map(path), "{text}");
        }
        assert_eq!(NodePath::of_digits("2f61ff").unwrap().0, b"/a\xff");
        assert_eq!(NodePath::of_digits("2f6"), None);
    }
}
