//! The payload of a [`PayloadType::ExitCode`](super::PayloadType::ExitCode) message.

/// A command's exit code as the agent tells it: text such as `EXIT_CODE: 5`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCode(pub i32);

impl ExitCode {
    /// What the agent says of a command that a signal ended.
    pub const SIGNALLED: Self = Self(-1);

    /// Reads a payload; `None` when it is not of that form.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        text.trim().strip_prefix(PREFIX)?.trim().parse().ok().map(Self)
    }

    /// The payload.
    pub fn to_text(self) -> String {
        format!("{PREFIX} {}", self.0)
    }
}

const PREFIX: &str = "EXIT_CODE:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_read_and_written_as_captured() {
        for (code, text) in [(0, "EXIT_CODE: 0"), (5, "EXIT_CODE: 5"), (-1, "EXIT_CODE: -1")] {
            assert_eq!(ExitCode(code).to_text(), text);
            assert_eq!(ExitCode::read(text.as_bytes()), Some(ExitCode(code)));
        }
        assert_eq!(ExitCode::read(b"EXIT_CODE: 5\n"), Some(ExitCode(5)));
        for text in ["", "5", "EXIT_CODE:", "EXIT_CODE: five", "EXIT_CODE: 99999999999"] {
            assert_eq!(ExitCode::read(text.as_bytes()), None, "{text}");
        }
    }
}
