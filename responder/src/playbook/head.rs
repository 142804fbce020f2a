//! `playbook(#{ ... })`: who a playbook is, when it answers, what it may do.

use std::collections::BTreeSet;

use lanner_alert::Mode;
use rhai::{Dynamic, Map};

use super::{capability::Capability, dedup::Dedup, names, when::When};
use crate::suggest::{did_you_mean, nearest};

/// The head of a playbook, checked.
pub struct Head {
    /// Names it everywhere: in subjects, outcomes, tests.
    pub name: String,
    /// Whom to ask about it.
    pub owner: String,
    /// Which alerts it answers.
    pub when: When,
    /// What it may do.
    pub needs: BTreeSet<Capability>,
    /// What it asks for; the cluster's ceiling may allow less.
    pub mode: Mode,
    /// When a second alert is no news.
    pub dedup: Option<Dedup>,
    /// Most pods that one plan may touch.
    pub pods_max: Option<u32>,
    /// Values that its functions read with `param`.
    pub params: Map,
    /// Where people read on.
    pub runbook: Option<String>,
}

/// A key of the head that is wrong; the path leads to where it stands.
pub(super) struct HeadError {
    pub(super) path: Vec<String>,
    pub(super) message: String,
}

pub(super) type HeadResult<T> = Result<T, HeadError>;

impl Head {
    pub(super) fn parse(map: Map) -> HeadResult<Self> {
        let mut keys = Keys::new(map, &[]);
        let head = Self {
            name: keys.required("name", |value| {
                let name = text(value)?;
                names::check_playbook(&name)?;
                Ok(name)
            })?,
            owner: keys.required("owner", |value| non_empty(text(value)?))?,
            when: match keys.section("when")? {
                Some(section) => When::parse(section)?,
                None => return Err(keys.error_here(&missing_text("when"))),
            },
            needs: keys.required("needs", |value| {
                texts(value)?.iter().map(|need| Capability::parse(need)).collect()
            })?,
            mode: keys.optional("mode", mode)?.unwrap_or_default(),
            dedup: keys.section("dedup")?.map(Dedup::parse).transpose()?,
            pods_max: match keys.section("limits")? {
                Some(mut limits) => {
                    let most = limits.optional("max_pods", positive)?;
                    limits.finish()?;
                    most
                }
                None => None,
            },
            params: keys.optional("params", map_value)?.unwrap_or_default(),
            runbook: keys.optional("runbook", text)?,
        };
        keys.finish()?;
        Ok(head)
    }
}

/// A map whose keys are taken one by one; what is left is unknown.
pub(super) struct Keys {
    map: Map,
    path: Vec<String>,
    known: Vec<&'static str>,
}

impl Keys {
    fn new(map: Map, path: &[String]) -> Self {
        Self { map, path: path.to_vec(), known: Vec::new() }
    }

    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Dynamic) -> Result<T, String>,
    ) -> HeadResult<Option<T>> {
        self.known.push(key);
        let Some(value) = self.map.remove(key) else { return Ok(None) };
        match read(value) {
            Ok(value) => Ok(Some(value)),
            Err(message) => Err(self.error(key, format!("`{key}`: {message}"))),
        }
    }

    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Dynamic) -> Result<T, String>,
    ) -> HeadResult<T> {
        match self.optional(key, read)? {
            Some(value) => Ok(value),
            None => Err(self.typo_of(key).unwrap_or_else(|| self.error_here(&missing_text(key)))),
        }
    }

    pub(super) fn section(&mut self, key: &'static str) -> HeadResult<Option<Self>> {
        let map = self.optional(key, map_value)?;
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Ok(map.map(|map| Self::new(map, &path)))
    }

    /// Refuses what nobody asked for: a typo must not silently widen a match.
    pub(super) fn finish(self) -> HeadResult<()> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => {
                let cure = did_you_mean(key, self.known.iter().copied());
                Err(self.error(key, format!("unknown key `{key}`{cure}")))
            }
        }
    }

    pub(super) fn error(&self, key: &str, message: String) -> HeadError {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        HeadError { path, message }
    }

    /// A key that nobody knows and that was perhaps meant as `key`.
    fn typo_of(&self, key: &str) -> Option<HeadError> {
        let typo = self.map.keys().find(|given| nearest(given, &[key]).is_some())?;
        Some(self.error(typo, format!("unknown key `{typo}`; did you mean `{key}`?")))
    }

    /// An error about the section as a whole.
    pub(super) fn error_here(&self, message: &str) -> HeadError {
        HeadError { path: self.path.clone(), message: message.to_owned() }
    }
}

fn missing_text(key: &str) -> String {
    format!("`{key}` is missing")
}

pub(super) fn text(value: Dynamic) -> Result<String, String> {
    value.into_string().map_err(|kind| format!("expected a text, not {kind}"))
}

pub(super) fn texts(value: Dynamic) -> Result<Vec<String>, String> {
    let array = value
        .into_typed_array::<Dynamic>()
        .map_err(|kind| format!("expected a list, not {kind}"))?;
    array.into_iter().map(text).collect()
}

fn non_empty(text: String) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

fn map_value(value: Dynamic) -> Result<Map, String> {
    let kind = value.type_name();
    value.try_cast::<Map>().ok_or_else(|| format!("expected `#{{ ... }}`, not {kind}"))
}

fn positive(value: Dynamic) -> Result<u32, String> {
    let number = value.as_int().map_err(|kind| format!("expected a number, not {kind}"))?;
    u32::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("expected a number from 1, not {number}"))
}

fn mode(value: Dynamic) -> Result<Mode, String> {
    let text = text(value)?;
    match text.as_str() {
        "observe" => Ok(Mode::Observe),
        "enforce" => Ok(Mode::Enforce),
        _ => Err(format!("unknown mode `{text}`{}", did_you_mean(&text, ["observe", "enforce"]))),
    }
}

/// A list of texts that names at least one.
pub(super) fn some_texts(value: Dynamic) -> Result<Vec<String>, String> {
    let texts = texts(value)?;
    if texts.is_empty() { Err("an empty list matches nothing".to_owned()) } else { Ok(texts) }
}
