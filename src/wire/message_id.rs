//! Message ids: UUIDs whose halves stand swapped on the wire.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use uuid::Uuid;

/// Makes message ids from a generator that is seeded once: an id by system call would cost more
/// than the header's whole encoding. The ids are no secrets, so the generator is a quick one.
#[derive(Debug)]
pub struct MessageIds(Xoshiro256PlusPlus);

impl MessageIds {
    /// Ids that follow from `seed` alone; give two ends different seeds.
    pub fn from_seed(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A fresh version 4 UUID.
    pub fn next_id(&mut self) -> Uuid {
        // As one number: a random array is drawn byte by byte.
        let random: u128 = self.0.random();
        uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid()
    }
}

/// The 16 bytes of the header field: the UUID's last eight bytes, then its first eight.
pub(super) fn to_wire(id: Uuid) -> [u8; 16] {
    swap_halves(id.into_bytes())
}

pub(super) fn from_wire(field: [u8; 16]) -> Uuid {
    Uuid::from_bytes(swap_halves(field))
}

fn swap_halves(bytes: [u8; 16]) -> [u8; 16] {
    u128::from_ne_bytes(bytes).rotate_left(64).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of the real agent and the id by which the reference client acknowledged it.
    #[test]
    fn halves_are_swapped_as_on_the_wire() {
        let wire = 0xad47_92bf_a4e7_67fd_9be8_d30b_bb25_4185_u128.to_be_bytes();
        let id = from_wire(wire);
        assert_eq!(id.to_string(), "9be8d30b-bb25-4185-ad47-92bfa4e767fd");
        assert_eq!(to_wire(id), wire);
    }

    #[test]
    fn ids_are_version_4_and_differ() {
        let mut ids = MessageIds::from_seed(7);
        let (a, b) = (ids.next_id(), ids.next_id());
        assert_ne!(a, b);
        assert_eq!(a.get_version_num(), 4);
        assert_eq!(MessageIds::from_seed(7).next_id(), a);
        assert_ne!(MessageIds::from_seed(8).next_id(), a);
    }
}
