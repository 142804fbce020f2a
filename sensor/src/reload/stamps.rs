//! What tells one version of a file from another, without reading it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::config::Config;

/// All files that settings and rules come from, as they are at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// Of the file behind all links; the time of change too, as a copy may bring along the time
/// of modification.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    /// A file that is not there has a stamp, too: its coming is a change.
    pub fn of(config: &Config) -> Self {
        // A folder that cannot be read is told when it is read for good.
        let rules = config.rule_files().unwrap_or_default();
        let named = config.rules_files.iter().cloned();
        let paths = config.path.iter().cloned().chain(named).chain(rules);
        let stamped = |path: PathBuf| {
            let stamp = Stamp::of(&path);
            (path, stamp)
        };
        Self(paths.map(stamped).collect())
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        if found.is_dir() {
            // Its files have stamps of their own, and others in it do not matter.
            return None;
        }
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size_bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
