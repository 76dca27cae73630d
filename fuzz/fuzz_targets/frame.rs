//! Any message is a frame or an error, and so is every beginning of it. What decodes is written again as the same fields at the
//! same places, and reading allocates nothing.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ssmport::wire::{Frame, Packet};
use ssmport_fuzz::{Frames, within};

static FRAMES: Frames = Frames::new();

fuzz_target!(|input: &[u8]| {
    let message = Bytes::copy_from_slice(input);
    let mut decoded = None;
    // A `Bytes` that is shared for the first time makes its counter, of three words.
    within(64, || decoded = Frame::decode(message.clone()).ok());
    FRAMES.count();
    for end in 0..message.len() {
        FRAMES.count();
        let cut_off = Frame::decode(message.slice(..end));
        if let (Some(whole), Ok(part)) = (&decoded, cut_off) {
            assert_eq!(part.header, whole.header);
            // In what comes but once, a longer header that was cut off is passed over.
            let declared = input.first_chunk().map_or(0, |field| u32::from_be_bytes(*field));
            let is_whole = (declared as usize).saturating_add(4) <= end;
            assert!(
                whole.payload.starts_with(&part.payload) || !is_whole,
                "the rest is what was cut off"
            );
        }
    }
    let Some(frame) = decoded else { return };
    let digest_matches = frame.digest_matches();

    let written = frame.header.encode(Packet::copy_from(&frame.payload));
    let again = Frame::decode(written.clone()).expect("what we write is a frame");
    assert!(again.digest_matches());
    assert_eq!(again.header, frame.header);
    assert_eq!(again.payload, frame.payload);
    // From the date to the message id, and the payload's type.
    assert_eq!(written[40..80], input[40..80]);
    assert_eq!(written[112..116], input[112..116]);
    if !frame.payload.is_empty() {
        assert_eq!(written[80..112] == input[80..112], digest_matches);
    }
    let _ = format!("{:?} {}", frame.header, frame.header.message_type);
});
