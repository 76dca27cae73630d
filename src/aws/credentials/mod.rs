//! Whose name is used: where credentials come from, what becomes of them, and for how long they
//! are kept.
//!
//! ```text
//!   profile ---- Plan: a source, and the roles to assume from there on
//!      |
//!   Sources ---- environment, keys, programs, web identity, containers, SSO; EC2: of the SDK
//!      |
//!   Issuing ---- sessions with MFA, roles: of STS, or of the cache shared with the AWS CLI
//!      |
//!   CredentialStore ---- those in use
//! ```
//!
//! The SDK knows roles too, but neither `mfa_serial` nor `duration_seconds` nor the cache.

mod console;
mod container;
mod issuing;
mod login;
mod process;
mod profile;
mod profile_source;
mod sources;
mod sso;
mod store;

pub use login::{Login, LoginRequest};
pub(super) use sources::Sources;
pub(super) use store::CredentialStore;
