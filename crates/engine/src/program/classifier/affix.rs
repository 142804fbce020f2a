//! Which of many keys a text begins or ends with.

/// A tree of keys whose nodes have the bytes in common that all keys below them have.
///
/// A key that is looked for at the end is in it backwards.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    /// The first byte of each branch, and its node; those of one node are next to each other.
    branches: Vec<(u8, u32)>,
}

/// A key and its position among all.
type KeyAt = (Vec<u8>, u32);

#[derive(Clone, Debug, Default)]
struct Node {
    label: (u32, u32),
    branches: (u32, u32),
    key: Option<u32>,
}

impl Trie {
    pub(super) fn forward<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        Self::new((0_u32..).zip(keys).map(|(index, key)| (key.to_vec(), index)).collect())
    }

    pub(super) fn backward<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let reversed = keys.map(|key| key.iter().rev().copied().collect());
        Self::new(reversed.zip(0_u32..).collect())
    }

    fn new(mut keys: Vec<KeyAt>) -> Self {
        keys.sort_unstable();
        let mut trie = Self { nodes: vec![Node::default()], labels: vec![], branches: vec![] };
        // Node, its keys, and how many of their bytes are above it.
        let mut open: Vec<(usize, &[KeyAt], usize)> = vec![(0, &keys, 0)];
        while let Some((node, keys, above)) = open.pop() {
            let mut below = above;
            let (Some((first, index)), Some((last, _))) = (keys.first(), keys.last()) else {
                continue;
            };
            // In sorted keys what the first and the last have in common all have.
            let common = first.iter().zip(last).skip(above).take_while(|(a, b)| a == b).count();
            below += common;
            let label_start = narrow(trie.labels.len());
            trie.labels.extend(first.iter().skip(above).take(common));
            let label = (label_start, narrow(trie.labels.len()));
            let ends_here = first.len() == below;
            let rest = if ends_here { keys.get(1..).unwrap_or_default() } else { keys };
            let branches_start = narrow(trie.branches.len());
            for group in rest.chunk_by(|(a, _), (b, _)| a.get(below) == b.get(below)) {
                let Some(byte) = group.first().and_then(|(key, _)| key.get(below)) else {
                    continue;
                };
                trie.branches.push((*byte, narrow(trie.nodes.len())));
                open.push((trie.nodes.len(), group, below));
                trie.nodes.push(Node::default());
            }
            let branches = (branches_start, narrow(trie.branches.len()));
            if let Some(node) = trie.nodes.get_mut(node) {
                *node = Node { label, branches, key: ends_here.then_some(*index) };
            }
        }
        trie
    }

    /// Calls `hit` with each key that `text` begins with.
    pub(super) fn each_at_start(&self, text: &[u8], hit: &mut impl FnMut(u32)) {
        self.walk(hit, |at| text.get(at).copied());
    }

    /// Calls `hit` with each key that `text` ends with.
    pub(super) fn each_at_end(&self, text: &[u8], hit: &mut impl FnMut(u32)) {
        self.walk(hit, |at| text.get(text.len().checked_sub(at + 1)?).copied());
    }

    fn walk(&self, hit: &mut impl FnMut(u32), byte_at: impl Fn(usize) -> Option<u8>) {
        let (mut next, mut at) = (0, 0);
        while let Some(node) = self.nodes.get(next) {
            let label = self.labels.get(range(node.label)).unwrap_or_default();
            for wanted in label {
                if byte_at(at) != Some(*wanted) {
                    return;
                }
                at += 1;
            }
            if let Some(key) = node.key {
                hit(key);
            }
            let branches = self.branches.get(range(node.branches)).unwrap_or_default();
            let Some(byte) = byte_at(at) else { return };
            let Some((_, branch)) = branches.iter().find(|(first, _)| *first == byte) else {
                return;
            };
            next = *branch as usize;
        }
    }
}

fn range((start, end): (u32, u32)) -> std::ops::Range<usize> {
    start as usize..end as usize
}

fn narrow(len: usize) -> u32 {
    // A rule file has far less bytes.
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Trie;

    #[track_caller]
    fn check(keys: &[&str], text: &str, at_start: &[u32], at_end: &[u32]) {
        let bytes = || keys.iter().map(|key| key.as_bytes());
        let mut found = Vec::new();
        Trie::forward(bytes()).each_at_start(text.as_bytes(), &mut |key| found.push(key));
        found.sort_unstable();
        assert_eq!(found, at_start, "{text:?} at its start");
        found.clear();
        Trie::backward(bytes()).each_at_end(text.as_bytes(), &mut |key| found.push(key));
        found.sort_unstable();
        assert_eq!(found, at_end, "{text:?} at its end");
    }

    #[test]
    fn all_keys_that_fit_are_found() {
        let keys = ["/etc", "/etc/", "/etc/shadow", "/e", "/dev", "shadow", "w", "/"];
        check(&keys, "/etc/shadow", &[0, 1, 2, 3, 7], &[2, 5, 6]);
        check(&keys, "/et", &[3, 7], &[]);
        check(&keys, "/etc/", &[0, 1, 3, 7], &[1, 7]);
        check(&keys, "", &[], &[]);
        check(&keys, "w", &[6], &[6]);
        check(&["", "a"], "", &[0], &[0]);
        check(&["", "a"], "ab", &[0, 1], &[0]);
        check(&[], "ab", &[], &[]);
    }
}
