use std::{error::Error, fmt};

/// Prints an error and every cause after it on one line: `a: b: c`.
///
/// A cause that its parent's text already ends with is left out: some crates
/// repeat it there.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = self.0.to_string();
        f.write_str(&printed)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !printed.ends_with(&text) {
                write!(f, ": {text}")?;
                printed = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Chain;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the spool")]
    struct Plain(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("HyperError: {0}")]
    struct Repeating(#[source] io::Error);

    #[test]
    fn each_cause_is_printed_once() {
        let cause = || io::Error::other("disk gone");
        assert_eq!(Chain(&Plain(cause())).to_string(), "cannot open the spool: disk gone");
        assert_eq!(Chain(&Repeating(cause())).to_string(), "HyperError: disk gone");
    }
}
