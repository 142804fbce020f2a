//! Who started the parent, who started that one, and so on, as the kernel knows it.

use super::reader::{Reader, until_nul};

const ANCESTOR_LEN: usize = 32;
const _: () = assert!(ANCESTOR_LEN == 8 + 2 * 4 + 16);

/// One ancestor, of which nothing else may be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    pub tgid: u32,
    /// Nanoseconds since boot.
    pub start_ns: u64,
    /// As in [`super::EventHead`].
    pub exec_id: u32,
    pub comm: Vec<u8>,
}

/// The parent's parent first. A piece at the end that is no whole entry is left out.
pub(super) fn read_all(section: &[u8]) -> Vec<Ancestor> {
    section.chunks_exact(ANCESTOR_LEN).filter_map(read).collect()
}

fn read(entry: &[u8]) -> Option<Ancestor> {
    let mut reader = Reader::new(entry, "an ancestor");
    let start_ns = reader.u64().ok()?;
    let tgid = reader.u32().ok()?;
    let exec_id = reader.u32().ok()?;
    let comm = until_nul(reader.take(16).ok()?).to_vec();
    Some(Ancestor { tgid, start_ns, exec_id, comm })
}
