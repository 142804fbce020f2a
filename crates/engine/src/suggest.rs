//! "Did you mean ...?"

/// The candidate nearest to `name`, whatever its case, if it is near enough to have been meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    const LENGTH_MAX: usize = 100;
    const CANDIDATES_MAX: usize = 5000;
    if name.len() > LENGTH_MAX {
        return None;
    }
    let limit = name.chars().count().div_ceil(3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .take(CANDIDATES_MAX)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Insertions, deletions and replacements from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let from = from.chars().map(|c| c.to_ascii_lowercase());
    for (i, from_char) in from.enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, to_char) in row.iter().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(from_char != *to_char);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let candidates = ["proc.name", "proc.pname", "fd.name", "evt.type"];
        assert_eq!(nearest(name, candidates).as_deref(), expected, "{name:?}");
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        check("proc.nmae", Some("proc.name"));
        check("evt.typ", Some("evt.type"));
        check("fd.nam", Some("fd.name"));
        check("PROC.NMAE", Some("proc.name"));
        check("container.id", None);
        check("", None);
    }
}
