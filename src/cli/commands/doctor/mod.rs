//! `ssmport doctor [TARGET]`: each link of the chain, whether it holds, and what to do if not.
//!
//! ```text
//!   configuration - drop-in - network - clock - credentials - identity - permissions      account.rs, network.rs
//!        - target: node, agent - data channel - SSH server                      target.rs
//! ```
//!
//! A link that cannot be looked at because one before it is broken is left out: the first failure
//! is what there is to be mended.

mod account;
mod drop_in;
mod network;
mod report;
mod target;

use crate::cli::{
    args::{DoctorArgs, Global},
    failure::Failure,
    output::Output,
    signals::until_ended,
};
use crate::client::{config_file::ConfigFile, target::Target};
use report::{Check, Report};

pub(crate) async fn run(
    arguments: DoctorArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut report = Report::new(*output);
    until_ended(async {
        look(arguments.target.or(arguments.named), global, output, &mut report).await;
        Ok(())
    })
    .await?;
    report.end()
}

/// Looks at everything, as far as it can be reached.
async fn look(typed: Option<Target>, global: &Global, output: &Output, report: &mut Report) {
    let target = match ConfigFile::load_named(typed) {
        Ok(target) => target,
        Err(failure) => return report.add(Check::failure("configuration", &failure)),
    };
    let client = global.client(output);
    let (target, client) = match target {
        Some(target) => {
            let (target, client) = client.in_account_of(target);
            (Some(target), client)
        }
        None => (None, client),
    };
    if target == Some(Target::Local) {
        return target::look_at_local(&client, report).await;
    }
    let account = match client.account().await {
        Ok(account) => account,
        Err(error) => return report.add(Check::failure("configuration", &error)),
    };
    report.add(Check::ok("configuration", account::configuration(account)));
    drop_in::look(report).await;
    let is_reached = network::look(account, report).await;
    if !account::look(account, is_reached, report).await {
        return;
    }
    match target {
        Some(target) => target::look(&target, account, &client, report).await,
        None => report.add(Check::skipped(
            "target",
            "none is named: `ssmport doctor TARGET` goes on to a node, its agent and its SSH server",
        )),
    }
}
