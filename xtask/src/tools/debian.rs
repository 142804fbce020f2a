//! Debian's packages: installed where we may, and else named.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::run::{find_program, is_root, run};

/// Packages that belong together, and what shows that they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Packages {
    /// Compiles the eBPF programs.
    Clang,
    /// What a Kubernetes node runs on.
    Node,
}

impl Packages {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clang => "clang",
            Self::Node => "node",
        }
    }

    /// The packages' names; where the first set is unknown (clang's version
    /// differs from release to release) the next is tried.
    fn sets(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Clang => {
                &[&["clang-19", "llvm-19", "libbpf-dev"], &["clang", "llvm", "libbpf-dev"]]
            }
            Self::Node => &[&[
                "containerd",
                "runc",
                "containernetworking-plugins",
                "busybox-static",
                "iproute2",
                "iptables",
                "util-linux",
                "mount",
            ]],
        }
    }

    /// What of it is not on this machine.
    pub(crate) fn missing(self) -> Vec<&'static str> {
        match self {
            Self::Clang => missing([
                ("clang 14 or newer", find_clang().is_some()),
                ("libbpf's headers", Path::new("/usr/include/bpf/bpf_helpers.h").exists()),
            ]),
            Self::Node => missing([
                ("containerd", find_program("containerd").is_some()),
                ("ctr", find_program("ctr").is_some()),
                ("runc", find_program("runc").is_some()),
                ("CNI plugins in /usr/lib/cni", Path::new("/usr/lib/cni/bridge").exists()),
                ("a static busybox", find_program("busybox").is_some()),
                ("ip", find_program("ip").is_some()),
                ("iptables", find_program("iptables").is_some()),
                ("unshare", find_program("unshare").is_some()),
                ("nsenter", find_program("nsenter").is_some()),
                ("setpriv", find_program("setpriv").is_some()),
                ("mount", find_program("mount").is_some()),
            ]),
        }
    }
}

fn missing<const N: usize>(parts: [(&'static str, bool); N]) -> Vec<&'static str> {
    parts.into_iter().filter(|(_name, there)| !there).map(|(name, _there)| name).collect()
}

/// The names that the sensor's build script tries, too.
fn find_clang() -> Option<PathBuf> {
    let versions = (14..=30).rev().map(|version| format!("clang-{version}"));
    std::iter::once("clang".to_owned()).chain(versions).find_map(find_program)
}

/// Installs the packages.
///
/// # Errors
/// With the command that the user has to run, when we are not root or this is
/// no Debian.
pub(super) fn install(packages: Packages) -> anyhow::Result<()> {
    let missing = packages.missing().join(", ");
    let wanted = packages.sets().first().context("a set of packages")?.join(" ");
    anyhow::ensure!(
        find_program("apt-get").is_some(),
        "missing: {missing}. Install what your system calls these packages of Debian: {wanted}"
    );
    anyhow::ensure!(
        is_root(),
        "missing: {missing}. Only root may install it: sudo apt-get install --no-install-recommends {wanted}"
    );
    let mut result = Ok(());
    for set in packages.sets() {
        // A new machine has no list of packages, or an old one.
        result = apt_get_install(set).or_else(|_error| {
            run(apt_get().arg("update"))?;
            apt_get_install(set)
        });
        if result.is_ok() {
            break;
        }
    }
    result?;
    let still_missing = packages.missing();
    anyhow::ensure!(still_missing.is_empty(), "still missing: {}", still_missing.join(", "));
    Ok(())
}

fn apt_get_install(packages: &[&str]) -> anyhow::Result<()> {
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
