//! What a refusal means: AWS's own words read for the policy that forbids, and what to do about it.
//!
//! AWS says `User: ARN is not authorized to perform: ACTION on resource: ARN because no
//! identity-based policy allows the ACTION action`, or `with an explicit deny in a service control
//! policy`, and so on; it never says which condition was not met.

use super::operation::{Operation, one_line};

/// A refusal, with what is known beside it.
pub(super) struct Refusal<'a> {
    pub(super) operation: &'a Operation,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    /// The keys are a user's own, which no MFA has been added to.
    pub(super) is_long_term: bool,
}

impl Refusal<'_> {
    /// What to do about it, as a sentence without capital or full stop.
    pub(super) fn step(&self) -> String {
        if self.is_clock() {
            return "set this computer's clock: AWS takes requests signed within five minutes of \
                    its own time"
                .to_owned();
        }
        match self.code {
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                "get new credentials with `ssmport login` (or `aws sso login`)".to_owned()
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" => {
                "check the secret access key and this computer's clock".to_owned()
            }
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => self.denied(),
            _ => "check the access key; temporary ones need AWS_SESSION_TOKEN too".to_owned(),
        }
    }

    fn is_clock(&self) -> bool {
        ["Signature expired", "Signature not yet current", "Request has expired"]
            .iter()
            .any(|words| self.message.contains(words))
    }

    /// Which policy it is, and who can do something about it.
    fn denied(&self) -> String {
        let Denial { action, resource, reason } = Denial::read(self.message);
        let Operation { service, name, subject } = self.operation;
        let action = action.map_or_else(|| format!("{}:{name}", service.name()), str::to_owned);
        let resource = resource.map_or_else(|| one_line(subject), str::to_owned);
        let on = if resource.is_empty() { String::new() } else { format!(" on {resource}") };
        if self.message.contains("MultiFactorAuthentication failed") {
            return "the code was wrong or used already: wait for the next one".to_owned();
        }
        match reason {
            Reason::Organisation(policy) => format!(
                "{policy} forbids it, which no policy of the account can allow again: ask those who \
                 run the organisation for {action}{on}"
            ),
            Reason::Endpoint => format!(
                "the policy of the VPC endpoint on the way forbids it: ask for {action}{on} there"
            ),
            Reason::Bounded(policy) => {
                format!("the {policy} leaves it out: ask for {action}{on} to be added there")
            }
            Reason::Explicit if self.is_long_term => format!(
                "a policy denies it, most likely all that is done without MFA: run `ssmport login`, \
                 and try again; else ask why {action}{on} is denied"
            ),
            Reason::Explicit => format!(
                "a policy denies it explicitly, and no other can allow it: ask for {action}{on} to \
                 be taken out of the denial"
            ),
            Reason::NotAllowed => self.not_allowed(&action, &resource, &on),
        }
    }

    fn not_allowed(&self, action: &str, resource: &str, on: &str) -> String {
        let mfa = match self.is_long_term {
            true => " (if it is allowed with MFA only, `ssmport login` is enough)",
            false => "",
        };
        match resource.rsplit_once(":document/") {
            Some((_, "AWS-StartSSHSession")) => format!(
                "the document for SSH is not allowed to you: ask for {action}{on}{mfa}, or go \
                 without it: `ssmport shell`, or `ssmport forward 2222:22` and ssh to port 2222"
            ),
            Some((_, document)) => {
                format!("the document {document} is not allowed to you: ask for {action}{on}{mfa}")
            }
            None if is_node(resource) => {
                format!("this node is not among those allowed to you: ask for {action}{on}{mfa}")
            }
            None => format!("ask for a policy that allows {action}{on}{mfa}"),
        }
    }
}

fn is_node(resource: &str) -> bool {
    [":instance/", ":managed-instance/", ":task/"].iter().any(|kind| resource.contains(kind))
}

/// What AWS's sentence says.
struct Denial<'a> {
    action: Option<&'a str>,
    resource: Option<&'a str>,
    reason: Reason,
}

enum Reason {
    /// A policy above the account's own, by its name.
    Organisation(&'static str),
    /// The VPC endpoint's policy.
    Endpoint,
    /// A policy that bounds what others allow.
    Bounded(&'static str),
    /// A deny in one of the caller's or the resource's own policies.
    Explicit,
    /// Nothing allows it, or AWS does not say.
    NotAllowed,
}

impl<'a> Denial<'a> {
    fn read(message: &'a str) -> Self {
        let behind = |words: &str| message.split_once(words).map(|(_, rest)| rest);
        let word = |rest: &'a str| rest.split([' ', ',']).next().unwrap_or(rest);
        let action = behind("not authorized to perform: ").map(word);
        let resource = behind("on resource: ").map(word);
        let has = |words: &str| message.contains(words);
        let reason = if has("service control policy") {
            Reason::Organisation("a service control policy (SCP)")
        } else if has("resource control policy") {
            Reason::Organisation("a resource control policy (RCP)")
        } else if has("VPC endpoint policy") {
            Reason::Endpoint
        } else if has("permissions boundary") {
            Reason::Bounded("permissions boundary")
        } else if has("session policy") {
            Reason::Bounded("session policy of the assumed role")
        } else if has("explicit deny") {
            Reason::Explicit
        } else {
            Reason::NotAllowed
        };
        Self { action, resource, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::service::Service, *};

    const NODE: &str = "arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0";

    fn step(resource: &str, why: &str, is_long_term: bool) -> String {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/jane is not authorized to perform: \
             ssm:StartSession on resource: {resource} {why}"
        );
        let operation = Operation::new(Service::Ssm, "StartSession", "i-0123456789abcdef0");
        let code = "AccessDeniedException";
        Refusal { operation: &operation, code, message: &message, is_long_term }.step()
    }

    const NOTHING: &str = "because no identity-based policy allows the ssm:StartSession action";

    #[test]
    fn an_explicit_deny_of_long_term_keys_is_about_mfa() {
        let deny = "with an explicit deny in an identity-based policy";
        let without = step(NODE, deny, true);
        assert!(without.contains("run `ssmport login`") && without.contains(NODE), "{without}");
        let with = step(NODE, deny, false);
        assert!(!with.contains("login") && with.contains("taken out of the denial"), "{with}");
    }

    #[test]
    fn the_resource_tells_nodes_from_documents() {
        let node = step(NODE, NOTHING, false);
        let expected = format!(
            "this node is not among those allowed to you: ask for ssm:StartSession on {NODE}"
        );
        assert_eq!(node, expected);
        let document = "arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession";
        let ssh = step(document, NOTHING, false);
        assert!(ssh.contains(document) && ssh.contains("forward 2222:22"), "{ssh}");
        let other = step("arn:aws:ssm:eu-west-1:1:document/Own", NOTHING, true);
        assert!(other.starts_with("the document Own is not allowed"), "{other}");
        assert!(other.contains("`ssmport login` is enough"), "{other}");
    }

    #[test]
    fn policies_above_the_account_are_named() {
        for (why, part) in [
            ("with an explicit deny in a service control policy", "(SCP) forbids it"),
            ("with an explicit deny in a resource control policy", "(RCP) forbids it"),
            ("because no VPC endpoint policy allows the x action", "VPC endpoint on the way"),
            ("because no permissions boundary allows the x action", "permissions boundary leaves"),
            ("because no session policy allows the x action", "session policy of the assumed role"),
        ] {
            let step = step(NODE, why, true);
            assert!(step.contains(part) && step.contains("ssm:StartSession on"), "{step}");
        }
    }

    #[test]
    fn a_sentence_of_another_form_is_answered_from_the_call() {
        let operation = Operation::new(Service::Ec2, "DescribeInstances", "");
        let refusal = |code, message| {
            let operation = &operation;
            Refusal { operation, code, message, is_long_term: false }.step()
        };
        let plain = refusal("UnauthorizedOperation", "You are not authorized.");
        assert_eq!(plain, "ask for a policy that allows ec2:DescribeInstances");
        let late = "Signature expired: 20261121T000000Z is now earlier than 20261122T000000Z";
        assert!(refusal("InvalidSignatureException", late).contains("clock"));
        assert!(refusal("ExpiredTokenException", "expired").contains("ssmport login"));
        assert!(refusal("UnrecognizedClientException", "").contains("AWS_SESSION_TOKEN"));
    }
}
