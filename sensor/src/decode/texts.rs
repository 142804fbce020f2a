//! Arguments and environments, in one piece as the kernel has them.

use std::{fmt, sync::Arc};

/// Strings without a NUL in them. A copy is the same memory.
///
/// A program has dozens of them and thousands of programs are remembered: one piece of memory for
/// each string would cost more than its bytes, in time too.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Each has a NUL behind it. `None` where there are none.
    bytes: Option<Arc<[u8]>>,
}

impl Texts {
    pub const NONE: Self = Self { bytes: None };

    /// Those that a NUL separates; one behind the last is no separator.
    pub fn separated_by_nul(bytes: &[u8]) -> Self {
        let bytes = match bytes.last() {
            None => return Self::NONE,
            Some(0) => bytes.into(),
            Some(_) => [bytes, &[0]].concat().into(),
        };
        Self { bytes: Some(bytes) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let texts = self.bytes.as_deref().and_then(|bytes| bytes.strip_suffix(&[0]));
        texts.into_iter().flat_map(|texts| texts.split(|byte| *byte == 0))
    }

    /// Each with a zero byte behind it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    /// The same of all but the first.
    pub fn bytes_behind_first(&self) -> &[u8] {
        let bytes = self.bytes();
        let end = bytes.iter().position(|byte| *byte == 0);
        end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default()
    }

    pub fn first(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// All but the first: the arguments behind a program's name.
    pub fn behind_first(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.iter().skip(1)
    }

    /// No more than this of their beginning.
    pub fn cut(&self, bytes_max: usize) -> Self {
        match self.bytes().get(..bytes_max) {
            Some(beginning) => Self::separated_by_nul(beginning),
            None => self.clone(),
        }
    }

    /// Whether `whole` begins with what was cut somewhere in its last text.
    pub fn is_beginning_of(&self, whole: &Self) -> bool {
        let (Some(cut), Some(whole)) = (&self.bytes, &whole.bytes) else { return false };
        cut.strip_suffix(&[0]).is_some_and(|cut| whole.starts_with(cut))
    }

    /// The memory of `other` in place of its own, where both hold the same.
    pub fn shared_with(self, other: &Self) -> Self {
        if self == *other { other.clone() } else { self }
    }

    /// Whether both are the same memory.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.bytes, &other.bytes) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// The bytes that they take, whoever shares them.
    pub fn size_bytes(&self) -> usize {
        self.bytes().len()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

/// The texts in one line, with blanks between them.
pub fn joined<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, text) in texts.enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(text);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Texts, joined};

    #[track_caller]
    fn check(bytes: &str, expected: &[&str]) {
        let texts = Texts::separated_by_nul(bytes.as_bytes());
        let found: Vec<_> = texts.iter().map(|text| std::str::from_utf8(text).unwrap()).collect();
        assert_eq!(found, expected, "{bytes:?}");
        assert_eq!(texts.first(), expected.first().map(|text| text.as_bytes()));
        assert_eq!(texts.behind_first().count(), expected.len().saturating_sub(1));
        let ended = expected.iter().map(|text| format!("{text}\0")).collect::<Vec<_>>();
        assert_eq!(texts.bytes(), ended.concat().as_bytes());
        assert_eq!(
            texts.bytes_behind_first(),
            ended.get(1..).unwrap_or_default().concat().as_bytes()
        );
        let line = String::from_utf8(joined(texts.iter())).unwrap();
        assert_eq!(line, expected.join(" "));
    }

    #[test]
    fn a_nul_ends_each() {
        check("", &[]);
        check("\0", &[""]);
        check("a", &["a"]);
        check("a\0", &["a"]);
        check("a\0\0", &["a", ""]);
        check("\0a\0b", &["", "a", "b"]);
    }

    #[track_caller]
    fn check_beginning(cut: &str, whole: &str, expected: bool) {
        let of = |text: &str| Texts::separated_by_nul(text.as_bytes());
        assert_eq!(of(cut).is_beginning_of(&of(whole)), expected, "{cut:?} {whole:?}");
    }

    #[test]
    fn what_was_cut_is_found_again() {
        check_beginning("sh\0-c\0ab", "sh\0-c\0abc\0d\0", true);
        check_beginning("sh\0-c", "sh\0-c\0", true);
        check_beginning("sh\0-c\0ab", "sh\0-c\0ac\0", false);
        check_beginning("sh\0-c\0ab", "sh\0-c\0a\0b\0", false);
        check_beginning("sh\0-c", "sh\0", false);
        check_beginning("", "sh\0", false);
        check_beginning("sh", "", false);
    }

    #[test]
    fn a_childs_environment_is_its_parents() {
        let of = |text: &str| Texts::separated_by_nul(text.as_bytes());
        let parents = of("A=1\0B=2\0");
        assert!(of("A=1\0B=2\0").shared_with(&parents).is_shared_with(&parents));
        let other = of("A=1\0B=3\0").shared_with(&parents);
        assert!(!other.is_shared_with(&parents) && !of("").is_shared_with(&of("")));
        assert_eq!((other.size_bytes(), of("").size_bytes()), (8, 0));
    }
}
