use lanner_bus_forwarder::{Line, LineSplitter};
use proptest::{collection::vec, prelude::*};

fn split(bound: usize, chunks: &[&[u8]]) -> Vec<Line> {
    let mut splitter = LineSplitter::new(bound);
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, |line| lines.push(line));
    }
    lines.extend(splitter.finish());
    lines
}

fn whole(text: &str) -> Line {
    Line::Whole(text.as_bytes().to_vec())
}

#[test]
fn lines_are_put_together_across_reads() {
    assert_eq!(
        split(9, &[b"one\ntw", b"o\n", b"", b"\nthree"]),
        ["one", "two", "", "three"].map(whole)
    );
    assert_eq!(split(9, &[b"end\n"]), [whole("end")]);
}

#[test]
fn a_line_too_long_costs_itself_alone() {
    let beginning = b"abcd".to_vec();
    assert_eq!(
        split(4, &[b"1234\nabc", b"defgh", b"ij\nok\n"]),
        [whole("1234"), Line::TooLong { beginning, len: 10 }, whole("ok")]
    );
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_into_reads_does_not_matter(
        bytes in vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
        cuts in vec(0..300_usize, 0..10),
        bound in 1..20_usize,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let lines = split(bound, &chunks);
        prop_assert_eq!(&lines, &split(bound, &[&bytes]));

        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if expected.last().is_some_and(|last| last.is_empty()) {
            expected.pop();
        }
        prop_assert_eq!(lines.len(), expected.len());
        for (line, expected) in lines.iter().zip(expected) {
            match line {
                Line::Whole(line) => prop_assert_eq!(&line[..], expected),
                Line::TooLong { beginning, len } => {
                    prop_assert!(expected.starts_with(beginning) && beginning.len() <= bound);
                    prop_assert!(*len == expected.len() && *len > bound);
                }
            }
        }
    }
}
