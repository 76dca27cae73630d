//! Why a caller is not who it says it is, in AWS's words.

use thiserror::Error;

use crate::local::api::Protocol;

/// A request that is answered with a refusal before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// It is not signed.
    #[error("Request is missing Authentication Token")]
    Missing,
    /// A part of the signature is missing or malformed.
    #[error("{problem}")]
    Incomplete {
        /// What is wrong.
        problem: String,
    },
    /// Nobody has this key, or not with this token.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The key's time is over.
    #[error("The security token included in the request is expired")]
    ExpiredKey,
    /// A header that has to be signed is not.
    #[error("'{header}' must be a 'SignedHeader' in the AWS Authorization.")]
    NotSigned {
        /// In lower case.
        header: &'static str,
    },
    /// The signature is for another service.
    #[error("Credential should be scoped to correct service: '{service}'.")]
    WrongScope {
        /// The one that was asked.
        service: &'static str,
    },
    /// The signature is old.
    #[error("Signature expired: {time} is now earlier than {earliest} ({now} - {minutes} min.)")]
    Expired {
        /// When it was signed.
        time: String,
        /// When it would have to be signed to be good now.
        earliest: String,
        /// Now.
        now: String,
        /// How old it may be.
        minutes: u64,
    },
    /// The signature is of the future.
    #[error("Signature not yet current: {time} is still later than {latest} ({now} + 5 min.)")]
    NotYet {
        /// When it was signed, as it says.
        time: String,
        /// When it could have been signed at the latest.
        latest: String,
        /// Now.
        now: String,
    },
    /// It was signed with another secret, or is another request by now.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
}

impl SignatureError {
    /// The error's name in the AWS API.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        let (json, query, ec2) = match self {
            Self::Missing => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                "MissingAuthenticationToken",
            ),
            Self::Incomplete { .. } => {
                ("IncompleteSignatureException", "IncompleteSignature", "IncompleteSignature")
            }
            Self::UnknownKey => {
                ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure")
            }
            Self::ExpiredKey => ("ExpiredTokenException", "ExpiredToken", "RequestExpired"),
            Self::Expired { .. } | Self::NotYet { .. } => {
                ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired")
            }
            Self::NotSigned { .. } | Self::WrongScope { .. } | Self::Mismatch => {
                ("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure")
            }
        };
        match protocol {
            Protocol::Json => json,
            Protocol::Query => query,
            Protocol::Ec2 => ec2,
        }
    }
}
