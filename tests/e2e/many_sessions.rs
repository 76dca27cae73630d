//! Many sessions at once, each used as soon as it stands.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::{
    support::{DEADLINE, Forward},
    targets::TcpTarget,
};

/// In 3 % of the reference client's port sessions the first connection hangs, by a race as the
/// session starts: of so many one would.
#[tokio::test]
async fn two_hundred_sessions_stand_at_once_and_each_carries_its_first_byte() {
    let target = TcpTarget::echo().await;
    let spec = format!("0:{}", target.port);
    let forward = Forward::start(&vec![&*spec; SESSIONS], "local", &[]);
    let mut echoes = JoinSet::new();
    for address in forward.addresses() {
        echoes.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"first").await.unwrap();
            let mut echo = [0; 5];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(&echo, b"first");
            // All of them stay until the last one has come.
            stream
        });
    }
    let streams = timeout(DEADLINE, echoes.join_all()).await.expect("an echo of each");
    assert_eq!(streams.len(), SESSIONS);
}

const SESSIONS: usize = 200;
