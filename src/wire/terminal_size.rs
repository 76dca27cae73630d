//! The payload of a [`PayloadType::Size`](super::PayloadType::Size) message.

use serde::{Deserialize, Serialize};

/// How large the user's terminal is, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Characters in a line.
    pub cols: u32,
    /// Lines.
    pub rows: u32,
}

impl TerminalSize {
    /// What the reference client says where there is no terminal: wide enough for most lines.
    pub const WITHOUT_TERMINAL: Self = Self { cols: 300, rows: 100 };

    /// Reads a payload; `None` when it is not a size.
    pub fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// The payload.
    pub fn to_json(self) -> String {
        // Two numbers always have a JSON form.
        serde_json::to_string(&self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_and_written_as_captured() {
        let size = TerminalSize { cols: 80, rows: 24 };
        assert_eq!(size.to_json(), r#"{"cols":80,"rows":24}"#);
        assert_eq!(TerminalSize::read(br#"{"cols":80,"rows":24}"#), Some(size));
        assert_eq!(TerminalSize::read(br#"{"cols":-1,"rows":24}"#), None);
    }
}
