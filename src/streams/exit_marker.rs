//! The exit code of a command on a pseudo-terminal, which the protocol does not carry.
//!
//! The command line is wrapped: behind the command, the node's shell prints an application
//! program command (`ESC _ ... ESC \`), a control string that terminals ignore, with the code in
//! it. It is taken out of the output here. Another one in front of the command makes the agent
//! speak at once: a session without a handshake takes no input before its first output. The
//! command then waits for a line of input, so that it finds the terminal with its size.

use uuid::Uuid;

use crate::wire::ExitCode;

/// Finds the exit code in a command's output, and takes it out.
#[derive(Debug)]
pub struct ExitMarker {
    name: String,
    /// What may be the beginning of a marker, until more has come.
    held: Vec<u8>,
}

impl ExitMarker {
    /// A marker that no command prints by chance.
    pub fn random() -> Self {
        Self::new(uuid::Builder::from_random_bytes(rand::random()).into_uuid())
    }

    /// The marker of that id.
    pub fn new(id: Uuid) -> Self {
        Self { name: format!("ssmport-{}:", id.simple()), held: Vec::new() }
    }

    /// The command line for the node's POSIX shell that runs `command` between two markers, once
    /// a line of input has come.
    ///
    /// The command has a shell of its own, which it may `exit`. The one around it outlives a Ctrl-C
    /// that is for the command; its own setting would be passed on if
    /// it ignored the signal, but not if it does something about it.
    pub fn wrap(&self, command: &str) -> String {
        let name = &self.name;
        format!(
            "trap : INT QUIT; stty -echo 2>/dev/null; printf '\\033_{name}\\033\\\\'; \
             (read -r go); stty echo 2>/dev/null; ({command}); \
             printf '\\033_{name}%d\\033\\\\' $?"
        )
    }

    /// Adds to `shown` what of `output` is the command's own; gives the exit code when it comes.
    pub fn filter(&mut self, output: &[u8], shown: &mut Vec<u8>) -> Option<ExitCode> {
        let mut exited = None;
        for &byte in output {
            self.held.push(byte);
            match self.look() {
                Look::More => {}
                Look::Marker(code) => {
                    self.held.clear();
                    exited = exited.or(code);
                }
                Look::Other => self.release(shown),
            }
        }
        exited
    }

    /// What was held back when the session ended.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn look(&self) -> Look {
        let start = START.iter().chain(self.name.as_bytes());
        if self.held.iter().zip(start).any(|(held, wanted)| held != wanted) {
            return Look::Other;
        }
        let Some(rest) = self.held.get(START.len() + self.name.len()..) else {
            return Look::More;
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match &rest[digits..] {
            [] | [ESCAPE] if digits <= MAX_DIGITS => Look::More,
            end if end == END => {
                let code = std::str::from_utf8(&rest[..digits]).ok();
                Look::Marker(code.and_then(|code| code.parse().ok()).map(ExitCode))
            }
            _ => Look::Other,
        }
    }

    /// The held bytes are no marker; but one may begin inside.
    fn release(&mut self, shown: &mut Vec<u8>) {
        loop {
            shown.push(self.held.remove(0));
            if self.held.is_empty() || !matches!(self.look(), Look::Other) {
                return;
            }
        }
    }
}

/// What a wrapped command waits for.
pub const GO_AHEAD: &[u8] = b"\r";

enum Look {
    /// It may become a marker.
    More,
    Marker(Option<ExitCode>),
    Other,
}

const ESCAPE: u8 = 0x1b;
const START: &[u8] = b"\x1b_";
const END: &[u8] = b"\x1b\\";
/// Exit codes are below 256; Windows' have ten digits.
const MAX_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use proptest::prelude::*;

    use super::*;

    fn marker() -> ExitMarker {
        ExitMarker::new(Uuid::from_u128(7))
    }

    fn printed(code: &str) -> Vec<u8> {
        format!("\x1b_ssmport-00000000000000000000000000000007:{code}\x1b\\").into_bytes()
    }

    #[test]
    fn the_shell_prints_what_is_searched_for() {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", &marker().wrap("echo hello; exit 42")]).stdin(Stdio::null());
        let ran = sh.output().unwrap();
        let mut shown = Vec::new();
        let exited = marker().filter(&ran.stdout, &mut shown);
        assert_eq!((exited, &shown[..]), (Some(ExitCode(42)), &b"hello\n"[..]));
    }

    #[test]
    fn other_control_strings_pass() {
        for text in [
            &b"\x1b[1mbold\x1b[0m"[..],
            b"\x1b_tmux\x1b\\",
            b"\x1b\x1b\x1b_\x1b_ssmport-1",
            b"\x1b_ssmport-00000000000000000000000000000007:12x",
            b"\x1b_ssmport-00000000000000000000000000000007:123456789012",
        ] {
            let (mut marker, mut shown) = (marker(), Vec::new());
            assert_eq!(marker.filter(text, &mut shown), None);
            shown.extend(marker.rest());
            assert_eq!(shown, text);
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            before in proptest::collection::vec(prop_oneof![Just(0x1b), Just(b'_'), Just(b's')], 0..9),
            code in 0i64..256,
            cut in 0usize..70,
        ) {
            let mut output = before.clone();
            output.extend(printed(&code.to_string()));
            output.extend(b"\n");
            let (head, tail) = output.split_at(cut.min(output.len()));
            let (mut marker, mut shown) = (marker(), Vec::new());
            let first = marker.filter(head, &mut shown);
            let exited = first.or(marker.filter(tail, &mut shown));
            prop_assert_eq!(exited, Some(ExitCode(code)));
            prop_assert_eq!(shown, [&before[..], b"\n"].concat());
        }
    }
}
