//! Forwards a local port to a node, or through it to another host, and prints what becomes of it until
//! Ctrl-C; then the session is ended, and the service knows of it before the program is gone.
//!
//! ```sh
//! cargo run --example tunnel -- web 15432:db.internal:5432
//! cargo run --example tunnel -- local 0:5432       # without AWS; a free port to this machine's 5432
//! SSMPORT_LOCAL_FAULTS=cut=5s,drop=1% cargo run --example tunnel -- local 0:5432
//! ```

use std::{env, pin::pin, process::ExitCode};

use ssmport::{Client, client::Error};
use tokio::{
    signal,
    sync::broadcast::error::RecvError::{Closed, Lagged},
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [target, spec] = &*arguments else {
        eprintln!("usage: tunnel TARGET [BIND:]LOCAL:[HOST:]PORT");
        return ExitCode::from(2);
    };
    match forward(target, spec).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tunnel: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn forward(target: &str, spec: &str) -> Result<(), Error> {
    let node = Client::from_env().await?.node(target).await?;
    let tunnel = node.forward(spec).start().await?;
    let mut events = tunnel.events();
    match tunnel.local_addr() {
        Some(address) => println!("{address} leads to {}", node.id()),
        None => println!("{spec} leads to {}", node.id()),
    }
    // Once for all turns: one that is made anew in each would miss a Ctrl-C between two of them.
    let mut interrupted = pin!(signal::ctrl_c());
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => println!("{event}"),
                Err(Lagged(missed)) => println!("{missed} events were not seen"),
                Err(Closed) => break,
            },
            // Without a handler Ctrl-C would end the program, and leave the session to time out.
            _ = &mut interrupted => break,
        }
    }
    tunnel.end().await?;
    println!("ended");
    Ok(())
}
