//! Slips of the pen: names that no call here has, beside one that is near.

/// The name that was meant, if one is near: another case, or a slip or two.
pub fn meant<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_ascii_lowercase();
    let slips = |name: &str| strsim::osa_distance(&lower, &name.to_ascii_lowercase());
    let near = names.into_iter().map(|name| (slips(name), name));
    near.filter(|(slips, _)| *slips <= MOST_SLIPS).min().map(|(_, name)| name)
}

/// `; did you mean NAME?`, or nothing.
pub fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    meant(written, names).map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The action of these that was meant by one that AWS does not have either.
pub fn meant_action(written: &str) -> Option<&'static str> {
    let is = |name: &&str| name.eq_ignore_ascii_case(written);
    // What wildcards stand for is for AWS to say.
    if written.contains(['*', '?']) || ACTIONS.iter().chain(&OTHERS).any(is) {
        return None;
    }
    meant(written, ACTIONS)
}

/// Those that are evaluated here.
const ACTIONS: [&str; 20] = [
    "ec2-instance-connect:SendSSHPublicKey",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:RebootInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ecs:DescribeTasks",
    "ecs:ExecuteCommand",
    "ecs:ListTasks",
    "iam:GetUser",
    "iam:ListMFADevices",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "ssm:DescribeInstanceInformation",
    "ssm:DescribeSessions",
    "ssm:GetConnectionStatus",
    "ssm:ResumeSession",
    "ssm:StartSession",
    "ssm:TerminateSession",
    "sts:AssumeRole",
];
/// AWS's own that are as near to one of those as a slip is, and those that need no permission.
const OTHERS: [&str; 4] =
    ["kms:Encrypt", "sts:AssumeRoot", "sts:GetCallerIdentity", "sts:GetSessionToken"];

const MOST_SLIPS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_and_what_aws_has_is_not() {
        for (written, name) in [
            ("ssm:StartSesion", "ssm:StartSession"),
            ("smm:StartSession", "ssm:StartSession"),
            ("ssm:startsesssion", "ssm:StartSession"),
            ("ssm:TerminateSessions", "ssm:TerminateSession"),
            ("kms:GenerateDataKeys", "kms:GenerateDataKey"),
        ] {
            assert_eq!(meant_action(written), Some(name), "{written}");
        }
        for written in [
            "ssm:StartSession",
            "SSM:startsession",
            "ssm:GetParameter",
            "kms:Encrypt",
            "sts:AssumeRoot",
            "iam:GetRole",
            "ssm:StartSes*",
            "*",
        ] {
            assert_eq!(meant_action(written), None, "{written}");
        }
    }
}
