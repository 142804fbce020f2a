use std::fmt;

/// One thing that a daemon needs of its host or cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `CAP_BPF`, `CRI socket /run/containerd/containerd.sock`.
    pub subject: String,
    /// `None` when it is there; or else what goes without it and what to do.
    pub lack: Option<String>,
    /// Whether the daemon cannot do its work at all without it.
    pub fatal: bool,
}

impl Finding {
    /// It is there.
    pub fn good(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), lack: None, fatal: false }
    }

    /// It is missing, and only what `lack` names goes without it.
    pub fn missing(subject: impl Into<String>, lack: impl Into<String>) -> Self {
        Self { subject: subject.into(), lack: Some(lack.into()), fatal: false }
    }

    /// It is missing, and nothing goes without it.
    pub fn fatal(subject: impl Into<String>, lack: impl Into<String>) -> Self {
        Self { subject: subject.into(), lack: Some(lack.into()), fatal: true }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.lack, self.fatal) {
            (None, _) => write!(f, "ok       {}", self.subject),
            (Some(lack), false) => write!(f, "missing  {}: {lack}", self.subject),
            (Some(lack), true) => write!(f, "FATAL    {}: {lack}", self.subject),
        }
    }
}
