//! Why a request was refused, with the names that the protocols have for it.

use http::StatusCode;
use thiserror::Error;

use super::{Protocol, authorization::Denial};
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

    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denial),

    /// The caller may not, for a reason that is no policy's.
    #[error("{problem}")]
    Refused {
        /// In AWS's words.
        problem: String,
    },

    /// A member of the request is missing or has a value that it cannot have.
    #[error("{problem}")]
    Invalid {
        /// In AWS's words.
        problem: String,
    },

    /// There is no such user.
    #[error("The user with name {name} cannot be found.")]
    NoSuchUser {
        /// That the caller named.
        name: String,
    },

    /// There is no such instance.
    #[error("The instance ID '{id}' does not exist")]
    NoSuchInstance {
        /// That the caller named, cut short.
        id: String,
    },

    /// A filter that EC2 does not have, or that is not evaluated here.
    #[error("The filter '{name}' is invalid")]
    UnknownFilter {
        /// That the caller named, cut short.
        name: String,
    },

    /// No cluster of ECS has this name.
    #[error("Cluster not found.")]
    NoSuchCluster,

    /// No service of the cluster has this name.
    #[error("Service not found.")]
    NoSuchService,

    /// No task of the cluster has this id.
    #[error("The referenced task was not found.")]
    NoSuchTask,

    /// A key cannot be put where an SSH server finds it.
    #[error("the key cannot be put in its place: {0}")]
    NotPushed(#[from] std::io::Error),

    /// Too many keys were asked for.
    #[error("Rate exceeded")]
    Throttled,

    /// The body is not what its operation takes.
    #[error("the request body cannot be read: {0}")]
    Serialization(#[from] serde_json::Error),

    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Internal(#[from] quick_xml::SeError),

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
    /// [`Refused`](Self::Refused) in these words.
    pub fn refused(problem: &str) -> Self {
        Self::Refused { problem: problem.to_owned() }
    }

    /// A member that does not satisfy a constraint; its name has a small first letter.
    pub fn constraint(member: &str, constraint: &str) -> Self {
        let problem = format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
        );
        Self::Invalid { problem }
    }

    /// The error's name, which is not the same in every protocol.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        match self {
            Self::Service(error) => error.code(),
            Self::Kms(error) => error.code(),
            Self::Signature(error) => error.code(protocol),
            Self::Denied(_) | Self::Refused { .. } => match protocol {
                Protocol::Json => "AccessDeniedException",
                Protocol::Query => "AccessDenied",
                Protocol::Ec2 => "UnauthorizedOperation",
            },
            Self::Invalid { .. } if protocol == Protocol::Json => "ValidationException",
            Self::Invalid { .. } => "ValidationError",
            Self::NoSuchInstance { .. } if protocol == Protocol::Json => {
                "EC2InstanceNotFoundException"
            }
            Self::NoSuchInstance { .. } => "InvalidInstanceID.NotFound",
            Self::UnknownFilter { .. } => "InvalidParameterValue",
            Self::NoSuchCluster => "ClusterNotFoundException",
            Self::NoSuchService => "ServiceNotFoundException",
            Self::NoSuchTask => "InvalidParameterException",
            Self::NotPushed(_) => "ServiceException",
            Self::NoSuchUser { .. } => "NoSuchEntity",
            Self::Throttled => "Throttling",
            Self::Internal(_) => "InternalFailure",
            Self::Serialization(_) => "SerializationException",
            Self::UnknownTarget { .. } => "UnknownOperationException",
            Self::UnknownAction { .. } => "InvalidAction",
        }
    }

    /// The status that the query protocol answers with; JSON 1.1 has but one.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Signature(SignatureError::Incomplete { .. }) => StatusCode::BAD_REQUEST,
            Self::Signature(_) | Self::Denied(_) | Self::Refused { .. } => StatusCode::FORBIDDEN,
            Self::NoSuchUser { .. } => StatusCode::NOT_FOUND,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
