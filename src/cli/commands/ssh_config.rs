//! `ssmport ssh-config`: the block of ssh_config(5) by which whatever runs ssh reaches nodes.

mod block;
mod file;

use std::{
    env,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::cli::{
    args::{Global, SshConfigArgs},
    failure::Failure,
    output::Output,
    proxy_command::{lasting_program, passed_on},
    report::{self, Event},
};
use crate::client::config_file::ConfigFile as Settings;
pub(crate) use block::Alias;
use block::block;
#[cfg(fuzzing)]
pub(crate) use block::installed;
#[cfg(not(fuzzing))]
use block::installed;
use file::ConfigFile;

pub(crate) fn run(
    arguments: &SshConfigArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let program = lasting_program()?;
    let mut aliases = arguments.aliases.clone();
    for (name, target) in Settings::load_aliases()? {
        // What is written into the block would go before its own profile.
        let profile = target.clone().apart().2.profile;
        if profile.is_some() && global.profile.is_some() && profile != global.profile {
            continue;
        }
        if aliases.iter().all(|alias| !alias.is_called(&name)) {
            aliases.extend(Alias::of_settings(&name, &target));
        }
    }
    let profile = global.profile.as_deref();
    let (options, wait) = (passed_on(global), arguments.wait);
    let block = block(profile, &program, &options, wait, &aliases, arguments.form)?;
    if !arguments.install {
        return print(&block, output);
    }
    match &arguments.file {
        Some(path) => install(path, &block, output),
        None => install(&default_path()?, &block, output),
    }
}

fn print(block: &str, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        let printed = report::SshConfig { block, file: None, changed: false, backup: None };
        output.report(&Event::SshConfig(printed));
        return Ok(());
    }
    match std::io::stdout().write_all(block.as_bytes()) {
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::local("cannot write the block").because(error)),
    }
}

fn install(path: &Path, block: &str, output: &Output) -> Result<(), Failure> {
    let file = ConfigFile::read(path)?;
    let before = file.text().unwrap_or_default();
    let after = installed(before, block).map_err(|why| {
        let what = format!("{} is left as it is", path.display());
        Failure::local(what).because(why).next("remove what is left of the block, and try again")
    })?;
    let is_changed = after != before;
    let backup = if is_changed { file.replace(&after)? } else { None };

    let path = path.display();
    match (is_changed, &backup) {
        (false, _) => output.note(&format!("{path} has this block already; nothing is changed")),
        (true, None) => output.note(&format!("{path} is new, and holds the block")),
        (true, Some(backup)) => output
            .note(&format!("{path} holds the block; {} is how it was before", backup.display())),
    }
    output.report(&Event::SshConfig(report::SshConfig {
        block,
        file: Some(path.to_string()),
        changed: is_changed,
        backup: backup.map(|backup| backup.display().to_string()),
    }));
    Ok(())
}

/// Where ssh looks for the user's settings.
fn default_path() -> Result<PathBuf, Failure> {
    let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let home = home.ok_or_else(|| {
        Failure::local("there is no home directory").next("name the file with --file")
    })?;
    Ok(home.join(".ssh").join("config"))
}
