//! `~/.aws/config` and `~/.aws/credentials`, read as botocore reads them, on which the AWS CLI is
//! built.
//!
//! ```text
//!   place ---- which files: the environment, `~`, $VARIABLES
//!     |
//!    ini  ---- sections and options: Python's configparser
//!     |
//!  profiles -- profiles, SSO sessions, services: botocore's configloader
//! ```
//!
//! The SDK has a reader of its own, which is stricter here and laxer there: it is never asked. What
//! the AWS CLI takes we take, what it refuses is refused with file and line; only a byte order mark
//! and comments in strange encodings are passed over, which Python stumbles at.

#[cfg(all(test, unix))]
mod botocore_tests;
mod ini;
mod place;
mod profiles;
mod shell_words;

pub(super) use place::{expand, home};
pub(super) use profiles::{Profile, Profiles};
#[cfg(unix)]
pub(super) use shell_words::{Quoting, words_of};
