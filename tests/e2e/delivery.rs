//! What was received reaches a slow reader, however its session ends.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{raw_frame::*, raw_gateway::*, raw_peer::*};

const LEN: usize = 30_000;
/// More than a pipe has room for, and less than the program takes ahead of its reader.
const MESSAGES: usize = 60;

/// The connection breaks behind the exit code, the session cannot be resumed, and the reader has
/// not begun.
#[tokio::test]
async fn a_lost_session_leaves_nothing_unsaid() {
    let gateway = RawGateway::start().await;
    let mut plugin = gateway.plugin_command();
    plugin.env("SSMPORT_EXIT_CODE", "1").env("AWS_EC2_METADATA_DISABLED", "true");
    plugin.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut plugin = Command::from(plugin).kill_on_drop(true).spawn().unwrap();
    let mut agent = gateway.accept().await;
    let mut last = agent.send(STREAM, b"#").await;
    for _ in 0..MESSAGES {
        last = agent.send(STREAM, &[b'#'; LEN]).await;
    }
    agent.acknowledgement_of(&last).await;
    let code = agent.send(EXIT_CODE, b"EXIT_CODE: 7").await;
    agent.acknowledgement_of(&code).await;
    drop(agent);
    // It may not take the reader for gone.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(plugin.try_wait().unwrap(), None, "there is more to be read");

    let mut output = Vec::new();
    let mut stdout = plugin.stdout.take().unwrap();
    timeout(PATIENCE, stdout.read_to_end(&mut output)).await.expect("an end").unwrap();
    let received = output.iter().filter(|byte| **byte == b'#').count();
    assert_eq!(received, 1 + MESSAGES * LEN);
    let status = timeout(PATIENCE, plugin.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(7));
}
