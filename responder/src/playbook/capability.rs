use crate::suggest::did_you_mean;

/// What a playbook may do only after it said so under `needs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `delete(pod)`
    PodsDelete,
    /// `label(pod, ...)`
    PodsLabel,
    /// `label(namespace, ...)`
    NamespacesLabel,
    /// `isolate(pod)`, `isolate(namespace)`
    NetworkIsolate,
    /// `notify(...)`
    Notify,
}

impl Capability {
    const ALL: [Self; 5] = [
        Self::PodsDelete,
        Self::PodsLabel,
        Self::NamespacesLabel,
        Self::NetworkIsolate,
        Self::Notify,
    ];

    /// As `needs` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodsDelete => "pods:delete",
            Self::PodsLabel => "pods:label",
            Self::NamespacesLabel => "namespaces:label",
            Self::NetworkIsolate => "network:isolate",
            Self::Notify => "notify",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == text).ok_or_else(|| {
            let cure = did_you_mean(text, Self::ALL.map(Self::as_str));
            format!("unknown capability `{text}`{cure}")
        })
    }

    /// Those of which the verb needs one; which one shows when it runs.
    pub(super) fn of_verb(verb: &str) -> &'static [Self] {
        match verb {
            "delete" => &[Self::PodsDelete],
            "label" => &[Self::PodsLabel, Self::NamespacesLabel],
            "isolate" => &[Self::NetworkIsolate],
            "notify" => &[Self::Notify],
            _ => &[],
        }
    }

    pub(super) fn undeclared(self, verb: &str) -> String {
        format!("`{verb}` needs the capability \"{}\": add it to `needs`", self.as_str())
    }
}
