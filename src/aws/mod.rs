//! The control plane: what is asked of AWS around a session, and in whose name.
//!
//! ```text
//!   Settings --- configuration: profile, region, endpoint ---> Account
//!                files: `~/.aws`, as the AWS CLI reads it         |
//!                                                                 |
//!                 +-------------------+---------------------------+
//!                 |                   |                           |
//!           ssm:StartSession    ssm:ResumeSession          sign_upgrade()
//!           ssm:TerminateSession  kms:GenerateDataKey      (the WebSocket)
//!                 |                   |                           |
//!                 +-------------------+---- credential store -----+
//!                                                 |
//!               environment, profile (SSO, roles, processes), web identity, ECS, EC2
//!                                                 |
//!                    STS, with codes of MFA <-----+-----> the cache of the AWS CLI
//! ```
//!
//! Everything here is about one account in one region. What travels over the WebSocket afterwards
//! is nothing that this layer knows of.
#![expect(clippy::disallowed_methods, reason = "credentials expire by the clock")]

mod account;
mod call;
mod called_address;
mod configuration;
mod credential_cache;
mod credentials;
mod ec2;
mod ecs;
mod endpoints;
mod environment;
mod error;
mod expiration;
mod files;
mod http_client;
mod iam;
mod identity;
mod instance;
mod instance_connect;
mod kms;
mod mfa;
mod mfa_error;
mod nodes;
mod operation;
mod pages;
mod refusal;
mod sdk;
mod service;
mod sessions;
mod signature;
mod sts;
mod unanswered;

pub use account::{Account, StartSession};
pub use configuration::{Settings, Whence, profile_names};
pub use credentials::{Login, LoginRequest};
pub use ec2::Instance;
pub use ecs::Container;
pub use endpoints::Endpoints;
pub use error::AwsError;
pub use identity::Keys;
pub use mfa::{Mfa, Prompt};
pub use mfa_error::MfaError;
pub use nodes::ManagedNode;
#[cfg(test)]
pub use operation::Operation;
pub use sdk::EndpointPlace;
pub use service::Service;
pub use sessions::{SessionRecord, Sessions};
