//! The folder that the socket is in: its user's alone.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::process::getuid;

use crate::client::error::Error;

/// Of the socket, in its folder.
pub(super) const NAME: &str = "up.sock";

/// Where it would be.
pub(super) fn path() -> Result<PathBuf, Error> {
    let given = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(runtime) = given("XDG_RUNTIME_DIR") {
        return Ok(runtime.join("ssmport"));
    }
    let home = || env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let cache = given("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
    let cache = cache.ok_or_else(|| {
        Error::local("there is no folder for the socket of ssmport up").next("set XDG_RUNTIME_DIR")
    })?;
    Ok(cache.join("ssmport").join("run"))
}

/// The folder, which is there from now on.
pub(super) fn made() -> Result<PathBuf, Error> {
    let path = path()?;
    let failed = |error: io::Error| {
        Error::local(format!("cannot use the folder {}", path.display()))
            .because(error)
            .next("set XDG_RUNTIME_DIR to a folder of your own")
    };
    fs::DirBuilder::new().mode(0o700).recursive(true).create(&path).map_err(failed)?;
    check(&path)?;
    Ok(path)
}

/// Whoever else could write there could answer in our place.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let unusable = || Error::local(format!("cannot use the folder {}", path.display()));
    let another = "set XDG_RUNTIME_DIR to a folder of your own";
    let about = fs::metadata(path).map_err(|error| unusable().because(error).next(another))?;
    match about.uid() == getuid().as_raw() && about.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err(unusable()
            .because("it is somebody else's, or others may write there")
            .next(format!("chmod 700 {}, or {another}", path.display()))),
    }
}
