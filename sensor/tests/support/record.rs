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
    let mut comm = [0; 16];
    comm[..head.comm.len()].copy_from_slice(head.comm.as_bytes());
    bytes.extend(comm);
    bytes.extend([0; 16]);
    assert_eq!(bytes.len(), HEAD_LEN);
    bytes.extend(payload);
    bytes
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

pub(crate) fn fork_payload() -> Vec<u8> {
    vec![0; 40]
}

/// The paths are sections: a status byte, then names from leaf to root.
pub(crate) fn exec_payload(
    exe: &[u8],
    cwd: &[u8],
    cgroup: &[u8],
    args: &[u8],
    env: &[u8],
) -> Vec<u8> {
    let mut payload = vec![0; 40 + 3 * 8 + 5 * 4];
    lengths(&mut payload, &[exe, cwd, cgroup, args, env, b""]);
    payload.extend([exe, cwd, cgroup, args, env].concat());
    payload
}

fn lengths(payload: &mut Vec<u8>, sections: &[&[u8]]) {
    for section in sections {
        payload.extend(u16::try_from(section.len()).unwrap().to_ne_bytes());
    }
}
