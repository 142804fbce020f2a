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
