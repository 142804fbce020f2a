//! What is added to the outputs of rules, whatever the files say.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Rule, definitions::Definitions};
use crate::{
    diagnostic::{Code, Diagnostic},
    event::Event,
    field::{FieldRef, FieldRefError},
    output::Format,
    sources::Sources,
    suggest,
    traced::Place,
};

/// Adds to the output of the rules that fit all of `source`, `rule` and `tags`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutput {
    /// The source of their events.
    pub source: Option<String>,
    /// Their name.
    pub rule: Option<String>,
    /// Tags that they all have.
    pub tags: BTreeSet<String>,
    /// Added to the message, after a blank; a format like a rule's output.
    pub extra_output: Option<String>,
    /// Added to the fields, and not to the message.
    pub extra_fields: Vec<ExtraField>,
    /// Adds to the message container, image and pod, as far as it does not name them already.
    pub suggested_output: bool,
}

/// A field that is added to alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraField {
    /// A field under its own name, with its value.
    Field(String),
    /// A name, and the format of the text under it.
    Text(String, String),
}

/// What the rules of system calls are asked to show, beside what they show already.
const SUGGESTED: [(&str, &str); 6] = [
    ("container_id", "container.id"),
    ("container_name", "container.name"),
    ("container_image_repository", "container.image.repository"),
    ("container_image_tag", "container.image.tag"),
    ("k8s_pod_name", "k8s.pod.name"),
    ("k8s_ns_name", "k8s.ns.name"),
];

/// A rule's output: its own format, and what is added to it.
#[derive(Clone, Debug)]
pub(super) struct RuleOutput {
    /// Never empty; a blank comes between them.
    formats: Vec<Format>,
    extra: Vec<Extra>,
}

#[derive(Clone, Debug)]
struct Extra {
    name: String,
    format: Format,
    /// Whether it is text even if it is a single field.
    is_text: bool,
}

impl From<Format> for RuleOutput {
    fn from(format: Format) -> Self {
        Self { formats: vec![format], extra: Vec::new() }
    }
}

impl RuleOutput {
    /// Calls `found` with every field it asks for.
    pub(super) fn for_each_field(&self, found: &mut impl FnMut(&FieldRef)) {
        let extra = self.extra.iter().map(|extra| &extra.format);
        self.formats.iter().chain(extra).for_each(|format| format.for_each_field(found));
    }

    /// The message for an event.
    pub(super) fn render(&self, event: &dyn Event) -> String {
        let texts: Vec<_> = self.formats.iter().map(|format| format.render(event)).collect();
        texts.join(" ")
    }

    /// The fields by name with their values; each name once.
    pub(super) fn values(&self, event: &dyn Event) -> Vec<(String, Json)> {
        let mut values: Vec<(String, Json)> = Vec::new();
        for (name, value) in self.formats.iter().flat_map(|format| format.values(event)) {
            if !values.iter().any(|(known, _)| *known == name) {
                values.push((name, value));
            }
        }
        for Extra { name, format, is_text } in &self.extra {
            let field = || format.values(event).into_iter().next().map(|(_, value)| value);
            let value =
                if *is_text { Json::from(format.render(event)) } else { Json::from(field()) };
            values.retain(|(known, _)| known != name);
            values.push((name.clone(), value));
        }
        values
    }
}

/// The additions, each with what is good of it.
pub(super) struct Additions<'o> {
    additions: Vec<Addition<'o>>,
    suggested: Vec<Suggested>,
}

struct Suggested {
    field: &'static str,
    text: String,
    format: Format,
}

struct Addition<'o> {
    wanted: &'o AppendOutput,
    message: Option<Format>,
    extra: Vec<Extra>,
}

impl<'o> Additions<'o> {
    /// Compiles them; what is no format is told and left out.
    pub(super) fn compile(
        wanted: &'o [AppendOutput],
        sources: &mut Sources,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut settings = Settings { sources, diagnostics };
        let additions = wanted.iter().map(|wanted| Addition {
            wanted,
            message: wanted
                .extra_output
                .as_deref()
                .and_then(|text| settings.format("extra_output: ", text)),
            extra: wanted.extra_fields.iter().filter_map(|field| settings.extra(field)).collect(),
        });
        let additions = additions.collect();
        let suggested = SUGGESTED.iter().filter_map(|(label, field)| {
            let text = format!("{label}=%{field}");
            let format = Format::parse(&text).ok()?;
            Some(Suggested { field, text, format })
        });
        Self { additions, suggested: suggested.collect() }
    }

    /// Adds what fits to a rule.
    pub(super) fn add_to(&self, rule: &mut Rule) {
        for Addition { wanted, message, extra } in &self.additions {
            if !wanted.fits(&rule.name, &rule.source, |tag| rule.tags.contains(tag)) {
                continue;
            }
            if let (Some(text), Some(format)) = (&wanted.extra_output, message) {
                rule.add_output(text, format);
            }
            if wanted.suggested_output && rule.source == "syscall" {
                let mut shown = BTreeSet::new();
                rule.format.for_each_field(&mut |field| {
                    shown.insert(field.to_string());
                });
                for Suggested { field, text, format } in &self.suggested {
                    if !shown.contains(*field) {
                        rule.add_output(text, format);
                    }
                }
            }
            rule.format.extra.extend(extra.iter().cloned());
        }
    }
}

/// Tells of the additions that no rule fits.
pub(super) fn tell_unmatched(
    wanted: &[AppendOutput],
    definitions: &Definitions,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let unmatched = wanted.iter().filter(|wanted| {
        let mut rules = definitions.rules.iter();
        !wanted.fits_all()
            && !rules
                .any(|(name, rule)| wanted.fits(name, &rule.source, |tag| rule.tags.contains(tag)))
    });
    for AppendOutput { source, rule, tags, .. } in unmatched {
        let mut parts = Vec::new();
        parts.extend(source.as_ref().map(|source| format!("source: {source}")));
        parts.extend(rule.as_ref().map(|rule| format!("rule: {rule}")));
        if !tags.is_empty() {
            let tags: Vec<_> = tags.iter().map(String::as_str).collect();
            parts.push(format!("tags: [{}]", tags.join(", ")));
        }
        let mut settings = Settings { sources, diagnostics };
        let message = "no rule fits, so that nothing is added".to_owned();
        let (code, shown) = (Code::UnmatchedSetting, format!("{{{}}}", parts.join(", ")));
        let names = definitions.rules.keys().map(String::as_str);
        let nearest = rule.as_deref().and_then(|rule| suggest::nearest(rule, names));
        settings.tell("match: ", &shown, code, message, 0, nearest);
    }
}

/// Where problems of the settings are told.
struct Settings<'s> {
    sources: &'s mut Sources,
    diagnostics: &'s mut Vec<Diagnostic>,
}

impl Settings<'_> {
    fn format(&mut self, key: &str, text: &str) -> Option<Format> {
        match Format::parse(text) {
            Ok(format) => Some(format),
            Err(error) => {
                let code = Code::CompileOutput;
                self.tell(key, text, code, error.message, error.offset, error.suggestion);
                None
            }
        }
    }

    fn extra(&mut self, field: &ExtraField) -> Option<Extra> {
        let key = "extra_fields: ";
        let (name, format, is_text) = match field {
            ExtraField::Field(name) => match FieldRef::parse(name) {
                Ok(_) => (name, self.format(key, &format!("%{name}"))?, false),
                Err(error) => {
                    let message = error.to_string();
                    let nearest = match error {
                        FieldRefError::Unknown { nearest, .. } => nearest,
                        _ => None,
                    };
                    self.tell(key, name, Code::CompileOutput, message, 0, nearest);
                    return None;
                }
            },
            ExtraField::Text(name, text) => (name, self.format(key, text)?, true),
        };
        Some(Extra { name: name.clone(), format, is_text })
    }

    /// Shows the setting, with a caret `offset` bytes into `text`.
    fn tell(
        &mut self,
        key: &str,
        text: &str,
        code: Code,
        message: String,
        offset: usize,
        suggestion: Option<String>,
    ) {
        let file = self.sources.add_file("append_output", &format!("{key}{text}"));
        let place = Place { file, offset: key.len() + offset };
        let mut told = self.sources.diagnostic(code, message, place);
        told.suggestion = suggestion;
        self.diagnostics.push(told);
    }
}

impl AppendOutput {
    fn fits_all(&self) -> bool {
        self.source.is_none() && self.rule.is_none() && self.tags.is_empty()
    }

    fn fits(&self, name: &str, source: &str, has_tag: impl Fn(&String) -> bool) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source)
            && self.rule.as_deref().is_none_or(|wanted| wanted == name)
            && self.tags.iter().all(has_tag)
    }
}

impl Rule {
    fn add_output(&mut self, text: &str, format: &Format) {
        self.output.push(' ');
        self.output.push_str(text);
        self.format.formats.push(format.clone());
    }
}
