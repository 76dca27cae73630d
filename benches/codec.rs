//! What framing and encryption cost: a frame's encoding and decoding, each beside SHA-256 alone on the same
//! bytes in the same run, since the digest is the one part that cannot be saved.
//!
//! `cargo bench --no-default-features --bench codec`; compare the fastest and the median of
//! `frame` with those of `sha256_alone` in the same group. The aim is at most 5 % more.

use bytes::{BufMut, Bytes};
use divan::{Bencher, black_box, counter::BytesCount};
use sha2::{Digest, Sha256};
use ssmport::{
    channel::Cipher,
    mux::{self, Mux},
    wire::{
        Acknowledgement, Flags, Frame, Header, MessageIds, MessageType, Packet, PacketPool,
        PayloadType, encryption::DataKey,
    },
};
use uuid::Uuid;

fn main() {
    divan::main();
}

/// The payload is behind the headroom already, as a socket's read leaves it.
#[divan::bench_group(sample_count = SAMPLES, sample_size = CALLS)]
mod encode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn frame(bencher: Bencher<'_, '_>, len: usize) {
        let mut filled = packets(len);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(&mut filled)
            .bench_local_values(|packet| header(Uuid::nil()).encode(packet));
    }

    /// As the channel does it: with a fresh message id for each frame.
    #[divan::bench(args = SIZES)]
    fn frame_and_message_id(bencher: Bencher<'_, '_>, len: usize) {
        let mut filled = packets(len);
        let mut ids = MessageIds::from_seed(1);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(&mut filled)
            .bench_local_values(|packet| header(ids.next_id()).encode(packet));
    }

    #[divan::bench(args = SIZES)]
    fn sha256_alone(bencher: Bencher<'_, '_>, len: usize) {
        let mut filled = packets(len);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(&mut filled)
            .bench_local_refs(|packet| Sha256::digest(packet.payload()));
    }
}

#[divan::bench_group(sample_count = SAMPLES, sample_size = CALLS)]
mod decode {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn frame(bencher: Bencher<'_, '_>, len: usize) {
        let message = message(len);
        bencher.counter(BytesCount::new(len)).with_inputs(|| message.clone()).bench_local_values(
            |message| {
                let frame = Frame::decode(message).expect("a whole frame");
                let intact = frame.digest_matches();
                black_box(&frame);
                (intact, frame.payload)
            },
        );
    }

    #[divan::bench(args = SIZES)]
    fn sha256_alone(bencher: Bencher<'_, '_>, len: usize) {
        let message = message(len);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(|| message.slice(ssmport::wire::HEADER_LEN..))
            .bench_local_refs(|payload| Sha256::digest(&payload[..]));
    }
}

/// What encrypted sessions pay beside the frame.
#[divan::bench_group(sample_count = SAMPLES, sample_size = CALLS)]
mod cipher {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn encrypt(bencher: Bencher<'_, '_>, len: usize) {
        let mut cipher = Cipher::of_client(&data_key(), [0; 12]);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(packets(len))
            .bench_local_refs(|packet| cipher.encrypt(packet));
    }

    #[divan::bench(args = SIZES)]
    fn decrypt(bencher: Bencher<'_, '_>, len: usize) {
        let (cipher, payload) = pair(len);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(|| Bytes::from(payload.to_vec()))
            .bench_local_values(|payload| cipher.decrypt(payload).expect("authentic"));
    }

    /// As where the WebSocket's buffer holds more than this one message.
    #[divan::bench(args = SIZES)]
    fn decrypt_shared(bencher: Bencher<'_, '_>, len: usize) {
        let (cipher, payload) = pair(len);
        bencher
            .counter(BytesCount::new(len))
            .with_inputs(|| payload.clone())
            .bench_local_values(|payload| cipher.decrypt(payload).expect("authentic"));
    }

    fn pair(len: usize) -> (Cipher, Bytes) {
        let mut packet = packets(len)();
        Cipher::of_client(&data_key(), [0; 12]).encrypt(&mut packet);
        (Cipher::of_agent(&data_key(), [0; 12]), packet.freeze())
    }

    fn data_key() -> DataKey {
        DataKey::new(&[7; 64], Vec::new()).expect("64 bytes")
    }
}

#[divan::bench_group(sample_count = SAMPLES, sample_size = SHORT_CALLS)]
mod acknowledgement {
    use super::*;

    #[divan::bench]
    fn write(bencher: Bencher<'_, '_>) {
        let acknowledgement = acknowledged();
        let mut out = [0; Acknowledgement::MAX_LEN];
        bencher.bench_local(|| black_box(&acknowledgement).write(&mut &mut out[..]));
    }

    #[divan::bench]
    fn parse(bencher: Bencher<'_, '_>) {
        let mut payload = Vec::new();
        acknowledged().write(&mut payload);
        bencher.bench_local(|| Acknowledgement::read(black_box(&payload)));
    }

    fn acknowledged() -> Acknowledgement {
        Acknowledgement {
            message_type: MessageType::OutputStreamData,
            message_id: MessageIds::from_seed(1).next_id(),
            sequence_number: 123_456,
        }
    }
}

#[divan::bench_group(sample_count = SAMPLES, sample_size = SHORT_CALLS)]
mod message_id {
    use super::*;

    #[divan::bench]
    fn next(bencher: Bencher<'_, '_>) {
        let mut ids = MessageIds::from_seed(1);
        bencher.bench_local(|| ids.next_id());
    }
}

/// 32 KiB of the multiplexer's bytes to one stream, delivered at once.
#[divan::bench_group(sample_count = SAMPLES, sample_size = CALLS)]
mod mux_parse {
    use super::*;

    /// In one message, as a client sends them, or in the agent's messages of 1 KiB.
    #[divan::bench(args = [32 * 1024, 1024])]
    fn in_messages_of(bencher: Bencher<'_, '_>, message_len: usize) {
        let now = start();
        let mut client = Mux::new(mux::Config::new(mux::Role::Client));
        let stream = client.open().expect("the first stream");
        client.poll_control().expect("its SYN");
        let mut bytes =
            client.data_header(stream, 32 * 1024 - mux::HEADER_LEN).expect("open").to_vec();
        bytes.resize(32 * 1024, b'x');
        let bytes = Bytes::from(bytes);

        bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
            for start in (0..bytes.len()).step_by(message_len) {
                let message = bytes.slice(start..start + message_len);
                client.handle_bytes(message, now).expect("frames");
                while client.poll_event().is_some() {}
                while let Some(slice) = client.front(stream) {
                    let len = black_box(slice).len();
                    client.consume(stream, len);
                }
            }
        });
    }

    #[expect(clippy::disallowed_methods, reason = "the program's edge: here time begins")]
    fn start() -> std::time::Instant {
        std::time::Instant::now()
    }
}

/// Makes packets of `len` bytes of payload, from a pool as the relay has it.
fn packets(len: usize) -> impl FnMut() -> Packet {
    let mut pool = PacketPool::new(256 * 1024);
    let payload = vec![b'x'; len];
    move || {
        let mut slot = pool.slot(len);
        slot.space().put_slice(&payload);
        slot.finish()
    }
}

fn message(len: usize) -> Bytes {
    header(MessageIds::from_seed(1).next_id()).encode(packets(len)())
}

fn header(message_id: Uuid) -> Header {
    Header {
        message_type: MessageType::InputStreamData,
        created_ms: 1_795_282_361_748,
        sequence_number: 123_456,
        flags: Flags::NONE,
        message_id,
        payload_type: PayloadType::Output,
    }
}

/// One payload as the agent sends it, and one of a size at which headers cost little.
const SIZES: [usize; 2] = [1024, 16 * 1024];

/// Samples of a benchmark; many, so that the fastest and the median are those of a quiet machine.
const SAMPLES: u32 = 2000;

/// Calls in a sample. Their payloads together stay in the second-level cache, as they do on their
/// way from the socket.
const CALLS: u32 = 16;

/// The same for calls that are over in less than the timer's precision.
const SHORT_CALLS: u32 = 64;
