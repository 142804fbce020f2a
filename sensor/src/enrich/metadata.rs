//! What a runtime knows of a container, and who is still waiting for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

/// Most containers that are remembered.
const CONTAINERS_MAX: usize = 4096;

/// When a container that no runtime knew is asked for again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Facts of one container. What the runtime does not tell is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerInfo {
    pub name: Option<String>,
    pub image: ImageName,
    pub image_id: Option<String>,
    pub privileged: Option<bool>,
    /// Nanoseconds since the epoch.
    pub started_ns: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    pub pod: Option<PodInfo>,
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
    pub writable: bool,
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

/// The containers seen so far, by full id.
pub struct Containers {
    states: HashMap<String, State>,
    /// Where requests go; `None` when no runtime's socket is configured.
    requests: Option<mpsc::Sender<String>>,
    /// Requests that found the queue full.
    refused: u64,
}

impl Containers {
    pub fn new(requests: Option<mpsc::Sender<String>>) -> Self {
        Self { states: HashMap::new(), requests, refused: 0 }
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
        self.set(id, State::Pending);
        Known::Pending
    }

    /// Takes a runtime's answer.
    pub fn answer(&mut self, (id, info): Answer, now: Instant) {
        let state = match info {
            Some(info) => State::Info(Arc::new(info)),
            None => State::Unknown { since: now },
        };
        self.set(&id, state);
    }

    /// Requests that were not made because too many were waiting.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn set(&mut self, id: &str, state: State) {
        if self.states.len() >= CONTAINERS_MAX && !self.states.contains_key(id) {
            // Containers come and go; those that live are asked for again.
            self.states.retain(|_, state| matches!(state, State::Pending));
            if self.states.len() >= CONTAINERS_MAX {
                self.states.clear();
            }
        }
        self.states.insert(id.to_owned(), state);
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

    use super::{ContainerInfo, Containers, ImageName, Known};

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
    }
}
