//! Fields that the engine itself fills: from the time and type of an event, or from other fields.

use crate::{
    event::{Event, Value},
    event_categories::{self, Category},
    field::Field,
};

const SECOND_NS: i64 = 1_000_000_000;

/// The value of a field whose [`Filler`](crate::Filler) is the engine.
///
/// `arg` is the name after the dot of `evt.type.is.open`.
pub(crate) fn value<'e>(
    event: &'e dyn Event,
    field: Field,
    arg: Option<&str>,
) -> Option<Value<'e>> {
    let event_type = event.event_type();
    let time_ns = event.time_ns();
    Some(match field {
        Field::EvtType => named(event_type)?,
        Field::SyscallType if event_categories::is_system_call(event_type) => named(event_type)?,
        Field::EvtTypeIs => Value::Uint(u64::from(arg == Some(event_type))),
        Field::EvtDir => Value::text("<"),
        Field::EvtTime
        | Field::EvtTimeS
        | Field::EvtTimeIso8601
        | Field::EvtDatetime
        | Field::EvtDatetimeS
        | Field::EvtRawtime
        | Field::JsonRawtime
        | Field::JevtTime
        | Field::JevtRawtime => Value::Int(time_ns),
        Field::EvtRawtimeS => Value::Int(time_ns.div_euclid(SECOND_NS)),
        Field::EvtRawtimeNs => Value::Int(time_ns.rem_euclid(SECOND_NS)),
        // Only the end of a call is an event, so there is nothing to measure; as in Falco.
        Field::EvtLatency
        | Field::EvtLatencyS
        | Field::EvtLatencyNs
        | Field::EvtLatencyQuantized
        | Field::EvtWaitLatency => Value::Uint(0),
        Field::EvtLatencyHuman => Value::text("0ns"),
        Field::EvtIsAsync => Value::Bool(false),
        Field::EvtInfo => event.get(Field::EvtArgs, None)?,
        Field::EvtCategory => Value::text(category(event)),
        Field::EvtIsIo => {
            Value::Bool(event_categories::reads(event_type) || event_categories::writes(event_type))
        }
        Field::EvtIsIoRead => Value::Bool(event_categories::reads(event_type)),
        Field::EvtIsIoWrite => Value::Bool(event_categories::writes(event_type)),
        Field::EvtIoDir if event_categories::writes(event_type) => Value::text("write"),
        Field::EvtIoDir if event_categories::reads(event_type) => Value::text("read"),
        Field::EvtIsWait => Value::Bool(event_categories::waits(event_type)),
        Field::EvtIsSyslog => {
            Value::Bool(event_categories::writes(event_type) && is_system_log(event))
        }
        Field::EvtCount | Field::EvtCountExit => Value::Uint(1),
        Field::EvtCountError => has_failed(event)?,
        Field::EvtCountErrorFile if subject(event) == Subject::File => has_failed(event)?,
        Field::EvtCountErrorNet if subject(event) == Subject::Socket => has_failed(event)?,
        Field::EvtCountErrorMemory
            if event_categories::category(event_type) == Category::Named("memory") =>
        {
            has_failed(event)?
        }
        Field::EvtCountErrorOther if subject(event) == Subject::Other => has_failed(event)?,
        _ => return None,
    })
}

fn named(event_type: &str) -> Option<Value<'_>> {
    (!event_type.is_empty()).then(|| Value::text(event_type))
}

/// `fd.typechar`, where the event has a descriptor.
fn descriptor(event: &dyn Event) -> Option<u8> {
    match event.get(Field::FdTypechar, None)? {
        Value::Text(text) => text.first().copied(),
        _ => None,
    }
}

fn category(event: &dyn Event) -> &'static str {
    match event_categories::category(event.event_type()) {
        Category::Named(name) => name,
        Category::ByDescriptor => match descriptor(event) {
            Some(b'f' | b'd') => "file",
            Some(b'4' | b'6') => "net",
            // A pipe, a Unix socket or a userfaultfd, an eventfd, a signalfd, an inotify.
            Some(b'p' | b'u' | b'e' | b's' | b'i') => "ipc",
            _ => "unknown",
        },
    }
}

/// What a call is about, for counting errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    File,
    Socket,
    Other,
}

fn subject(event: &dyn Event) -> Subject {
    match descriptor(event) {
        Some(b'f' | b'd') => Subject::File,
        Some(b'4' | b'6' | b'u') => Subject::Socket,
        Some(_) => Subject::Other,
        None => match event.event_type() {
            "open" | "creat" | "openat" | "openat2" | "open_by_handle_at" => Subject::File,
            "accept" | "accept4" | "connect" => Subject::Socket,
            _ => Subject::Other,
        },
    }
}

/// 1 if the call failed, else 0; `None` for events that return nothing.
fn has_failed(event: &dyn Event) -> Option<Value<'static>> {
    match event.get(Field::EvtRawres, None)? {
        Value::Int(result) => Some(Value::Uint(u64::from(result < 0))),
        _ => None,
    }
}

fn is_system_log(event: &dyn Event) -> bool {
    matches!(
        event.get(Field::FdName, None),
        Some(Value::Text(name)) if name.windows(8).any(|part| part == b"/dev/log")
    )
}

#[cfg(test)]
mod tests {
    use crate::{Field, Filler, Filter, RecordedEvent};

    #[track_caller]
    fn check(event: &str, conditions: &[(&str, bool)]) {
        let event = RecordedEvent::from_json(event).unwrap();
        for (condition, expected) in conditions {
            let filter = Filter::compile(condition).unwrap();
            assert_eq!(filter.matches(&event), *expected, "{condition}");
        }
    }

    #[test]
    fn an_open_is_told_by_its_type() {
        check(
            r#"{"evt.type":"openat","evt.rawtime":1700000000000000001,"evt.rawres":-2,
                "fd.typechar":"f","evt.args":"fd=ENOENT"}"#,
            &[
                ("evt.category = file and syscall.type = openat", true),
                ("evt.type.is.openat = 1 and evt.type.is.open = 0", true),
                ("evt.is_io = true or evt.is_wait = true or evt.io_dir exists", false),
                ("evt.count = 1 and evt.count.error = 1 and evt.count.error.file = 1", true),
                ("evt.count.error.net exists or evt.count.error.memory exists", false),
                ("evt.rawtime.s = 1700000000 and evt.rawtime.ns = 1", true),
                ("evt.info = 'fd=ENOENT' and evt.latency = 0 and evt.is_async = false", true),
            ],
        );
    }

    #[test]
    fn a_write_is_told_by_its_descriptor() {
        let write = |typechar: &str, name: &str| {
            format!(
                r#"{{"evt.type":"write","evt.rawres":3,"fd.typechar":"{typechar}","fd.name":"{name}"}}"#
            )
        };
        check(
            &write("u", "->/dev/log"),
            &[
                ("evt.category = ipc and evt.is_io_write = true and evt.io_dir = write", true),
                ("evt.is_syslog = true and evt.count.error.net = 0", true),
                ("evt.is_io_read = true", false),
            ],
        );
        check(&write("4", "1.2.3.4:1->5.6.7.8:2"), &[("evt.category = net", true)]);
        check(&write("f", "/tmp/x"), &[("evt.category = file and evt.is_syslog = false", true)]);
        check(r#"{"evt.type":"read"}"#, &[("evt.category = unknown and evt.io_dir = read", true)]);
    }

    #[test]
    fn what_is_no_call_has_no_call() {
        check(
            r#"{"evt.type":"procexit"}"#,
            &[("syscall.type exists", false), ("evt.category = process", true)],
        );
    }

    #[test]
    fn the_engine_fills_what_the_table_says() {
        // With all that it derives from, so that nothing is missing for that reason.
        let kinds = [
            r#"{"evt.type":"openat","evt.rawres":0,"fd.typechar":"f","evt.args":""}"#,
            r#"{"evt.type":"sendto","evt.rawres":0,"fd.typechar":"4"}"#,
            r#"{"evt.type":"mmap","evt.rawres":0}"#,
        ];
        let events = kinds.map(|kind| RecordedEvent::from_json(kind).unwrap());
        for field in Field::all() {
            let fills = events.iter().any(|event| super::value(event, *field, None).is_some());
            assert_eq!(fills, field.filler() == Filler::Engine, "{field}");
        }
    }
}
