//! `session-manager-plugin`: what other programs run to have a session attached.
//!
//! Its arguments, its words on stdout and its exit code are a contract with those programs; the
//! text here is the reference plugin's, byte for byte.

mod attach;
mod caller;
mod documents;
mod invocation;
mod port;
mod role;
#[cfg(not(feature = "aws"))]
mod without_aws;
mod words;

use std::process::ExitCode;

use super::{logging, panics, process_limits, standard_streams, trace};
use crate::client::attachment::CLIENT_VERSION;
use crate::{net::with_open_files, wire::foreign_text::one_line};
use attach::NotAttached;
use invocation::Invocation;
pub use role::drop_in_arguments;
use words::Words;

/// Runs the drop-in with the arguments behind the program's name. `handed_over` is the response
/// that the caller put into an environment variable, if the first argument names one.
pub fn run(arguments: &[String], handed_over: Option<String>) -> ExitCode {
    // For whoever looks for it among the processes, whichever file it came from.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"session-manager-plugin");
    #[cfg(windows)]
    let _modes = crate::term::KeptModes::now();
    process_limits::set();
    logging::for_programs();
    panics::tell_in_a_line("session-manager-plugin");
    let words = Words::from_environment();
    match arguments {
        [] => words.answer(INSTALLED),
        [version] if version == "--version" => words.answer(&format!("{CLIENT_VERSION}\n")),
        [question] if question == WHOSE => {
            words.answer(&format!("ssmport {}\n", env!("CARGO_PKG_VERSION")));
        }
        [unknown] | [unknown, _] => words.answer(&format!(
            "\nUnknown operation {}. \nUse session-manager-plugin --version to check the \
             version.\n\n",
            one_line(unknown)
        )),
        [response, region, operation, rest @ ..] => {
            let response = handed_over.as_deref().unwrap_or(response);
            let code = start(words, response, region, operation, rest);
            trace::finish();
            return code;
        }
    }
    ExitCode::SUCCESS
}

fn start(words: Words, response: &str, region: &str, operation: &str, rest: &[String]) -> ExitCode {
    if operation != "StartSession" {
        words.say("Invalid Operation");
        return ExitCode::SUCCESS;
    }
    let allowed = process_limits::check().map_err(NotAttached::from);
    standard_streams::keep_input();
    let invocation = allowed.and_then(|()| Ok(Invocation::parse(response, region, rest)?));
    let attached = invocation.and_then(|invocation| {
        // One session in one task needs no second thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime?;
        let attached = panics::caught(|| runtime.block_on(attach::attach(invocation, words)));
        // A name being looked up by a resolver that does not answer must not hold up the end.
        runtime.shutdown_background();
        // A panic has been told by then.
        attached.unwrap_or(Ok(Some(LOST)))
    });
    let exit_code = attached.unwrap_or_else(|why| {
        let why = one_line(&with_open_files(why.to_string()));
        words.say(&format!("Cannot perform start session: {why}\n"));
        Some(LOST)
    });
    // Callers take anything else for a crash: the AWS CLI would print a traceback. So a command's
    // own exit code is passed on only to those who ask for it.
    let wants_exit_code = std::env::var("SSMPORT_EXIT_CODE").is_ok_and(|value| value == "1");
    match exit_code {
        Some(code) if wants_exit_code => ExitCode::from(crate::wire::ExitCode(code).as_u8()),
        _ => ExitCode::SUCCESS,
    }
}

/// For the fuzz targets.
#[cfg(fuzzing)]
pub(super) fn read(response: &str, rest: &[String]) -> Result<(), crate::malformed::Malformed> {
    Invocation::parse(response, "eu-west-1", rest).map(|invocation| {
        invocation.may_be_silent();
    })
}

/// What tells this from other programs of its name, which do not know it.
pub(super) const WHOSE: &str = "--ssmport-version";

/// The exit code where there should be one and the session gave none, as of `ssh`.
const LOST: i64 = 255;

const INSTALLED: &str = "\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a session.\n\n";
