//! `ssmport down [NAME...]`: ends tunnels that another process keeps up.

use super::told::ended;
use crate::cli::{
    args::DownArgs,
    failure::{Code, Failure},
    output::Output,
    report::Event,
    times,
};
use crate::client::upkeep::control::{Answer, Remote, Request};

pub(crate) async fn run(arguments: DownArgs, output: &Output) -> Result<(), Failure> {
    let Some(mut remote) = Remote::ask(&Request::Down { names: arguments.names }).await? else {
        output.note("No tunnels are kept up");
        return Ok(());
    };
    while let Some(answer) = remote.next().await? {
        let Answer::Ended { names } = answer else { continue };
        let now = times::seconds(times::now());
        names.iter().for_each(|name| output.report(&Event::Ended(ended(name, now))));
        output.note(&match &names[..] {
            [] => "No tunnels are kept up".to_owned(),
            names => format!("Ended: {}", names.join(", ")),
        });
    }
    if !remote.is_done() {
        let what = "the ssmport that keeps the tunnels up has ended before it answered";
        return Err(Failure::new(Code::Lost, what).next("look with ssmport status"));
    }
    output.written()
}
