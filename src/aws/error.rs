//! What can go wrong with AWS, sorted by what its reader has to do about it.

use std::error::Error;

use aws_credential_types::{Credentials, provider::error::CredentialsError};
use aws_sdk_ssm::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use thiserror::Error as ThisError;

use super::{
    mfa_error::MfaError,
    operation::{Operation, one_line},
    refusal::Refusal,
    service::Service,
    unanswered::too_late,
};
use crate::net::TlsError;

/// Why AWS did not do what it was asked. Each message is one line; what AWS itself says is in it
/// word for word, and no secret is.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum AwsError {
    /// Nobody says which region is meant.
    #[error("no AWS region: not given, not in AWS_REGION, and not in profile `{profile}`")]
    NoRegion {
        /// The profile in use.
        profile: String,
    },

    /// A profile or an endpoint was named that cannot be used, or a configuration file is broken.
    #[error("AWS configuration: {why}")]
    Configuration {
        /// What is wrong with what.
        why: String,
    },

    /// The certificate authorities that are to be trusted cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),

    /// No credentials were found, or their source failed.
    #[error("no AWS credentials: {why}")]
    NoCredentials {
        /// What the sources of credentials said.
        why: String,
        /// There is a source, which failed or took too long: it may be the network.
        is_temporary: bool,
    },

    /// The profile's SSO gives no credentials, as a rule because its session has expired.
    #[error(
        "no AWS credentials: the SSO session of profile `{profile}` has expired, or there is none: {why}"
    )]
    Sso {
        /// The profile.
        profile: String,
        /// What the SDK said.
        why: String,
    },

    /// The profile's session of the console gives no credentials, as a rule because it has expired.
    #[error(
        "no AWS credentials: the session of `aws login` of profile `{profile}` has expired, or there is none: {why}"
    )]
    Console {
        /// The profile.
        profile: String,
        /// What the AWS CLI did.
        why: String,
    },

    /// No MFA code, or not the right one.
    #[error(transparent)]
    Mfa(#[from] MfaError),

    /// AWS knows the caller and forbids it the operation, or does not accept the credentials.
    #[error("{operation} was refused: {message} ({code})")]
    Refused {
        /// What was asked for.
        operation: Operation,
        /// The error's name in the AWS API.
        code: String,
        /// AWS's own words.
        message: String,
        /// The keys are a user's own, which no MFA has been added to.
        is_long_term: bool,
    },

    /// The node is unknown in this account and region, or its agent is away: AWS does not tell
    /// these apart.
    #[error("StartSession on {target}: {message} (TargetNotConnected)")]
    TargetNotConnected {
        /// The node.
        target: String,
        /// AWS's own words.
        message: String,
    },

    /// AWS does not know the session.
    #[error("{operation}: {message} ({code})")]
    NotFound {
        /// What was asked for.
        operation: Operation,
        /// The error's name in the AWS API.
        code: String,
        /// AWS's own words.
        message: String,
    },

    /// Something in the request is wrong: the target's form, the document, its parameters.
    #[error("{operation} was rejected: {message} ({code})")]
    Rejected {
        /// What was asked for.
        operation: Operation,
        /// The error's name in the AWS API.
        code: String,
        /// AWS's own words.
        message: String,
    },

    /// AWS cannot do it at the moment: it throttles the caller, or has a failure of its own. It
    /// has been tried several times already.
    #[error("{operation} is not possible at the moment: {message} ({code})")]
    Unavailable {
        /// What was asked for.
        operation: Operation,
        /// The error's name in the AWS API.
        code: String,
        /// AWS's own words.
        message: String,
    },

    /// No answer came: DNS, TCP, TLS or a time limit. It has been tried several times already.
    #[error("{operation}: cannot reach {endpoint}: {why}")]
    Unreachable {
        /// What was asked for.
        operation: Operation,
        /// The address that was tried.
        endpoint: String,
        /// The cause at the bottom.
        why: String,
    },

    /// Somebody on the way to AWS is in the way: a proxy, or whoever shows a strange certificate.
    #[error("{operation}: cannot reach {endpoint}: {why}")]
    Barred {
        /// What was asked for.
        operation: Operation,
        /// The address that was tried.
        endpoint: String,
        /// Who does not let the call through, and why.
        why: String,
        /// What to do about it.
        step: String,
    },

    /// What came back is no answer of the service: a proxy's page, another service, half a document.
    #[error("{operation}: {endpoint} did not answer as {} does: {why}", operation.service.title())]
    Answer {
        /// What was asked for.
        operation: Operation,
        /// The address that answered.
        endpoint: String,
        /// What is wrong with the answer.
        why: String,
    },
}

impl AwsError {
    /// What to do about it, as a short sentence without capital or full stop; `None` when the
    /// message says all there is.
    pub fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::NoRegion { .. } => {
                "set AWS_REGION, or add `region` to the profile".to_owned()
            }
            Self::Configuration { .. } => {
                "check the profile, the region, the endpoint and the files in ~/.aws".to_owned()
            }
            Self::Tls(_) => "check AWS_CA_BUNDLE, and `ca_bundle` of the profile".to_owned(),
            Self::NoCredentials { .. } => {
                "run `aws configure`, `aws sso login` or `ssmport login`, or choose another profile".to_owned()
            }
            Self::Sso { profile, .. } | Self::Console { profile, .. } => {
                format!("run `ssmport login --profile {}`", in_quotes(profile))
            }
            Self::Mfa(error) => return error.next_step().map(str::to_owned),
            Self::Refused { operation, code, message, is_long_term } => {
                let is_long_term = *is_long_term;
                Refusal { operation, code, message, is_long_term }.step()
            }
            Self::TargetNotConnected { target, .. } => format!(
                "check that the node is running with its SSM Agent online, and that it is in this \
                 account and region: `ssmport doctor {target}` does"
            ),
            Self::NotFound { .. } => "start a new session".to_owned(),
            Self::Rejected { operation, .. } if operation.service == Service::Kms => {
                "check in the session preferences which key is meant; it must be enabled, symmetric, \
                 for encryption, and in this region"
                    .to_owned()
            }
            Self::Rejected { .. } => return None,
            Self::Unavailable { .. } => "try again in a while".to_owned(),
            Self::Unreachable { .. } => {
                "check the network, the region's name and the endpoint".to_owned()
            }
            Self::Barred { step, .. } => step.clone(),
            Self::Answer { operation, endpoint, .. } => {
                let service = operation.service.title();
                format!(
                    "check that {endpoint} is an endpoint of {service} and no proxy is in between"
                )
            }
        };
        Some(step)
    }

    /// The failure of the sources of credentials.
    pub(super) fn no_credentials(error: &CredentialsError) -> Self {
        // What was told by a source of ours has its own words.
        if let Some(told) = error.source().and_then(|source| source.downcast_ref::<Self>()) {
            return told.clone();
        }
        let why = match error {
            // The error lists each source with its reason, which is more than a line can hold.
            CredentialsError::CredentialsNotLoaded(_) => {
                tracing::debug!("{}", chain(error));
                "none in the environment, the profile, web identity, ECS and EC2".to_owned()
            }
            _ => chain(error),
        };
        let is_temporary = matches!(
            error,
            CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)
        );
        Self::NoCredentials { why, is_temporary }
    }

    /// The same error, of a call that was signed with `credentials`.
    pub(super) fn signed_with(mut self, credentials: &Credentials) -> Self {
        if let Self::Refused { is_long_term, .. } = &mut self {
            *is_long_term = credentials.session_token().is_none();
        }
        self
    }

    /// Whether it may be over once the user has logged in, here or in another terminal.
    pub fn heals_with_login(&self) -> bool {
        match self {
            Self::Sso { .. } | Self::Console { .. } | Self::Mfa(_) => true,
            Self::NoCredentials { is_temporary, .. } => *is_temporary,
            Self::Refused { code, .. } => code.starts_with("ExpiredToken"),
            _ => false,
        }
    }

    /// Whether the service wants fewer calls a second.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if THROTTLES.contains(&code.as_str()))
    }

    /// The failure of the SSO that `profile` asks for.
    pub(super) fn sso(profile: &str, error: &CredentialsError) -> Self {
        Self::Sso { profile: profile.to_owned(), why: root_cause(error) }
    }

    /// The failure of a call to `endpoint`.
    pub(super) fn of_call<E>(
        operation: Operation,
        endpoint: String,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let unreachable = |operation, endpoint, why| Self::Unreachable { operation, endpoint, why };
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status();
                let error = answer.err();
                match error.code() {
                    Some(code) => {
                        let message = error.message().unwrap_or("no reason given");
                        let busy = status.is_server_error();
                        Self::of_code(operation, one_line(code), one_line(message), busy)
                    }
                    None => Self::Answer {
                        operation,
                        endpoint,
                        why: format!("HTTP status {} without an error's name", status.as_u16()),
                    },
                }
            }
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => Self::unanswered(operation, endpoint, error),
                None => unreachable(operation, endpoint, root_cause(error)),
            },
            SdkError::TimeoutError(_) => unreachable(operation, endpoint, too_late()),
            SdkError::ResponseError(answer) => {
                let why = match answer.raw().status().as_u16() {
                    // Who vouches for the endpoint does not for that place.
                    status @ 300..=399 => {
                        format!("HTTP status {status} leads elsewhere, and is not followed")
                    }
                    _ => root_cause(error),
                };
                Self::Answer { operation, endpoint, why }
            }
            // The request could not even be made: an address or a setting that makes no sense.
            _ => Self::Configuration { why: format!("{operation}: {}", root_cause(error)) },
        }
    }

    pub(super) fn of_code(operation: Operation, code: String, message: String, busy: bool) -> Self {
        if code == "TargetNotConnected" {
            return Self::TargetNotConnected { target: one_line(&operation.subject), message };
        }
        if code == "DoesNotExistException" {
            return Self::NotFound { operation, code, message };
        }
        if REFUSALS.contains(&code.as_str()) {
            return Self::Refused { operation, code, message, is_long_term: false };
        }
        if busy || THROTTLES.contains(&code.as_str()) {
            return Self::Unavailable { operation, code, message };
        }
        Self::Rejected { operation, code, message }
    }
}

/// As a shell wants it.
fn in_quotes(name: &str) -> String {
    shlex::try_quote(name).map_or_else(|_| name.to_owned(), std::borrow::Cow::into_owned)
}

/// The bottom of a chain of errors, where the system or the peer speaks.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.last().map(|error| one_line(&error.to_string())).unwrap_or_default()
}

/// A whole chain of errors, for causes that are told over several of them.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut whole = String::new();
    for error in std::iter::successors(Some(error), |&error| error.source()) {
        let part = one_line(&error.to_string());
        if !whole.ends_with(&part) {
            let separator = if whole.is_empty() { "" } else { ": " };
            whole = whole + separator + &part;
        }
    }
    whole
}

/// Error names that mean: not with these credentials.
const REFUSALS: [&str; 17] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// Error names that mean: not now. They come with a client error's status.
const THROTTLES: [&str; 5] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Operation {
        Operation::new(Service::Ssm, "StartSession", "i-0abc")
    }

    #[test]
    fn codes_are_sorted_by_what_to_do() {
        let of = |code: &str| AwsError::of_code(start(), code.to_owned(), "why".to_owned(), false);
        assert!(matches!(of("ExpiredTokenException"), AwsError::Refused { .. }));
        assert!(matches!(of("UnrecognizedClientException"), AwsError::Refused { .. }));
        assert!(matches!(of("TargetNotConnected"), AwsError::TargetNotConnected { .. }));
        assert!(matches!(of("DoesNotExistException"), AwsError::NotFound { .. }));
        assert!(matches!(of("ThrottlingException"), AwsError::Unavailable { .. }));
        assert!(matches!(of("InvalidDocument"), AwsError::Rejected { .. }));
        let own_failure =
            AwsError::of_code(start(), "InternalServerError".to_owned(), String::new(), true);
        assert!(matches!(own_failure, AwsError::Unavailable { .. }));
    }

    #[test]
    fn a_refusal_quotes_aws_and_tells_what_to_ask_for() {
        let message = "User: arn:x is not authorized".to_owned();
        let code = "AccessDeniedException".to_owned();
        let refused = AwsError::of_code(start(), code, message, false);
        assert_eq!(
            refused.to_string(),
            "StartSession on i-0abc was refused: User: arn:x is not authorized (AccessDeniedException)"
        );
        assert_eq!(
            refused.next_step().unwrap(),
            "ask for a policy that allows ssm:StartSession on i-0abc"
        );
        let keys = |token: Option<&str>| {
            Credentials::new("AKIDEXAMPLE", "secret", token.map(str::to_owned), None, "test")
        };
        let long_term = refused.clone().signed_with(&keys(None));
        assert!(long_term.next_step().unwrap().contains("ssmport login"));
        let temporary = refused.signed_with(&keys(Some("token")));
        assert!(!temporary.next_step().unwrap().contains("ssmport login"));
    }

    #[test]
    fn a_key_has_a_service_of_its_own() {
        let of = |code: &str| {
            let operation = Operation::new(Service::Kms, "GenerateDataKey", "key-1");
            AwsError::of_code(operation, code.to_owned(), "why".to_owned(), false)
        };
        assert_eq!(
            of("AccessDeniedException").next_step().unwrap(),
            "ask for a policy that allows kms:GenerateDataKey on key-1"
        );
        for code in ["NotFoundException", "DisabledException", "InvalidKeyUsageException"] {
            let error = of(code);
            let expected = format!("GenerateDataKey on key-1 was rejected: why ({code})");
            assert_eq!(error.to_string(), expected);
            assert!(error.next_step().unwrap().contains("which key is meant"));
        }
    }

    #[test]
    fn a_source_that_fails_is_quoted_and_absent_ones_are_counted_up() {
        let error = |error| AwsError::no_credentials(&error).to_string();
        assert_eq!(
            error(CredentialsError::not_loaded("environment: not set, profile: empty")),
            "no AWS credentials: none in the environment, the profile, web identity, ECS and EC2"
        );
        let failed = error(CredentialsError::provider_error("exited with 3.\nStderr: no"));
        assert!(failed.ends_with(": exited with 3. Stderr: no"), "{failed}");
    }

    #[test]
    fn text_from_outside_stays_on_one_line_and_ends() {
        assert_eq!(one_line(" a\r\n\tb \u{1b}[2Jc "), "a b [2Jc");
        assert_eq!(one_line(&"ä".repeat(1000)).chars().count(), 1000);
        assert_eq!(one_line(&"ä".repeat(1001)).chars().count(), 1003);
    }
}
