//! A recording, read line by line.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use anyhow::Context as _;
use lanner_alert::Entity;
use lanner_engine::{Event, Field, RecordedEvent, Value};

const LINE_BYTES_MAX: u64 = 4 << 20;

/// Gives each event of the recording at `path` to `take`.
///
/// # Errors
/// When the file cannot be read or a line is no event; names the line.
pub fn read(path: &Path, mut take: impl FnMut(RecordedEvent)) -> anyhow::Result<()> {
    let file =
        File::open(path).with_context(|| format!("cannot read recording {}", path.display()))?;
    let mut file = BufReader::new(file);
    for number in 1.. {
        let place = || format!("{}:{number}", path.display());
        let mut line = String::new();
        let len = file.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).with_context(place)?;
        if len == 0 {
            break;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        take(RecordedEvent::from_json(&line).with_context(place)?);
    }
    Ok(())
}

/// Who and what it is about, as far as a recording tells: start time and
/// boot are not in it, as they mean nothing on another machine.
pub fn entity(event: &RecordedEvent) -> Entity {
    let text = |field: Field| match event.get(field, None)? {
        Value::Text(bytes) => {
            Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    Entity {
        boot_id: None,
        container_id: text(Field::ContainerFullId)
            .or_else(|| text(Field::ContainerId).filter(|id| id != "host")),
        pod_namespace: text(Field::K8sNsName),
        pod_name: text(Field::K8sPodName),
        pod_uid: text(Field::K8sPodUid),
        pid: match event.get(Field::ProcPid, None) {
            Some(Value::Int(pid)) => Some(pid),
            _ => None,
        },
        start_time: None,
        exe_path: text(Field::ProcExepath),
        uid: match event.get(Field::UserUid, None) {
            Some(Value::Uint(uid)) => u32::try_from(uid).ok(),
            _ => None,
        },
    }
}
