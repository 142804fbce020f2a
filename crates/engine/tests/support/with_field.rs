//! An event of which one field is another.

use lanner_engine::{Event, Field, RecordedEvent, Value};

/// `event`, with `text` in `field`; no text leaves it as it is.
pub(crate) struct WithField<'e> {
    pub(crate) event: &'e RecordedEvent,
    pub(crate) field: Field,
    pub(crate) text: &'e [u8],
}

impl Event for WithField<'_> {
    fn event_type(&self) -> &str {
        self.event.event_type()
    }

    fn time_ns(&self) -> i64 {
        self.event.time_ns()
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        if field == self.field && !self.text.is_empty() {
            return Some(Value::text(self.text));
        }
        self.event.get(field, arg)
    }
}
