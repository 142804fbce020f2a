//! What a runtime knows of a container, and who is still waiting for it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{container::Runtime, recent::Recent, workload::Workload};

/// Containers that are remembered, at least; twice as many at most.
const CONTAINERS_MAX: usize = 2048;

/// When a container that no runtime knew is asked for again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What is kept of what a runtime tells: its words are those of whoever made the container.
const TEXT_BYTES_MAX: usize = 1024;
const LABELS_MAX: usize = 128;
const MOUNTS_MAX: usize = 128;
const PROBES_MAX: usize = 8;

/// Facts of one container. What the runtime does not tell is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerInfo {
    pub name: Option<String>,
    pub image: ImageName,
    /// Hexadecimal digits, without the algorithm's name.
    pub image_id: Option<String>,
    pub privileged: Option<bool>,
    /// Nanoseconds since the epoch.
    pub started_ns: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    pub pod: Option<PodInfo>,
    /// For containers whose control group does not tell it.
    pub runtime: Option<Runtime>,
    /// Its first process, in the host's namespace; `None` unless it runs.
    pub pid: Option<u32>,
    pub ip: Option<String>,
    pub shares: HostShares,
    /// Command lines of its health checks, as far as the runtime knows them.
    pub probes: Vec<Vec<String>>,
}

/// Which namespaces of the host a container has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostShares {
    pub pid: Option<bool>,
    pub network: Option<bool>,
    pub ipc: Option<bool>,
}

/// The parts of an image's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageName {
    /// As it was asked for: `docker.io/library/nginx:1.27`.
    pub full: Option<String>,
    pub repository: Option<String>,
    pub tag: Option<String>,
    /// `sha256:...`
    pub digest: Option<String>,
}

/// One file system of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: String,
    pub destination: String,
    /// As it was asked for (`ro`, `Z`); of Docker and Podman only.
    pub mode: String,
    pub writable: bool,
    /// `rprivate` and the like.
    pub propagation: String,
}

/// The pod that a container is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodInfo {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub sandbox_id: String,
    pub ip: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// What made the pod.
    pub workload: Option<Workload>,
}

/// What is known now.
#[derive(Clone, Debug)]
pub enum Known {
    /// There is nobody to ask, or they did not know.
    Nothing,
    /// Asked, not answered yet.
    Pending,
    Info(Arc<ContainerInfo>),
}

/// An answer to a request for a container's facts; `None` when nobody knew.
pub type Answer = (String, Option<ContainerInfo>);

enum State {
    Pending,
    Unknown { since: Instant },
    Info(Arc<ContainerInfo>),
}

/// The containers seen lately, by full id.
pub struct Containers {
    states: Recent<String, State>,
    /// Where requests go; `None` when no runtime's socket is configured.
    requests: Option<mpsc::Sender<String>>,
    /// Requests that found the queue full.
    refused: u64,
}

impl Containers {
    pub fn new(requests: Option<mpsc::Sender<String>>) -> Self {
        Self { states: Recent::new(CONTAINERS_MAX), requests, refused: 0 }
    }

    /// What is known of a container; asks the runtime the first time.
    pub fn look_up(&mut self, id: &str, now: Instant) -> Known {
        match self.states.get(id) {
            Some(State::Info(info)) => return Known::Info(Arc::clone(info)),
            Some(State::Pending) => return Known::Pending,
            Some(State::Unknown { since }) if now.duration_since(*since) < RETRY_AFTER => {
                return Known::Nothing;
            }
            _ => {}
        }
        let Some(requests) = &self.requests else { return Known::Nothing };
        if requests.try_send(id.to_owned()).is_err() {
            self.refused += 1;
            return Known::Nothing;
        }
        self.states.insert(id.to_owned(), State::Pending);
        Known::Pending
    }

    /// Takes a runtime's answer, to a request or unasked.
    pub fn answer(&mut self, (id, info): Answer, now: Instant) {
        let state = match info {
            Some(info) => State::Info(Arc::new(info)),
            // The runtime itself may have told before the answer to us came.
            None if matches!(self.states.get(&id), Some(State::Info(_))) => return,
            None => State::Unknown { since: now },
        };
        self.states.insert(id, state);
    }

    /// Requests that were not made because too many were waiting.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ContainerInfo {
    /// The same, cut where it is longer than what we keep.
    pub fn bounded(mut self) -> Self {
        let text = |text: &mut String| {
            if text.len() > TEXT_BYTES_MAX {
                text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            }
        };
        let maybe = |maybe: &mut Option<String>| {
            if let Some(found) = maybe {
                text(found);
            }
        };
        let labels = |labels: &mut BTreeMap<String, String>| {
            let kept = std::mem::take(labels).into_iter().take(LABELS_MAX);
            *labels = kept.filter(|(key, _)| key.len() <= TEXT_BYTES_MAX).collect();
            labels.values_mut().for_each(text);
        };
        let Self { name, image, image_id, labels: own, mounts, pod, ip, probes, .. } = &mut self;
        for found in [name, image_id, ip] {
            maybe(found);
        }
        for found in [&mut image.full, &mut image.repository, &mut image.tag, &mut image.digest] {
            maybe(found);
        }
        labels(own);
        mounts.truncate(MOUNTS_MAX);
        for mount in mounts {
            let Mount { source, destination, mode, writable: _, propagation } = mount;
            for found in [source, destination, mode, propagation] {
                text(found);
            }
        }
        if let Some(pod) = pod {
            for found in [&mut pod.namespace, &mut pod.name, &mut pod.uid, &mut pod.sandbox_id] {
                text(found);
            }
            maybe(&mut pod.ip);
            labels(&mut pod.labels);
        }
        probes.truncate(PROBES_MAX);
        // A cut command would be another one.
        probes.retain(|words| {
            words.iter().map(|word| word.len() + 1).sum::<usize>() <= TEXT_BYTES_MAX
        });
        self
    }
}

impl PodInfo {
    /// What the kubelet writes on each container.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
        const POD_NAME: &str = "io.kubernetes.pod.name";
        const POD_UID: &str = "io.kubernetes.pod.uid";
        Some(Self {
            namespace: labels.get(POD_NAMESPACE)?.clone(),
            name: labels.get(POD_NAME)?.clone(),
            uid: labels.get(POD_UID)?.clone(),
            ..Self::default()
        })
    }
}

impl ImageName {
    /// Splits `registry:5000/repository:tag@digest`.
    pub fn parse(full: &str) -> Self {
        let (rest, digest) = match full.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (full, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.to_owned())),
            _ => (rest, None),
        };
        Self {
            full: Some(full.to_owned()).filter(|full| !full.is_empty()),
            repository: Some(repository.to_owned()).filter(|repository| !repository.is_empty()),
            tag,
            digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::mpsc;

    use super::{CONTAINERS_MAX, ContainerInfo, Containers, ImageName, Known, Mount, PodInfo};

    #[track_caller]
    fn check(full: &str, repository: &str, tag: Option<&str>, digest: Option<&str>) {
        let name = ImageName::parse(full);
        assert_eq!(
            (name.repository.as_deref(), name.tag.as_deref(), name.digest.as_deref()),
            (Some(repository), tag, digest),
            "image {full}"
        );
    }

    #[test]
    fn an_image_name_has_four_parts() {
        check("docker.io/library/nginx:1.27", "docker.io/library/nginx", Some("1.27"), None);
        check("localhost:5000/app", "localhost:5000/app", None, None);
        check("localhost:5000/app:v1", "localhost:5000/app", Some("v1"), None);
        check("quay.io/a/b@sha256:00", "quay.io/a/b", None, Some("sha256:00"));
        check("quay.io/a/b:v2@sha256:00", "quay.io/a/b", Some("v2"), Some("sha256:00"));
    }

    #[test]
    fn a_container_is_asked_for_once_until_it_is_time_again() {
        let (requests, mut asked) = mpsc::channel(4);
        let mut containers = Containers::new(Some(requests));
        let now = Instant::now();
        assert!(matches!(containers.look_up("a", now), Known::Pending));
        assert!(matches!(containers.look_up("a", now), Known::Pending));
        assert_eq!(asked.try_recv().as_deref(), Ok("a"));
        assert!(asked.try_recv().is_err());
        containers.answer(("a".to_owned(), None), now);
        assert!(matches!(containers.look_up("a", now), Known::Nothing));
        let later = now + Duration::from_secs(31);
        assert!(matches!(containers.look_up("a", later), Known::Pending));
        containers.answer(("a".to_owned(), Some(ContainerInfo::default())), later);
        assert!(matches!(containers.look_up("a", later), Known::Info(_)));
        // A late answer of a runtime that does not know it changes nothing.
        containers.answer(("a".to_owned(), None), later);
        assert!(matches!(containers.look_up("a", later), Known::Info(_)));
    }

    #[test]
    fn many_short_lived_containers_push_out_none_that_is_alive() {
        let (requests, mut asked) = mpsc::channel(4);
        let mut containers = Containers::new(Some(requests));
        let now = Instant::now();
        containers.answer(("alive".to_owned(), Some(ContainerInfo::default())), now);
        for number in 0..10_000 {
            let id = format!("{number:064x}");
            containers.look_up(&id, now);
            containers.answer((id, None), now);
            assert!(matches!(containers.look_up("alive", now), Known::Info(_)), "{number}");
            assert!(containers.len() <= 2 * CONTAINERS_MAX);
        }
        while asked.try_recv().is_ok() {}
        assert_eq!(containers.refused(), 10_000 - 4, "nobody took the requests");
    }

    #[test]
    fn what_a_runtime_tells_is_bounded() {
        let long = || "\u{e9}".repeat(3000);
        let info = ContainerInfo {
            name: Some(long()),
            labels: (0..1000).map(|number| (format!("{number}"), long())).collect(),
            mounts: vec![
                Mount {
                    source: long(),
                    destination: long(),
                    mode: long(),
                    writable: true,
                    propagation: long(),
                };
                1000
            ],
            probes: vec![vec![long()], vec!["true".to_owned()]],
            pod: Some(PodInfo { name: long(), ..PodInfo::default() }),
            ..ContainerInfo::default()
        };
        let info = info.bounded();
        assert_eq!(info.name.as_ref().unwrap().len(), 1024);
        assert_eq!((info.labels.len(), info.mounts.len()), (128, 128));
        assert!(info.labels.values().all(|value| value.len() == 1024));
        assert!(info.mounts.iter().all(|mount| mount.source.len() == 1024));
        assert_eq!(info.probes, [["true"]]);
        assert_eq!(info.pod.unwrap().name.len(), 1024);
    }
}
