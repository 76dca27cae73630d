//! What a channel is told when it is made.

use std::time::Duration;

use crate::wire::handshake::SessionTypeParameters;

/// Which end of the channel this is.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Sends `input_stream_data`, answers the handshake.
    Client,
    /// Sends `output_stream_data`.
    Agent {
        /// What the handshake says the session carries; `None` for sessions without a handshake.
        session: Option<SessionTypeParameters>,
    },
}

/// A bound of messages: both numbers hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Bytes of frames.
    pub bytes: usize,
    /// Number of frames.
    pub messages: usize,
}

/// In which order messages leave.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Order {
    /// The lowest number of each block carries nothing and goes last, so that no data is ever the
    /// message that the agent expects next, which it may pass on twice when its own connection
    /// breaks. Holds for streams that say what carries nothing: [`guard`](super::Channel::guard).
    #[default]
    Guarded,
    /// That of their numbers.
    Plain,
}

/// How messages leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sending {
    /// In which order.
    pub order: Order,
    /// Most bytes of a payload, whatever the path could take.
    pub payload_len: usize,
}

impl Default for Sending {
    /// Guarded, and no payloads larger than those that are known to be taken by a live agent behind
    /// the real service.
    fn default() -> Self {
        Self { order: Order::Guarded, payload_len: 32 * 1024 }
    }
}

/// Settings of a channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Which end this is.
    pub role: Role,
    /// Our version, told in the handshake, as four numbers.
    pub version: String,
    /// Milliseconds since 1970 at the moment the channel is made.
    pub epoch_ms: u64,
    /// Seed of the message ids.
    pub seed: u64,
    /// What may be unacknowledged, and is kept for sending again. The last message may go past
    /// `bytes`. How much of it is used follows the path.
    pub window: Window,
    /// Bytes from the oldest unacknowledged message to the newest: what waits at the other side for
    /// one that is lost.
    pub span: usize,
    /// What may be kept of messages that arrive ahead of their turn.
    pub reorder: Window,
    /// How long the other side's first message may take; `None` for as long as it likes: a session
    /// without a handshake begins with a command's output, and commands can be silent for hours.
    pub opening_timeout: Option<Duration>,
    /// How long the handshake may take, from its first message.
    pub handshake_timeout: Duration,
    /// How messages leave.
    pub sending: Sending,
    /// Agent: whether the session is to be encrypted, for which it needs a handshake.
    pub encryption: Option<EncryptionDemand>,
    /// What an agent does otherwise than by the book.
    pub habits: Habits,
}

/// An agent's demand to have the session encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncryptionDemand {
    /// The key of KMS, as its `GenerateDataKey` takes it.
    pub key_id: String,
    /// A random text for the client to put into the encryption context.
    pub challenge: Option<String>,
    /// Random bytes that the client is to decrypt and encrypt again.
    pub proof: [u8; PROOF_LEN],
}

/// As many bytes as the real agent's, as captured.
pub const PROOF_LEN: usize = 64;

/// What the real agent does and a channel need not, for an agent that is to be like it. The
/// default is none of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Habits {
    /// What becomes of data within the first [`EARLY`] after the handshake.
    pub early_data: EarlyData,
    /// Acknowledgements that come so soon after the message's first sending are missed.
    pub note_delay: Duration,
    /// Only the oldest message is sent again, looked at every [`RESEND_INTERVAL`]; a new connection
    /// changes nothing.
    pub resend_slowly: bool,
    /// There is no window: nothing waits for acknowledgements, and beyond so many messages the oldest
    /// are kept for sending again no more.
    pub most_kept: Option<usize>,
    /// Frames whose CreatedDate is 0 are dropped, acknowledgements too.
    pub drop_undated: bool,
    /// Messages are taken one at a time: one that comes in its turn is delivered, then acknowledged,
    /// and counts only when its acknowledgement is written. If the connection is replaced before,
    /// its repeat is delivered, too.
    pub counts_late: bool,
    /// Clients up to this version get this text with the end of the handshake.
    pub old_client_message: Option<(String, String)>,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EarlyData {
    /// It is delivered.
    #[default]
    Taken,
    /// It is as if it had never come, and has to come again.
    Unacknowledged,
    /// It is acknowledged and thrown away.
    Forgotten,
}

/// Less than the 5 ms after which the real agent never lost anything.
pub const EARLY: Duration = Duration::from_millis(4);

/// How often the real agent looks at its oldest unacknowledged message.
pub const RESEND_INTERVAL: Duration = Duration::from_millis(100);

impl Config {
    /// The usual settings for `role`.
    pub fn new(role: Role, version: &str, epoch_ms: u64, seed: u64) -> Self {
        let handshake_timeout = match role {
            Role::Client => CLIENT_HANDSHAKE_TIMEOUT,
            Role::Agent { .. } => AGENT_HANDSHAKE_TIMEOUT,
        };
        let opening_timeout = Some(handshake_timeout);
        let (span, reorder) = match role {
            Role::Client => (AGENTS_REORDER.bytes - (1 << 20), CLIENTS_REORDER),
            Role::Agent { .. } => (CLIENTS_REORDER.bytes - (1 << 20), AGENTS_REORDER),
        };
        Self {
            role,
            version: version.to_owned(),
            epoch_ms,
            seed,
            window: WINDOW,
            span,
            reorder,
            opening_timeout,
            handshake_timeout,
            sending: Sending::default(),
            encryption: None,
            habits: Habits::default(),
        }
    }
}

/// Enough for 80 MB/s at a round trip of 200 ms; the real agent takes 30 to 60 MB/s. Fewer messages
/// than a reference client's reorder buffer has room for.
const WINDOW: Window = Window { bytes: 16 << 20, messages: 8192 };
/// Room for a whole window and a little more, and the reference client's number of messages.
const CLIENTS_REORDER: Window = Window { bytes: 17 << 20, messages: 10_000 };
/// Room for three windows, as where losses are frequent one is lost two or three times. The real agent
/// has room for 100,000 messages. What is acknowledged costs the client nothing.
const AGENTS_REORDER: Window = Window { bytes: 49 << 20, messages: 10_000 };
/// A node that is busy may be slow to start its side.
const CLIENT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// As the real agent waits.
const AGENT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
