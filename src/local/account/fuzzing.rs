//! The reader of account files, for the fuzz target `policies`.

use std::path::Path;

use super::{file::AccountFile, kept::KeptKeys};
use crate::local::{node::Node, token::Mint};

/// Reads an account file that names no other.
///
/// # Errors
/// What is wrong with it.
pub fn account(text: &str) -> Result<(), String> {
    let read = AccountFile::read(Path::new("/nowhere/account.toml"), text.to_owned());
    let file = read.map_err(|error| error.to_string())?;
    let mut mint = Mint::seeded_by_system().map_err(|error| error.to_string())?;
    let _ = (file.nodes(&Node::default()), file.tasks(&mut mint));
    let users = file.users(&KeptKeys::default(), &mut mint).map_err(|error| error.to_string())?;
    let roles = file.roles(&mut mint).map_err(|error| error.to_string())?;
    let _ = super::slips::of(&users, &roles);
    Ok(())
}
