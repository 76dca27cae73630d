//! Which session a new connection goes to.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use crate::client::{Error, Kind};

/// How many sessions a forward may have at once.
///
/// An agent sends 0.7 MB/s a session, whatever the line can carry; several share nothing but their destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneCount {
    /// A further one, up to a small number, when a connection comes while those there are busy receiving.
    Auto,
    /// A further one for each connection that comes while all there have some, up to so many; from 1 to
    /// [`MOST`](Self::MOST).
    Fixed(u8),
}

impl LaneCount {
    /// One session for all connections.
    pub const ONE: Self = Self::Fixed(1);
    /// More, and the node's processor is what counts: its agent needs 12 to 22 s of it for 100 MB.
    pub const MOST: u8 = 32;
    /// The most that `auto` opens.
    pub const AUTO: u8 = 4;

    /// The most sessions at once.
    pub fn most(self) -> usize {
        match self {
            Self::Auto => Self::AUTO.into(),
            Self::Fixed(count) => count.into(),
        }
    }
}

impl Default for LaneCount {
    /// It costs nothing where nothing waits: whoever has little to carry, or a faster agent, has one session.
    fn default() -> Self {
        Self::Auto
    }
}

impl FromStr for LaneCount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(count @ 1..=Self::MOST) => Ok(Self::Fixed(count)),
            _ => {
                let why = format!("`{text}` is neither `auto` nor from 1 to {}", Self::MOST);
                Err(Error::new(Kind::Usage, why))
            }
        }
    }
}

impl Display for LaneCount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(count) => count.fmt(f),
        }
    }
}

/// What one session carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Load {
    /// Connections that it has, or that wait for it to stand.
    pub(super) connections: usize,
    /// Bytes that came by it in the last second.
    pub(super) rate: u64,
    /// It still has to begin.
    pub(super) is_starting: bool,
}

impl Load {
    /// As much comes as an agent sends, or nearly. Where more does, it is not the agent that limits.
    fn is_busy(&self) -> bool {
        self.is_starting || (BUSY..FASTER).contains(&self.rate)
    }
}

/// Where a connection goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// To the session of this index.
    Lane(usize),
    /// To one that is to be started for it.
    Another,
}

/// Chooses among the sessions there are, of which there is at least one that stands. Another one is started
/// only where that `may` be.
pub(super) fn choose(count: LaneCount, loads: &[Load], may: bool) -> Choice {
    let may = may && loads.len() < count.most();
    let indices = 0..loads.len();
    let least = match count {
        LaneCount::Fixed(_) => indices.min_by_key(|index| {
            let load = &loads[*index];
            (load.connections, load.is_starting, load.rate / COARSE)
        }),
        LaneCount::Auto => indices.min_by_key(|index| {
            let load = &loads[*index];
            (load.is_busy(), load.connections, load.rate / COARSE)
        }),
    };
    let least = least.unwrap_or_default();
    let pays = loads.get(least).is_some_and(|load| match count {
        LaneCount::Fixed(_) => load.connections > 0,
        LaneCount::Auto => load.connections > 0 && load.is_busy(),
    });
    if may && pays { Choice::Another } else { Choice::Lane(least) }
}

/// Bytes a second: a third of an agent's pace. A slower line has room for one session's.
const BUSY: u64 = 256 * 1024;
/// No agent is known to send as much.
const FASTER: u64 = 1536 * 1024;
/// What does not differ by so much does not differ.
const COARSE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(connections: usize, rate: u64) -> Load {
        Load { connections, rate, is_starting: false }
    }

    fn starting(connections: usize) -> Load {
        Load { connections, rate: 0, is_starting: true }
    }

    #[test]
    fn a_fixed_number_has_a_session_for_each_connection_as_far_as_it_goes() {
        let count = LaneCount::Fixed(3);
        assert_eq!(choose(count, &[load(0, 0)], true), Choice::Lane(0));
        assert_eq!(choose(count, &[load(1, 0)], true), Choice::Another);
        assert_eq!(choose(count, &[load(1, 0), starting(1)], true), Choice::Another);
        assert_eq!(choose(count, &[load(1, 0), load(0, 0)], true), Choice::Lane(1));
        // Then they share, those that stand first, and those that carry less.
        assert_eq!(choose(count, &[load(1, 0), starting(1), load(2, 0)], true), Choice::Lane(0));
        assert_eq!(
            choose(count, &[load(1, 700_000), load(1, 0), load(1, 0)], true),
            Choice::Lane(1)
        );
        assert_eq!(choose(count, &[load(5, 0)], false), Choice::Lane(0), "none is to be had");
    }

    #[test]
    fn auto_opens_another_one_only_where_all_are_busy_receiving() {
        let count = LaneCount::Auto;
        assert_eq!(choose(count, &[load(40, 10_000)], true), Choice::Lane(0), "a pool of them");
        assert_eq!(choose(count, &[load(4, 9_000_000)], true), Choice::Lane(0), "nobody paces");
        assert_eq!(choose(count, &[load(1, 700_000)], true), Choice::Another);
        assert_eq!(choose(count, &[load(1, 700_000), load(9, 0)], true), Choice::Lane(1));
        assert_eq!(choose(count, &[load(1, 700_000), starting(1)], true), Choice::Another);
        let four = [load(1, 700_000), load(2, 700_000), starting(1), load(1, 500_000)];
        assert_eq!(choose(count, &four, true), Choice::Lane(2));
        assert_eq!(choose(count, &[load(0, 700_000)], true), Choice::Lane(0), "that one has ended");
    }

    #[test]
    fn one_session_is_one() {
        assert_eq!(choose(LaneCount::ONE, &[load(9, 900_000)], true), Choice::Lane(0));
        assert_eq!(LaneCount::ONE.most(), 1);
    }

    #[test]
    fn numbers_are_read_within_their_bounds() {
        assert_eq!("auto".parse::<LaneCount>().unwrap(), LaneCount::Auto);
        assert_eq!("8".parse::<LaneCount>().unwrap(), LaneCount::Fixed(8));
        for text in ["0", "33", "-1", "", "Auto", "8 "] {
            assert!(text.parse::<LaneCount>().is_err(), "{text}");
        }
    }
}
