//! Records as the kernel side makes them.

#![allow(dead_code, reason = "each test uses a part")]

use lanner_sensor::decode::HEAD_LEN;

pub(crate) const EXEC: u16 = 1;
pub(crate) const FORK: u16 = 2;
pub(crate) const EXIT: u16 = 3;

/// Who did it.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) time_ns: u64,
    pub(crate) start_ns: u64,
    pub(crate) parent_start_ns: u64,
    pub(crate) cgroup_id: u64,
    pub(crate) tgid: u32,
    pub(crate) ppid: u32,
    pub(crate) exec_id: u32,
    pub(crate) parent_exec_id: u32,
    pub(crate) comm: &'static str,
    pub(crate) parent_comm: &'static str,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            time_ns: 1000,
            start_ns: 500,
            parent_start_ns: 400,
            cgroup_id: 77,
            tgid: 42,
            ppid: 7,
            exec_id: 1,
            parent_exec_id: 1,
            comm: "cat",
            parent_comm: "",
        }
    }
}

pub(crate) fn record(head: &Head, kind: u16, call: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [head.time_ns, head.start_ns, head.parent_start_ns, head.cgroup_id] {
        bytes.extend(number.to_ne_bytes());
    }
    for number in
        [head.tgid, head.tgid, head.ppid, 33, 34, u32::MAX, head.exec_id, head.parent_exec_id]
    {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(call.to_ne_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap().to_ne_bytes());
    bytes.extend(name(head.comm));
    bytes.extend(name(head.parent_comm));
    assert_eq!(bytes.len(), HEAD_LEN);
    bytes.extend(payload);
    bytes
}

fn name(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}

/// Process id, start in seconds since boot, and name of each; the parent's parent first.
pub(crate) fn ancestors(above: &[(u32, u64, &str)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (tgid, start_s, comm) in above {
        section.extend((start_s * 1_000_000_000).to_ne_bytes());
        section.extend(tgid.to_ne_bytes());
        section.extend(1_u32.to_ne_bytes());
        section.extend(name(comm));
    }
    section
}

pub(crate) fn open_payload(raw: &[u8], resolved: &[u8], base: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend(3_i64.to_ne_bytes());
    payload.extend(99_u64.to_ne_bytes());
    let here = u32::from_ne_bytes((-100_i32).to_ne_bytes());
    for number in [8_u32 << 20 | 1, 0o100_644, 0o2, 0, 0, here, 1] {
        payload.extend(number.to_ne_bytes());
    }
    lengths(&mut payload, &[raw, resolved, base, b"", b"", b""]);
    payload.extend([raw, resolved, base].concat());
    payload
}

/// What a call about names of files says, beside its result.
#[derive(Clone, Default)]
pub(crate) struct PathCallFacts {
    pub(crate) dirfds: [i32; 2],
    pub(crate) flags: u32,
    pub(crate) mode: u32,
    pub(crate) inode_mode: u32,
    pub(crate) path: &'static [u8],
    pub(crate) other: &'static [u8],
    pub(crate) base: &'static [u8],
    pub(crate) other_base: &'static [u8],
}

pub(crate) fn path_call_payload(facts: &PathCallFacts) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend(0_i64.to_ne_bytes());
    for number in facts.dirfds {
        payload.extend(number.to_ne_bytes());
    }
    for number in [facts.flags, facts.mode, facts.inode_mode] {
        payload.extend(number.to_ne_bytes());
    }
    let sections = [facts.path, facts.other, facts.base, facts.other_base];
    lengths(&mut payload, &sections);
    payload.extend([0; 4]);
    payload.extend(sections.concat());
    payload
}

/// A fork by this process, which need not be the parent: see `CLONE_PARENT`.
pub(crate) fn made_by(maker: &Head) -> Vec<u8> {
    let mut payload = vec![0; 40];
    payload.extend(maker.start_ns.to_ne_bytes());
    payload.extend(maker.tgid.to_ne_bytes());
    payload.extend(0_u32.to_ne_bytes());
    payload
}

/// The paths are sections: a status byte, then names from leaf to root.
pub(crate) fn exec_payload(
    exe: &[u8],
    cwd: &[u8],
    cgroup: &[u8],
    args: &[u8],
    env: &[u8],
) -> Vec<u8> {
    exec_sections(&[b"", b"", exe, cwd, cgroup, args, env])
}

pub(crate) fn exec_with_ancestors(ancestors: &[u8], args: &[u8]) -> Vec<u8> {
    exec_sections(&[ancestors, b"", b"\x01x\0", b"\x01", b"\x01", args, b""])
}

fn exec_sections(sections: &[&[u8]; 7]) -> Vec<u8> {
    let mut payload = vec![0; 40 + 3 * 8 + 5 * 4];
    lengths(&mut payload, sections);
    payload.extend([0; 6]);
    payload.extend(sections.concat());
    payload
}

fn lengths(payload: &mut Vec<u8>, sections: &[&[u8]]) {
    for section in sections {
        payload.extend(u16::try_from(section.len()).unwrap().to_ne_bytes());
    }
}
