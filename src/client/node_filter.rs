//! Which of many nodes are meant: by their names and tags, and by patterns of them.

use std::str::FromStr;

#[cfg(feature = "aws")]
use super::{fleet::ListedNode, target::Target};
use crate::malformed::Malformed;

/// What a node's name, or one of its tags, must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeFilter {
    /// The tag; for the name, `Name`.
    key: String,
    value: String,
}

/// One word of the command line: filters with commas between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeFilters(pub(crate) Vec<NodeFilter>);

impl FromStr for NodeFilters {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || format!("`{text}` is no filter: give a name, or tag:KEY=VALUE").into();
        let Some(tags) = text.strip_prefix("tag:") else {
            let is_name = !text.trim().is_empty() && !text.chars().any(char::is_control);
            let filter = NodeFilter { key: NAME.to_owned(), value: text.to_owned() };
            return is_name.then(|| Self(vec![filter])).ok_or_else(wrong);
        };
        // A comma alone may be part of a value.
        let filters = tags.split(",tag:").map(|tag| {
            let (key, value) = tag.split_once('=').filter(|(key, _)| !key.is_empty())?;
            Some(NodeFilter { key: key.to_owned(), value: value.to_owned() })
        });
        filters.collect::<Option<_>>().map(Self).ok_or_else(wrong)
    }
}

impl NodeFilter {
    /// The tag and the value that a target names.
    pub(crate) fn tag(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_owned() }
    }

    /// What is called so.
    pub(crate) fn name(value: &str) -> Self {
        Self::tag(NAME, value)
    }

    /// For SSM, which takes values as they are, no patterns, and no ids.
    #[cfg(feature = "aws")]
    pub(crate) fn of_ssm(&self) -> Option<(String, &str)> {
        // What may stand in a name's place has no tag.
        let is_id = self.key == NAME && matches!(self.value.parse(), Ok(Target::Id(_)));
        (!is_id && !self.value.contains(WILDCARDS))
            .then(|| (format!("tag:{}", self.key), &*self.value))
    }

    /// A name that looks as if a tag were meant: `Role=web`.
    #[cfg(feature = "aws")]
    pub(crate) fn maybe_a_tag(&self) -> Option<&str> {
        let is_one = self.key == NAME && self.value.contains('=');
        is_one.then_some(&*self.value)
    }

    /// Whether a node has what a pattern asks for.
    #[cfg(feature = "aws")]
    pub(crate) fn matches(&self, node: &ListedNode) -> bool {
        let names = [&node.name, &node.computer_name].into_iter().flatten().chain([&node.id]);
        let tags = node.tags.iter().map(|(key, value)| (&**key, &**value));
        self.holds(names.map(String::as_str), tags)
    }

    /// The same, of what has these names and tags.
    pub(crate) fn holds<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        tags: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> bool {
        let names = names.filter(|_| self.key == NAME);
        let tags = tags.filter(|(key, _)| *key == self.key).map(|(_, value)| value);
        names.chain(tags).any(|text| is_like(text, &self.value))
    }
}

/// Whether a text is of a pattern: `*` stands for anything, `?` for one character.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut looked_at) = (0, 0);
    // Where the last `*` was, and how much of the text it stands for so far.
    let mut star = None;
    while at < text.len() {
        match pattern.get(looked_at) {
            Some('*') => {
                star = Some((looked_at, at));
                looked_at += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => {
                at += 1;
                looked_at += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, looked_at) = (taken + 1, place + 1);
            }
        }
    }
    pattern[looked_at..].iter().all(|c| *c == '*')
}

const NAME: &str = "Name";
#[cfg(feature = "aws")]
pub(crate) const WILDCARDS: [char; 2] = ['*', '?'];

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(text: &str) -> Vec<NodeFilter> {
        text.parse::<NodeFilters>().unwrap().0
    }

    fn filter(key: &str, value: &str) -> NodeFilter {
        NodeFilter { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn names_and_tags_are_told_apart() {
        assert_eq!(filters("web"), [filter("Name", "web")]);
        assert_eq!(filters("tag:A=1,2,tag:B="), [filter("A", "1,2"), filter("B", "")]);
        for wrong in ["", " ", "tag:", "tag:A", "tag:=1", "tag:A=1,tag:B", "a\nb"] {
            assert!(wrong.parse::<NodeFilters>().is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn ssm_knows_names_and_no_patterns() {
        assert_eq!(filters("web")[0].of_ssm(), Some(("tag:Name".to_owned(), "web")));
        for here in ["web*", "i-0123456789abcdef0"] {
            assert_eq!(filters(here)[0].of_ssm(), None);
        }
    }

    #[test]
    fn patterns_are_those_of_shells() {
        for (text, pattern) in [
            ("", ""),
            ("", "**"),
            ("web-1", "web*"),
            ("web-1", "*-1"),
            ("web-1", "w*b-?"),
            ("aXbXc", "a*X*c"),
            ("aab", "*ab"),
            ("\u{fc}ber", "?ber"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("web-1", "web"), ("web", "web?"), ("ab", "*c"), ("Web", "web")] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }
}
