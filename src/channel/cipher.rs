//! AES-256-GCM over payloads, in their place.
//!
//! ```text
//!   payload   | nonce 12 | ciphertext, as long as the plaintext | tag 16 |
//! ```
//!
//! Each direction has a key of its own. The header is not authenticated: there is no additional
//! data.

use bytes::{Buf, Bytes, BytesMut};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::wire::{Packet, encryption::DataKey};

/// The cipher of one end of a session.
///
/// ring keeps the expanded keys, and has no way to overwrite them; the data key itself is
/// overwritten when it is dropped.
#[derive(Debug)]
pub struct Cipher {
    sealing: LessSafeKey,
    opening: LessSafeKey,
    nonces: Nonces,
}

impl Cipher {
    /// The client's cipher; its nonces begin at `first_nonce`.
    pub fn of_client(key: &DataKey, first_nonce: [u8; NONCE_LEN]) -> Self {
        Self::new(key.toward_agent(), key.toward_client(), first_nonce)
    }

    /// The agent's cipher; its nonces begin at `first_nonce`.
    pub fn of_agent(key: &DataKey, first_nonce: [u8; NONCE_LEN]) -> Self {
        Self::new(key.toward_client(), key.toward_agent(), first_nonce)
    }

    fn new(sealing: &[u8], opening: &[u8], first_nonce: [u8; NONCE_LEN]) -> Self {
        let key = |half: &[u8]| {
            let key = UnboundKey::new(&AES_256_GCM, half);
            LessSafeKey::new(key.expect("half a data key is a key of AES-256"))
        };
        let nonces = Nonces::starting_at(first_nonce);
        Self { sealing: key(sealing), opening: key(opening), nonces }
    }

    /// Encrypts what is in `packet`: the nonce goes in front of it, the tag behind it.
    pub fn encrypt(&mut self, packet: &mut Packet) {
        let nonce = self.nonces.next();
        let sealed = self.sealing.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            packet.payload_mut(),
        );
        let tag = sealed.expect("a packet is shorter than the 64 GiB that GCM takes at once");
        packet.append(tag.as_ref());
        packet.prepend(&nonce);
    }

    /// The plaintext of `payload`; `None` when that was not encrypted with the other side's key, or
    /// changed since. In its place when nobody else holds it, else in a copy.
    pub fn decrypt(&self, payload: Bytes) -> Option<Bytes> {
        let buffer = payload.try_into_mut();
        let mut buffer = buffer.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let nonce: [u8; NONCE_LEN] = *buffer.first_chunk()?;
        buffer.advance(NONCE_LEN);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.opening.open_in_place(nonce, Aad::empty(), &mut buffer).ok()?;
        let len = opened.len();
        buffer.truncate(len);
        Some(buffer.freeze())
    }
}

/// Nonces of one key, no two of them the same: two payloads under one nonce would give away both
/// plaintexts, and the means to forge others.
///
/// A counter cannot repeat within 2^96 payloads, where random nonces of 96 bits are likely to after
/// 2^48. It needs no random start to be safe, since each session has a key of its own; a random one
/// keeps two sessions apart even if they should ever get the same key.
#[derive(Debug)]
struct Nonces(u128);

impl Nonces {
    fn starting_at(first: [u8; NONCE_LEN]) -> Self {
        Self(first.iter().fold(0, |number, &byte| number << 8 | u128::from(byte)))
    }

    fn next(&mut self) -> [u8; NONCE_LEN] {
        let [_, _, _, _, nonce @ ..] = self.0.to_be_bytes();
        self.0 = self.0.wrapping_add(1);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{HEADROOM, PacketPool};

    fn key() -> DataKey {
        let bytes: Vec<u8> = (0..64).collect();
        DataKey::new(&bytes, Vec::new()).unwrap()
    }

    fn pair() -> (Cipher, Cipher) {
        (Cipher::of_client(&key(), [7; 12]), Cipher::of_agent(&key(), [9; 12]))
    }

    fn encrypted(cipher: &mut Cipher, plaintext: &[u8]) -> Bytes {
        let mut packet = Packet::copy_from(plaintext);
        cipher.encrypt(&mut packet);
        packet.freeze()
    }

    fn from_hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.replace(' ', "").as_bytes()).unwrap()
    }

    /// Computed with another implementation (OpenSSL, by Python's `cryptography`).
    #[test]
    fn payloads_are_nonce_ciphertext_and_tag() {
        let (mut client, mut agent) = pair();
        assert_eq!(encrypted(&mut client, b"ls\r"), from_hex(CLIENT_LS));
        assert_eq!(encrypted(&mut agent, b"$ "), from_hex(AGENT_PROMPT));
    }

    #[test]
    fn nothing_moves() {
        let (mut client, agent) = pair();
        let mut packet = PacketPool::new(4096).packet(b"stays");
        let place = packet.payload().as_ptr();
        client.encrypt(&mut packet);
        assert_eq!(packet.payload()[NONCE_LEN..].as_ptr(), place);
        let payload = packet.freeze();
        let opened = agent.decrypt(payload).unwrap();
        assert_eq!((opened.as_ptr(), &opened[..]), (place, &b"stays"[..]));
    }

    #[test]
    fn what_others_hold_is_left_as_it_is() {
        let (mut client, agent) = pair();
        let payload = encrypted(&mut client, b"shared");
        let held = payload.clone();
        assert_eq!(agent.decrypt(payload).unwrap(), "shared");
        assert_eq!(agent.decrypt(held).unwrap(), "shared");
    }

    #[test]
    fn room_is_left_for_a_multiplexers_header_too() {
        let (mut client, _) = pair();
        let mut packet = Packet::copy_from(b"");
        packet.prepend(&[0; 8]);
        client.encrypt(&mut packet);
        packet.prepend(&[0; HEADROOM - 8 - NONCE_LEN]);
    }

    #[test]
    fn nonces_count_up_and_over() {
        let mut nonces = Nonces::starting_at([0xff; 12]);
        assert_eq!(nonces.next(), [0xff; 12]);
        assert_eq!(nonces.next(), [0; 12]);
        assert_eq!(nonces.next(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn no_key_is_shown() {
        let shown = format!("{:?}", pair().0);
        assert!(!shown.contains("31") && !shown.contains("1f"), "{shown}");
    }

    #[test]
    fn each_direction_has_its_own_key() {
        let (mut client, _) = pair();
        let own = encrypted(&mut client, b"reflected");
        assert_eq!(client.decrypt(own), None);
    }

    proptest! {
        #[test]
        fn what_one_side_encrypts_the_other_decrypts(
            plaintexts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5),
        ) {
            let (mut client, mut agent) = pair();
            for plaintext in &plaintexts {
                let up = encrypted(&mut client, plaintext);
                prop_assert_eq!(up.len(), plaintext.len() + 28);
                prop_assert_eq!(&agent.decrypt(up).unwrap()[..], &plaintext[..]);
                let down = encrypted(&mut agent, plaintext);
                prop_assert_eq!(&client.decrypt(down).unwrap()[..], &plaintext[..]);
            }
        }

        #[test]
        fn a_changed_bit_is_noticed(len in 0usize..100, bit: proptest::sample::Index) {
            let (mut client, agent) = pair();
            let mut payload = encrypted(&mut client, &vec![b'x'; len]).to_vec();
            let bit = bit.index(payload.len() * 8);
            payload[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(agent.decrypt(payload.into()), None);
        }

        #[test]
        fn anything_else_is_nothing(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(pair().0.decrypt(payload.into()), None);
        }
    }

    const CLIENT_LS: &str = "070707070707070707070707 5ae000 77d55b4071a37b51016194aaa65db825";
    const AGENT_PROMPT: &str = "090909090909090909090909 9738 a733c375e18b507bf6f3af1d4d1e4d9c";
}
