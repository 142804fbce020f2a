use std::collections::BTreeSet;

/// Which of an alert's tags stands in its canonical subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingTags {
    preferred: Vec<String>,
}

impl RoutingTags {
    /// `preferred`, in order: the first that an alert has is its routing tag.
    pub fn new(preferred: Vec<String>) -> Self {
        Self { preferred }
    }

    /// The routing tag of an alert with these tags.
    ///
    /// The first preferred one; or else the first that says what happened
    /// rather than where (`host`, `container`), how mature the rule is
    /// (`maturity_*`) or by which number a standard knows it (`T1059.004`,
    /// `PCI_DSS_11.5.1`); or else `untagged`.
    pub fn of<'a>(&'a self, tags: &'a BTreeSet<String>) -> &'a str {
        self.preferred
            .iter()
            .find(|tag| tags.contains(*tag))
            .or_else(|| tags.iter().find(|tag| says_what_happened(tag)))
            .map_or("untagged", String::as_str)
    }
}

fn says_what_happened(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    let of_rule = tag.starts_with("maturity_") || tag == "host" || tag == "container";
    let of_standard = ["pci_", "nist_", "cis", "hipaa", "gdpr", "soc2", "iso_", "iso27001"]
        .iter()
        .any(|standard| tag.starts_with(standard));
    !(tag.is_empty() || of_rule || of_standard || is_technique(&tag))
}

/// MITRE ATT&CK's numbers: `T1059`, `T1059.004`, `TA0002`.
fn is_technique(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix('t') else { return false };
    let number = rest.strip_prefix('a').unwrap_or(rest);
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
