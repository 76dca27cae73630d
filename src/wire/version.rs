//! Versions of agents and clients, by which each side decides what the other understands.

use std::{cmp::Ordering, fmt};

/// A four-part version, such as `3.3.2299.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version([u32; 4]);

impl Version {
    /// The version `a.b.c.d`.
    pub const fn new(a: u32, b: u32, c: u32, d: u32) -> Self {
        Self([a, b, c, d])
    }

    /// Reads a version of exactly four numbers. Versions of any other form compare as "not
    /// newer" with everything in the reference client, which `None` expresses here.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let version = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self(version))
    }

    /// Compares two versions of any length as the real agent does: part by part, as numbers where
    /// both are, else as text; of two that agree as far as the shorter goes, that one is older.
    pub fn compare_loosely(one: &str, other: &str) -> Ordering {
        let (mut ones, mut others) = (one.split('.'), other.split('.'));
        loop {
            let (one, other) = match (ones.next(), others.next()) {
                (Some(one), Some(other)) => (one, other),
                (one, other) => return one.is_some().cmp(&other.is_some()),
            };
            let ordering = match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                _ => one.cmp(other),
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_numbers_are_a_version() {
        assert_eq!(Version::parse("3.0.196.0"), Some(Version::new(3, 0, 196, 0)));
        for text in ["", "3", "3.0.196", "3.0.196.0.1", "3.0.x.0", "3.0.196.-1", "3..1.2"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn parts_compare_as_numbers() {
        assert!(Version::parse("3.1.1511.0") > Version::parse("3.1.196.99"));
        assert!(Version::parse("3.0.196.0") <= Some(Version::new(3, 0, 196, 0)));
        assert!(Version::parse("3.1") < Some(Version::new(0, 0, 0, 0)), "unknown is never newer");
    }

    #[test]
    fn versions_of_any_length_compare_as_in_the_real_agent() {
        for (one, other, ordering) in [
            ("1.1.70.0", "1.1.70", Ordering::Greater),
            ("1.1.70", "1.1.70", Ordering::Equal),
            ("1.1.69.9", "1.1.70", Ordering::Less),
            ("1.2", "1.1.70", Ordering::Greater),
            ("1.2.295.0", "1.2.295", Ordering::Greater),
            ("1.10.0.0", "1.9.0.0", Ordering::Greater),
            ("1.1.x", "1.1.70", Ordering::Greater),
            ("", "1.1.70", Ordering::Less),
        ] {
            assert_eq!(Version::compare_loosely(one, other), ordering, "{one} {other}");
        }
    }
}
