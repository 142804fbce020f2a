//! Where texts and names lie in the image, as the kernel looks for them.

use super::{BLOOM_WORDS, HEAD_WORDS, Kind, PROBES};

/// Puts the value into the first free place behind `at`; false if there is none near.
pub(super) fn put<T>(places: &mut [Option<T>], at: usize, value: T) -> bool {
    let near = places.iter_mut().skip(at).take(PROBES);
    match near.into_iter().find(|place| place.is_none()) {
        Some(place) => {
            *place = Some(value);
            true
        }
        None => false,
    }
}

pub(super) fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash % places as u64).unwrap_or(0)
}

pub(super) fn set_bit(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// Table and kind in one word.
pub(super) fn owner(table: u32, kind: Kind) -> u32 {
    table * 4 + kind as u32
}

fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// `filter_hash` in `bpf/filter_text.h`.
pub(super) fn text_hash(seed: u64, owner: u32, text: &[u8]) -> u64 {
    let start = mix(seed, (u64::from(owner) << 32) | u64::from(word32(text.len())));
    text.chunks(8).fold(start, |hash, chunk| mix(hash, word(chunk))).max(1)
}

/// `filter_process_name` in `bpf/filter.h`.
pub(super) fn name_hash(seed: u64, name: &[u8; 16], owner: u32) -> u64 {
    let hash = name.chunks(8).fold(seed, |hash, chunk| mix(hash, word(chunk)));
    mix(hash, owner.into())
}

/// The two bits of a text: its last eight bytes set them, as `filter_may_have` in
/// `bpf/filter_text.h` looks at them.
pub(super) fn bloom_bits(seed: u64, owner: u32, text: &[u8]) -> [usize; 2] {
    let tail = text.get(text.len().saturating_sub(8)..).unwrap_or(text);
    let hash = mix(mix(seed, owner.into()), word(tail));
    let bit =
        |shift: u32| usize::try_from((hash >> shift) % (64 * BLOOM_WORDS as u64)).unwrap_or(0);
    [bit(32), bit(48)]
}

/// The bit of a path that begins with these four bytes.
pub(super) fn head_bit(seed: u64, head: [u8; 4]) -> usize {
    let hash = mix(seed, u32::from_ne_bytes(head).into()) >> 40;
    usize::try_from(hash % (64 * HEAD_WORDS as u64)).unwrap_or(0)
}

/// Up to eight bytes as they stand in memory, the rest zeros.
pub(super) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_ne_bytes(word)
}

pub(super) fn word32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
