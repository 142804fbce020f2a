//! What the kernel holds of eBPF, whoever loaded it.

use std::{collections::BTreeSet, io};

/// Ids of all programs and of all maps in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedIds {
    pub programs: BTreeSet<u32>,
    pub maps: BTreeSet<u32>,
}

/// What is loaded now. Needs CAP_SYS_ADMIN.
///
/// # Errors
/// When the kernel does not tell us.
pub fn loaded_ids() -> io::Result<LoadedIds> {
    // One that goes while the others are listed is not there any more.
    let programs = aya::programs::loaded_programs();
    let maps = aya::maps::loaded_maps();
    Ok(LoadedIds {
        programs: programs.filter_map(|program| Some(program.ok()?.id())).collect(),
        maps: maps.filter_map(|map| Some(map.ok()?.id())).collect(),
    })
}
