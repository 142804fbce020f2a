//! Streams that the bus lacks, though our settings name their tags.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::time::Instant;

/// A stream that was missing is tried with one message, as often as that.
const TRY_PAUSE: Duration = Duration::from_secs(5);

/// The stream of a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TagStream {
    /// Of the copies for a tag of `tag_streams`.
    Copies(String),
    /// Of the alerts with a tag of `restricted_tags`.
    Restricted(String),
}

impl fmt::Display for TagStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copies(tag) => write!(f, "tag_streams: {tag}"),
            Self::Restricted(tag) => write!(f, "restricted_tags: {tag}"),
        }
    }
}

/// What is known to be missing, and when it is tried again. Bounded by the
/// settings: no alert names a stream that they do not.
#[derive(Debug, Default)]
pub(crate) struct MissingStreams {
    next_try: BTreeMap<TagStream, Instant>,
}

impl MissingStreams {
    /// Whether a message may be published that has to be stored there.
    pub(crate) fn may_try(&mut self, stream: &TagStream) -> bool {
        let now = Instant::now();
        match self.next_try.get_mut(stream) {
            None => true,
            Some(next_try) if now >= *next_try => {
                *next_try = now + TRY_PAUSE;
                true
            }
            Some(_) => false,
        }
    }

    /// It took nothing. Whether that is to be told: once for each try.
    pub(crate) fn lacks(&mut self, stream: TagStream) -> bool {
        let next_try = Instant::now() + TRY_PAUSE;
        let before = self.next_try.insert(stream, next_try);
        // Those that were under way when the first one failed fail as well.
        before.is_none_or(|before| next_try.duration_since(before) >= TRY_PAUSE / 2)
    }

    /// It took a message. Whether it was missing until now.
    pub(crate) fn has(&mut self, stream: &TagStream) -> bool {
        self.next_try.remove(stream).is_some()
    }
}

/// Lets so many things be done in each second.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: u32,
    done: u32,
    until: Instant,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, done: 0, until: Instant::now() }
    }

    pub(crate) fn add(&mut self) {
        let now = Instant::now();
        if now >= self.until {
            (self.done, self.until) = (0, now + Duration::from_secs(1));
        }
        self.done = self.done.saturating_add(1);
    }

    /// Until when there is to be no more of it.
    pub(crate) fn pause(&self) -> Option<Instant> {
        (self.done >= self.per_second && Instant::now() < self.until).then_some(self.until)
    }
}
