//! Kubernetes audit events, and what the `ka.*` and `jevt.*` fields read off them.
//!
//! ```text
//! Event | EventList | [ ... ] ─▶ AuditEvent ─▶ scalars: a path of keys
//!                                            ├▶ lists: `extract`, over arrays of containers, rules
//!                                            └▶ `uri`: query parameters
//! ```
//!
//! Values are those of Falco's plugin: all are text, an object or an array is its JSON, `null` is
//! the text `null`. Keys of an object stand in the order of their names, not as they came.

mod extract;
mod pod;
mod uri;

use serde_json::Value as Json;

use crate::{
    event::{Event, Value},
    field::Field,
};

/// One audit event, as the API server writes it to its log or sends it to a webhook.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    json: Json,
    time_ns: i64,
    number: Option<u64>,
}

/// Why a text or a value is no audit event.
#[derive(Debug, thiserror::Error)]
pub enum AuditEventError {
    /// It is not JSON.
    #[error("an audit event is JSON")]
    Json(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error("neither an audit event nor a list of them: kind is neither Event nor EventList")]
    Kind,
    /// It does not say when it happened.
    #[error("an audit event needs a stageTimestamp")]
    NoTime,
    /// It says so in another form than RFC 3339.
    #[error("stageTimestamp '{text}' is not a time")]
    Time {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: jiff::Error,
    },
}

impl AuditEvent {
    /// Reads an audit event, an `EventList` of them, or an array of either: what one line of an
    /// audit log or one request of the audit webhook holds. A bad event does not hide the others.
    ///
    /// # Errors
    /// When the text is not JSON. An element is an error when it is no audit event or has no time.
    pub fn from_json(text: &str) -> Result<Vec<Result<Self, AuditEventError>>, AuditEventError> {
        Ok(Self::from_value(serde_json::from_str(text)?))
    }

    /// Takes what [`AuditEvent::from_json`] reads, already parsed.
    pub fn from_value(json: Json) -> Vec<Result<Self, AuditEventError>> {
        let mut events = Vec::new();
        // Arrays in arrays are allowed: a stack, as their depth is whoever sent them's.
        let mut left = vec![json];
        while let Some(mut json) = left.pop() {
            if json.is_array() {
                left.extend(take_array(&mut json).into_iter().rev());
                continue;
            }
            let kind = json.get("kind").and_then(Json::as_str).unwrap_or_default();
            let is_list = kind == "EventList";
            let is_event = kind == "Event";
            match json.get_mut("items") {
                Some(items) if is_list && items.is_array() => {
                    events.extend(take_array(items).into_iter().map(Self::new));
                }
                _ if is_event => events.push(Self::new(json)),
                _ => events.push(Err(AuditEventError::Kind)),
            }
        }
        events
    }

    /// Whether a JSON object is an audit event or a list of them, and not a recorded event, whose
    /// keys are names of fields.
    pub fn is_one(json: &Json) -> bool {
        let kind = json.get("kind").and_then(Json::as_str);
        json.is_array()
            || json.get("auditID").is_some()
            || matches!(kind, Some("Event" | "EventList"))
    }

    /// The same event with its number, for `evt.num`.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        Self { number: Some(number), ..self }
    }

    /// The event's own JSON.
    pub fn json(&self) -> &Json {
        &self.json
    }

    fn new(json: Json) -> Result<Self, AuditEventError> {
        let stamp = json.get("stageTimestamp").ok_or(AuditEventError::NoTime)?;
        let text = stamp.as_str().unwrap_or_default();
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|source| AuditEventError::Time { text: shortened(text), source })?;
        // All that jiff reads and 64 bits cannot hold is centuries away.
        let time_ns = i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        Ok(Self { json, time_ns, number: None })
    }

    fn text(&self, path: &[&str]) -> Option<Value<'_>> {
        Some(extract::text(extract::at(&self.json, path)?))
    }

    /// A list of whatever the array at that path holds.
    fn list(&self, path: &[&str]) -> Option<Value<'_>> {
        let values = extract::at(&self.json, path)?.as_array()?;
        extract::list(values.iter().map(extract::text).collect())
    }

    fn scalar(&self, field: Field) -> Option<Value<'_>> {
        self.text(match field {
            Field::KaAuditid => &["auditID"],
            Field::KaStage => &["stage"],
            Field::KaAuthDecision => &["annotations", "authorization.k8s.io/decision"],
            Field::KaAuthReason => &["annotations", "authorization.k8s.io/reason"],
            Field::KaAuthOpenshiftDecision => {
                &["annotations", "authentication.openshift.io/decision"]
            }
            Field::KaAuthOpenshiftUsername => {
                &["annotations", "authentication.openshift.io/username"]
            }
            Field::KaValidationsAdmissionPolicyFailure => {
                &["annotations", "validation.policy.admission.k8s.io/validation_failure"]
            }
            Field::KaSecurityPodViolations => {
                &["annotations", "pod-security.kubernetes.io/audit-violations"]
            }
            Field::KaUserName => &["user", "username"],
            Field::KaImpuserName => &["impersonatedUser", "username"],
            Field::KaVerb => &["verb"],
            Field::KaUri => &["requestURI"],
            Field::KaTargetName | Field::KaReqConfigmapName => &["objectRef", "name"],
            Field::KaTargetNamespace => &["objectRef", "namespace"],
            Field::KaTargetResource => &["objectRef", "resource"],
            Field::KaTargetSubresource => &["objectRef", "subresource"],
            Field::KaReqBindingRole => &["requestObject", "roleRef", "name"],
            Field::KaReqConfigmapObj => &["requestObject", "data"],
            Field::KaReqPodHostIpc => &["requestObject", "spec", "hostIPC"],
            Field::KaReqPodHostNetwork | Field::KaReqContainerHostNetwork => {
                &["requestObject", "spec", "hostNetwork"]
            }
            Field::KaReqPodHostPid => &["requestObject", "spec", "hostPID"],
            Field::KaReqPodRunAsUser => &["requestObject", "spec", "securityContext", "runAsUser"],
            Field::KaReqPodRunAsGroup => {
                &["requestObject", "spec", "securityContext", "runAsGroup"]
            }
            Field::KaReqPodFsGroup => &["requestObject", "spec", "securityContext", "fsGroup"],
            Field::KaReqServiceType => &["requestObject", "spec", "type"],
            Field::KaRespName => &["responseObject", "metadata", "name"],
            Field::KaResponseCode => &["responseStatus", "code"],
            Field::KaResponseReason => &["responseStatus", "reason"],
            Field::KaUseragent => &["userAgent"],
            Field::KaClusterName => &["annotations", "cluster_name"],
            _ => return None,
        })
    }

    /// What is not one value at one path.
    fn composed(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        let is_of_pods = || self.target("resource") == Some("pods");
        match field {
            Field::KaUserGroups => self.list(&["user", "groups"]),
            Field::KaUriParam => uri::parameter(self.uri()?, arg?).map(Value::from),
            Field::KaTargetPodName if is_of_pods() && self.target("subresource").is_none() => {
                self.text(&["responseObject", "metadata", "name"])
            }
            // Falco's plugin looks for them in the request object, where they never are.
            Field::KaSourceips => match arg {
                Some(index) => {
                    let all = extract::at(&self.json, &["sourceIPs"])?.as_array()?;
                    let one = all.get(index.parse::<usize>().ok()?)?;
                    extract::list(vec![extract::text(one)])
                }
                None => self.list(&["sourceIPs"]),
            },
            Field::KaReqBindingSubjects => self.list(&["requestObject", "subjects"]),
            Field::KaReqBindingSubjectsUserNames => extract::subjects(&self.json, "User", false),
            Field::KaReqBindingSubjectsServiceaccountNames => {
                extract::subjects(&self.json, "ServiceAccount", false)
            }
            Field::KaReqBindingSubjectsServiceaccountNsNames => {
                extract::subjects(&self.json, "ServiceAccount", true)
            }
            Field::KaReqBindingSubjectsGroupNames => extract::subjects(&self.json, "Group", false),
            Field::KaReqBindingSubjectHasName => Some(Value::text("true")),
            Field::KaReqRoleRules => self.list(&["requestObject", "rules"]),
            Field::KaReqRoleRulesApiGroups => extract::rules(&self.json, arg, "apiGroups"),
            Field::KaReqRoleRulesNonResourceURLs => {
                extract::rules(&self.json, arg, "nonResourceURLs")
            }
            Field::KaReqRoleRulesVerbs => extract::rules(&self.json, arg, "verbs"),
            Field::KaReqRoleRulesResources => extract::rules(&self.json, arg, "resources"),
            Field::KaReqServicePorts => {
                extract::texts(&self.json, arg, &["requestObject", "spec", "ports"])
            }
            Field::KaExecCommand => self.exec_command(),
            Field::KaExecContainer => self.exec_parameter("container").map(Value::from),
            Field::KaExecTty => self.exec_switch("tty"),
            Field::KaExecStdin => self.exec_switch("stdin"),
            _ => pod::value(&self.json, field, arg),
        }
    }

    fn uri(&self) -> Option<&str> {
        self.json.get("requestURI")?.as_str()
    }

    /// A key of the object reference; an empty text is none.
    fn target(&self, key: &str) -> Option<&str> {
        let text = self.json.get("objectRef")?.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// A parameter of a request that starts a command in a container or attaches to one.
    fn exec_parameter(&self, name: &str) -> Option<String> {
        self.is_exec().then(|| uri::parameter(self.uri()?, name))?
    }

    fn is_exec(&self) -> bool {
        self.target("resource") == Some("pods")
            && matches!(self.target("subresource"), Some("exec" | "attach"))
    }

    fn exec_command(&self) -> Option<Value<'_>> {
        if !self.is_exec() {
            return None;
        }
        let words = uri::parameters(self.uri()?, "command")?;
        (!words.is_empty()).then(|| Value::from(words.join(" ")))
    }

    /// Off, unless the request asks for it.
    fn exec_switch(&self, name: &str) -> Option<Value<'_>> {
        let is_on = || matches!(self.exec_parameter(name).as_deref(), Some("true" | "1"));
        self.is_exec().then(|| Value::Bool(is_on()))
    }
}

impl Event for AuditEvent {
    /// None: audit events have stages and verbs instead.
    fn event_type(&self) -> &str {
        ""
    }

    /// The time of the stage.
    fn time_ns(&self) -> i64 {
        self.time_ns
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        match field {
            Field::EvtNum => self.number.map(Value::Uint),
            Field::EvtSource => Some(Value::text("k8s_audit")),
            Field::EvtPluginname => Some(Value::text("k8saudit")),
            Field::EvtPlugininfo => Some(Value::from(self.json.to_string())),
            Field::JsonValue | Field::JevtValue => extract::pointer(&self.json, arg?),
            Field::JsonObj | Field::JevtObj => {
                serde_json::to_string_pretty(&self.json).ok().map(Value::from)
            }
            // As in Falco's plugin, what has no id is not asked further.
            _ if self.json.get("auditID").is_none() => None,
            _ => self.scalar(field).or_else(|| self.composed(field, arg)),
        }
    }
}

fn take_array(json: &mut Json) -> Vec<Json> {
    json.as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// The start of a text of whoever sent it.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
