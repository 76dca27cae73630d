//! The command line of both programs, as library code: parse, resolve, run, show.
//!
//! ```text
//!   args -> target -> service (AWS or embedded) -> attachment (session + streams) -> output
//!            |  resolve: name, tag, address -> id     |
//!            +-- shell, exec, proxy ---- attended ----+   signals, ~. and the terminal
//!            +-- forward: spec ---- bind -- tunnel ---+   listeners
//!            +-- socks: ----------- bind -- proxying -+
//! ```
//!
//! [`ssmport()`] is the program for people, [`plugin()`] the drop-in for programs that run
//! `session-manager-plugin`.
#![expect(clippy::disallowed_methods, reason = "this layer owns the clock")]

mod amounts;
mod args;
mod asked;
mod attended;
mod carried;
mod child;
mod columns;
mod commands;
mod completion;
#[cfg(feature = "aws")]
mod confirm;
mod connections;
mod console;
#[cfg(any(windows, test))]
mod console_text;
mod counted;
#[cfg(feature = "aws")]
mod counter;
mod cut;
mod empty_variables;
mod ends;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod help;
mod kept_failure;
mod keyboard;
mod listen;
mod logging;
mod mfa;
mod mistyped;
mod output;
mod panics;
#[cfg(feature = "aws")]
mod picker;
mod plugin;
mod process_limits;
mod proxy_command;
mod recorded;
mod report;
mod response_variable;
mod signals;
mod standard_streams;
mod times;
mod trace;

use std::process::ExitCode;

use clap::FromArgMatches;

pub use completion::completion;
pub use empty_variables::empty_variables;
pub use plugin::{drop_in_arguments, run as plugin};
pub use response_variable::{is_response_variable, overwrite_responses, response_variables};

#[cfg(unix)]
use crate::reaper;
use crate::term::restore;
use args::{Cli, Command};
use commands::{
    completions, config, connect, cp, decode, demo, exec, forward, local, login, man, play, proxy,
    shell, socks, ssh, ssh_config, up,
};
#[cfg(feature = "aws")]
use commands::{doctor, ls, sessions};
use failure::{Code, Failure};
use output::Output;
use trace::Trace;

/// Ends this process if it was started as the reaper of another; to be asked before anything else.
/// If it was not, it will have one as soon as a kill would leave something behind.
pub fn reaper() -> Option<ExitCode> {
    #[cfg(unix)]
    {
        if reaper::is_reaper() {
            reaper::reap();
            return Some(ExitCode::SUCCESS);
        }
        reaper::enable();
    }
    None
}

/// Runs `ssmport` with the process's arguments.
pub fn ssmport() -> ExitCode {
    #[cfg(windows)]
    let _modes = crate::term::KeptModes::now();
    process_limits::set();
    // Wrong usage ends here, with clap's message and exit code 2.
    let typed = help::command()
        .try_get_matches()
        .and_then(|mut typed| Cli::from_arg_matches_mut(&mut typed));
    let cli = match typed {
        Ok(cli) => cli,
        Err(error) => return mistyped::end(error),
    };
    let output = Output::new(&cli.global, cli.command.has_stdout());
    let traced = match cli.command.has_sessions() {
        true => Trace::of_options(&cli.global),
        false => Ok(None),
    };
    let (trace, untraced) =
        traced.map_or_else(|failure| (None, Some(failure)), |trace| (trace, None));
    logging::for_people(&cli.global, trace);
    panics::tell_in_a_line("ssmport");
    let is_proxy = matches!(cli.command, Command::Proxy(_));
    let work = || match untraced {
        Some(failure) => Err(failure),
        None => run(cli, &output).and_then(|()| output.written()),
    };
    let done = panics::caught(work).unwrap_or_else(panicked);
    // Whoever is being asked for something while the program ends gets the terminal back.
    restore();
    trace::finish();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            kept_failure::keep(&failure, is_proxy);
            failure.code.into()
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Completions(arguments) => return completions::print(arguments, output),
        Command::Man(arguments) => return man::write(arguments, output),
        Command::Help(arguments) => return help::print(arguments, output),
        Command::Decode(arguments) => return decode::run(arguments, output),
        Command::Config(_) => return config::run(&cli.global, output),
        _ => process_limits::check()?,
    }
    let global = match cli.command.heeds_defaults() {
        true => cli.global.with_defaults()?,
        // The doctor says itself what is wrong with them.
        false => cli.global.clone().with_defaults().unwrap_or(cli.global),
    };
    match &cli.command {
        Command::Shell(_) | Command::Exec(_) | Command::Proxy(_) | Command::Cp(_) => {
            standard_streams::keep_input();
        }
        Command::Ssh(arguments) => return ssh::run(arguments, &global, output),
        Command::SshConfig(arguments) => return ssh_config::run(arguments, &global, output),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("cannot start").because(error))?;
    let work = async {
        match cli.command {
            Command::Shell(arguments) => shell::run(arguments, &global, output).await,
            Command::Exec(arguments) => exec::run(arguments, &global, output).await,
            Command::Proxy(arguments) => proxy::run(arguments, &global, output).await,
            Command::Cp(arguments) => cp::run(arguments, &global, output).await,
            Command::Play(arguments) => play::run(arguments, output).await,
            Command::Forward(arguments) => forward::run(arguments, &global, output).await,
            Command::Socks(arguments) => socks::run(arguments, &global, output).await,
            Command::Up(arguments) => up::run(arguments, &global, output).await,
            Command::Connect(arguments) => connect::run(arguments, &global, output).await,
            #[cfg(unix)]
            Command::Status(arguments) => up::status::run(arguments, output).await,
            #[cfg(unix)]
            Command::Down(arguments) => up::down::run(arguments, output).await,
            #[cfg(unix)]
            Command::Logs(arguments) => up::logs::run(arguments, output).await,
            #[cfg(feature = "aws")]
            Command::Ls(arguments) => ls::run(arguments, &global, output).await,
            #[cfg(feature = "aws")]
            Command::Sessions(arguments) => sessions::run(arguments, &global, output).await,
            #[cfg(feature = "aws")]
            Command::Doctor(arguments) => doctor::run(arguments, &global, output).await,
            Command::Login(arguments) => login::run(arguments, &global, output).await,
            Command::Local(arguments) => local::run(arguments, output).await,
            Command::Demo(arguments) => demo::run(arguments, output).await,
            Command::Completions(_)
            | Command::Man(_)
            | Command::Help(_)
            | Command::Decode(_)
            | Command::Config(_)
            | Command::Ssh(_)
            | Command::SshConfig(_) => Ok(()),
        }
    };
    let done = panics::caught(|| runtime.block_on(work));
    // A name being looked up by a resolver that does not answer must not hold up the end.
    runtime.shutdown_background();
    done.unwrap_or_else(panicked)
}

/// The failure of what panicked, which has been told by then.
fn panicked() -> Result<(), Failure> {
    Err(Failure::new(Code::Lost, ""))
}
