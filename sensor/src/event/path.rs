//! Paths as text.

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
