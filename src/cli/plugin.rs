//! `session-manager-plugin`: what other programs run to have a session attached.
//!
//! Its arguments, its words on stdout and its exit code are a contract with those programs; the
//! text here is the reference plugin's, byte for byte.

mod invocation;
mod port;

use std::{io::Write, process::ExitCode};

use super::{logging, tunnel::CLIENT_VERSION};
use invocation::Invocation;

/// Runs the drop-in with the arguments behind the program's name. `handed_over` is the response
/// that the caller put into an environment variable, if the first argument names one.
pub fn run(arguments: &[String], handed_over: Option<String>) -> ExitCode {
    logging::for_programs();
    match arguments {
        [] => say(INSTALLED),
        [version] if version == "--version" => say(&format!("{CLIENT_VERSION}\n")),
        [unknown] | [unknown, _] => say(&format!(
            "\nUnknown operation {unknown}. \nUse session-manager-plugin --version to check the \
             version.\n\n"
        )),
        [response, region, operation, rest @ ..] => {
            let response = handed_over.as_deref().unwrap_or(response);
            start(response, region, operation, rest);
        }
    }
    // Callers take anything else for a crash: the AWS CLI would print a traceback.
    ExitCode::SUCCESS
}

fn start(response: &str, region: &str, operation: &str, rest: &[String]) {
    if operation != "StartSession" {
        return say("Invalid Operation");
    }
    let attached = Invocation::parse(response, region, rest).and_then(|invocation| {
        // One session in one task needs no second thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let attached = runtime.block_on(port::attach(invocation));
        // A name being looked up by a resolver that does not answer must not hold up the end.
        runtime.shutdown_background();
        attached
    });
    if let Err(why) = attached {
        say(&format!("Cannot perform start session: {why}\n"));
    }
}

/// Writes to stdout at once. A caller that does not listen any more misses nothing.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

const INSTALLED: &str = "\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a session.\n\n";
