//! Texts with wildcards and variables, as `Action`, `Resource` and conditions have them.
//!
//! `*` stands for any characters and `?` for one; `${aws:username}` stands for the call's value of
//! a condition key, in which wildcards mean themselves; `${*}`, `${?}` and `${$}` are the
//! characters themselves. `${key, 'text'}` has a text for calls without the key.

use super::{context::Context, key, slip};
use crate::malformed::Malformed;

/// A text with wildcards and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Any,
    Variable { key: String, otherwise: Option<String> },
}

/// A pattern in which the variables have their values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Character(char),
    One,
    Any,
}

impl Pattern {
    /// Reads a text whose wildcards count.
    ///
    /// # Errors
    /// What is wrong with its variables, as a sentence.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        Self::parse(text, true)
    }

    /// Reads a text whose wildcards are characters like others, as `StringEquals` has them.
    ///
    /// # Errors
    /// What is wrong with its variables, as a sentence.
    pub fn read_exact(text: &str) -> Result<Self, Malformed> {
        Self::parse(text, false)
    }

    fn parse(text: &str, wildcards: bool) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, length) = match first {
                '*' if wildcards => (Piece::Any, 1),
                '?' if wildcards => (Piece::One, 1),
                '$' if rest.starts_with("${") => {
                    let end =
                        rest.find('}').ok_or(format!("`{text}` has a `${{` without its `}}`"))?;
                    (variable(&rest[2..end])?, end + 1)
                }
                _ => {
                    let stops = |(at, c): (usize, char)| {
                        let wildcard = wildcards && matches!(c, '*' | '?');
                        (wildcard || rest[at..].starts_with("${")).then_some(at)
                    };
                    let length = rest.char_indices().find_map(stops).unwrap_or(rest.len());
                    (Piece::Text(rest[..length].to_owned()), length)
                }
            };
            pieces.push(piece);
            rest = &rest[length..];
        }
        Ok(Self(pieces))
    }

    /// Whether it stands for `text`. Without the value of a variable it stands for nothing.
    pub fn matches(&self, text: &str, context: &Context) -> bool {
        let Some(pattern) = self.resolve(context) else { return false };
        let text: Vec<char> = text.chars().collect();
        matches(&pattern, &text)
    }

    /// As [`matches`](Self::matches), whatever the case of letters.
    pub fn matches_in_any_case(&self, text: &str, context: &Context) -> bool {
        let Some(pattern) = self.resolve(context) else { return false };
        let lower = |unit| match unit {
            Unit::Character(c) => c.to_lowercase().map(Unit::Character).collect(),
            wildcard => vec![wildcard],
        };
        let pattern: Vec<Unit> = pattern.into_iter().flat_map(lower).collect();
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        matches(&pattern, &text)
    }

    fn resolve(&self, context: &Context) -> Option<Vec<Unit>> {
        let mut units = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => units.extend(text.chars().map(Unit::Character)),
                Piece::One => units.push(Unit::One),
                Piece::Any => units.push(Unit::Any),
                Piece::Variable { key, otherwise } => {
                    let value = context.get(key).or(otherwise.as_deref())?;
                    units.extend(value.chars().map(Unit::Character));
                }
            }
        }
        Some(units)
    }
}

/// The name of an action, with wildcards and without variables; its case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    pattern: Pattern,
    /// What was meant by a name that AWS does not have.
    slip: Option<String>,
}

impl ActionPattern {
    /// Reads `ssm:StartSession`, `ssm:*`, `*`.
    ///
    /// # Errors
    /// When it names no service, as a sentence.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let named = text.split_once(':').is_some_and(|(service, name)| {
            !service.is_empty() && !name.is_empty() && !name.contains(':')
        });
        if text != "*" && !named {
            return Err(format!("the action `{text}` is not of the form SERVICE:NAME").into());
        }
        if text.contains('$') {
            return Err(
                format!("the action `{text}` has a variable, which no action can have").into()
            );
        }
        let slip = slip::meant_action(text)
            .map(|meant| format!("AWS has no action `{text}`; did you mean {meant}?"));
        Ok(Self { pattern: Pattern::read(text)?, slip })
    }

    /// `*`
    pub fn any() -> Self {
        Self { pattern: Pattern(vec![Piece::Any]), slip: None }
    }

    /// What is odd about its name, as a sentence.
    pub fn slip(&self) -> Option<&str> {
        self.slip.as_deref()
    }

    /// Whether it stands for the action `name`.
    pub fn matches_ignoring_case(&self, name: &str) -> bool {
        self.pattern.matches_in_any_case(name, &Context::default())
    }
}

/// An ARN with wildcards and variables, or `*`. A wildcard does not reach across the colons of the
/// first five parts; parts left out at the end are `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArnPattern {
    /// `*`
    Any,
    /// `arn`, partition, service, region, account, and the rest.
    Parts(Vec<Pattern>),
}

impl ArnPattern {
    /// Reads an ARN.
    ///
    /// # Errors
    /// When it is none, or what is wrong with its variables, as a sentence.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let split = split(text);
        if split.first() != Some(&"arn") || split.len() < 2 {
            return Err(format!("`{text}` is neither an ARN nor \"*\"").into());
        }
        let mut parts = Vec::new();
        for part in split {
            parts.push(Pattern::read(part)?);
        }
        parts.resize(ARN_PARTS, Pattern(vec![Piece::Any]));
        Ok(Self::Parts(parts))
    }

    /// Whether it stands for the resource `arn`.
    pub fn matches(&self, arn: &str, context: &Context) -> bool {
        let Self::Parts(patterns) = self else { return true };
        let parts: Vec<&str> = arn.splitn(ARN_PARTS, ':').collect();
        parts.len() == ARN_PARTS
            && patterns.iter().zip(parts).all(|(pattern, part)| pattern.matches(part, context))
    }
}

/// At the first five colons that stand in no variable.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut in_variable) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '$' if text[at..].starts_with("${") => in_variable = true,
            '}' => in_variable = false,
            ':' if !in_variable && parts.len() < ARN_PARTS - 1 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// What stands between `${` and `}`.
fn variable(inside: &str) -> Result<Piece, Malformed> {
    if let "*" | "?" | "$" = inside {
        return Ok(Piece::Text(inside.to_owned()));
    }
    let (key, otherwise) = match inside.split_once(',') {
        None => (inside.trim(), None),
        Some((key, text)) => {
            let text = text.trim();
            let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            let inner = inner.ok_or(format!("the default in `${{{inside}}}` is not in quotes"))?;
            (key.trim(), Some(inner.to_owned()))
        }
    };
    if !key::is_known(key) {
        let meant = key::did_you_mean(key);
        return Err(format!("this endpoint does not know the variable `${{{key}}}`{meant}").into());
    }
    Ok(Piece::Variable { key: key.to_owned(), otherwise })
}

/// The last `*` takes one character more whenever what follows it does not fit.
fn matches(pattern: &[Unit], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while let Some(&character) = text.get(t) {
        match pattern.get(p) {
            Some(Unit::Any) => {
                last_any = Some((p, t));
                p += 1;
            }
            Some(unit) if *unit == Unit::One || *unit == Unit::Character(character) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((any, taken)) = last_any else { return false };
                last_any = Some((any, taken + 1));
                p = any + 1;
                t = taken + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|unit| *unit == Unit::Any)
}

const ARN_PARTS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Context {
        Context::default().with("aws:username", "alice").with("aws:userid", "A*")
    }

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::read(pattern).unwrap().matches(text, &alice())
    }

    #[test]
    fn wildcards_stand_for_characters() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b"),
            ("a*c*e", "abcdcde"),
            ("a?c", "abc"),
            ("**a", "a"),
            ("session/${aws:username}-*", "session/alice-0123"),
            ("${AWS:UserName}", "alice"),
            ("${aws:userid}", "A*"),
            ("${*}${?}${$}", "*?$"),
            ("${aws:PrincipalTag/Team, 'none'}", "none"),
            ("$5", "$5"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a?c", "ac"),
            ("a*c", "ab"),
            ("", "a"),
            ("A", "a"),
            ("session/${aws:username}-*", "session/bob-0123"),
            ("${aws:userid}", "Ax"),
            ("${*}", "x"),
            ("${aws:PrincipalTag/Team}*", ""),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_wildcards_take_no_time() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!fits(&pattern, &"a".repeat(2000)));
    }

    #[test]
    fn variables_that_mean_nothing_are_refused() {
        for text in ["${", "${}", "${aws:nothing}", "${aws:username, none}", "${aws:PrincipalTag/}"]
        {
            assert!(Pattern::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn actions_have_no_case_and_need_a_service() {
        for pattern in ["ssm:StartSession", "SSM:startsession", "ssm:Start*", "s?m:*", "*"] {
            let pattern = ActionPattern::read(pattern).unwrap();
            assert!(pattern.matches_ignoring_case("ssm:StartSession"), "{pattern:?}");
        }
        let pattern = ActionPattern::read("ssm:Start").unwrap();
        assert!(!pattern.matches_ignoring_case("ssm:StartSession"));
        for pattern in ["StartSession", "", "ssm:", ":x", "ssm:${aws:username}", "a:b:c"] {
            assert!(ActionPattern::read(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn wildcards_stay_between_the_colons_of_an_arn() {
        let node = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1";
        for pattern in [
            "*",
            "arn:aws:ec2:*:*:instance/*",
            "arn:aws:ec2:eu-*:123456789012:*",
            "arn:aws:ec2",
            "arn:aws:ec2:*",
            "arn:*:ec2:*:*:instance/i-?",
        ] {
            assert!(ArnPattern::read(pattern).unwrap().matches(node, &alice()), "{pattern}");
        }
        for pattern in ["arn:aws:ssm:*:*:*", "arn:aws:ec2:*:instance/i-1", "arn:aws:ec2:::*"] {
            assert!(!ArnPattern::read(pattern).unwrap().matches(node, &alice()), "{pattern}");
        }
        let own = ArnPattern::read("arn:aws:ssm:*:*:session/${aws:username}-*").unwrap();
        assert!(own.matches("arn:aws:ssm:r:1:session/alice-1", &alice()));
        assert!(!own.matches("arn:aws:ssm:r:1:session/bob-1", &alice()));
        assert!(!own.matches("*", &alice()));
        for text in ["instance/i-1", "arn", "arnold:aws:ec2:*:*:*", "", "a*:aws:ec2:*:*:*"] {
            assert!(ArnPattern::read(text).is_err(), "{text}");
        }
    }
}
