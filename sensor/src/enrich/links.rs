//! Where the paths of a call really lead: through links, as the process that called sees them.
//!
//! ```text
//! /tmp/link/passwd ─▶ root of the process ─▶ directory /tmp/link ─▶ /etc ─▶ /etc/passwd
//! ```
//!
//! The call has ended, so this is what the names lead to a moment later: whoever takes the link away
//! at once is faster. The text of the program is there in any case.
//!
//! The directories may be those of an attacker. First only what the kernel has in its caches is
//! looked at, so that no file system of theirs is asked; what is not there is looked up by a thread
//! of its own, which may hang (see `patient.rs`).

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags},
    io::Errno,
};

use super::{patient::Patient, procfs::Procfs};
use crate::decode::RootMount;

/// As the kernel has it (`MAXSYMLINKS` of `linux/namei.h`).
const LINKS_MAX: usize = 40;

/// How often the caches are looked at.
const TRIES_MAX: usize = 3;

/// More than a path can have names, with all that its links add.
const NAMES_MAX: usize = 8192;

/// `PROC_SUPER_MAGIC` of `linux/magic.h`.
const PROC_MAGIC: u64 = 0x9fa0;

/// Number of the root of each `/proc`: `PROC_ROOT_INO` of `linux/proc_fs.h`.
const PROC_ROOT_INO: u64 = 1;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const ANY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const ITSELF: OFlags = ANY.union(OFlags::NOFOLLOW);

/// Looks names up in the roots of other processes.
pub(super) struct Links {
    procfs: Procfs,
    slow: Patient<Question, Option<OwnedFd>>,
}

/// A root directory, with its path as the kernel prints it for us.
pub(super) struct Root {
    directory: OwnedFd,
    path: Vec<u8>,
    pid: u32,
}

struct Question {
    root: OwnedFd,
    proc_of_process: std::path::PathBuf,
    path: Vec<u8>,
}

impl Links {
    pub(super) fn new(procfs: Procfs) -> Self {
        Self { procfs, slow: Patient::new("links", |question: Question| question.walk().ok()) }
    }

    /// Questions that no file system answered in time.
    pub(super) fn unanswered(&self) -> u64 {
        self.slow.unanswered()
    }

    /// The root directory that is `mount`'s, from the process or else from the first of `others` that
    /// has it: whoever called may be gone, and those it stems from mostly have the same.
    pub(super) fn root(
        &self,
        mount: RootMount,
        pid: u32,
        others: impl FnOnce() -> Vec<u32>,
    ) -> Option<Root> {
        let of = |pid: u32| {
            let path = self.procfs.root_of(pid);
            let directory = rustix::fs::open(path, DIRECTORY, Mode::empty()).ok()?;
            is_on(&directory, mount).then_some(directory)
        };
        let directory = match of(pid) {
            Some(directory) => directory,
            // A directory inside of a mount is not told from others: only its own process has it.
            None if !mount.is_whole => return None,
            None => others().into_iter().find_map(of)?,
        };
        let path = path_of(&directory)?;
        Some(Root { directory, path, pid })
    }

    /// What `path`, which begins at the root, leads to. `follows` says that a link at its end is
    /// followed. `None` when that cannot be found out any more.
    pub(super) fn resolve(&mut self, root: &Root, path: &[u8], follows: bool) -> Option<Vec<u8>> {
        let (folder, name) = match follows {
            true => (path, None),
            false => split(path),
        };
        let found = self.find(root, folder, follows)?;
        let folder = inside(&root.path, path_of(&found)?);
        Some(match name {
            None => folder,
            Some(name) if folder == b"/" => [b"/", name].concat(),
            Some(name) => [&*folder, b"/", name].concat(),
        })
    }

    /// The root of a call for which a directory is the root (`RESOLVE_IN_ROOT`).
    pub(super) fn enter(&mut self, root: &Root, directory: &[u8]) -> Option<Root> {
        let directory = self.find(root, directory, false)?;
        Some(Root { directory, path: root.path.clone(), pid: root.pid })
    }

    fn find(&mut self, root: &Root, path: &[u8], follows: bool) -> Option<OwnedFd> {
        let flags = if follows { ANY } else { DIRECTORY };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::CACHED;
        let look = || rustix::fs::openat2(&root.directory, path, flags, Mode::empty(), resolve);
        // A name that somebody changes at this moment is not found without waiting.
        let mut found = look();
        for _ in 1..TRIES_MAX {
            if !matches!(found, Err(Errno::AGAIN)) {
                break;
            }
            found = look();
        }
        match found {
            // `/proc/self` would be us.
            Ok(found) if !is_proc(&found).unwrap_or(true) => Some(found),
            // Not in the caches (which cannot be asked for before 5.12), or a link of /proc that is
            // not like others.
            Ok(_) | Err(Errno::AGAIN | Errno::XDEV | Errno::LOOP | Errno::INVAL) => {
                self.slow.ask(Question {
                    root: root.directory.try_clone().ok()?,
                    proc_of_process: self.procfs.folder_of(root.pid),
                    path: path.to_vec(),
                })?
            }
            Err(_) => None,
        }
    }
}

impl Question {
    /// Goes from name to name as the kernel would for the process, and follows the last one, too:
    /// only directories are asked for otherwise.
    fn walk(&self) -> io::Result<OwnedFd> {
        let mut todo: Vec<Vec<u8>> = names(&self.path);
        let mut here = self.root.try_clone()?;
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match &*name {
                b"" | b"." => continue,
                b".." if is_same(&here, &self.root)? => continue,
                b".." => {
                    here = rustix::fs::openat(&here, "..", DIRECTORY, Mode::empty())?;
                    continue;
                }
                _ => {}
            }
            let next = rustix::fs::openat(&here, &*name, ITSELF, Mode::empty())?;
            let is_link =
                FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode) == FileType::Symlink;
            if !is_link {
                here = next;
                continue;
            }
            links += 1;
            if links > LINKS_MAX || todo.len() > NAMES_MAX {
                return Err(Errno::LOOP.into());
            }
            if is_proc(&here)? {
                here = self.follow_in_proc(here, &name, &mut todo)?;
                continue;
            }
            let target = rustix::fs::readlinkat(&next, "", Vec::new())?.into_bytes();
            if target.starts_with(b"/") {
                here = self.root.try_clone()?;
            }
            todo.extend(names(&target));
        }
        Ok(here)
    }

    /// `/proc/self` is who asks, which is not us.
    fn follow_in_proc(
        &self,
        here: OwnedFd,
        name: &[u8],
        todo: &mut Vec<Vec<u8>>,
    ) -> io::Result<OwnedFd> {
        let is_root = rustix::fs::fstat(&here)?.st_ino == PROC_ROOT_INO;
        match name {
            b"self" | b"thread-self" if is_root => {
                // Its root is known even if it is gone.
                if todo.last().is_some_and(|next| next == b"root") {
                    todo.pop();
                    return self.root.try_clone();
                }
                Ok(rustix::fs::open(&self.proc_of_process, DIRECTORY, Mode::empty())?)
            }
            _ => Ok(rustix::fs::openat(&here, name, ANY, Mode::empty())?),
        }
    }
}

/// In the order in which they are taken from the end.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

/// The directory, and the name in it. A path that ends in no name is a directory itself.
fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let whole = path.get(..end).unwrap_or_default();
    let Some(slash) = whole.iter().rposition(|byte| *byte == b'/') else { return (path, None) };
    match whole.get(slash + 1..).unwrap_or_default() {
        b"" | b"." | b".." => (path, None),
        name => (whole.get(..slash + 1).unwrap_or_default(), Some(name)),
    }
}

fn is_on(directory: &OwnedFd, mount: RootMount) -> bool {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let Ok(stat) = rustix::fs::statx(directory, "", flags, StatxFlags::MNT_ID) else {
        return false;
    };
    let is_whole = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    stat.stx_mask & StatxFlags::MNT_ID.bits() != 0
        && stat.stx_mnt_id == u64::from(mount.id)
        && is_whole == mount.is_whole
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn is_proc(directory: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstatfs(directory)?;
    Ok(u64::try_from(stat.f_type).is_ok_and(|magic| magic == PROC_MAGIC))
}

/// The path of an open directory or file, as the kernel prints it. `None` if it was removed: then
/// the path has a remark behind it.
fn path_of(found: &OwnedFd) -> Option<Vec<u8>> {
    use std::os::fd::AsRawFd as _;

    let link = Path::new("/proc/self/fd").join(found.as_fd().as_raw_fd().to_string());
    let path = rustix::fs::readlink(link, Vec::new()).ok()?.into_bytes();
    (path.starts_with(b"/") && !path.ends_with(b" (deleted)")).then_some(path)
}

/// `path` without the root's own, if it is below it.
fn inside(root: &[u8], path: Vec<u8>) -> Vec<u8> {
    match path.strip_prefix(root) {
        Some(_) if root == b"/" => path,
        Some(b"") => b"/".to_vec(),
        Some(rest) if rest.starts_with(b"/") => rest.to_vec(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::{inside, split};

    #[track_caller]
    fn check(path: &str, folder: &str, name: Option<&str>) {
        assert_eq!(split(path.as_bytes()), (folder.as_bytes(), name.map(str::as_bytes)), "{path}");
    }

    #[test]
    fn the_last_name_is_not_followed() {
        check("/tmp/link/passwd", "/tmp/link/", Some("passwd"));
        check("/passwd", "/", Some("passwd"));
        check("/tmp/folder//", "/tmp/", Some("folder"));
        check("/tmp/..", "/tmp/..", None);
        check("/tmp/.", "/tmp/.", None);
        check("/", "/", None);
        check("", "", None);
    }

    #[test]
    fn a_path_is_shown_from_the_root_of_the_process() {
        assert_eq!(inside(b"/", b"/etc".to_vec()), b"/etc");
        assert_eq!(inside(b"/jail", b"/jail".to_vec()), b"/");
        assert_eq!(inside(b"/jail", b"/jail/etc".to_vec()), b"/etc");
        assert_eq!(inside(b"/jail", b"/jailhouse/etc".to_vec()), b"/jailhouse/etc");
    }
}
