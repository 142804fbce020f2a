use std::str::FromStr;

use jiff::{Span, SpanRelativeTo, Timestamp};

/// A time on the command line: how long ago, or when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    pub(crate) fn time(self) -> Timestamp {
        self.0
    }

    fn parse(text: &str, now: Timestamp) -> Option<Self> {
        if let Ok(time) = text.parse() {
            return Some(Self(time));
        }
        // A day has 24 hours here, whatever the clocks of some country did.
        let ago = text.parse::<Span>().ok()?;
        let ago = ago.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.checked_sub(ago.abs()).ok().map(Self)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Timestamp::now()).ok_or_else(|| {
            "write how long ago, such as 15m, 2h or 7d, or when, such as 2026-01-02T03:04:05Z"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_and_when() {
        let now = "2026-01-09T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90s", Some("2026-01-09T11:58:30Z")),
            ("15m", Some("2026-01-09T11:45:00Z")),
            ("2h", Some("2026-01-09T10:00:00Z")),
            ("1h30m", Some("2026-01-09T10:30:00Z")),
            ("7d", Some("2026-01-02T12:00:00Z")),
            ("2 hours ago", Some("2026-01-09T10:00:00Z")),
            ("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z")),
            ("2026-01-02T03:04:05+02:00", Some("2026-01-02T01:04:05Z")),
            ("15", None),
            ("yesterday", None),
            ("9999999999h", None),
            ("", None),
        ] {
            let expected = expected.map(|text| Moment(text.parse().unwrap()));
            assert_eq!(Moment::parse(text, now), expected, "{text:?}");
        }
    }
}
