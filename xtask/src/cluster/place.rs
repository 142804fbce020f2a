//! Where a cluster is, and by what names the machine knows it. All follow from
//! the folder, so that several clusters do not meet, and what is left of one
//! can be found without anything written down.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// One cluster's place on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    dir: PathBuf,
    key: u32,
}

impl Place {
    pub(super) fn of(dir: &Path) -> Self {
        let absolute = || std::path::absolute(dir).unwrap_or_else(|_error| dir.to_owned());
        let dir = dir.canonicalize().unwrap_or_else(|_not_there| absolute());
        let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
        let key = digest.iter().take(4).fold(0, |key, byte| key << 8 | u32::from(*byte));
        Self { dir, key }
    }

    /// The folder, by its absolute path.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cgroup of everything that runs for it.
    pub(super) fn cgroup(&self) -> String {
        format!("lanner-{:08x}", self.key)
    }

    /// The machine's end of the connection to its network; 15 bytes at most.
    pub(super) fn link(&self) -> String {
        format!("lanner{:08x}", self.key)
    }

    /// The address of that end.
    pub(super) fn machine_address(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// The node's own address.
    pub(super) fn node_address(&self) -> Ipv4Addr {
        self.address(2)
    }

    /// A network of four addresses for each cluster, in 10.231.0.0/16.
    fn address(&self, host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits((10 << 24) | (231 << 16) | ((self.key & 0x3fff) << 2) | host)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use std::path::Path;

    #[test]
    fn clusters_do_not_meet() {
        let (one, two) =
            (Place::of(Path::new("/nowhere/one")), Place::of(Path::new("/nowhere/two")));
        assert_ne!(one.cgroup(), two.cgroup());
        assert_ne!(one.link(), two.link());
        assert_ne!(one.node_address(), two.node_address());
        assert_eq!(one, Place::of(Path::new("/nowhere/one")));
    }

    #[test]
    fn the_kernel_takes_its_names() {
        let place = Place::of(Path::new("/nowhere/one"));
        assert!(place.link().len() <= 15, "{}", place.link());
        assert_eq!(place.node_address().to_bits() >> 2, place.machine_address().to_bits() >> 2);
        assert_eq!(place.node_address().octets()[..2], [10, 231]);
    }
}
