//! The alert as a playbook sees it.
//!
//! What can be acted upon (`alert.pod`, `namespace(...)`) is made from the
//! alert's `entity` alone; the texts of its fields can be read and told.

use std::sync::Arc;

use lanner_alert::{Alert, Entity};
use lanner_engine::{FieldRef, FieldRefError, RecordedEvent};
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};
use serde_json::{Map, Value};

use crate::suggest::did_you_mean;

/// The properties of `alert`.
pub(super) const ALERT_PROPERTIES: [&str; 12] = [
    "id",
    "rule",
    "priority",
    "source",
    "tags",
    "time",
    "node",
    "cluster",
    "output",
    "pod",
    "container",
    "process",
];

/// An alert with its fields as conditions and playbooks read them.
pub struct AlertFacts {
    alert: Alert,
    fields: Map<String, Value>,
    event: RecordedEvent,
}

impl AlertFacts {
    /// The fields are the alert's `output_fields`, with what its `entity` knows
    /// in place of what the same fields say there: the entity is the kernel's
    /// and the runtime's word.
    pub fn new(alert: Alert) -> Self {
        let mut fields = alert.output_fields.clone();
        for (name, value) in of_entity(&alert.entity) {
            fields.insert(name.to_owned(), value);
        }
        // A key that is no field (another writer's own) can be asked for by nobody.
        let (event, _) = RecordedEvent::from_output_fields(&fields);
        Self { alert, fields, event }
    }

    /// The alert itself.
    pub fn alert(&self) -> &Alert {
        &self.alert
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    pub(super) fn event(&self) -> &RecordedEvent {
        &self.event
    }
}

fn of_entity(entity: &Entity) -> impl Iterator<Item = (&'static str, Value)> {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let short_id =
        entity.container_id.as_ref().map(|id| Value::String(id.chars().take(12).collect()));
    let full_id = entity.container_id.as_ref().filter(|id| id.len() == 64);
    [
        ("container.id", short_id),
        ("container.full_id", full_id.cloned().map(Value::String)),
        ("k8s.ns.name", text(&entity.pod_namespace)),
        ("k8s.pod.name", text(&entity.pod_name)),
        ("k8s.pod.uid", text(&entity.pod_uid)),
        ("proc.pid", entity.pid.map(Value::from)),
        ("proc.exepath", text(&entity.exe_path)),
        ("user.uid", entity.uid.map(Value::from)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// `alert`: cheap to clone, as Rhai clones what it passes.
#[derive(Clone)]
pub(super) struct AlertView(pub(super) Arc<AlertFacts>);

/// `alert.pod`
#[derive(Clone)]
pub(super) struct PodView {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: Option<String>,
    node: String,
}

/// `namespace(...)`
#[derive(Clone)]
pub(super) struct NamespaceView {
    pub(super) name: String,
}

#[derive(Clone)]
struct ContainerView {
    id: String,
}

#[derive(Clone)]
struct ProcessView {
    pid: i64,
    entity: Entity,
}

impl AlertView {
    fn field(&self, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        check_field(name)?;
        Ok(self.0.field(name).map_or(Dynamic::UNIT, to_dynamic))
    }

    fn pod(&self) -> Option<PodView> {
        let alert = &self.0.alert;
        Some(PodView {
            namespace: alert.entity.pod_namespace.clone()?,
            name: alert.entity.pod_name.clone()?,
            uid: alert.entity.pod_uid.clone(),
            node: alert.node.clone(),
        })
    }
}

/// Whether `alert[name]` can have a value at all.
pub(super) fn check_field(name: &str) -> Result<(), String> {
    match FieldRef::parse(name) {
        Ok(_) => Ok(()),
        Err(FieldRefError::Unknown { name, nearest }) => Err(match nearest {
            Some(nearest) => format!("unknown field `{name}`; did you mean `{nearest}`?"),
            None => format!("unknown field `{name}`"),
        }),
        Err(other) => Err(other.to_string()),
    }
}

pub(super) fn unknown_property(name: &str) -> String {
    format!("an alert has no `.{name}`{}", did_you_mean(name, ALERT_PROPERTIES))
}

/// A missing fact is `()`.
fn or_unit<T: rhai::Variant + Clone>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            // More than an i64 holds, or a fraction: kept exact, as text.
            None => number.to_string().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(values) => values.iter().map(to_dynamic).collect::<Array>().into(),
        Value::Object(_) => value.to_string().into(),
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<AlertView>("Alert")
        .register_get("id", |alert: &mut AlertView| alert.0.alert.id.to_string())
        .register_get("rule", |alert: &mut AlertView| alert.0.alert.rule.clone())
        .register_get("priority", |alert: &mut AlertView| alert.0.alert.priority.as_token())
        .register_get("source", |alert: &mut AlertView| alert.0.alert.source.clone())
        .register_get("tags", |alert: &mut AlertView| -> Array {
            alert.0.alert.tags.iter().map(|tag| tag.clone().into()).collect()
        })
        .register_get("time", |alert: &mut AlertView| alert.0.alert.time.to_string())
        .register_get("node", |alert: &mut AlertView| alert.0.alert.node.clone())
        .register_get("cluster", |alert: &mut AlertView| or_unit(alert.0.alert.cluster.clone()))
        .register_get("output", |alert: &mut AlertView| alert.0.alert.output.clone())
        .register_get("pod", |alert: &mut AlertView| or_unit(alert.pod()))
        .register_get("container", |alert: &mut AlertView| {
            or_unit(alert.0.alert.entity.container_id.clone().map(|id| ContainerView { id }))
        })
        .register_get("process", |alert: &mut AlertView| {
            let entity = &alert.0.alert.entity;
            or_unit(entity.pid.map(|pid| ProcessView { pid, entity: entity.clone() }))
        })
        .register_indexer_get(|alert: &mut AlertView, name: ImmutableString| {
            // Rhai also asks here for a property that has no getter.
            if ALERT_PROPERTIES.contains(&name.as_str()) || name.contains('.') {
                alert.field(&name)
            } else {
                Err(unknown_property(&name).into())
            }
        });
    engine
        .register_type_with_name::<PodView>("Pod")
        .register_get("namespace", |pod: &mut PodView| pod.namespace.clone())
        .register_get("name", |pod: &mut PodView| pod.name.clone())
        .register_get("uid", |pod: &mut PodView| or_unit(pod.uid.clone()))
        .register_get("node", |pod: &mut PodView| pod.node.clone());
    engine
        .register_type_with_name::<NamespaceView>("Namespace")
        .register_get("name", |namespace: &mut NamespaceView| namespace.name.clone());
    engine
        .register_type_with_name::<ContainerView>("Container")
        .register_get("id", |container: &mut ContainerView| container.id.clone());
    engine
        .register_type_with_name::<ProcessView>("Process")
        .register_get("pid", |process: &mut ProcessView| process.pid)
        .register_get("exe", |process: &mut ProcessView| or_unit(process.entity.exe_path.clone()))
        .register_get("uid", |process: &mut ProcessView| {
            or_unit(process.entity.uid.map(i64::from))
        });
}
