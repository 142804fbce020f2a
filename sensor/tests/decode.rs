//! Records of the kernel side, from their bytes.

#[path = "support/record.rs"]
mod record;

use lanner_sensor::decode::{Call, DecodeError, Facts, Family, KernelPath, Thing, decode};
use proptest::prelude::*;

use crate::record::{EXEC, Head, ancestors, exec_with_ancestors, open_payload, record};

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

fn control_payload(bits: u32, ino: u64, text: &[u8], path: &[u8]) -> Vec<u8> {
    // The facts of a socket, if it is one.
    let mut payload = vec![0; 88];
    payload.extend((-1_i64).to_ne_bytes());
    for number in [1_u64, 2, 3, 4, 5, 6, ino] {
        payload.extend(number.to_ne_bytes());
    }
    for number in [7_u32, 0o100_644, bits] {
        payload.extend(number.to_ne_bytes());
    }
    for section in [text, path] {
        payload.extend(u16::try_from(section.len()).unwrap().to_ne_bytes());
    }
    payload.extend([text, path].concat());
    payload
}

#[track_caller]
fn check_descriptor(bits: u32, path: &[u8], expected: Thing) {
    let payload = control_payload(bits, 9, b"debug=1\0", path);
    let bytes = record(&Head::default(), Family::Control as u16, Call::FinitModule.id(), &payload);
    let Facts::Control(control) = decode(&bytes).unwrap().facts else { panic!("not a control") };
    assert_eq!((control.result, control.args), (-1, [1, 2, 3, 4]));
    assert_eq!((control.cap_permitted, control.cap_effective), (5, 6));
    assert_eq!(control.text, b"debug=1");
    let descriptor = control.descriptor.unwrap();
    assert_eq!((descriptor.ino, descriptor.dev, descriptor.mode), (9, 7, 0o100_644));
    match (descriptor.thing, expected) {
        (Thing::Socket(_), Thing::Socket(_)) => {}
        (found, expected) => assert_eq!(found, expected),
    }
}

#[test]
fn a_call_of_numbers_and_its_descriptor() {
    let file = Thing::File(Some(KernelPath::Rooted(b"/etc/x".to_vec())));
    check_descriptor(0, b"\x01x\0etc\0", file);
    check_descriptor(0, b"", Thing::File(None));
    check_descriptor(1, b"\x02net\0", Thing::Namespace(b"net".to_vec()));
    check_descriptor(1, b"", Thing::Namespace(Vec::new()));
    let bytes = record(
        &Head::default(),
        Family::Control as u16,
        Call::Kill.id(),
        &control_payload(0, 0, b"", b""),
    );
    let Facts::Control(control) = decode(&bytes).unwrap().facts else { panic!("not a control") };
    assert_eq!(control.descriptor, None);
}

#[test]
fn a_program_that_could_not_be_started() {
    let mut payload = Vec::new();
    payload.extend((-2_i64).to_ne_bytes());
    payload.extend((-100_i32).to_ne_bytes());
    payload.extend(0_u32.to_ne_bytes());
    let sections: [&[u8]; 3] = [b"sub/x\0", b"\x01w\0", b"x\0\0-a\0"];
    for section in sections {
        payload.extend(u16::try_from(section.len()).unwrap().to_ne_bytes());
    }
    payload.extend([0; 2]);
    payload.extend(sections.concat());
    let bytes = record(&Head::default(), Family::ExecFailed as u16, Call::Execve.id(), &payload);
    let Facts::ExecFailed(failed) = decode(&bytes).unwrap().facts else { panic!("no failed exec") };
    assert_eq!((failed.result, failed.dirfd), (-2, -100));
    assert_eq!(failed.filename, b"sub/x");
    assert_eq!(failed.base, Some(KernelPath::Rooted(b"/w".to_vec())));
    assert_eq!(failed.args.iter().collect::<Vec<_>>(), [&b"x"[..], b"", b"-a"]);
}

#[test]
fn ancestors_are_whole_entries() {
    let mut above = ancestors(&[(30, 7, "sshd"), (1, 0, "a-name-of-15-by")]);
    above.extend([0; 31]);
    let bytes = record(&Head::default(), EXEC, 0, &exec_with_ancestors(&above, b""));
    let Facts::Exec(exec) = decode(&bytes).unwrap().facts else { panic!("not an exec") };
    let found: Vec<_> = exec
        .ancestors
        .iter()
        .map(|above| (above.tgid, above.start_ns, above.comm.as_slice()))
        .collect();
    assert_eq!(
        found,
        [(30, 7_000_000_000, b"sshd".as_slice()), (1, 0, b"a-name-of-15-by".as_slice())]
    );
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
