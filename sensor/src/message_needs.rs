//! What rules want of the messages that go through sockets.
//!
//! There are more of these than of all other events together, and nearly every rule that looks at
//! them asks for `fd.name_changed`: the first message to or from a peer. If all do, the kernel side
//! sends no other.

use lanner_engine::{
    Field, FieldRef,
    projection::{Fact, Projection, Wanted},
};

/// Most bytes of one message that an event holds (`evt.buffer`).
pub const DATA_LEN_MAX: u32 = 256;

const SENDS: [&str; 3] = ["sendto", "sendmsg", "sendmmsg"];
const RECEIVES: [&str; 3] = ["recvfrom", "recvmsg", "recvmmsg"];

/// Which messages are events, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageNeeds {
    /// Also those to a peer that the socket had before, and those that failed.
    pub all_sends: bool,
    pub all_receives: bool,
    /// First bytes of each message, at most [`DATA_LEN_MAX`].
    pub data_len_max: u32,
}

/// Everything, where nobody has said what is wanted.
impl Default for MessageNeeds {
    fn default() -> Self {
        Self { all_sends: true, all_receives: true, data_len_max: DATA_LEN_MAX }
    }
}

impl MessageNeeds {
    /// What the enabled rules behind `projection` need that ask for `fields`.
    pub fn of(projection: &Projection, fields: &[FieldRef]) -> Self {
        let is_data = |field: &FieldRef| match field.field {
            Field::EvtBuffer => true,
            Field::EvtArg => field.arg.as_deref() == Some("data"),
            _ => false,
        };
        Self {
            all_sends: SENDS.iter().any(|call| wants_all(projection, call)),
            all_receives: RECEIVES.iter().any(|call| wants_all(projection, call)),
            data_len_max: if fields.iter().any(is_data) { DATA_LEN_MAX } else { 0 },
        }
    }
}

/// Whether a rule can match an event of this type that is not about a new peer.
fn wants_all(projection: &Projection, event_type: &str) -> bool {
    let rules = projection.rules().iter().filter(|rule| rule.enabled);
    let mut filters = rules.flat_map(|rule| &rule.event_types);
    filters.any(|filter| {
        filter.event_type == event_type
            && !filter.clauses.iter().all(|clause| {
                clause.checks().iter().any(|check| {
                    let is_needed = |wanted: &Wanted| match wanted {
                        Wanted::Number(ranges) => !ranges.contains(0),
                        _ => false,
                    };
                    check.fact == Fact::Flag(Field::FdNameChanged) && is_needed(&check.wanted)
                })
            })
    })
}
