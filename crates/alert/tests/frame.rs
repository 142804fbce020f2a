//! The socket's frames: round trips in any slicing, and hostile bytes.

use lanner_alert::frame::{Decoder, FRAME_BYTES_MAX, Frame, FrameError, HELLO, agreed, encode};
use proptest::prelude::*;

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = prop_oneof![
        any::<(u16, u16)>().prop_map(|(oldest, newest)| Frame::Hello { oldest, newest }),
        (any::<u64>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(sequence, json)| Frame::Alert { sequence, json }),
        any::<u64>().prop_map(|sequence| Frame::Ack { sequence }),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|json| Frame::Status { json }),
    ];
    prop::collection::vec(frame, 0..20)
}

proptest! {
    #[test]
    fn frames_survive_any_slicing(frames in frames(), slice in 1_usize..50) {
        let mut bytes = Vec::new();
        for frame in &frames {
            encode(frame, &mut bytes).unwrap();
        }
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for part in bytes.chunks(slice) {
            decoder.push(part);
            while let Some(frame) = decoder.next_frame().unwrap() {
                seen.push(frame);
            }
        }
        prop_assert_eq!(seen, frames);
    }

    #[test]
    fn hostile_bytes_end_in_an_error_or_in_waiting(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        // Each frame takes at least its length, so this ends.
        while let Ok(Some(_)) = decoder.next_frame() {}
    }
}

#[test]
fn a_length_past_the_bound_is_refused_before_its_bytes_arrive() {
    let mut decoder = Decoder::default();
    decoder.push(&u32::MAX.to_be_bytes());
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLong { len: 0xFFFF_FFFF }));

    let mut out = vec![7];
    let long = Frame::Alert { sequence: 1, json: vec![0; FRAME_BYTES_MAX] };
    assert!(matches!(encode(&long, &mut out), Err(FrameError::TooLong { .. })));
    assert_eq!(out, [7]);
}

#[test]
fn what_is_no_frame_is_named_by_its_kind() {
    for (content, kind) in [(&[][..], 0), (&[9, 1, 2], 9), (&[1, 0], 1), (&[3, 1, 2], 3)] {
        let mut decoder = Decoder::default();
        decoder.push(&u32::try_from(content.len()).unwrap().to_be_bytes());
        decoder.push(content);
        assert_eq!(decoder.next_frame(), Err(FrameError::Malformed { kind }));
    }
}

#[test]
fn a_peer_of_the_first_version_understands_our_hello_and_we_its() {
    let mut ours = Vec::new();
    encode(&HELLO, &mut ours).unwrap();
    // Length, kind, and the version that it compares with its own; it reads no further.
    assert_eq!(ours, [0, 0, 0, 5, 1, 0, 1, 0, 2]);

    let mut decoder = Decoder::default();
    decoder.push(&[0, 0, 0, 3, 1, 0, 1]);
    let theirs = decoder.next_frame().unwrap().unwrap();
    assert_eq!(theirs, Frame::Hello { oldest: 1, newest: 1 });
    assert_eq!(agreed(&theirs), Some(1));
}

#[test]
fn the_newest_version_that_both_know_is_spoken() {
    for (oldest, newest, version) in [
        (1, 1, Some(1)),
        (1, 2, Some(2)),
        (2, 2, Some(2)),
        (1, 9, Some(2)),
        (3, 9, None),
        (0, 0, None),
        (2, 1, None),
    ] {
        assert_eq!(agreed(&Frame::Hello { oldest, newest }), version, "{oldest} to {newest}");
    }
    assert_eq!(agreed(&Frame::Ack { sequence: 1 }), None);
}
