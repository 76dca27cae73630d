//! Variables that are set and empty, as scripts and containers leave them: they mean what unset ones
//! mean, to us and to all that is built in.

use std::{env, ffi::OsString};

/// Those of AWS and of ours in the environment. A program takes them out first: the AWS SDK, which
/// reads some variables by itself, takes an empty address for an address.
pub fn empty_variables() -> Vec<OsString> {
    empty_ones(env::vars_os())
}

fn empty_ones(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<OsString> {
    let is_ours = |name: &OsString| {
        let name = name.to_string_lossy();
        PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && name != PAGER
    };
    let empty = variables.filter(|(name, value)| value.is_empty() && is_ours(name));
    empty.map(|(name, _)| name).collect()
}

const PREFIXES: [&str; 3] = ["AWS_", "SSMPORT_", "SSM_PLUGIN_"];
/// For the AWS CLI, which we start for logins, an empty one is none, and an unset one is `less`.
const PAGER: &str = "AWS_PAGER";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_ones_that_are_read_here_are_taken_out() {
        let variables = [
            ("AWS_ENDPOINT_URL", ""),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_PAGER", ""),
            ("PAGER", ""),
            ("SSMPORT_TARGET", ""),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(empty_ones(variables.into_iter()), ["AWS_ENDPOINT_URL", "SSMPORT_TARGET"]);
    }
}
