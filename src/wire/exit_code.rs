//! The payload of a [`PayloadType::ExitCode`](super::PayloadType::ExitCode) message.

/// A command's exit code as the agent tells it: text such as `EXIT_CODE: 5`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCode(pub i64);

impl ExitCode {
    /// What the agent says of a command that a signal ended.
    pub const SIGNALLED: Self = Self(-1);

    /// Reads a payload; `None` when it is not of that form.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        text.trim().strip_prefix(PREFIX)?.trim().parse().ok().map(Self)
    }

    /// The code as a process on this machine can have it: what does not fit is still a failure.
    pub fn as_u8(self) -> u8 {
        u8::try_from(self.0).unwrap_or(u8::MAX)
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
        // As Windows has them.
        let access_violation = ExitCode::read(b"EXIT_CODE: 3221225477").unwrap();
        assert_eq!(access_violation, ExitCode(0xC000_0005));
        let fitting = [0, 5, 255, 256, -1, access_violation.0].map(|code| ExitCode(code).as_u8());
        assert_eq!(fitting, [0, 5, 255, 255, 255, 255]);
        for text in ["", "5", "EXIT_CODE:", "EXIT_CODE: five", "EXIT_CODE: 99999999999999999999"] {
            assert_eq!(ExitCode::read(text.as_bytes()), None, "{text}");
        }
    }
}
