//! The control plane: what is asked of AWS around a session, and in whose name.
//!
//! ```text
//!   Settings --- configuration: profile, region, endpoint ---> Account
//!                                                                 |
//!                 +-------------------+---------------------------+
//!                 |                   |                           |
//!           ssm:StartSession    ssm:ResumeSession          sign_upgrade()
//!           ssm:TerminateSession  kms:GenerateDataKey      (the WebSocket)
//!                 |                   |                           |
//!                 +-------------------+---- credential store -----+
//!                                                 |
//!               environment, profile (SSO, roles, processes), web identity, ECS, EC2
//! ```
//!
//! Everything here is about one account in one region. What travels over the WebSocket afterwards
//! is nothing that this layer knows of.
#![expect(clippy::disallowed_methods, reason = "credentials expire by the clock")]

mod account;
mod configuration;
mod credentials;
mod error;
mod kms;
mod signature;
mod transport;

pub use account::{Account, StartSession, StartedSession};
pub use configuration::Settings;
pub use error::{AwsError, Operation};
