//! Asks a PostgreSQL behind a node, over a connection of this program's own: no local port is opened that
//! others on this machine could use, or that could be taken.
//!
//! ```sh
//! export PGUSER=app PGPASSWORD=... PGDATABASE=shop
//! cargo run --example postgres -- web db.internal:5432 'SELECT now()'
//! cargo run --example postgres -- local 5432 'SELECT now()'       # without AWS: this machine's own
//! ```
//!
//! Any client that takes a stream in the place of an address is used like this one: of HTTP, of Redis, of TLS
//! over the stream.

use std::{env, error::Error, process::ExitCode};

use ssmport::Client;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [target, destination, query] = &*arguments else {
        eprintln!("usage: postgres TARGET [HOST:]PORT QUERY");
        return ExitCode::from(2);
    };
    match ask(target, destination, query).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postgres: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn ask(target: &str, destination: &str, query: &str) -> Result<(), Box<dyn Error>> {
    let node = Client::from_env().await?.node(target).await?;
    let stream = node.connect(destination).await?;
    let (database, connection) = config().connect_raw(stream, NoTls).await?;
    let asking = async move {
        for message in database.simple_query(query).await? {
            match message {
                SimpleQueryMessage::Row(row) => {
                    let columns = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
                    println!("{}", columns.collect::<Vec<_>>().join("\t"));
                }
                SimpleQueryMessage::CommandComplete(rows) => eprintln!("{rows} rows"),
                _ => {}
            }
        }
        // The connection ends when `database` is dropped, here.
        Ok(())
    };
    tokio::try_join!(connection, asking)?;
    // The session is over before the program is.
    node.end().await;
    Ok(())
}

/// Who asks, by the variables that `psql` has for it.
fn config() -> Config {
    let mut config = Config::new();
    config.user(env::var("PGUSER").unwrap_or_else(|_| "postgres".to_owned()));
    if let Ok(name) = env::var("PGDATABASE") {
        config.dbname(name);
    }
    if let Ok(password) = env::var("PGPASSWORD") {
        config.password(password);
    }
    config
}

/// An error and what it comes from: a refusal of the destination's is the cause of the client's own.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
