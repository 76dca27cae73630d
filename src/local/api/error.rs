//! Why a request was refused, with the names that the protocols have for it.

use http::StatusCode;
use thiserror::Error;

use super::Protocol;
use crate::local::{error::ServiceError, kms::KmsError, signature::SignatureError};

/// A refusal by whichever service was asked, or before any was.
#[derive(Debug, Error)]
pub enum ApiError {
    /// By Session Manager.
    #[error(transparent)]
    Service(#[from] ServiceError),

    /// By the key service.
    #[error(transparent)]
    Kms(#[from] KmsError),

    /// The caller is not known.
    #[error(transparent)]
    Signature(#[from] SignatureError),

    /// The body is not what its operation takes.
    #[error("the request body cannot be read: {0}")]
    Serialization(#[from] serde_json::Error),

    /// No operation of JSON 1.1 has this name.
    #[error("X-Amz-Target names {target}, which this local Session Manager endpoint does not have")]
    UnknownTarget {
        /// What the caller asked for, cut short.
        target: String,
    },

    /// No operation of the query protocol has this name.
    #[error("Could not find operation {action} for version {version}")]
    UnknownAction {
        /// What the caller asked for, cut short.
        action: String,
        /// Of the API, cut short.
        version: String,
    },
}

impl ApiError {
    /// The error's name, which is not the same in every protocol.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        match self {
            Self::Service(error) => error.code(),
            Self::Kms(error) => error.code(),
            Self::Signature(error) => error.code(protocol),
            Self::Serialization(_) => "SerializationException",
            Self::UnknownTarget { .. } => "UnknownOperationException",
            Self::UnknownAction { .. } => "InvalidAction",
        }
    }

    /// The status that the query protocol answers with; JSON 1.1 has but one.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Signature(SignatureError::Incomplete { .. }) => StatusCode::BAD_REQUEST,
            Self::Signature(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
