//! What the real agent does and nobody would do on purpose, each to be switched on and off.
//!
//! All of it was measured on the real agent, version 3.3. A client that gets along with all of
//! them at once gets along with the real one.

use thiserror::Error;

/// The quirks of an embedded agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quirks {
    /// Data within the first milliseconds after the handshake is lost: in 24 % of sessions it is
    /// not acknowledged, in 1.7 % it is acknowledged and thrown away.
    pub early_data_loss: bool,
    /// Each message is noted for resending only after it was sent: an acknowledgement that is
    /// quicker finds no note, and the message comes again.
    pub late_notes: bool,
    /// Only the oldest unacknowledged message is sent again, looked at every 100 ms.
    pub slow_resend: bool,
    /// What is sent does not wait for acknowledgements; of 100,000 messages the oldest are forgotten.
    pub no_window: bool,
    /// What is not acknowledged 2 s after the end is lost; else it has 60 s.
    pub drain_limit: bool,
    /// Frames whose CreatedDate is 0 are dropped without a word.
    pub created_date: bool,
    /// A message that comes in its turn counts when its acknowledgement is written. Where the
    /// agent's own connection breaks in between, its repeat is delivered, too.
    pub count_after_ack: bool,
    /// A command's output is read no more, for good, once there was some while publication was
    /// paused or the client away.
    pub pause_ends_output: bool,
    /// At most 1024 bytes a millisecond toward the client, save from a command's pipes.
    pub pace: bool,
    /// The end of one direction of a multiplexed stream ends the other one too.
    pub fin_closes_stream: bool,
    /// Data right behind a DisconnectToPort reaches nobody, and nor does what follows it, until
    /// the next DisconnectToPort.
    pub deaf_reconnect: bool,
    /// A shell's first output comes after 1 s.
    pub shell_delay: bool,
    /// Why a command cannot start is told 1 s after its exit code.
    pub late_reason: bool,
    /// Clients up to 1.2.331.0 get keepalives of the multiplexer and must be heard every 30 s.
    pub keepalive: bool,
}

impl Quirks {
    /// None of them.
    pub const fn none() -> Self {
        Self {
            early_data_loss: false,
            late_notes: false,
            slow_resend: false,
            no_window: false,
            drain_limit: false,
            created_date: false,
            count_after_ack: false,
            pause_ends_output: false,
            pace: false,
            fin_closes_stream: false,
            deaf_reconnect: false,
            shell_delay: false,
            late_reason: false,
            keepalive: false,
        }
    }

    /// All of them.
    pub const fn real() -> Self {
        Self {
            early_data_loss: true,
            late_notes: true,
            slow_resend: true,
            no_window: true,
            drain_limit: true,
            created_date: true,
            count_after_ack: true,
            pause_ends_output: true,
            pace: true,
            fin_closes_stream: true,
            deaf_reconnect: true,
            shell_delay: true,
            late_reason: true,
            keepalive: true,
        }
    }

    /// Reads a list: `real`, `none` or `default`, then any number of `+name` and `-name`, with
    /// commas between them. A list that names no beginning begins with the default.
    ///
    /// # Errors
    /// [`QuirksError`] for a word that is none of these.
    pub fn parse(list: &str) -> Result<Self, QuirksError> {
        let mut quirks = Self::default();
        for (index, word) in list.split(',').map(str::trim).enumerate() {
            match word {
                "real" if index == 0 => quirks = Self::real(),
                "none" if index == 0 => quirks = Self::none(),
                "default" if index == 0 => quirks = Self::default(),
                _ => {
                    let unknown = || QuirksError(word.to_owned());
                    let (on, name) = match word.split_at_checked(1).ok_or_else(unknown)? {
                        ("+", name) => (true, name),
                        ("-", name) => (false, name),
                        _ => return Err(unknown()),
                    };
                    let entry = TABLE.iter().find(|entry| entry.name == name);
                    *(entry.ok_or_else(unknown)?.field)(&mut quirks) = on;
                }
            }
        }
        Ok(quirks)
    }

    /// The name of each quirk and what it does, in one line.
    pub fn explained() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|entry| (entry.name, entry.about))
    }
}

impl Default for Quirks {
    /// Those that change what a client may rely on, without those that only take time or lose
    /// data at random.
    fn default() -> Self {
        Self {
            drain_limit: true,
            created_date: true,
            count_after_ack: true,
            fin_closes_stream: true,
            deaf_reconnect: true,
            late_reason: true,
            keepalive: true,
            ..Self::none()
        }
    }
}

/// A word that names no quirk.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is no quirk: write `real`, `none` or `default`, and +NAME or -NAME behind it")]
pub struct QuirksError(String);

struct Entry {
    name: &'static str,
    about: &'static str,
    field: fn(&mut Quirks) -> &mut bool,
}

const TABLE: [Entry; 14] = [
    Entry {
        name: "early-data-loss",
        about: "the first data after the handshake may be lost when it comes at once",
        field: |quirks| &mut quirks.early_data_loss,
    },
    Entry {
        name: "late-notes",
        about: "what is acknowledged very quickly is sent again all the same",
        field: |quirks| &mut quirks.late_notes,
    },
    Entry {
        name: "slow-resend",
        about: "only the oldest message is sent again, looked at every 100 ms",
        field: |quirks| &mut quirks.slow_resend,
    },
    Entry {
        name: "no-window",
        about: "nothing waits for acknowledgements, and only 100,000 messages are kept for them",
        field: |quirks| &mut quirks.no_window,
    },
    Entry {
        name: "drain-limit",
        about: "what is unacknowledged 2 s after the end is lost",
        field: |quirks| &mut quirks.drain_limit,
    },
    Entry {
        name: "created-date",
        about: "frames with CreatedDate 0 are dropped",
        field: |quirks| &mut quirks.created_date,
    },
    Entry {
        name: "count-after-ack",
        about: "an upload's message comes twice when the agent's connection breaks behind it",
        field: |quirks| &mut quirks.count_after_ack,
    },
    Entry {
        name: "pause-ends-output",
        about: "a command's output is read no more after some in a pause, or without a client",
        field: |quirks| &mut quirks.pause_ends_output,
    },
    Entry {
        name: "pace",
        about: "1024 bytes a millisecond at most, as with --pace real",
        field: |quirks| &mut quirks.pace,
    },
    Entry {
        name: "fin-closes-stream",
        about: "the end of one direction of a multiplexed stream ends the other too",
        field: |quirks| &mut quirks.fin_closes_stream,
    },
    Entry {
        name: "deaf-reconnect",
        about: "without multiplexing: data right behind a disconnection reaches nobody",
        field: |quirks| &mut quirks.deaf_reconnect,
    },
    Entry {
        name: "shell-delay",
        about: "a shell's first output comes after 1 s",
        field: |quirks| &mut quirks.shell_delay,
    },
    Entry {
        name: "late-reason",
        about: "why a command cannot start is told 1 s after its exit code",
        field: |quirks| &mut quirks.late_reason,
    },
    Entry {
        name: "keepalive",
        about: "clients up to 1.2.331.0 get keepalives and are dropped after 30 s of silence",
        field: |quirks| &mut quirks.keepalive,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_beginning_and_changes_to_it() {
        assert_eq!(Quirks::parse("real"), Ok(Quirks::real()));
        assert_eq!(Quirks::parse("none"), Ok(Quirks::none()));
        assert_eq!(Quirks::parse("default"), Ok(Quirks::default()));
        let paced = Quirks { pace: true, keepalive: false, ..Quirks::default() };
        assert_eq!(Quirks::parse("+pace,-keepalive"), Ok(paced));
        assert_eq!(Quirks::parse("default, +pace, -keepalive"), Ok(paced));
        let one = Quirks { shell_delay: true, ..Quirks::none() };
        assert_eq!(Quirks::parse("none,+shell-delay"), Ok(one));
    }

    #[test]
    fn other_words_are_refused_by_name() {
        for list in ["", "pace", "+", "+paces", "real,none", "+pace,", "ä", "+pace,real"] {
            let error = Quirks::parse(list).expect_err(list).to_string();
            assert!(error.contains("is no quirk"), "{error}");
        }
        assert!(Quirks::parse("+paces").unwrap_err().to_string().contains("+paces"));
    }

    #[test]
    fn every_name_switches_a_quirk_of_its_own() {
        let mut quirks = Quirks::none();
        for (name, _) in Quirks::explained() {
            let before = quirks;
            let alone = Quirks::parse(&format!("none,+{name}")).unwrap();
            *(TABLE.iter().find(|entry| entry.name == name).unwrap().field)(&mut quirks) = true;
            assert_ne!(quirks, before, "{name}");
            assert_ne!(alone, Quirks::none(), "{name}");
        }
        assert_eq!(quirks, Quirks::real(), "the table has them all");
    }
}
