//! Records of the kernel side, from their bytes.

#[path = "support/record.rs"]
mod record;

use lanner_sensor::decode::{Call, DecodeError, Facts, Family, KernelPath, decode};
use proptest::prelude::*;

use crate::record::{Head, open_payload, record};

#[test]
fn an_open_with_its_three_paths() {
    let payload = open_payload(b"../x\0", b"\x01shadow\0etc\0", b"\x01\0");
    let bytes = record(&Head::default(), 4, 2, &payload);
    let event = decode(&bytes).unwrap();
    assert_eq!((event.head.tgid, event.head.ppid, event.head.family), (42, 7, Family::Open));
    assert_eq!(event.head.comm, b"cat");
    let Facts::Open(open) = event.facts else { panic!("not an open") };
    assert_eq!((event.head.call, open.result, open.dirfd), (Call::Openat, 3, -100));
    assert!(open.created);
    assert_eq!(open.raw, b"../x");
    assert_eq!(open.resolved, Some(KernelPath::Rooted(b"/etc/shadow".to_vec())));
    assert_eq!(open.base, Some(KernelPath::Rooted(b"/".to_vec())));
}

#[track_caller]
fn check_path(section: &[u8], expected: Option<KernelPath>) {
    let bytes = record(&Head::default(), 4, 1, &open_payload(b"x\0", section, b""));
    let Facts::Open(open) = decode(&bytes).unwrap().facts else { panic!("not an open") };
    assert_eq!(open.resolved, expected, "section {section:?}");
}

#[test]
fn paths_come_from_leaf_to_root() {
    check_path(b"", None);
    check_path(b"\x01", Some(KernelPath::Rooted(b"/".to_vec())));
    check_path(b"\x01b\0a\0", Some(KernelPath::Rooted(b"/a/b".to_vec())));
    check_path(b"\x02memfd:x\0", Some(KernelPath::Detached(b"memfd:x".to_vec())));
    check_path(b"\x02b\0/\0", Some(KernelPath::Detached(b"b".to_vec())));
    check_path(b"\x03b\0a\0", Some(KernelPath::Cut));
    check_path(b"\xffb\0", Some(KernelPath::Cut));
}

#[test]
fn what_is_too_short_or_unknown_is_named() {
    let whole = record(&Head::default(), 4, 1, &open_payload(b"x\0", b"", b""));
    for len in 0..whole.len() {
        assert!(
            matches!(decode(&whole[..len]), Err(DecodeError::Short { .. })),
            "{len} bytes of {}",
            whole.len()
        );
    }
    let unknown = record(&Head::default(), 99, 0, b"");
    assert_eq!(decode(&unknown), Err(DecodeError::UnknownKind { kind: 99 }));
    let call = record(&Head::default(), 4, 99, &open_payload(b"", b"", b""));
    assert_eq!(decode(&call), Err(DecodeError::UnknownCall { call: 99 }));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
        let _ = decode(&bytes);
        let _ = Family::of_record(&bytes);
    }

    /// With a good head, so that the parts behind it are reached.
    #[test]
    fn no_payload_makes_it_panic(
        kind in 0_u16..12,
        call in prop_oneof![0_u16..50, 0x8000_u16..0x8032],
        payload in proptest::collection::vec(any::<u8>(), 0..512),
    ) {
        let bytes = record(&Head::default(), kind, call, &payload);
        let _ = decode(&bytes);
    }
}
