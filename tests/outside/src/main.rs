//! Moves 64 MiB each way through a node of the endpoint that the first argument names, and compares
//! what arrived with what was sent.

use std::error::Error;

use sha2::{Digest, Sha256};
use ssmport::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("the endpoint's URL is missing")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let destination = listener.local_addr()?.to_string();
    let echo = tokio::spawn(async move { give_back(listener.accept().await?.0).await });

    let node = Client::endpoint(&url)?.node("i-0123456789abcdef0").await?;
    let (mut from, mut to) = split(node.connect(&destination).await?);
    let giving = async move {
        let mut digest = Sha256::new();
        for number in 0..PARTS {
            let part = part(number);
            digest.update(&part);
            to.write_all(&part).await?;
        }
        // The writing half stays open until all has come back.
        Ok::<_, std::io::Error>((digest.finalize(), to))
    };
    let taking = async move {
        let (mut digest, mut part) = (Sha256::new(), vec![0; PART]);
        for _ in 0..PARTS {
            from.read_exact(&mut part).await?;
            digest.update(&part);
        }
        Ok::<_, std::io::Error>(digest.finalize())
    };
    let ((sent, _to), received) = tokio::try_join!(giving, taking)?;
    assert_eq!(sent, received, "what came back is not what was sent");
    echo.await??;
    node.end().await;
    println!("{} MiB each way, as they were sent", PARTS * PART >> 20);
    Ok(())
}

async fn give_back(mut socket: TcpStream) -> std::io::Result<u64> {
    let (from, mut to) = socket.split();
    tokio::io::copy(&mut from.take((PARTS * PART) as u64), &mut to).await
}

/// One part of the pattern; no two are the same.
fn part(number: usize) -> Vec<u8> {
    let seed = Sha256::digest(number.to_le_bytes());
    seed.iter().copied().cycle().take(PART).collect()
}

const PART: usize = 64 * 1024;
const PARTS: usize = 1024;
