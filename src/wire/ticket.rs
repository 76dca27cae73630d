//! What opens a data channel.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stream_url;

/// What StartSession and ResumeSession give: the way to a data channel of one session.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The session.
    pub session_id: String,
    /// Address of the data channel's WebSocket. ResumeSession may leave it empty: then it is the
    /// one of before.
    pub stream_url: String,
    /// Opens it, once.
    pub token: Token,
}

impl fmt::Debug for Ticket {
    /// Without the URL's query, which is a secret when the URL is presigned.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("session_id", &self.session_id)
            .field("stream_url", &stream_url::without_secrets(&self.stream_url))
            .field("token", &self.token)
            .finish()
    }
}

/// The secret of `TokenValue`: whoever shows it may open one data channel. `Debug` never shows it, and
/// there is no `Display`: the one way to the text is [`expose`](Self::expose).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The secret as it travels.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret as it travels.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_shows_no_secret() {
        let ticket = Ticket {
            session_id: "user-1".to_owned(),
            stream_url: "wss://host/v1/data-channel/user-1?X-Amz-Signature=secret".to_owned(),
            token: Token::new("secret"),
        };
        let shown = format!("{ticket:?}");
        assert!(
            shown.contains("user-1") && shown.contains("wss://host/v1/data-channel"),
            "{shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
