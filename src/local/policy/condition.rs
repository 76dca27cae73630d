//! `Condition`: an operator, a key, and the values that it may have.

use std::{
    cmp::Ordering,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    context::Context,
    key,
    pattern::{ArnPattern, Pattern},
    slip,
};
use crate::malformed::Malformed;

/// One operator on one key. Its values are alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    key: String,
    /// `...IfExists`: it holds when the call does not have the key.
    if_exists: bool,
    /// `...Not...`: it holds when none of the values fits, or there is no key.
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Text {
        patterns: Vec<Pattern>,
        any_case: bool,
    },
    Arn(Vec<ArnPattern>),
    Number {
        values: Vec<f64>,
        order: &'static [Ordering],
    },
    /// In seconds since 1970.
    Date {
        values: Vec<f64>,
        order: &'static [Ordering],
    },
    Bool(Vec<bool>),
    Address(Vec<Network>),
    /// Whether the key is absent.
    Null(Vec<bool>),
}

impl Condition {
    /// Reads an operator with one key and its values.
    ///
    /// # Errors
    /// What AWS or this endpoint does not evaluate, as a sentence.
    pub fn read(operator: &str, key: &str, values: &[String]) -> Result<Self, Malformed> {
        if operator.contains(':') {
            return Err(
                format!("this endpoint does not evaluate the set operator {operator}").into()
            );
        }
        if !key::is_known(key) {
            let meant = key::did_you_mean(key);
            return Err(
                format!("this endpoint does not know the condition key {key}{meant}").into()
            );
        }
        let (name, if_exists) = match operator.strip_suffix("IfExists") {
            Some("Null") => return Err("there is no condition operator NullIfExists".into()),
            Some(name) => (name, true),
            None => (operator, false),
        };
        let (negated, test) = Test::read(name, values)?;
        Ok(Self { key: key.to_owned(), if_exists, negated, test })
    }

    /// Whether a call fulfils it.
    pub fn holds(&self, context: &Context) -> bool {
        let value = context.get(&self.key);
        if let Test::Null(values) = &self.test {
            return values.contains(&value.is_none());
        }
        match value {
            None => self.if_exists || self.negated,
            Some(value) => self.test.fits(value, context) != self.negated,
        }
    }
}

impl Test {
    /// The test, and whether the operator is a negated one.
    fn read(operator: &str, values: &[String]) -> Result<(bool, Self), Malformed> {
        let exact = || read_all(values, Pattern::read_exact);
        let numbers = |order| -> Result<Self, Malformed> {
            Ok(Self::Number { values: read_all(values, number)?, order })
        };
        let dates = |order| -> Result<Self, Malformed> {
            Ok(Self::Date { values: read_all(values, date)?, order })
        };
        let text = |patterns, any_case| Self::Text { patterns, any_case };
        Ok(match operator {
            "StringEquals" => (false, text(exact()?, false)),
            "StringNotEquals" => (true, text(exact()?, false)),
            "StringEqualsIgnoreCase" => (false, text(exact()?, true)),
            "StringNotEqualsIgnoreCase" => (true, text(exact()?, true)),
            "StringLike" => (false, text(read_all(values, Pattern::read)?, false)),
            "StringNotLike" => (true, text(read_all(values, Pattern::read)?, false)),
            // AWS: the two of each pair behave identically.
            "ArnEquals" | "ArnLike" => (false, Self::Arn(read_all(values, ArnPattern::read)?)),
            "ArnNotEquals" | "ArnNotLike" => (true, Self::Arn(read_all(values, ArnPattern::read)?)),
            "NumericEquals" => (false, numbers(EQUAL)?),
            "NumericNotEquals" => (true, numbers(EQUAL)?),
            "NumericLessThan" => (false, numbers(LESS)?),
            "NumericLessThanEquals" => (false, numbers(AT_MOST)?),
            "NumericGreaterThan" => (false, numbers(GREATER)?),
            "NumericGreaterThanEquals" => (false, numbers(AT_LEAST)?),
            "DateEquals" => (false, dates(EQUAL)?),
            "DateNotEquals" => (true, dates(EQUAL)?),
            "DateLessThan" => (false, dates(LESS)?),
            "DateLessThanEquals" => (false, dates(AT_MOST)?),
            "DateGreaterThan" => (false, dates(GREATER)?),
            "DateGreaterThanEquals" => (false, dates(AT_LEAST)?),
            "Bool" => (false, Self::Bool(read_all(values, boolean)?)),
            "IpAddress" => (false, Self::Address(read_all(values, Network::read)?)),
            "NotIpAddress" => (true, Self::Address(read_all(values, Network::read)?)),
            "Null" => (false, Self::Null(read_all(values, boolean)?)),
            _ => {
                let meant = slip::did_you_mean(operator, OPERATORS);
                return Err(format!(
                    "this endpoint does not evaluate the operator {operator}{meant}"
                )
                .into());
            }
        })
    }

    /// Whether one of the values fits.
    fn fits(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text { patterns, any_case: false } => {
                patterns.iter().any(|pattern| pattern.matches(value, context))
            }
            Self::Text { patterns, any_case: true } => {
                patterns.iter().any(|pattern| pattern.matches_in_any_case(value, context))
            }
            Self::Arn(patterns) => patterns.iter().any(|pattern| pattern.matches(value, context)),
            Self::Number { values, order } => {
                number(value).is_ok_and(|ours| compares(ours, values, order))
            }
            Self::Date { values, order } => {
                date(value).is_ok_and(|ours| compares(ours, values, order))
            }
            Self::Bool(values) => boolean(value).is_ok_and(|ours| values.contains(&ours)),
            Self::Address(networks) => value
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Null(_) => false,
        }
    }
}

fn compares(ours: f64, values: &[f64], order: &[Ordering]) -> bool {
    values.iter().any(|value| ours.partial_cmp(value).is_some_and(|found| order.contains(&found)))
}

fn read_all<T>(
    values: &[String],
    read: impl Fn(&str) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    values.iter().map(|value| read(value)).collect()
}

fn boolean(text: &str) -> Result<bool, Malformed> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false").into()),
    }
}

fn number(text: &str) -> Result<f64, Malformed> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is not a number").into())
}

/// ISO 8601 as RFC 3339 has it, or seconds since 1970.
fn date(text: &str) -> Result<f64, Malformed> {
    if let Ok(seconds) = number(text) {
        return Ok(seconds);
    }
    let long = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    match humantime::parse_rfc3339_weak(&long) {
        Ok(time) => Ok(epoch_seconds(time)),
        Err(_) => Err(format!("`{text}` is no date such as 2026-04-01T00:00:00Z").into()),
    }
}

fn epoch_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// An address, or all that have their first bits in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn read(text: &str) -> Result<Self, Malformed> {
        let wrong = || {
            Malformed::from(format!(
                "`{text}` is neither an address nor a network such as 203.0.113.0/24"
            ))
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        if bits > all {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, all: u32| {
            (ours ^ theirs).checked_shr(all - self.bits).unwrap_or(0) == 0
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                same(ours.to_bits().into(), theirs.to_bits().into(), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

const OPERATORS: [&str; 26] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "IpAddress",
    "NotIpAddress",
    "Null",
];

const EQUAL: &[Ordering] = &[Ordering::Equal];
const LESS: &[Ordering] = &[Ordering::Less];
const AT_MOST: &[Ordering] = &[Ordering::Less, Ordering::Equal];
const GREATER: &[Ordering] = &[Ordering::Greater];
const AT_LEAST: &[Ordering] = &[Ordering::Greater, Ordering::Equal];

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(operator: &str, key: &str, values: &[&str]) -> Condition {
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        Condition::read(operator, key, &values).unwrap()
    }

    fn holds(operator: &str, key: &str, values: &[&str], value: Option<&str>) -> bool {
        let context = match value {
            Some(value) => Context::default().with(key, value),
            None => Context::default(),
        };
        condition(operator, key, values).holds(&context.with("aws:username", "alice"))
    }

    const MFA: &str = "aws:MultiFactorAuthPresent";
    const AGE: &str = "aws:MultiFactorAuthAge";
    const ENV: &str = "ssm:resourceTag/Env";

    #[test]
    fn a_key_that_the_call_has_is_compared() {
        for (operator, key, values, value, expected) in [
            ("Bool", MFA, &["true"][..], "true", true),
            ("Bool", MFA, &["TRUE"], "true", true),
            ("Bool", MFA, &["false"], "true", false),
            ("StringEquals", ENV, &["prod", "test"], "test", true),
            ("StringEquals", ENV, &["prod*"], "product", false),
            ("StringEquals", ENV, &["prod*"], "prod*", true),
            ("StringEquals", ENV, &["${aws:username}"], "alice", true),
            ("StringEquals", ENV, &["Prod"], "prod", false),
            ("StringEqualsIgnoreCase", ENV, &["Prod"], "prod", true),
            ("StringNotEqualsIgnoreCase", ENV, &["Prod"], "prod", false),
            ("StringNotEquals", ENV, &["prod", "test"], "test", false),
            ("StringNotEquals", ENV, &["prod", "test"], "dev", true),
            ("StringLike", ENV, &["prod*"], "product", true),
            ("StringNotLike", ENV, &["prod*"], "product", false),
            ("NumericLessThan", AGE, &["3600"], "3599", true),
            ("NumericLessThan", AGE, &["3600"], "3600", false),
            ("NumericLessThanEquals", AGE, &["3600"], "3600", true),
            ("NumericGreaterThan", AGE, &["3600"], "3601", true),
            ("NumericGreaterThanEquals", AGE, &["3600"], "3599", false),
            ("NumericEquals", AGE, &["5"], "5", true),
            ("NumericNotEquals", AGE, &["5"], "5", false),
            ("NumericLessThan", AGE, &["3600"], "old", false),
            (
                "ArnLike",
                "aws:PrincipalArn",
                &["arn:aws:iam::*:role/*"],
                "arn:aws:iam::1:role/r",
                true,
            ),
            (
                "ArnNotLike",
                "aws:PrincipalArn",
                &["arn:aws:iam::*:role/*"],
                "arn:aws:iam::1:user/u",
                true,
            ),
            (
                "ArnEquals",
                "aws:PrincipalArn",
                &["arn:aws:iam::1:user/u"],
                "arn:aws:iam::1:user/u",
                true,
            ),
            ("IpAddress", "aws:SourceIp", &["127.0.0.0/8"], "127.0.0.1", true),
            ("IpAddress", "aws:SourceIp", &["127.0.0.0/8"], "::ffff:127.0.0.1", true),
            ("IpAddress", "aws:SourceIp", &["::1"], "::1", true),
            ("IpAddress", "aws:SourceIp", &["::/0"], "2001:db8::1", true),
            ("IpAddress", "aws:SourceIp", &["203.0.113.0/24"], "203.0.114.1", false),
            ("NotIpAddress", "aws:SourceIp", &["203.0.113.0/24"], "203.0.113.9", false),
            ("DateLessThan", "aws:CurrentTime", &["2026-01-01"], "2025-12-31T23:59:59Z", true),
            ("DateGreaterThan", "aws:CurrentTime", &["2026-01-01T00:00:00Z"], "1767225600", false),
            ("DateGreaterThanEquals", "aws:EpochTime", &["1767225600"], "1767225600", true),
            ("Null", MFA, &["false"], "true", true),
            ("Null", MFA, &["true"], "true", false),
        ] {
            assert_eq!(holds(operator, key, values, Some(value)), expected, "{operator} {value}");
        }
    }

    #[test]
    fn a_key_that_the_call_does_not_have() {
        for (operator, key, values, expected) in [
            ("Bool", MFA, &["false"][..], false),
            ("BoolIfExists", MFA, &["false"], true),
            ("BoolIfExists", MFA, &["true"], true),
            ("StringEquals", ENV, &["prod"], false),
            ("StringEqualsIfExists", ENV, &["prod"], true),
            ("StringNotEquals", ENV, &["prod"], true),
            ("StringNotLike", ENV, &["*"], true),
            ("NumericLessThan", AGE, &["3600"], false),
            ("NotIpAddress", "aws:SourceIp", &["203.0.113.0/24"], true),
            ("Null", MFA, &["true"], true),
            ("Null", MFA, &["false"], false),
        ] {
            assert_eq!(holds(operator, key, values, None), expected, "{operator} {key}");
        }
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let values = ["true".to_owned()];
        for (operator, key, meant) in [
            ("bool", MFA, "Bool"),
            ("StringEqual", ENV, "StringEquals"),
            ("Bool", "aws:MultiFactorAuthPresnt", MFA),
            ("Bool", "ssm:resourceTags/Env", ENV),
        ] {
            let error = Condition::read(operator, key, &values).unwrap_err();
            assert!(error.to_string().ends_with(&format!("; did you mean {meant}?")), "{error}");
        }
        let error = Condition::read("Bool", "aws:PrincipalOrgID", &values).unwrap_err();
        assert!(error.to_string().ends_with("the condition key aws:PrincipalOrgID"), "{error}");
    }

    #[test]
    fn what_is_not_evaluated_is_refused() {
        for (operator, key, value) in [
            ("ForAnyValue:StringEquals", ENV, "x"),
            ("ForAllValues:StringEquals", ENV, "x"),
            ("BinaryEquals", ENV, "x"),
            ("NullIfExists", MFA, "true"),
            ("bool", MFA, "true"),
            ("Bool", "aws:PrincipalOrgID", "true"),
            ("Bool", MFA, "yes"),
            ("NumericLessThan", AGE, "an hour"),
            ("IpAddress", "aws:SourceIp", "203.0.113.0/33"),
            ("DateLessThan", "aws:CurrentTime", "tomorrow"),
            ("ArnLike", "aws:PrincipalArn", "alice"),
            ("StringLike", ENV, "${aws:nobody}"),
        ] {
            let values = [value.to_owned()];
            assert!(Condition::read(operator, key, &values).is_err(), "{operator} {key} {value}");
        }
    }
}
