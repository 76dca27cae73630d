//! What the endpoint answers when it refuses a call: AWS's error codes, with AWS's words where
//! those are known.

use thiserror::Error;

/// Why an operation was refused. [`ServiceError::code`] is what programs look at, the text is what
/// the AWS CLI prints behind it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// No such node here. AWS says the same of a node whose agent is away.
    #[error("{target} is not connected.")]
    TargetNotConnected {
        /// The target that the caller named.
        target: String,
    },

    /// No document of this name is known.
    #[error("Document with name {document} does not exist.")]
    UnknownDocument {
        /// The document that the caller named.
        document: String,
    },

    /// AWS has this document; this endpoint does not serve its kind of session.
    #[error("Document {document} is not served by this local endpoint{}.", here())]
    DocumentNotServed {
        /// The document that the caller named, or the default one.
        document: String,
    },

    /// The document does not have these parameters.
    #[error("document {document} does not support parameters: {}.", names.join(", "))]
    UnknownParameters {
        /// The document in question.
        document: String,
        /// The parameters that it does not have, in alphabetical order.
        names: Vec<String>,
    },

    /// A parameter of the document has a value that it cannot have.
    #[error("Parameter {name} {problem}.")]
    InvalidParameter {
        /// The parameter in question.
        name: String,
        /// What is wrong with it, as the rest of a sentence.
        problem: String,
    },

    /// A member of the request is missing, too long or not of its form.
    #[error(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    )]
    Constraint {
        /// The member's name with a small first letter, as AWS writes it.
        member: &'static str,
        /// What the member must satisfy.
        constraint: String,
    },

    /// The session exists no longer in a state in which the operation makes sense.
    #[error("Session is not in a valid state")]
    SessionOver,

    /// Neither alive nor among those remembered.
    #[error("Session {session_id} does not exist.")]
    UnknownSession {
        /// The session that the caller named.
        session_id: String,
    },

    /// The token is wrong, or was used already.
    #[error("The token is not valid for session {session_id}.")]
    WrongToken {
        /// The session that the caller named.
        session_id: String,
    },

    /// As many sessions are alive as the endpoint bears.
    #[error("This local endpoint bears {limit} sessions at a time; end some of them first.")]
    TooManySessions {
        /// How many may be alive.
        limit: usize,
    },

    /// More calls within a second than the service takes.
    #[error("Rate exceeded")]
    Throttled,

    /// The service is away for a while.
    #[error("Service is currently unavailable.")]
    Unavailable,

    /// A filter key that the operation does not have, or that this endpoint does not evaluate.
    #[error("Filter key {key} is not supported by this local endpoint.")]
    InvalidFilterKey {
        /// The key that the caller named.
        key: String,
    },

    /// A paging token that this endpoint did not give, or whose place is gone.
    #[error("The specified token is not valid.")]
    InvalidNextToken,
}

/// What has a terminal runs on Unix alone.
const fn here() -> &'static str {
    if cfg!(unix) { "" } else { " on this system" }
}

impl ServiceError {
    /// The error's name in the AWS API, which is `__type` on the wire.
    ///
    /// The codes are those of the SSM service model, but for two that it leaves out and the service
    /// sends all the same: `InvalidParameters` for a document's parameters, `ValidationException`
    /// for a request's members and for ending a session twice.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TargetNotConnected { .. } => "TargetNotConnected",
            Self::UnknownDocument { .. } | Self::DocumentNotServed { .. } => "InvalidDocument",
            Self::UnknownParameters { .. } | Self::InvalidParameter { .. } => "InvalidParameters",
            Self::Constraint { .. } | Self::SessionOver => "ValidationException",
            Self::UnknownSession { .. } => "DoesNotExistException",
            Self::WrongToken { .. } => "AccessDeniedException",
            Self::TooManySessions { .. } => "ServiceQuotaExceededException",
            Self::Throttled => "ThrottlingException",
            Self::Unavailable => "ServiceUnavailable",
            Self::InvalidFilterKey { .. } => "InvalidFilterKey",
            Self::InvalidNextToken => "InvalidNextToken",
        }
    }

    /// A required member that is not there.
    pub fn missing(member: &'static str) -> Self {
        Self::Constraint { member, constraint: "Member must not be null".to_owned() }
    }
}

/// Refuses a text of fewer than one or more than `limit` characters.
///
/// # Errors
/// [`ServiceError::Constraint`] naming `member`. The text itself is not repeated: it may be long.
pub fn check_length(member: &'static str, text: &str, limit: usize) -> Result<(), ServiceError> {
    let constraint = match text.chars().count() {
        0 => "Member must have length greater than or equal to 1".to_owned(),
        n if n > limit => format!("Member must have length less than or equal to {limit}"),
        _ => return Ok(()),
    };
    Err(ServiceError::Constraint { member, constraint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_aws_says() {
        let error = ServiceError::TargetNotConnected { target: "i-0123456789abcdef0".to_owned() };
        assert_eq!(error.code(), "TargetNotConnected");
        assert_eq!(error.to_string(), "i-0123456789abcdef0 is not connected.");
    }

    #[test]
    fn lengths_are_counted_in_characters_with_both_ends_allowed() {
        assert_eq!(check_length("reason", "x", 3), Ok(()));
        assert_eq!(check_length("reason", "äöü", 3), Ok(()));
        let empty = check_length("reason", "", 3).expect_err("empty");
        assert_eq!(
            empty.to_string(),
            "1 validation error detected: Value at 'reason' failed to satisfy constraint: \
             Member must have length greater than or equal to 1"
        );
        let long = check_length("reason", "abcd", 3).expect_err("long");
        assert_eq!(long.code(), "ValidationException");
        assert!(long.to_string().ends_with("less than or equal to 3"));
    }
}
