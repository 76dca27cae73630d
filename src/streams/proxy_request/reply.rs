//! Where the answer to a request of HTTP ends: a client that has sent another one before that is to have all
//! of it.

use httparse::{EMPTY_HEADER, Header, Response, Status};

use super::Rest;

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Reply {
    /// The request was for the head alone.
    is_head: bool,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// So much of it has come.
    Head(Vec<u8>),
    Body(Rest),
}

impl Reply {
    /// That to a request which begins so.
    pub fn to(request: &[u8]) -> Self {
        Self { is_head: request.starts_with(b"HEAD "), part: Part::Head(Vec::new()) }
    }

    /// Takes what has been passed on of it.
    pub fn receive(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if let Part::Head(head) = &mut self.part {
            head.append(&mut bytes);
            bytes = self.read_heads();
        }
        if let Part::Body(rest) = &mut self.part {
            rest.take(&bytes);
        }
    }

    /// Whether all of it has come. Of one that ends with the connection nobody knows.
    pub fn is_over(&self) -> bool {
        matches!(self.part, Part::Body(rest) if rest.is_over())
    }

    /// Goes on to the body if its head is whole; gives what has come of that.
    fn read_heads(&mut self) -> Vec<u8> {
        while let Part::Head(head) = &mut self.part {
            let mut headers = [EMPTY_HEADER; MOST_HEADERS];
            let mut response = Response::new(&mut headers);
            match response.parse(head) {
                Ok(Status::Partial) if head.len() < LONGEST_HEAD => return Vec::new(),
                Ok(Status::Complete(length)) => {
                    let rest = match response.code.unwrap_or(0) {
                        101 => Some(Rest::All),
                        100..200 => None,
                        204 | 304 => Some(Rest::Counted(0)),
                        _ if self.is_head => Some(Rest::Counted(0)),
                        _ => Some(body(response.headers)),
                    };
                    let behind = head.split_off(length);
                    match rest {
                        // Another one follows.
                        None => *head = behind,
                        Some(rest) => {
                            self.part = Part::Body(rest);
                            return behind;
                        }
                    }
                }
                // Whatever it is, it may go on.
                Ok(Status::Partial) | Err(_) => self.part = Part::Body(Rest::All),
            }
        }
        Vec::new()
    }
}

/// How long the body is, by the headers before it.
fn body(headers: &[Header<'_>]) -> Rest {
    let mut all = headers.iter();
    if let Some(encoding) = all.find(|header| is(header, "transfer-encoding")) {
        let last = encoding.value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return if is_chunked { Rest::CHUNKED } else { Rest::All };
    }
    let length = headers.iter().find(|header| is(header, "content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok());
    length.and_then(|length| length.trim().parse().ok()).map_or(Rest::All, Rest::Counted)
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

const MOST_HEADERS: usize = 200;
/// In bytes; what is longer is passed on all the same.
const LONGEST_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\n";

    #[test]
    fn an_answer_ends_where_its_head_says() {
        for (request, answer) in [
            (GET, format!("{OK}Content-Length: 4\r\n\r\nbody")),
            (GET, format!("{OK}Content-Length: 0\r\n\r\n")),
            (GET, format!("{OK}Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")),
            (GET, "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
            (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_owned()),
            (GET, format!("HTTP/1.1 100 Continue\r\n\r\n{OK}Content-Length: 1\r\n\r\nx")),
            (
                GET,
                format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}content-length:1\r\n\r\nx"),
            ),
            (b"HEAD / HTTP/1.1\r\n", format!("{OK}Content-Length: 9\r\n\r\n")),
        ] {
            let mut whole = Reply::to(request);
            whole.receive(answer.as_bytes());
            assert!(whole.is_over(), "{answer:?}");
            let mut pieces = Reply::to(request);
            for byte in answer.as_bytes() {
                assert!(!pieces.is_over(), "{answer:?}");
                pieces.receive(&[*byte]);
            }
            assert!(pieces.is_over(), "{answer:?}");
        }
    }

    #[test]
    fn one_that_may_go_on_is_not_over() {
        for answer in [
            format!("{OK}\r\nbody"),
            format!("{OK}Content-Length: 4\r\n\r\nbod"),
            format!("{OK}Content-Length: many\r\n\r\nbody"),
            format!("{OK}Transfer-Encoding: gzip\r\n\r\nbody"),
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n"),
            format!("{OK}Transfer-Encoding: chunked\r\n\r\nx"),
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            "220 no HTTP\r\n".to_owned(),
            format!("{OK}a: {}", "a".repeat(2 * LONGEST_HEAD)),
            String::new(),
        ] {
            let mut reply = Reply::to(GET);
            reply.receive(answer.as_bytes());
            assert!(!reply.is_over(), "{answer:.60?}");
        }
    }
}
