//! Those who connect and show no token: what they cost, and who loses when there are many.

use tokio::{runtime, time::Instant};

use super::*;

const PATH: &str = "/v1/data-channel/local-0";
const HALF: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\n";

/// The head of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        head.push(byte.expect("in time").expect("a byte"));
    }
    String::from_utf8(head).expect("text")
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.is_ok()
}

#[tokio::test]
async fn the_oldest_stranger_gives_way_and_no_holder_of_a_token() {
    // Room for two strangers.
    let endpoint = Endpoint::with_limit(4).await;
    let mut first_known = endpoint.open_a_session().await;
    let mut second_known = endpoint.open_a_session().await;

    let mut oldest = endpoint.connect().await;
    oldest.write_all(upgrade_request(PATH, "").as_bytes()).await.expect("taken");
    assert!(head(&mut oldest).await.starts_with("HTTP/1.1 101 "));
    let mut half = endpoint.connect().await;
    half.write_all(HALF).await.expect("taken");
    // Both places are taken: a caller gets the oldest one's, and the next caller that of the half.
    assert!(endpoint.start_session().await["TokenValue"].is_string());
    assert!(is_closed(&mut oldest).await);
    assert!(endpoint.start_session().await["TokenValue"].is_string());

    for known in [&mut first_known, &mut second_known] {
        known.send(Message::text("still there")).await.expect("sent");
        let echo = timeout(PATIENCE, known.next()).await.expect("in time");
        assert_eq!(echo.expect("open").expect("a message"), Message::text("still there"));
    }
}

#[tokio::test]
async fn many_strangers_keep_nobody_waiting() {
    let endpoint = Endpoint::with_limit(64).await;
    let mut strangers = Vec::new();
    for number in 0..200 {
        let mut stranger = endpoint.connect().await;
        let upgrade = upgrade_request(PATH, "");
        let begun = if number % 2 == 0 { HALF } else { upgrade.as_bytes() };
        stranger.write_all(begun).await.expect("taken");
        strangers.push(stranger);
    }
    let begun = Instant::now();
    endpoint.open_a_session().await;
    // Less than any of them is given to ask, or to show a token.
    assert!(begun.elapsed() < FIRST_HEADER_TIMEOUT, "{:?}", begun.elapsed());
    assert!(is_closed(&mut strangers[0]).await);
}

/// In virtual time, which goes on when nothing else does.
#[tokio::test(start_paused = true)]
async fn who_connects_and_asks_nothing_is_cut_off_soon() {
    let endpoint = Endpoint::start().await;
    for begun in [&b""[..], HALF] {
        let mut silent = endpoint.connect().await;
        silent.write_all(begun).await.expect("taken");
        let connected = Instant::now();
        assert!(is_closed(&mut silent).await);
        assert!(connected.elapsed() <= Duration::from_secs(6), "{:?}", connected.elapsed());
    }
}

/// hyper's buffer grows to twice its limit before it looks.
#[tokio::test]
async fn a_head_up_to_the_limit_is_read_and_a_longer_one_refused() {
    let endpoint = Endpoint::start().await;
    for (length, status) in
        [(LONGEST_HEAD - 1000, "200"), (LONGEST_HEAD, "431"), (100_000, "431"), (1 << 20, "431")]
    {
        let more = format!("Connection: close\r\nX-Long: {}\r\n", "x".repeat(length));
        let request = api_request("DescribeInstanceInformation", "{}", &more);
        let mut stream = endpoint.connect().await;
        // It does not read all of what it refuses.
        let _ = stream.write_all(request.as_bytes()).await;
        if length < 100_000 {
            assert_eq!(Received::from(&mut stream).await.status(), status, "{length}");
        } else {
            let mut begun = [0; 12];
            let answered = stream.read_exact(&mut begun).await;
            assert!(answered.is_err() || begun.ends_with(status.as_bytes()), "{length}");
        }
    }
}

/// With what this side's sockets and the runtime have.
#[test]
fn an_upgrade_without_a_token_costs_little() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let endpoint = runtime.block_on(Endpoint::start());
    let mut strangers = Vec::with_capacity(MANY);
    let held = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..MANY {
                let mut stranger = endpoint.connect().await;
                stranger.write_all(upgrade_request(PATH, "").as_bytes()).await.expect("taken");
                assert!(head(&mut stranger).await.starts_with("HTTP/1.1 101 "));
                strangers.push(stranger);
            }
        });
    });
    let each = held.bytes_current / MANY as i64;
    assert!(each < 24 << 10, "{each} bytes are held for each");
}

const MANY: usize = 64;
