//! What the settings say about rules, under the names that Falco's settings have.

use std::{collections::BTreeSet, fmt};

use lanner_engine::{AppendOutput, ExtraField, Matching, Options, Priority, Selection, Selector};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Turns rules on or off: `enable: {rule: ...}` or `disable: {tag: ...}`.
#[derive(Clone, Debug)]
pub struct SelectionConfig {
    enable: bool,
    chosen: ChosenRules,
}

/// The keys of a selection as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSelection {
    enable: Option<ChosenRules>,
    disable: Option<ChosenRules>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChosenRules {
    /// A name, in which `*` stands for any text.
    rule: Option<String>,
    tag: Option<String>,
}

impl<'de> Deserialize<'de> for SelectionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SelectionVisitor)
    }
}

struct SelectionVisitor;

impl<'de> Visitor<'de> for SelectionVisitor {
    type Value = SelectionConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`enable: {rule: ...}` or `disable: {tag: ...}`")
    }

    /// As this key was written before it had Falco's meaning.
    fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<Self::Value, E> {
        let cure = "rules turns rules on and off; write files and folders under rules_files";
        Err(E::custom(format!("{cure}: `rules_files: [{path}]`")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let written = WrittenSelection::deserialize(MapAccessDeserializer::new(map))?;
        let (enable, chosen) = match (written.enable, written.disable) {
            (Some(chosen), None) => (true, chosen),
            (None, Some(chosen)) => (false, chosen),
            _ => return Err(A::Error::custom("write one of `enable` and `disable`")),
        };
        if chosen.rule.is_none() && chosen.tag.is_none() {
            return Err(A::Error::custom("say which rules: `rule: NAME` or `tag: TAG`"));
        }
        Ok(SelectionConfig { enable, chosen })
    }
}

/// Which of several rules that match one event count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleMatching {
    #[default]
    All,
    First,
}

/// A priority, whatever its case.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct PriorityName(Priority);

impl TryFrom<String> for PriorityName {
    type Error = lanner_engine::UnknownPriority;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse().map(Self)
    }
}

/// What is added to the outputs of rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppendOutputConfig {
    r#match: MatchConfig,
    /// Added to the message.
    extra_output: Option<String>,
    /// Added to the fields: the name of a field, or a name of one's own with a format.
    extra_fields: Vec<ExtraFieldConfig>,
    /// Adds container, image and pod to the messages of rules about system calls.
    suggested_output: bool,
}

/// Which rules: those that fit all of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MatchConfig {
    source: Option<String>,
    tags: BTreeSet<String>,
    rule: Option<String>,
}

#[derive(Clone, Debug)]
struct ExtraFieldConfig(ExtraField);

impl<'de> Deserialize<'de> for ExtraFieldConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExtraFieldVisitor)
    }
}

struct ExtraFieldVisitor;

impl<'de> Visitor<'de> for ExtraFieldVisitor {
    type Value = ExtraFieldConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field, or `name: format`")
    }

    fn visit_str<E: serde::de::Error>(self, field: &str) -> Result<Self::Value, E> {
        Ok(ExtraFieldConfig(ExtraField::Field(field.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let one: Option<(String, String)> = map.next_entry()?;
        let more: Option<(String, String)> = map.next_entry()?;
        match (one, more) {
            (Some((name, format)), None) => Ok(ExtraFieldConfig(ExtraField::Text(name, format))),
            _ => Err(A::Error::custom("write one `name: format` for each `-`")),
        }
    }
}

/// What the engine is told.
pub(super) fn options(
    selections: &[SelectionConfig],
    matching: RuleMatching,
    append_output: &[AppendOutputConfig],
    priority: Option<PriorityName>,
) -> Options {
    let selections = selections.iter().flat_map(|SelectionConfig { enable, chosen }| {
        let rule = chosen.rule.clone().map(Selector::Rule);
        let tag = chosen.tag.clone().map(Selector::Tag);
        rule.into_iter().chain(tag).map(|which| Selection { enable: *enable, which })
    });
    let append_output = append_output.iter().map(|written| AppendOutput {
        source: written.r#match.source.clone(),
        rule: written.r#match.rule.clone(),
        tags: written.r#match.tags.clone(),
        extra_output: written.extra_output.clone(),
        extra_fields: written.extra_fields.iter().map(|field| field.0.clone()).collect(),
        suggested_output: written.suggested_output,
    });
    Options {
        matching: match matching {
            RuleMatching::All => Matching::All,
            RuleMatching::First => Matching::First,
        },
        min_priority: priority.map(|name| name.0),
        selections: selections.collect(),
        append_output: append_output.collect(),
        ..Options::default()
    }
}
