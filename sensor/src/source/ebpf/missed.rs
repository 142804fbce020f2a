//! Runs of our programs that the kernel left out, as it does where one is running already on that
//! processor: no program tells of the event then.
//!
//! Of programs at tracepoints of single calls any other of their kind, or a change of a hash map,
//! stands in the way (`trace_call_bpf` in `kernel/trace/bpf_trace.c`); of the others only the
//! program itself.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use super::{
    Loaded,
    programs::{HANDLERS, LIFECYCLE},
};
use crate::decode::Family;

impl Loaded {
    /// How many there were, by the family of what is not told; `None` where that may be any. Older
    /// kernels than 5.12 do not count them.
    pub(super) fn missed_runs(&self) -> impl Iterator<Item = (Option<Family>, u64)> {
        self.programs.programs().filter_map(|(name, program)| {
            // One that is not loaded has no descriptor.
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            Some((family_of(name), parse(&text)?))
        })
    }
}

/// What a program of this name tells of.
fn family_of(name: &str) -> Option<Family> {
    if let Some(of) = LIFECYCLE.iter().find(|program| program.name == name) {
        return Family::ALL.into_iter().find(|family| of.name == format!("on_{}", family.name()));
    }
    let handler = name.strip_prefix("on_return_").or_else(|| name.strip_prefix("on_sys_exit_"))?;
    HANDLERS.iter().find(|of| of.name == handler).map(|of| of.family)
}

/// As `bpf_prog_show_fdinfo` of `kernel/bpf/syscall.c` writes it.
fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Family, HANDLERS, LIFECYCLE, family_of, parse};

    #[test]
    fn each_program_has_its_family() {
        for handler in HANDLERS {
            for way in ["on_return", "on_sys_exit"] {
                assert_eq!(family_of(&format!("{way}_{}", handler.name)), Some(handler.family));
            }
        }
        let of_lifecycle = LIFECYCLE.map(|program| family_of(program.name));
        assert_eq!(of_lifecycle, [Family::Exec, Family::Fork, Family::Exit].map(Some));
        assert_eq!(family_of("on_sys_exit"), None);
        assert_eq!(family_of("on_ring_request"), None);
    }

    #[test]
    fn the_kernels_lines() {
        let text = "prog_type:\t5\nrun_cnt:\t7\nrecursion_misses:\t42\nverified_insns:\t9\n";
        assert_eq!(parse(text), Some(42));
        assert_eq!(parse("prog_type:\t5\nrun_cnt:\t7\n"), None);
        assert_eq!(parse("recursion_misses:\tmany\n"), None);
    }
}
