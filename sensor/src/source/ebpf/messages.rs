//! What is wanted of messages through sockets, as `bpf/conversation.h` reads it.

use std::collections::BTreeSet;

use aya::{
    Ebpf,
    maps::{Array, MapData},
};

use super::loader::{LoadError, take};
use crate::{decode::Call, message_needs::MessageNeeds};

const NAME: &str = "message_settings";

/// The map's only element, `struct message_settings`.
pub(super) struct MessageSettings {
    map: Array<MapData, [u32; 4]>,
    needs: MessageNeeds,
    sees_receives: bool,
}

impl MessageSettings {
    pub(super) fn take(programs: &mut Ebpf, needs: MessageNeeds) -> Result<Self, LoadError> {
        let map = Array::try_from(take(programs, NAME)?)
            .map_err(|source| LoadError::Map { name: NAME, source })?;
        Ok(Self { map, needs, sees_receives: false })
    }

    pub(super) fn set(&mut self, needs: MessageNeeds) -> Result<(), LoadError> {
        self.needs = needs;
        self.write()
    }

    /// To be called when other calls are reported than before.
    pub(super) fn follow(&mut self, calls: &BTreeSet<Call>) -> Result<(), LoadError> {
        self.sees_receives = calls.contains(&Call::Recvfrom) && calls.contains(&Call::Recvmsg);
        self.write()
    }

    fn write(&mut self) -> Result<(), LoadError> {
        let MessageNeeds { all_sends, all_receives, data_len_max } = self.needs;
        let element =
            [all_sends.into(), all_receives.into(), data_len_max, self.sees_receives.into()];
        self.map.set(0, element, 0).map_err(|source| LoadError::Map { name: NAME, source })
    }
}
