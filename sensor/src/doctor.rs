//! What this host lacks for the sensor to see everything.

use lanner_engine::projection::{RuleFilter, TypeFilter};
use lanner_service::Finding;

use crate::{
    config::Config,
    enrich::runtimes::{self, Socket, Spoken},
    features, rules,
    source::ebpf,
};

/// Looks at everything, and changes nothing.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = features::findings(config);
    findings.extend(programs(config));
    for socket in config.runtimes.sockets() {
        findings.push(runtime(&socket).await);
    }
    findings.push(rule_files(config));
    findings.push(kernel_filter(config));
    findings
}

async fn runtime(socket: &Socket) -> Finding {
    let subject = format!("container runtime at {}", socket.path.display());
    if !socket.path.exists() {
        return Finding::missing(subject, "not there; needed only where this runtime is used");
    }
    match runtimes::examine(socket).await {
        Ok(Spoken { version, has_events: true }) => Finding::good(format!("{subject} ({version})")),
        Ok(Spoken { version, has_events: false }) => Finding::missing(
            format!("{subject} ({version})"),
            "has no events: a container is known only after its first process",
        ),
        Err(error) => Finding::missing(
            subject,
            format!("does not answer ({error}): alerts lack pod and image"),
        ),
    }
}

/// Loads and attaches everything, and lets it go again: the only sure test.
fn programs(config: &Config) -> Vec<Finding> {
    let subject = "eBPF programs";
    let loaded = match ebpf::load(&config.ebpf.load_options()) {
        Ok(loaded) => loaded,
        Err(error) => {
            let refused = Finding::fatal(subject, lanner_service::Chain(&error).to_string());
            let offer = (!features::lacks_capability(config)).then(stock_falco);
            return [refused].into_iter().chain(offer).collect();
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
    findings.push(match loaded.misses_queued_calls() {
        Some(error) => Finding::missing("calls made through io_uring (Linux 6.4)", error),
        None => Finding::missing(
            "messages, listen and accept through io_uring",
            "not seen: rules about datagrams and about connections from outside miss them",
        ),
    });
    findings
}

/// What watches a kernel that has not what the base set of programs needs.
fn stock_falco() -> Finding {
    const PIPE: &str = "/run/lanner/falco.pipe";
    Finding::missing(
        "sensor for this kernel",
        format!(
            "a stock Falco with its kernel module can watch in its place, and the forwarder takes its \
             alerts (docs/falco.md): `inputs: {{pipe: {{path: {PIPE}}}}}` in forwarder.yaml, and \
             `falco -o engine.kind=kmod -o json_output=true -o file_output.enabled=true \
             -o file_output.keep_alive=true -o file_output.filename={PIPE}`"
        ),
    )
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

/// Which rules have the kernel report nearly all events of a type.
fn kernel_filter(config: &Config) -> Finding {
    let subject = "kernel filter";
    if !config.ebpf.kernel_filter {
        return Finding::missing(subject, "off (ebpf.kernel_filter): every event is reported");
    }
    let files = config.rule_files();
    let Ok((set, _)) = files.and_then(|files| rules::read(&files, &config.rule_options())) else {
        return Finding::missing(subject, "the rules cannot be read");
    };
    let projection = set.projection("syscall");
    // Programs that start are always reported.
    let defeats = |filter: &&RuleFilter| {
        let types = filter.event_types.iter().filter(|known| !known.event_type.starts_with("exec"));
        filter.enabled && types.into_iter().any(TypeFilter::is_wide)
    };
    let wide: Vec<&str> =
        projection.rules().iter().filter(defeats).map(|filter| filter.rule.as_str()).collect();
    match wide.as_slice() {
        [] => Finding::good(subject),
        wide => Finding::good(format!(
            "{subject}; nearly all events of some type are reported because of: {}",
            wide.join(", ")
        )),
    }
}
