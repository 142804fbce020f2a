//! Paths as text.

use rustix::fs::OFlags;

use crate::decode::{KernelPath, Open};

const AT_FDCWD: i32 = -100;
const RESOLVE_IN_ROOT: u32 = 0x10;

/// The path of an open as Falco would show it, and that of the file that was really opened,
/// where it is known and another. `cwd` is asked where the kernel side could not tell it.
pub fn of_open(open: &Open, cwd: impl FnOnce() -> Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    let resolved = match &open.resolved {
        Some(KernelPath::Rooted(path) | KernelPath::Detached(path)) => Some(path.clone()),
        _ => None,
    };
    if open.raw.is_empty() {
        // The program's text could not be read, or the call has none.
        return (resolved.unwrap_or_default(), None);
    }
    let base = base(open, cwd);
    let outside = match &base {
        None if !open.raw.starts_with(b"/") => open.raw.clone(),
        base => lexical(base.as_deref().unwrap_or_default(), &open.raw),
    };
    let (lexical, resolved) = match base {
        // Its directory is the root for this call: neither `/` nor `..` leaves it.
        Some(base) if has_own_root(open) => {
            let inside = lexical(b"", &open.raw);
            let inside = lexical(&base, inside.strip_prefix(b"/").unwrap_or(&inside));
            // Another thread may have added that behind the call.
            let is_doubtful = open.unseen && open.root.is_none();
            (inside, resolved.or_else(|| is_doubtful.then_some(outside)))
        }
        _ => (outside, resolved),
    };
    let resolved = resolved.filter(|resolved| *resolved != lexical);
    (lexical, resolved)
}

/// Whether the directory that the path starts from is its root, too.
pub fn has_own_root(open: &Open) -> bool {
    open.resolve & RESOLVE_IN_ROOT != 0
}

/// What a relative path starts from.
pub fn base(open: &Open, cwd: impl FnOnce() -> Vec<u8>) -> Option<Vec<u8>> {
    match &open.base {
        Some(base) => base.as_bytes().map(<[u8]>::to_vec),
        None if open.dirfd == AT_FDCWD => Some(cwd()),
        None => None,
    }
}

/// Whether a link at the end of the path is followed.
pub fn follows_link(open: &Open) -> bool {
    let makes = OFlags::CREATE.union(OFlags::EXCL);
    let flags = OFlags::from_bits_retain(open.flags);
    !flags.contains(OFlags::NOFOLLOW) && !flags.contains(makes)
}

/// `base` and `argument` put together as Falco does: `.`, `..` and double
/// slashes go, links stay what they are called.
pub fn lexical(base: &[u8], argument: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let start: &[u8] = if argument.starts_with(b"/") { b"" } else { base };
    for part in [start, argument] {
        for name in part.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => {
                    names.pop();
                }
                _ => names.push(name),
            }
        }
    }
    if names.is_empty() {
        return b"/".to_vec();
    }
    let mut path = Vec::with_capacity(base.len() + argument.len() + 1);
    for name in names {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    path
}

/// Falco's `fd.directory` and `fd.filename`.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let directory = if slash == 0 { path.get(..1)? } else { path.get(..slash)? };
    Some((directory, path.get(slash + 1..)?))
}

/// The last name of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    split(path).map_or(path, |(_, name)| name)
}
