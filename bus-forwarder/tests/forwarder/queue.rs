use std::num::{NonZeroU64, NonZeroUsize};

use bytes::Bytes;
use lanner_alert::Priority;
use lanner_bus::{Message, headers::Headers};
use lanner_bus_forwarder::{Queue, QueueBounds, Waiting};
use proptest::{collection::vec, prelude::*};

fn waiting(priority: Priority, id: usize, size: usize) -> Waiting {
    let message = Message {
        subject: String::new(),
        id: id.to_string(),
        headers: Headers::default(),
        payload: Bytes::from(vec![b'x'; size]),
    };
    Waiting { priority, message, copies: Vec::new() }
}

fn bounded(alerts_max: usize, size_bytes_max: u64) -> Queue {
    Queue::new(QueueBounds {
        alerts_max: NonZeroUsize::new(alerts_max).unwrap(),
        size_bytes_max: NonZeroU64::new(size_bytes_max).unwrap(),
    })
}

fn ids(queue: &Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.try_pop()).map(|waiting| waiting.message.id).collect()
}

#[test]
fn the_most_urgent_comes_first_and_of_these_the_oldest() {
    let queue = bounded(10, 1000);
    for (id, priority) in
        [Priority::Notice, Priority::Critical, Priority::Debug, Priority::Critical]
            .iter()
            .enumerate()
    {
        assert_eq!(queue.push(waiting(*priority, id, 1)).dropped, []);
    }
    assert_eq!(ids(&queue), ["1", "3", "0", "2"]);
    assert!(queue.is_empty());
}

#[test]
fn the_oldest_of_the_least_urgent_goes_first_even_if_it_is_the_new_one() {
    let queue = bounded(2, 1000);
    queue.push(waiting(Priority::Notice, 0, 1));
    queue.push(waiting(Priority::Notice, 1, 1));
    assert_eq!(queue.push(waiting(Priority::Debug, 2, 1)).dropped, [Priority::Debug]);
    assert_eq!(queue.push(waiting(Priority::Notice, 3, 1)).dropped, [Priority::Notice]);
    assert_eq!(queue.push(waiting(Priority::Alert, 4, 1)).dropped, [Priority::Notice]);
    assert_eq!(ids(&queue), ["4", "3"]);
}

#[test]
fn one_big_alert_may_cost_several_small_ones_and_never_more_than_all() {
    let queue = bounded(10, 100);
    for id in 0..5 {
        queue.push(waiting(Priority::Debug, id, 20));
    }
    assert_eq!(queue.push(waiting(Priority::Alert, 5, 50)).dropped, [Priority::Debug; 3]);
    assert_eq!(queue.push(waiting(Priority::Alert, 6, 500)).dropped.len(), 4);
    assert!(queue.is_empty());
}

proptest! {
    #[test]
    fn nothing_disappears_without_being_counted(
        pushes in vec((0..8_usize, 1..40_usize), 0..200),
        alerts_max in 1..30_usize,
        size_bytes_max in 1..400_u64,
    ) {
        let queue = bounded(alerts_max, size_bytes_max);
        let mut dropped = 0;
        for (id, (priority, size)) in pushes.iter().enumerate() {
            let pushed = queue.push(waiting(Priority::ALL[*priority], id, *size));
            dropped += pushed.dropped.len();
            prop_assert!(queue.waiting().iter().sum::<u64>() <= alerts_max as u64);
        }
        let left: Vec<Waiting> = std::iter::from_fn(|| queue.try_pop()).collect();
        let bytes: usize = left.iter().map(|waiting| waiting.message.payload.len()).sum();
        prop_assert!(bytes as u64 <= size_bytes_max);
        prop_assert_eq!(left.len() + dropped, pushes.len());
        prop_assert!(left.is_sorted_by(|one, next| one.priority >= next.priority));
    }
}
