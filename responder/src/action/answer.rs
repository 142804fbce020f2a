use lanner_alert::Place;
use lanner_service::Chain;

const MESSAGE_CHARS_MAX: usize = 1000;

/// Why a request to the cluster did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A check says no. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// As the cluster is just now, a check says no; it may come to say yes within
    /// seconds, when the kubelet has told of the pod. Nothing was changed.
    #[error("{0}")]
    NotYet(String),
    /// The API server says no, and will say no again.
    #[error("{0}")]
    Failed(String),
    /// No answer, or one that asks to come again. It may have happened.
    #[error("{0}")]
    Unreachable(String),
}

impl ActError {
    /// Says which line of the playbook asked for it.
    pub fn at(self, place: &Place) -> Self {
        let told = |reason: String| format!("{place}: {reason}");
        match self {
            Self::Refused(reason) => Self::Refused(told(reason)),
            Self::NotYet(reason) => Self::NotYet(told(reason)),
            Self::Failed(reason) => Self::Failed(told(reason)),
            Self::Unreachable(reason) => Self::Unreachable(told(reason)),
        }
    }
}

/// What the API server's error means for what we tried.
pub(super) fn failure(deed: &str, error: kube::Error) -> ActError {
    match &error {
        kube::Error::Api(status) => {
            // The server repeats in its message what it did not like, at any length.
            let message: String = status.message.chars().take(MESSAGE_CHARS_MAX).collect();
            let text = format!("cannot {deed}: {message} ({})", status.code);
            match status.code {
                // 409 is a race with another writer.
                409 | 429 | 500..=599 => ActError::Unreachable(text),
                _ => ActError::Failed(text),
            }
        }
        other => ActError::Unreachable(format!("cannot {deed}: {}", Chain(other))),
    }
}

/// The HTTP code with which the API server said no.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
