//! How a process came into its container: with it, or later by the runtime's exec
//! (`kubectl exec`, `docker exec`).
//!
//! ```text
//! starts a program in a container …
//!   … as did its parent there          ─▶ as the parent came
//!   … as number 1 of its process ids   ─▶ started: it is the container's first process
//!   … where no other process was before ─▶ started: the first one of a container that
//!                                            shares its process ids with its pod
//!   … with a parent from outside        ─▶ entered, by a session of its own
//! ```
//!
//! It is decided when a program is started: the runtime's own process is in the container
//! a moment before, with its own program. Children have it from their parents at the fork,
//! so it does not matter who takes an orphan over, or what a process calls itself.
//!
//! Not seen: who enters the namespaces of a container but not its control group
//! (`nsenter`); for all fields such a process is where its control group is.

use std::sync::Arc;

use super::{container::ContainerId, metadata::ContainerInfo, process::ProcessKey, recent::Recent};
use crate::decode::Texts;

/// Containers whose first process is known, at least.
const CONTAINERS_MAX: usize = 4096;

/// How a process came to be where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// It is on the host, or started no program in its container yet.
    #[default]
    Outside,
    /// It is the container's first process, or descends from it.
    Started { container: Arc<str>, first: ProcessKey },
    /// It came, or descends from one that came, by the runtime's exec.
    Entered {
        container: Arc<str>,
        /// Names that exec; all that descends from it has the same.
        session: Arc<str>,
        /// It runs a health check of the container.
        is_probe: bool,
    },
}

impl Entry {
    /// Whether it is about the container of this id.
    fn is_into(&self, id: &str) -> bool {
        match self {
            Self::Outside => false,
            Self::Started { container, .. } | Self::Entered { container, .. } => **container == *id,
        }
    }

    /// The session, unless it is the runtime's own health check.
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::Entered { session, is_probe: false, .. } => Some(session),
            _ => None,
        }
    }
}

/// What is known of a process that starts a program, or did before us.
pub(super) struct Starter<'a> {
    pub(super) key: ProcessKey,
    /// In its innermost process namespace.
    pub(super) vpid: u32,
    pub(super) tty: u32,
    pub(super) args: &'a Texts,
    /// How it came to be where it was so far.
    pub(super) before: &'a Entry,
    pub(super) parent: Option<&'a Entry>,
}

/// The containers that have had a first process.
pub(super) struct Entries {
    begun: Recent<Arc<str>, ()>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { begun: Recent::new(CONTAINERS_MAX) }
    }
}

impl Entries {
    /// Decides how `starter` came into `container`; `info` is what its runtime told.
    pub(super) fn decide(
        &mut self,
        starter: &Starter<'_>,
        container: &ContainerId,
        info: Option<&ContainerInfo>,
    ) -> Entry {
        let id = container.full.as_str();
        let known = [Some(starter.before), starter.parent].into_iter().flatten();
        if let Some(entry) = known.into_iter().find(|entry| entry.is_into(id)) {
            return entry.clone();
        }
        let has_begun = self.begun.get(id).is_some();
        let container_id: Arc<str> = id.into();
        if !has_begun {
            self.begun.insert(Arc::clone(&container_id), ());
        }
        // A container that was forgotten has a first process all the same.
        let is_other = |pid| pid != starter.key.pid;
        let has_first = has_begun || info.and_then(|info| info.pid).is_some_and(is_other);
        if starter.vpid == 1 || !has_first {
            return Entry::Started { container: container_id, first: starter.key };
        }
        let ProcessKey { pid, start_ticks } = starter.key;
        let session = format!("{}-{pid}-{start_ticks}", container.short()).into();
        let is_probe = info.is_some_and(|info| is_probe(starter, info));
        Entry::Entered { container: container_id, session, is_probe }
    }
}

/// A health check has no terminal, and nothing else is like it but itself.
fn is_probe(starter: &Starter<'_>, info: &ContainerInfo) -> bool {
    let is_same = |probe: &Vec<String>| {
        let words = probe.iter().map(String::as_bytes);
        words.eq(starter.args.iter())
    };
    starter.tty == 0 && info.probes.iter().any(is_same)
}

#[cfg(test)]
mod tests {
    use super::{ContainerId, ContainerInfo, Entries, Entry, ProcessKey, Starter, Texts};
    use crate::enrich::container::Runtime;

    const OUTSIDE: Entry = Entry::Outside;
    static NOTHING: Texts = Texts::NONE;

    /// A process of this id, here and in its container.
    fn starter(pid: u32, vpid: u32) -> Starter<'static> {
        let key = ProcessKey { pid, start_ticks: 7 };
        Starter { key, vpid, tty: 0, args: &NOTHING, before: &OUTSIDE, parent: None }
    }

    fn container() -> ContainerId {
        ContainerId::new(&"a".repeat(64), Runtime::Docker)
    }

    fn is_entered(entry: &Entry) -> bool {
        matches!(entry, Entry::Entered { is_probe: false, .. })
    }

    #[test]
    fn the_first_process_and_its_children_are_the_container() {
        let mut entries = Entries::default();
        let init = entries.decide(&starter(100, 1), &container(), None);
        assert!(matches!(init, Entry::Started { .. }));
        let child = Starter { parent: Some(&init), ..starter(101, 2) };
        assert_eq!(entries.decide(&child, &container(), None), init);
        // And whatever program it becomes.
        let again = Starter { before: &init, ..starter(100, 1) };
        assert_eq!(entries.decide(&again, &container(), None), init);
    }

    #[test]
    fn who_comes_later_from_outside_entered() {
        let mut entries = Entries::default();
        entries.decide(&starter(100, 1), &container(), None);
        let shell = entries.decide(&starter(200, 9), &container(), None);
        assert_eq!(shell.session(), Some("aaaaaaaaaaaa-200-7"));
        let child = Starter { parent: Some(&shell), ..starter(201, 10) };
        assert_eq!(entries.decide(&child, &container(), None), shell);
        let other = entries.decide(&starter(300, 20), &container(), None);
        assert!(is_entered(&other) && other.session() != shell.session());
        // Into a container inside of this one it came in another way.
        let inner = ContainerId::new(&"b".repeat(64), Runtime::Containerd);
        let first = Starter { before: &shell, parent: Some(&shell), ..starter(301, 1) };
        assert!(matches!(entries.decide(&first, &inner, None), Entry::Started { .. }));
    }

    #[test]
    fn a_pod_may_share_its_process_ids() {
        let mut entries = Entries::default();
        // Number 1 is the pod's sandbox, in a container of its own.
        let init = entries.decide(&starter(100, 5), &container(), None);
        assert!(matches!(init, Entry::Started { .. }));
        assert!(is_entered(&entries.decide(&starter(200, 9), &container(), None)));
    }

    #[test]
    fn a_runtime_knows_who_was_first() {
        let info = ContainerInfo { pid: Some(100), ..ContainerInfo::default() };
        let mut entries = Entries::default();
        assert!(is_entered(&entries.decide(&starter(200, 9), &container(), Some(&info))));
        let mut entries = Entries::default();
        let init = entries.decide(&starter(100, 5), &container(), Some(&info));
        assert!(matches!(init, Entry::Started { .. }));
    }

    #[test]
    fn a_health_check_is_no_visit() {
        let words = |words: &[&str]| Texts::separated_by_nul(words.join("\0").as_bytes());
        let probe = vec!["cat".to_owned(), "/tmp/ready".to_owned()];
        let info =
            ContainerInfo { pid: Some(100), probes: vec![probe], ..ContainerInfo::default() };
        let mut entries = Entries::default();
        let mut check = |args: &[&str], tty, expected| {
            let args = words(args);
            let starter = Starter { args: &args, tty, ..starter(200, 9) };
            let entry = entries.decide(&starter, &container(), Some(&info));
            assert_eq!(is_entered(&entry), expected, "{args:?}");
        };
        check(&["cat", "/tmp/ready"], 0, false);
        check(&["cat", "/tmp/ready"], 34816, true);
        check(&["cat", "/tmp/ready", "/etc/shadow"], 0, true);
        check(&["cat"], 0, true);
    }
}
