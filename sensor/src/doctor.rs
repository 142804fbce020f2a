//! What this host lacks for the sensor to see everything.

use lanner_service::Finding;
use rustix::thread::CapabilitySet;

use crate::{config::Config, enrich::cri, rules, source::ebpf};

/// What each capability is for, and what goes without it.
const CAPABILITIES: [(CapabilitySet, &str, &str, bool); 4] = [
    (CapabilitySet::BPF, "CAP_BPF", "no kernel events: run as root or grant it", true),
    (CapabilitySet::PERFMON, "CAP_PERFMON", "no kernel events: run as root or grant it", true),
    (
        CapabilitySet::SYS_PTRACE,
        "CAP_SYS_PTRACE",
        "path, working directory and root of processes older than the sensor stay unknown",
        false,
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "CAP_DAC_READ_SEARCH",
        "environment of processes older than the sensor and user names in containers stay unknown",
        false,
    ),
];

/// Looks at everything, and changes nothing.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![kernel_btf()];
    findings.extend(capabilities());
    findings.extend(programs(config));
    findings.push(host_processes());
    for socket in &config.runtimes.cri_sockets {
        let subject = format!("CRI socket {}", socket.display());
        findings.push(match socket.exists() {
            false => Finding::missing(subject, "not there; needed only where this runtime is used"),
            true => match cri::version(socket).await {
                Ok(version) => Finding::good(format!("{subject} ({version})")),
                Err(status) => Finding::missing(
                    subject,
                    format!("does not answer ({}): alerts lack pod and image", status.message()),
                ),
            },
        });
    }
    findings.push(rule_files(config));
    findings
}

fn kernel_btf() -> Finding {
    let subject = "kernel type information (/sys/kernel/btf/vmlinux)";
    if ebpf::kernel_has_btf() {
        return Finding::good(subject);
    }
    Finding::fatal(
        subject,
        "no kernel events: use a kernel built with CONFIG_DEBUG_INFO_BTF (5.17 and later of the common distributions)",
    )
}

fn capabilities() -> Vec<Finding> {
    let held =
        rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let is_admin = held.contains(CapabilitySet::SYS_ADMIN);
    let finding = |(bit, name, lack, fatal): (CapabilitySet, &str, &str, bool)| {
        // The older, wider capability covers the two for eBPF.
        if held.contains(bit) || (fatal && is_admin) {
            Finding::good(name)
        } else if fatal {
            Finding::fatal(name, lack)
        } else {
            Finding::missing(name, lack)
        }
    };
    CAPABILITIES.into_iter().map(finding).collect()
}

/// Loads and attaches everything, and lets it go again: the only sure test.
fn programs(config: &Config) -> Vec<Finding> {
    let subject = "eBPF programs";
    let loaded = match ebpf::load(&config.ebpf.load_options()) {
        Ok(loaded) => loaded,
        Err(error) => {
            return vec![Finding::fatal(subject, lanner_service::Chain(&error).to_string())];
        }
    };
    let calls: Vec<_> = loaded.delivered().map(crate::decode::Call::name).collect();
    let mut findings = vec![Finding::good(format!(
        "{subject} ({} set, system calls by {}: {})",
        loaded.program_set(),
        loaded.hooks(),
        calls.join(", ")
    ))];
    if !loaded.sees_compat_calls() {
        findings.push(Finding::missing(
            "system calls of 32-bit programs",
            "not seen with ebpf.syscall_hooks: tracepoints; tp_btf sees them",
        ));
    }
    for (handler, error) in loaded.missing() {
        findings.push(Finding::missing(format!("{} events", handler.name), error.clone()));
    }
    if let Some(error) = loaded.misses_queued_calls() {
        findings.push(Finding::missing("calls made through io_uring (Linux 6.4)", error));
    }
    findings
}

/// Process ids of events are the host's: `/proc` must show the same.
fn host_processes() -> Finding {
    let subject = "host processes in /proc";
    // The first process of the host's pid namespace has this inode there.
    const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.as_os_str() == INITIAL_PID_NAMESPACE => Finding::good(subject),
        _ => Finding::missing(
            subject,
            "this is not the host's pid namespace (hostPID: true): processes older than the sensor are unknown",
        ),
    }
}

fn rule_files(config: &Config) -> Finding {
    let subject = "rules";
    match config.rule_files().and_then(|files| rules::read(&files, &config.rule_options())) {
        Ok((set, diagnostics)) => match rules::count_errors(&diagnostics) {
            0 => Finding::good(format!("{} {subject}", set.rules().count())),
            errors => Finding::missing(
                subject,
                format!("{errors} errors, and what they are in is left out: see `check`"),
            ),
        },
        Err(error) => Finding::fatal(subject, format!("{error:#}")),
    }
}
