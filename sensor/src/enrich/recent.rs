//! A map that forgets what was not asked for lately.
//!
//! In two generations: what is asked for moves to the young one, and when that is full
//! the old one is dropped. So ten thousand keys in a row do not push out one that is in
//! use, and nothing has to be sorted or timed.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Most keys of one generation.
    max: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Remembers between `max` keys and twice as many.
    pub(super) fn new(max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), max }
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// What is there of the young generation. A key that is found stays where it is.
    pub(super) fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_is_asked_for_stays() {
        let mut recent = Recent::new(100);
        recent.insert("used".to_owned(), 1);
        recent.insert("unused".to_owned(), 2);
        for number in 0..10_000 {
            recent.insert(number.to_string(), 0);
            assert_eq!(recent.get("used").copied(), Some(1));
            assert!(recent.len() <= 200);
        }
        assert_eq!(recent.get("unused"), None);
        recent.insert("used".to_owned(), 3);
        assert_eq!(recent.get("used").copied(), Some(3));
    }
}
