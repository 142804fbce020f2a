use std::collections::{HashSet, VecDeque};

use lanner_alert::AlertId;

/// Ids that are remembered: far more than come by while the stream is read, and
/// a few megabytes.
const IDS_MAX: usize = 1 << 16;

/// Tells an alert that was shown already: it may come on several subjects, and
/// both live and from the stream.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ids: HashSet<AlertId>,
    order: VecDeque<AlertId>,
}

impl Recent {
    /// Whether it is the first time, as far as we remember.
    pub(super) fn is_new(&mut self, id: AlertId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > IDS_MAX {
            self.order.pop_front().map(|oldest| self.ids.remove(&oldest));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_more_than_it_may_hold() {
        let mut recent = Recent::default();
        let first = AlertId::new();
        assert!(recent.is_new(first));
        assert!(!recent.is_new(first));
        for _ in 0..IDS_MAX {
            assert!(recent.is_new(AlertId::new()));
        }
        assert_eq!((recent.ids.len(), recent.order.len()), (IDS_MAX, IDS_MAX));
        assert!(recent.is_new(first), "the oldest is forgotten");
    }
}
