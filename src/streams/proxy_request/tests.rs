use proptest::prelude::*;

use super::*;

/// All that comes of these bytes: what is answered on the way, and the end.
fn read(bytes: &[u8]) -> (Vec<u8>, Step) {
    let mut reader = ProxyReader::default();
    reader.receive(bytes);
    run(&mut reader)
}

fn run(reader: &mut ProxyReader) -> (Vec<u8>, Step) {
    let mut answered = Vec::new();
    loop {
        match reader.step() {
            Step::Answer(bytes) => answered.extend_from_slice(bytes),
            step => return (answered, step),
        }
    }
}

#[track_caller]
fn connection(bytes: &[u8]) -> ProxyRequest {
    match read(bytes).1 {
        Step::Serve(Wanted::Connection(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn misplaced(bytes: &[u8]) -> Misplaced {
    match read(bytes).1 {
        Step::HangUp(misplaced) => misplaced,
        other => panic!("{other:?}"),
    }
}

fn socks5(kind: u8, host: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, 5, 1, 0, kind], host, &port.to_be_bytes()].concat()
}

#[test]
fn socks5_names_and_addresses_are_destinations() {
    let name = |name: &str| [&[name.len() as u8], name.as_bytes()].concat();
    let v6 = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mapped = "::ffff:10.0.0.7".parse::<std::net::Ipv6Addr>().unwrap().octets();
    for (kind, host, shown) in [
        (3, name("DB.internal"), "db.internal:5432"),
        (3, name("_ldap.example"), "_ldap.example:5432"),
        (3, name("10.0.0.7"), "10.0.0.7:5432"),
        (3, name("::1"), "[::1]:5432"),
        (1, vec![10, 0, 0, 7], "10.0.0.7:5432"),
        (4, v6.to_vec(), "[2001:db8::1]:5432"),
        (4, mapped.to_vec(), "10.0.0.7:5432"),
    ] {
        let bytes = [socks5(kind, &host, 5432), b"ahead".to_vec()].concat();
        assert_eq!(read(&bytes).0, [5, 0], "{shown}");
        let request = connection(&bytes);
        assert_eq!(request.destination.to_string(), shown);
        assert_eq!((request.manner, &*request.ahead), (Manner::Socks5, &b"ahead"[..]));
    }
}

#[test]
fn what_socks5_has_and_there_is_not_has_its_own_reply() {
    let odd_name = [&[3, b'a', b' ', b'b'][..]].concat();
    for (bytes, answer) in [
        (vec![5, 1, 2], vec![5, 0xff]),
        (vec![5, 0], vec![5, 0xff]),
        (vec![5, 1, 0, 5, 2, 0, 1], reply(7)),
        (vec![5, 1, 0, 5, 3, 0, 1], reply(7)),
        (vec![5, 1, 0, 5, 1, 0, 9], reply(8)),
        (socks5(3, &odd_name, 80), reply(1)),
        (socks5(3, &[0], 80), reply(1)),
        (socks5(1, &[10, 0, 0, 7], 0), reply(1)),
        (vec![5, 1, 0, 4, 1], reply(1)),
    ] {
        let misplaced = misplaced(&bytes);
        assert_eq!(misplaced.answer, answer, "{bytes:?}");
        assert!(!misplaced.why.is_empty());
    }
}

fn reply(status: u8) -> Vec<u8> {
    vec![5, status, 0, 1, 0, 0, 0, 0, 0, 0]
}

#[test]
fn socks4_has_addresses_and_with_4a_names() {
    let plain = connection(b"\x04\x01\x00\x50\x0a\x00\x00\x07me\0ahead");
    assert_eq!(plain.destination.to_string(), "10.0.0.7:80");
    assert_eq!((plain.manner, &*plain.ahead), (Manner::Socks4, &b"ahead"[..]));
    let named = connection(b"\x04\x01\x00\x50\x00\x00\x00\x01\0web.internal\0");
    assert_eq!(named.destination.to_string(), "web.internal:80");
    assert_eq!(misplaced(b"\x04\x02\x00\x50\x0a\x00\x00\x07").answer, socks::FAILED_BY_4);
    let endless = [&b"\x04\x01\x00\x50\x0a\x00\x00\x07"[..], &[b'x'; 300]].concat();
    assert!(misplaced(&endless).why.contains("too long"));
}

#[test]
fn connect_wants_a_host_and_a_port() {
    for (target, shown) in [
        ("web.internal:443", "web.internal:443"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("10.0.0.7:8443", "10.0.0.7:8443"),
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\nahead");
        let request = connection(request.as_bytes());
        assert_eq!(request.destination.to_string(), shown);
        assert_eq!((request.manner, request.rest), (Manner::Connect, Rest::All));
        assert_eq!(request.ahead, b"ahead");
    }
    for target in
        ["web", "web:", "web:x", "web:99999", "web:+1", "2001:db8::1:443", ":443", "a b:1"]
    {
        let misplaced = misplaced(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes());
        assert!(misplaced.answer.starts_with(b"HTTP/1.1 400 "), "{target}: {misplaced:?}");
    }
}

/// One request, whose answer ends with the connection.
#[test]
fn a_plain_request_is_passed_on_without_what_was_for_the_proxy() {
    let request = connection(
        b"POST http://Web.internal:8080/a?b=c#d HTTP/1.1\r\nHost: other\r\nAccept: */*\r\n\
          Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n\
          Connection: keep-alive, TE\r\nContent-Length: 4\r\n\r\nbodyGET http://x/ HTTP/1.1",
    );
    assert_eq!(request.destination.to_string(), "web.internal:8080");
    assert_eq!((request.manner, request.rest), (Manner::Plain, Rest::Counted(0)));
    assert!(request.is_followed);
    let ahead = String::from_utf8(request.ahead).unwrap();
    assert_eq!(
        ahead,
        "POST /a?b=c HTTP/1.1\r\nHost: Web.internal:8080\r\nConnection: close\r\nAccept: */*\r\n\
         Content-Length: 4\r\n\r\nbody"
    );

    let request = connection(b"GET http://web HTTP/1.0\r\n\r\n");
    assert_eq!(request.ahead, b"GET / HTTP/1.0\r\nHost: web\r\nConnection: close\r\n\r\n");
    assert_eq!((request.destination.port(), request.rest), (80, Rest::Counted(0)));
    assert!(!request.is_followed);
    let request = connection(b"GET http://web?q HTTP/1.1\r\n\r\n");
    assert!(request.ahead.starts_with(b"GET /?q HTTP/1.1\r\n"));
    let chunked = "POST http://web/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n";
    let request = connection(format!("{chunked}GET http://other/ HTTP/1.1\r\n").as_bytes());
    assert!(request.rest.is_over());
    assert!(request.ahead.ends_with(b"Chunked\r\n\r\n0\r\n\r\n"));
}

#[test]
fn what_http_has_and_there_is_not_is_told_with_its_status() {
    let two = "Content-Length: 4\r\nContent-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    for (head, status) in [
        ("GET https://web/ HTTP/1.1\r\n\r\n".to_owned(), "501 "),
        ("GET ftp://web/ HTTP/1.1\r\n\r\n".to_owned(), "501 "),
        ("POST / HTTP/1.1\r\n\r\n".to_owned(), "405 "),
        ("GET http://user@web/ HTTP/1.1\r\n\r\n".to_owned(), "400 "),
        ("GET http:/// HTTP/1.1\r\n\r\n".to_owned(), "400 "),
        ("OPTIONS * HTTP/1.1\r\n\r\n".to_owned(), "400 "),
        ("GET nonsense\r\n\r\n".to_owned(), "400 "),
        (format!("POST http://web/ HTTP/1.1\r\n{two}\r\n"), "400 "),
        (format!("POST http://web/ HTTP/1.1\r\n{both}\r\n"), "400 "),
        ("POST http://web/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(), "400 "),
        (format!("POST http://web/ HTTP/1.0\r\n{chunked}\r\n"), "400 "),
        (format!("POST http://web/ HTTP/1.1\r\n{chunked}{chunked}\r\n"), "501 "),
        ("POST http://web/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), "501 "),
        (format!("GET http://web/ HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101)), "431 "),
        (format!("GET http://web/ HTTP/1.1\r\na: {}", "b".repeat(LONGEST)), "431 "),
    ] {
        let misplaced = misplaced(head.as_bytes());
        let answer = String::from_utf8(misplaced.answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}: {answer}");
        assert!(answer.contains("\r\n\r\nssmport: "), "{answer}");
    }
}

#[test]
fn pages_of_the_proxys_own_are_told_from_what_is_passed_on() {
    let read_page = read(b"GET /proxy.pac?x HTTP/1.1\r\nHost: localhost:1080\r\n\r\n").1;
    let host = Some("localhost:1080".to_owned());
    let path = "/proxy.pac".to_owned();
    assert_eq!(read_page, Step::Serve(Wanted::Page { path: path.clone(), host, is_head: false }));
    let head = read(b"HEAD /proxy.pac HTTP/1.1\r\n\r\n").1;
    assert_eq!(head, Step::Serve(Wanted::Page { path, host: None, is_head: true }));
    let [whole, head] = [false, true].map(|is_head| page("200 OK", "text/plain", "body", is_head));
    assert!(head.ends_with(b"\r\n\r\n"));
    assert_eq!([&head[..], b"body"].concat(), whole);
}

#[test]
fn other_languages_get_no_answer() {
    assert!(misplaced(b"\x16\x03\x01").why.contains("TLS"));
    for bytes in [&b"\0"[..], b"\xff", b"ssh", b" GET"] {
        assert_eq!(misplaced(bytes).answer, b"", "{bytes:?}");
    }
}

#[test]
fn failures_have_the_words_of_each_protocol() {
    for (failure, socks, status) in [
        (ProxyFailure::NoSession, 1, "502"),
        (ProxyFailure::NotAllowed, 2, "403"),
        (ProxyFailure::NoWay, 3, "502"),
        (ProxyFailure::NotReached, 4, "502"),
        (ProxyFailure::Refused, 5, "502"),
        (ProxyFailure::TimedOut, 6, "504"),
        (ProxyFailure::Busy, 1, "503"),
    ] {
        assert_eq!(Manner::Socks5.failed(failure, "why"), reply(socks));
        assert_eq!(Manner::Socks4.failed(failure, "why"), socks::FAILED_BY_4);
        let page = String::from_utf8(Manner::Connect.failed(failure, "why\r\nX: y")).unwrap();
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")), "{page}");
        assert!(page.ends_with("\r\n\r\nssmport: why X: y\n"), "{page}");
    }
}

proptest! {
    /// Whatever comes, in whatever pieces: one end, the same one, within the bound.
    #[test]
    fn cuts_change_nothing(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..400),
            "(CONNECT|GET|POST) [ -~]{0,40} HTTP/1.1\r\n([ -~]{0,20}\r\n){0,4}\r\n[ -~]{0,9}"
                .prop_map(String::into_bytes),
            ("[a-z.]{0,20}", any::<u16>(), 0..6_u8, 0..4_u8).prop_map(|(name, port, kind, command)| {
                let head = [5, 1, 0, 5, command, 0, kind, name.len() as u8];
                [&head[..], name.as_bytes(), &port.to_be_bytes(), b"x"].concat()
            }),
        ],
        cut in 1..20_usize,
    ) {
        let whole = read(&bytes);
        let mut reader = ProxyReader::default();
        let mut answered = Vec::new();
        let mut last = Step::More;
        let mut taken = 0;
        for piece in bytes.chunks(cut) {
            reader.receive(piece);
            taken += piece.len();
            let (more, step) = run(&mut reader);
            answered.extend(more);
            last = step;
            if last != Step::More {
                break;
            }
        }
        prop_assert_eq!(answered, whole.0);
        match (last, whole.1) {
            (Step::Serve(Wanted::Connection(cut)), Step::Serve(Wanted::Connection(whole))) => {
                prop_assert_eq!(&cut.destination, &whole.destination);
                // What came with it goes ahead; the rest is still to be read.
                let behind = bytes[taken..].iter().take(whole.ahead.len() - cut.ahead.len());
                let all: Vec<u8> = cut.ahead.iter().chain(behind).copied().collect();
                prop_assert_eq!(all, whole.ahead);
            }
            (cut, whole) => prop_assert_eq!(cut, whole),
        }
    }
}
