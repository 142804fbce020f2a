//! Calls about names of files, as `rename`: their paths and their arguments.
//!
//! Each path has a text that Falco would show (as the program wrote it if that is absolute, else
//! put behind its directory) and, where that hides what it means (`/etc/../bin`, a directory that is a
//! link, a link whose text is relative), the one that it leads to. Rules are evaluated with each, as for the two names of a file.

use super::{PathChoice, View, errno, names, path};
use crate::decode::{Call, KernelPath, PathCall};

const AT_FDCWD: i32 = -100;

const RES_PATH: &[&str] = &["res", "path"];
const UNLINKAT: &[&str] = &["res", "dirfd", "name", "flags"];
const MKDIR: &[&str] = &["res", "path", "mode"];
const MKDIRAT: &[&str] = &["res", "dirfd", "path", "mode"];
const RES_OLD_NEW: &[&str] = &["res", "oldpath", "newpath"];
const RENAMEAT: &[&str] = &["res", "olddirfd", "oldpath", "newdirfd", "newpath"];
const RENAMEAT2: &[&str] = &["res", "olddirfd", "oldpath", "newdirfd", "newpath", "flags"];
const LINKAT: &[&str] = &["res", "olddir", "oldpath", "newdir", "newpath", "flags"];
const SYMLINK: &[&str] = &["res", "target", "linkpath"];
const SYMLINKAT: &[&str] = &["res", "target", "linkdirfd", "linkpath"];
const CHMOD: &[&str] = &["res", "filename", "mode"];
const FCHMOD: &[&str] = &["res", "fd", "mode"];
const FCHMODAT: &[&str] = &["res", "dirfd", "filename", "mode"];
const FCHMODAT2: &[&str] = &["res", "dirfd", "filename", "mode", "flags"];

/// Arguments that are paths, in any call.
pub(crate) const PATH_ARGUMENTS: [&str; 7] =
    ["path", "name", "filename", "oldpath", "newpath", "linkpath", "target"];

/// The one or two paths of a call, in the order of [`PathCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTexts {
    pub path: Vec<u8>,
    /// Empty where the call has one path.
    pub other: Vec<u8>,
}

impl PathTexts {
    /// The texts that Falco would show, and what they mean where that is another path: what was
    /// found behind links, or else the same made plain.
    ///
    /// `cwd` stands in where the kernel side could not tell the working directory.
    pub fn of(call: Call, facts: &PathCall, cwd: &[u8], found: Followed) -> (Self, Option<Self>) {
        let [first, second] = bases(facts, cwd);
        let [has_path, has_other] = facts.has_text;
        let lexical_path = match has_path || call == Call::Fchmod {
            true => absolute(first.as_deref(), &facts.path),
            false => Vec::new(),
        };
        let plain_path = found.path.unwrap_or_else(|| lexical_path.clone());
        let lexical_other = match has_other {
            true => absolute(second.as_deref(), &facts.other),
            false => Vec::new(),
        };
        let plain_other = if holds_text(call) {
            // What the new link leads to starts from the folder that it is in.
            let folder = path::split(&plain_path).map(|(folder, _)| folder);
            absolute(folder, &facts.other)
        } else {
            lexical_other.clone()
        };
        let plain = Self { path: plain_path, other: found.other.unwrap_or(plain_other) };
        let shown = Self {
            path: as_written_or(&facts.path, &lexical_path),
            other: if holds_text(call) {
                facts.other.clone()
            } else {
                as_written_or(&facts.other, &lexical_other)
            },
        };
        let differs = shown != plain;
        (shown, differs.then_some(plain))
    }
}

/// What the paths of a call were found to lead to, in the order of [`PathCall`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub path: Option<Vec<u8>>,
    pub other: Option<Vec<u8>>,
    /// Whether one was looked for and not found any more.
    pub is_unseen: bool,
}

/// The paths of a call that may lead through links: from the root on, and whether a link at the end
/// is followed. Those of one name in a directory that the kernel told are what they seem.
pub fn to_follow(call: Call, facts: &PathCall, cwd: &[u8]) -> [Option<(Vec<u8>, bool)>; 2] {
    const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
    const AT_SYMLINK_FOLLOW: u32 = 0x400;
    let follows = match call {
        Call::Chmod | Call::Fchmodat => true,
        Call::Fchmodat2 => facts.flags & AT_SYMLINK_NOFOLLOW == 0,
        Call::Linkat => facts.flags & AT_SYMLINK_FOLLOW != 0,
        _ => false,
    };
    let from_root = |base: Option<Vec<u8>>, text: &[u8], follows: bool| {
        let has_directory = text.get(1..)?.contains(&b'/');
        if !follows && !has_directory {
            return None;
        }
        let base = if text.starts_with(b"/") { Vec::new() } else { base? };
        // As it is: `..` behind a link leaves what the link leads to.
        Some(([&*base, b"/", text].concat(), follows))
    };
    let [first, second] = bases(facts, cwd);
    let other = if holds_text(call) { &[][..] } else { &facts.other };
    [from_root(first, &facts.path, follows), from_root(second, other, false)]
}

/// Whether a path of the call could not be read any more: another thread took its memory away.
pub fn has_unread_path(call: Call, facts: &PathCall) -> bool {
    let [has_path, has_other] = facts.has_text;
    !has_path && call != Call::Fchmod || !has_other && has_second_path(call)
}

/// What relative paths start from.
fn bases(facts: &PathCall, cwd: &[u8]) -> [Option<Vec<u8>>; 2] {
    let base = |known: &Option<KernelPath>, dirfd: i32| match known {
        Some(known) => known.as_bytes().map(<[u8]>::to_vec),
        None if dirfd == AT_FDCWD => Some(cwd.to_vec()),
        None => None,
    };
    [base(&facts.base, facts.dirfd), base(&facts.other_base, facts.other_dirfd)]
}

/// Whether the second path is a text that nobody looks up now.
fn holds_text(call: Call) -> bool {
    matches!(call, Call::Symlink | Call::Symlinkat)
}

fn has_second_path(call: Call) -> bool {
    matches!(call, Call::Rename | Call::Renameat | Call::Renameat2 | Call::Link | Call::Linkat)
        || holds_text(call)
}

/// Put behind its base and made plain; as it is where its base is not known.
fn absolute(base: Option<&[u8]>, text: &[u8]) -> Vec<u8> {
    match base {
        None if !text.starts_with(b"/") => text.to_vec(),
        // Of a descriptor alone (`AT_EMPTY_PATH`, `fchmod`) it is the whole path.
        Some(base) if text.is_empty() => base.to_vec(),
        base => path::lexical(base.unwrap_or_default(), text),
    }
}

fn as_written_or(text: &[u8], plain: &[u8]) -> Vec<u8> {
    if text.starts_with(b"/") { text.to_vec() } else { plain.to_vec() }
}

/// The names of the arguments, in their order.
pub(super) fn argument_names(call: Call) -> &'static [&'static str] {
    match call {
        Call::Unlinkat => UNLINKAT,
        Call::Mkdir => MKDIR,
        Call::Mkdirat => MKDIRAT,
        Call::Rename | Call::Link => RES_OLD_NEW,
        Call::Renameat => RENAMEAT,
        Call::Renameat2 => RENAMEAT2,
        Call::Linkat => LINKAT,
        Call::Symlink => SYMLINK,
        Call::Symlinkat => SYMLINKAT,
        Call::Chmod => CHMOD,
        Call::Fchmod => FCHMOD,
        Call::Fchmodat => FCHMODAT,
        Call::Fchmodat2 => FCHMODAT2,
        // unlink and rmdir
        _ => RES_PATH,
    }
}

/// Which descriptor `fd.*` is about: that of the call, or the directory it starts from.
/// Falco has none for the calls with two directories, and none for the working directory.
pub(super) fn descriptor(call: Call, facts: &PathCall) -> Option<i32> {
    let uses_one = matches!(
        call,
        Call::Unlinkat
            | Call::Mkdirat
            | Call::Symlinkat
            | Call::Fchmod
            | Call::Fchmodat
            | Call::Fchmodat2
    );
    (uses_one && facts.dirfd >= 0).then_some(facts.dirfd)
}

impl View<'_> {
    pub(super) fn path_call_argument(&self, name: &str, facts: &PathCall) -> Option<Vec<u8>> {
        let call = self.event.head.call;
        let texts = self.path_texts()?;
        Some(match name {
            "res" => errno::number_or_name(facts.result),
            "path" | "name" | "filename" | "oldpath" | "linkpath" => texts.path.clone(),
            "newpath" | "target" => texts.other.clone(),
            "fd" | "dirfd" | "olddirfd" | "olddir" | "linkdirfd" => {
                let base = facts.base.as_ref().and_then(|base| base.as_bytes());
                names::descriptor(facts.dirfd, base, facts.inode_mode)
            }
            "newdirfd" | "newdir" => {
                let base = facts.other_base.as_ref().and_then(|base| base.as_bytes());
                names::descriptor(facts.other_dirfd, base, names::S_IFDIR)
            }
            "mode" => match call {
                Call::Mkdir | Call::Mkdirat => format!("{:X}", facts.mode).into(),
                _ => names::mode(facts.mode).into(),
            },
            "flags" => names::path_call_flags(call, facts.flags).into(),
            _ => return None,
        })
    }

    pub(super) fn path_texts(&self) -> Option<&PathTexts> {
        let super::Happening::PathCall { shown, plain, .. } = &self.event.happening else {
            return None;
        };
        match self.path {
            PathChoice::Lexical => Some(shown),
            PathChoice::Resolved => plain.as_ref(),
        }
    }

    /// `fs.path.*` and `evt.abspath`: of calls that succeeded. Where there are two paths Falco
    /// calls the old name of a `rename` the source, and of a link the new one.
    pub(super) fn file_system_field(self, field: lanner_engine::Field) -> Option<Vec<u8>> {
        use super::Happening;
        use lanner_engine::Field;

        let call = self.event.head.call;
        let has_directory = call.name().contains("at");
        match &self.event.happening {
            Happening::Open { open, .. } if open.result >= 0 && call != Call::Creat => {
                match field {
                    Field::FsPathName => self.fd_name(),
                    Field::FsPathNameraw => Some(open.raw.clone()),
                    Field::EvtAbspath if call != Call::Open => self.fd_name(),
                    _ => None,
                }
            }
            Happening::PathCall { call: facts, plain, shown, .. } => {
                let texts = self.path_texts()?;
                let whole = plain.as_ref().unwrap_or(shown);
                let succeeded = facts.result >= 0;
                let is_link = matches!(call, Call::Link | Call::Linkat);
                let two = has_second_path(call);
                let raw = |is_other: bool| if is_other { &facts.other } else { &facts.path };
                let text = |is_other: bool| if is_other { &texts.other } else { &texts.path };
                match field {
                    Field::FsPathName if succeeded && !two => Some(text(false).clone()),
                    Field::FsPathNameraw if succeeded && !two => Some(raw(false).clone()),
                    Field::FsPathSource if succeeded && two => Some(text(is_link).clone()),
                    Field::FsPathSourceraw if succeeded && two => Some(raw(is_link).clone()),
                    Field::FsPathTarget if succeeded && two => Some(text(!is_link).clone()),
                    Field::FsPathTargetraw if succeeded && two => Some(raw(!is_link).clone()),
                    Field::EvtAbspath | Field::EvtAbspathSrc if has_directory => {
                        Some(whole.path.clone())
                    }
                    Field::EvtAbspathDst if has_directory && two && !holds_text(call) => {
                        Some(whole.other.clone())
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
