//! Whether this machine lets a test watch its kernel.

use lanner_sensor::source::ebpf::kernel_has_btf;
use lanner_testkit::not_run::not_run;
use rustix::thread::CapabilitySet;

/// Says loudly why not. Where it may, whatever fails later is a failure and not
/// an excuse.
pub(crate) fn can_watch(test: &str) -> bool {
    let held =
        rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let needed = CapabilitySet::BPF | CapabilitySet::PERFMON;
    if !held.contains(needed) && !held.contains(CapabilitySet::SYS_ADMIN) {
        not_run(test, "kernel events need root (CAP_BPF and CAP_PERFMON)");
        return false;
    }
    if !kernel_has_btf() {
        not_run(test, "this kernel has no type information (CONFIG_DEBUG_INFO_BTF)");
        return false;
    }
    true
}

/// Mounts tracefs where it is not, as every host does at its start and a bare container does not.
/// Says loudly why not.
#[allow(dead_code, reason = "not every test needs it")]
pub(crate) fn has_tracefs(test: &str) -> bool {
    let folder = "/sys/kernel/tracing";
    let is_there = || std::path::Path::new(folder).join("events/syscalls").exists();
    if is_there() {
        return true;
    }
    let mounted = rustix::mount::mount(
        "tracefs",
        folder,
        "tracefs",
        rustix::mount::MountFlags::empty(),
        None,
    );
    // Another test may have been faster.
    if is_there() {
        return true;
    }
    not_run(test, &format!("tracefs is not mounted at {folder}, and cannot be ({mounted:?})"));
    false
}
