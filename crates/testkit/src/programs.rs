//! Which foreign programs the tests and the local cluster run, in which
//! version, and where they lie.
//!
//! `cargo xtask tools` puts them there; tests look them up. Both read this
//! file, so they cannot disagree.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The version of nats-server, without the `v`.
pub const NATS_SERVER_VERSION: &str = "2.15.2";

/// The version of etcd, as in `xtask/tools/etcd/go.mod`.
pub const ETCD_VERSION: &str = "3.6.6";

/// The version of every Kubernetes program, as in `xtask/tools/kubernetes/go.mod`.
pub const KUBERNETES_VERSION: &str = "1.35.4";

/// A program that is built from its Go module and cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    NatsServer,
    Etcd,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    KubeProxy,
    Kubelet,
    Kubectl,
}

impl Program {
    /// All of them, the quickest to build first.
    pub const ALL: [Self; 8] = [
        Self::NatsServer,
        Self::Etcd,
        Self::KubeApiserver,
        Self::Kubectl,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::KubeProxy,
        Self::Kubelet,
    ];

    /// The file's name, e.g. `kube-apiserver`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NatsServer => "nats-server",
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::KubeProxy => "kube-proxy",
            Self::Kubelet => "kubelet",
            Self::Kubectl => "kubectl",
        }
    }

    /// The version that is built, without the `v`.
    pub fn version(self) -> &'static str {
        match self {
            Self::NatsServer => NATS_SERVER_VERSION,
            Self::Etcd => ETCD_VERSION,
            _ => KUBERNETES_VERSION,
        }
    }

    /// Where the built program lies in the cache, whether it is there or not.
    ///
    /// The folder carries the version, so a new version is a new build and two
    /// checkouts with different versions do not fight.
    pub fn cached(self) -> PathBuf {
        let family = match self {
            Self::NatsServer => "nats-server",
            Self::Etcd => "etcd",
            _ => "kubernetes",
        };
        cache_dir().join(format!("{family}-{}", self.version())).join(self.name())
    }

    /// The program that the user's environment names instead of ours, if any:
    /// `$NATS_SERVER` (a file) or `$KUBEBUILDER_ASSETS` (a folder).
    pub fn overridden(self) -> Option<PathBuf> {
        match self {
            Self::NatsServer => non_empty("NATS_SERVER").map(PathBuf::from),
            Self::Etcd | Self::KubeApiserver | Self::Kubectl => {
                let path = Path::new(&non_empty("KUBEBUILDER_ASSETS")?).join(self.name());
                path.exists().then_some(path)
            }
            _ => None,
        }
    }

    /// The program to run, or nothing when it must be built first.
    pub fn find(self) -> Option<PathBuf> {
        self.overridden().or_else(|| Some(self.cached()).filter(|path| path.exists()))
    }

    /// The program to run.
    ///
    /// # Panics
    /// When it is not there: a test that cannot run must not pass.
    pub fn path(self) -> PathBuf {
        self.find().unwrap_or_else(|| {
            panic!(
                "{} is missing ({}): run `cargo xtask tools`",
                self.name(),
                self.cached().display()
            )
        })
    }
}

/// A library that a subscriber of `docs/subscribers` is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    NatsGo,
    NatsPy,
}

impl Library {
    /// Both.
    pub const ALL: [Self; 2] = [Self::NatsGo, Self::NatsPy];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NatsGo => "nats.go",
            Self::NatsPy => "nats-py",
        }
    }

    /// The version, as in `docs/subscribers/go/go.mod` and
    /// `docs/subscribers/python/requirements.txt`.
    pub fn version(self) -> &'static str {
        match self {
            Self::NatsGo => "1.55.0",
            Self::NatsPy => "2.16.0",
        }
    }

    /// What must be there to use it.
    pub fn language(self) -> &'static str {
        match self {
            Self::NatsGo => "go",
            Self::NatsPy => "python3",
        }
    }

    /// The folder that is there once it was got: of nats-py the library itself,
    /// of nats.go a subscriber that Go built with it, and so has all it needs
    /// to build another in no time.
    pub fn cached(self) -> PathBuf {
        cache_dir().join(format!("{}-{}", self.name(), self.version()))
    }
}

/// The folder of all caches of this repository's tools, outside of `target/` so
/// that `cargo clean` keeps it: `$LANNER_TOOLS`, or else `lanner/tools` below
/// `$XDG_CACHE_HOME` or `~/.cache`.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = non_empty("LANNER_TOOLS") {
        return PathBuf::from(dir);
    }
    let caches = non_empty("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
        // Without a home there is still the user's right to a cache: the
        // working folder, which at least is not shared with other users.
        let home = non_empty("HOME").map(PathBuf::from).unwrap_or_default();
        home.join(".cache")
    });
    caches.join("lanner/tools")
}

fn non_empty(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
