//! What a playbook can ask for. A call only records a step: nothing is done
//! before the whole plan is made, checked and stored.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use lanner_alert::{Action, Step, Target};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Map, NativeCallContext};

use super::{
    capability::Capability,
    names,
    recorder::Recorder,
    views::{NamespaceView, PodView},
};

/// Names that a script may not define: its function would silently take the place of ours.
pub(super) const OURS: [&str; 8] =
    ["playbook", "delete", "isolate", "label", "notify", "skip", "namespace", "param"];

/// Longest text of a notification or a reason, in characters. What is longer is
/// cut: an attacker's long command line must not stop the response.
const TEXT_CHARS_MAX: usize = 4000;

const GRACE_SECONDS_MAX: i64 = 3600;

type Recorded<T> = Result<T, Box<EvalAltResult>>;

/// What a verb returns: the step, to set its options.
#[derive(Clone)]
struct StepHandle {
    recorder: Recorder,
    index: usize,
}

impl StepHandle {
    fn set(self, change: impl FnOnce(&mut Step) -> Result<(), String>) -> Recorded<Self> {
        self.recorder.change(self.index, change)?;
        Ok(self)
    }
}

fn record(
    context: &NativeCallContext,
    capability: Capability,
    action: Action,
    target: Option<Target>,
) -> Recorded<StepHandle> {
    let recorder = Recorder::of(context)?;
    let index = recorder.record(context, capability, action, target)?;
    Ok(StepHandle { recorder, index })
}

impl PodView {
    fn target(self) -> Option<Target> {
        Some(Target::Pod { namespace: self.namespace, name: self.name, uid: self.uid })
    }
}

impl NamespaceView {
    fn target(self) -> Option<Target> {
        Some(Target::Namespace { name: self.name })
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<StepHandle>("Step");
    register_delete(engine);
    register_isolate(engine);
    register_label(engine);
    register_notify_and_skip(engine);
    register_reads(engine);
    engine.register_get("ok", |_: &mut StepHandle| -> Recorded<Dynamic> {
        Err("what a step did is not known while the plan is made".into())
    });
}

fn register_delete(engine: &mut Engine) {
    engine
        .register_fn("delete", |context: NativeCallContext, pod: PodView| {
            let action = Action::Delete { grace_seconds: None };
            record(&context, Capability::PodsDelete, action, pod.target())
        })
        .register_fn("delete", |target: Dynamic| wrong_target("delete", "a pod", &target))
        .register_fn("grace", |step: StepHandle, seconds: INT| set_grace(step, seconds))
        .register_fn("grace", |step: StepHandle, text: ImmutableString| {
            match text.parse::<SignedDuration>() {
                Ok(duration) => set_grace(step, duration.as_secs()),
                Err(error) => {
                    Err(format!("`{text}` is no duration such as \"30s\": {error}").into())
                }
            }
        });
}

fn set_grace(step: StepHandle, seconds: i64) -> Recorded<StepHandle> {
    let grace = u32::try_from(seconds).ok().filter(|_| seconds <= GRACE_SECONDS_MAX);
    let Some(grace) = grace else {
        return Err(format!("grace is 0 to {GRACE_SECONDS_MAX} seconds, not {seconds}").into());
    };
    step.set(|step| match &mut step.action {
        Action::Delete { grace_seconds } => {
            *grace_seconds = Some(grace);
            Ok(())
        }
        other => Err(format!("`grace` belongs to `delete`, not to `{}`", other.verb())),
    })
}

fn register_isolate(engine: &mut Engine) {
    let isolate = || Action::Isolate { allow_dns: false, allow_namespaces: Vec::new() };
    engine
        .register_fn("isolate", move |context: NativeCallContext, pod: PodView| {
            record(&context, Capability::NetworkIsolate, isolate(), pod.target())
        })
        .register_fn("isolate", move |context: NativeCallContext, namespace: NamespaceView| {
            record(&context, Capability::NetworkIsolate, isolate(), namespace.target())
        })
        .register_fn("isolate", |target: Dynamic| {
            wrong_target("isolate", "a pod or a namespace", &target)
        })
        .register_fn("allow_dns", |step: StepHandle| {
            step.set(|step| match &mut step.action {
                Action::Isolate { allow_dns, .. } => {
                    *allow_dns = true;
                    Ok(())
                }
                other => {
                    Err(format!("`allow_dns` belongs to `isolate`, not to `{}`", other.verb()))
                }
            })
        })
        .register_fn("allow_namespaces", |step: StepHandle, namespaces: Array| {
            let names =
                namespaces.into_iter().map(namespace_name).collect::<Result<Vec<_>, _>>()?;
            step.set(|step| match (&mut step.action, &step.target) {
                (Action::Isolate { allow_namespaces, .. }, Some(Target::Namespace { .. })) => {
                    *allow_namespaces = names;
                    Ok(())
                }
                _ => Err("`allow_namespaces` belongs to `isolate(namespace(...))`".to_owned()),
            })
        });
}

fn namespace_name(value: Dynamic) -> Result<String, String> {
    let name = value.into_string().map_err(|kind| format!("a namespace is a text, not {kind}"))?;
    names::check_dns_label(&name)?;
    Ok(name)
}

fn register_label(engine: &mut Engine) {
    engine
        .register_fn("label", |context: NativeCallContext, pod: PodView, labels: Map| {
            let action = Action::Label { labels: checked_labels(labels)? };
            record(&context, Capability::PodsLabel, action, pod.target())
        })
        .register_fn("label", |context: NativeCallContext, ns: NamespaceView, labels: Map| {
            let action = Action::Label { labels: checked_labels(labels)? };
            record(&context, Capability::NamespacesLabel, action, ns.target())
        })
        .register_fn("label", |target: Dynamic, _: Map| {
            wrong_target("label", "a pod or a namespace", &target)
        });
}

fn checked_labels(labels: Map) -> Result<BTreeMap<String, String>, String> {
    if labels.is_empty() {
        return Err("label without any label".to_owned());
    }
    labels
        .into_iter()
        .map(|(key, value)| {
            let value = value
                .into_string()
                .map_err(|kind| format!("label `{key}` is {kind}, not a text"))?;
            names::check_label(&key, &value)?;
            Ok((key.to_string(), value))
        })
        .collect()
}

fn register_notify_and_skip(engine: &mut Engine) {
    engine
        .register_fn(
            "notify",
            |context: NativeCallContext, channel: ImmutableString, text: ImmutableString| {
                names::check_channel(&channel)?;
                let text = text.chars().take(TEXT_CHARS_MAX).collect();
                let action = Action::Notify { channel: channel.to_string(), text };
                record(&context, Capability::Notify, action, None)
            },
        )
        .register_fn(
            "skip",
            |context: NativeCallContext, reason: ImmutableString| -> Recorded<()> {
                let recorder = Recorder::of(&context)?;
                let mut recording = recorder.lock();
                if !recording.steps.is_empty() {
                    return Err("skip() after a step: skip means that nothing is done".into());
                }
                recording.skip = Some(reason.chars().take(TEXT_CHARS_MAX).collect());
                Ok(())
            },
        );
}

fn register_reads(engine: &mut Engine) {
    engine
        .register_fn("namespace", |context: NativeCallContext, name: ImmutableString| {
            let own = Recorder::of(&context)?.lock().namespace.clone();
            match own {
                Some(own) if own == name.as_str() => Ok(NamespaceView { name: own }),
                Some(own) => Err(Box::<EvalAltResult>::from(format!(
                    "namespace(\"{name}\"): the alert is about a pod in {own}, and its plan may \
                     touch no other namespace"
                ))),
                None => Err("namespace(...): the alert is about no pod".into()),
            }
        })
        .register_fn("namespace", |name: Dynamic| wrong_target("namespace", "a name", &name))
        .register_fn("param", |context: NativeCallContext, name: ImmutableString| {
            let value = Recorder::of(&context)?.lock().param(&name);
            value.map_err(Box::<EvalAltResult>::from)
        });
}

fn wrong_target(verb: &str, wanted: &str, given: &Dynamic) -> Recorded<StepHandle> {
    let given = if given.is_unit() {
        "(): the alert has none; test for `== ()` first".to_owned()
    } else {
        given.type_name().to_owned()
    };
    Err(format!("{verb} takes {wanted}, not {given}").into())
}
