use std::{error::Error, fmt};

/// What a library below us said went wrong.
///
/// Its errors repeat their causes in their own text; here it is all in one
/// text and without further cause, so that a printed chain says it once. It
/// also keeps their types out of ours.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    /// The text of `error`, and of those causes that the text lacks.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        Self(text)
    }

    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}
