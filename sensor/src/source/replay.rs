//! A recording, read line by line.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use anyhow::Context as _;
use lanner_alert::Entity;
use lanner_engine::{Event, Field, RecordedEvent, Value};

/// An event of a recording: the views that share one `evt.num`.
#[derive(Debug)]
pub struct Replayed {
    pub views: Vec<RecordedEvent>,
}

const LINE_BYTES_MAX: u64 = 4 << 20;

/// A recording has at most two; more come only from somebody who means harm.
const VIEWS_MAX: usize = 16;

/// Gives each event of the recording at `path` to `take`.
///
/// # Errors
/// When the file cannot be read or a line is no event; names the line.
pub fn read(path: &Path, mut take: impl FnMut(Replayed)) -> anyhow::Result<()> {
    let file =
        File::open(path).with_context(|| format!("cannot read recording {}", path.display()))?;
    let mut file = BufReader::new(file);
    let mut open: Option<(Option<u64>, Replayed)> = None;
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
        let view = RecordedEvent::from_json(&line).with_context(place)?;
        let event = match view.get(Field::EvtNum, None) {
            Some(Value::Uint(event)) => Some(event),
            _ => None,
        };
        match &mut open {
            Some((known, replayed)) if event.is_some() && *known == event => {
                let fits = replayed.views.len() < VIEWS_MAX;
                anyhow::ensure!(fits, "{}: more than {VIEWS_MAX} views of one event", place());
                replayed.views.push(view);
            }
            _ => {
                if let Some((_, done)) = open.replace((event, Replayed { views: vec![view] })) {
                    take(done);
                }
            }
        }
    }
    if let Some((_, done)) = open {
        take(done);
    }
    Ok(())
}

impl Replayed {
    /// Who and what it is about, as far as a recording tells: start time and
    /// boot are not in it, as they mean nothing on another machine.
    pub fn entity(&self) -> Entity {
        let Some(view) = self.views.first() else { return Entity::default() };
        let text = |field: Field| match view.get(field, None)? {
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
            pid: match view.get(Field::ProcPid, None) {
                Some(Value::Int(pid)) => Some(pid),
                _ => None,
            },
            start_time: None,
            exe_path: text(Field::ProcExepath),
            uid: match view.get(Field::UserUid, None) {
                Some(Value::Uint(uid)) => u32::try_from(uid).ok(),
                _ => None,
            },
        }
    }
}
