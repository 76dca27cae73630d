//! `ssmport proxy TARGET [PORT]`: the stream that `ssh` wants of its ProxyCommand.

use std::collections::BTreeMap;

use crate::{
    cli::{
        args::{Global, ProxyArgs},
        attended::Attended,
        console::stdout_abandoned,
        ends::{cannot_write, lost},
        failure::{Code, Failure},
        output::Output,
        standard_streams,
    },
    client::{
        Client, ConnectionEnd, Node, Ready, SessionEnd,
        config_file::ConfigFile,
        opening::Opening,
        service::{Request, SessionSource},
        turbo::{self, StreamEnd, StreamEnds},
    },
};

pub(crate) async fn run(
    arguments: ProxyArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    tokio::select! {
        done = attach(&arguments, global, output, &attended) => done,
        never = attended.route()? => match never {},
    }
}

async fn attach(
    arguments: &ProxyArgs,
    global: &Global,
    output: &Output,
    attended: &Attended,
) -> Result<(), Failure> {
    let port = arguments.port;
    let request = Request {
        document: Some("AWS-StartSSHSession".into()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec![port.to_string()])]),
        reason: arguments.reason.clone(),
    };
    let target = ConfigFile::load_target(Some(arguments.target.clone()), output)?;
    let client = global.client(output).with_readiness(arguments.readiness.readiness());
    let service = attended.service(&target, &client).await?;
    if arguments.turbo && by_turbo(arguments, &service, &client, output, attended).await? {
        return Ok(());
    }
    let opening = Opening {
        service: &service,
        request: &request,
        limits: client.limits(),
        stop: &|| attended.stop(),
        greet: &|ready| output.customer_message(&ready.customer_message),
    };
    let ends = || {
        let (input, output) = (standard_streams::input(), standard_streams::output());
        (input, output, Box::pin(stdout_abandoned()) as _)
    };
    let target = arguments.target.to_string();
    let Some(told) = opening.stream(ends).await? else {
        return Err(attended.interrupted());
    };
    let is_complete = told.is_complete;
    if !is_complete && attended.ending().is_some() {
        return Err(attended.interrupted());
    }
    let end = told.end?;
    match (&told.output_failed, end) {
        (Some(error), _) => Err(cannot_write(error)),
        (None, SessionEnd::Done) if attended.ending().is_some() => Err(attended.interrupted()),
        (None, SessionEnd::Done) => match told.unanswered {
            None => Ok(()),
            Some(after) => {
                let what =
                    format!("the answer of port {port} of {target} did not come, or not whole");
                let after = after.as_secs();
                let why = format!("standard input had ended, and then nothing came for {after} s");
                let next = "if the answer takes that long, give --answer-within a longer time";
                Err(Failure::new(Code::Lost, what).because(why).next(next))
            }
        },
        // A server that hangs up ends the session without a word; whoever else ends it says why.
        (None, SessionEnd::Closed { reason })
            if told.has_answered && reason.is_empty() && is_complete =>
        {
            Ok(())
        }
        (None, SessionEnd::Closed { reason }) if !told.has_answered => {
            let what = format!("nothing answers on port {port} of {target}");
            let failure = Failure::new(Code::Target, what);
            let failure = if reason.is_empty() { failure } else { failure.because(reason) };
            Err(failure.next("check that the SSH server runs there, and on which port"))
        }
        (None, end) => Err(lost(&end, &target)),
    }
}

/// Whether it was carried by turbo, to its end.
async fn by_turbo(
    arguments: &ProxyArgs,
    service: &SessionSource,
    client: &Client,
    output: &Output,
    attended: &Attended,
) -> Result<bool, Failure> {
    let ProxyArgs { port, target, reason, .. } = arguments;
    let mut node = Node::new(client.clone(), service.clone());
    if let Some(reason) = reason {
        node = node.with_reason(reason);
    }
    let ends = || StreamEnds {
        input: standard_streams::input(),
        output: standard_streams::output(),
        gone: Box::pin(stdout_abandoned()),
    };
    let greet = |ready: &Ready| output.customer_message(&ready.customer_message);
    match turbo::stream(node, *port, ends, greet, attended.stop()).await? {
        StreamEnd::Impossible(error) => {
            output.warn(&format!("port {port} of {target} is reached without turbo: {error}"));
            Ok(false)
        }
        StreamEnd::Stopped => Err(attended.interrupted()),
        StreamEnd::Lost(error) => Err(error.into()),
        StreamEnd::NotReached(why) => {
            let what = format!("nothing answers on port {port} of {target}");
            let next = "check that the SSH server runs there, and on which port";
            Err(Failure::new(Code::Target, what).because(why).next(next))
        }
        StreamEnd::Over(ConnectionEnd::Program | ConnectionEnd::Destination) => Ok(true),
        StreamEnd::Over(end) => {
            let what = format!("the connection to port {port} of {target} was lost");
            Err(Failure::new(Code::Lost, what).because(end))
        }
    }
}
