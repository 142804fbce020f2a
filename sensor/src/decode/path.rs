//! Path sections: the kernel side walks from leaf to root, we turn it round.

/// A path as the kernel's own structures give it, whatever the caller's text was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelPath {
    /// Absolute, from the root of the process that caused the event.
    Rooted(Vec<u8>),
    /// In no directory: `memfd:name`.
    Detached(Vec<u8>),
    /// Too deep or too long to be read: only its end is known, so it is not used.
    Cut,
}

const STATUS_ROOTED: u8 = 1;
const STATUS_DETACHED: u8 = 2;

impl KernelPath {
    /// The whole path, if the whole of it is known.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Rooted(path) | Self::Detached(path) => Some(path),
            Self::Cut => None,
        }
    }

    /// Reads a section; an empty one is no path.
    pub(super) fn read(section: &[u8]) -> Option<Self> {
        let (status, names) = section.split_first()?;
        let names = names.strip_suffix(&[0]).unwrap_or(names);
        // The root of a file system that is not mounted here calls itself `/`.
        let names = names.split(|byte| *byte == 0).rev().filter(|name| *name != b"/");
        let mut path = Vec::with_capacity(section.len());
        for name in names.filter(|name| !name.is_empty()) {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        match *status {
            STATUS_ROOTED if path.is_empty() => Some(Self::Rooted(b"/".to_vec())),
            STATUS_ROOTED => Some(Self::Rooted(path)),
            STATUS_DETACHED => Some(Self::Detached(path.split_off(path.len().min(1)))),
            _ => Some(Self::Cut),
        }
    }
}
