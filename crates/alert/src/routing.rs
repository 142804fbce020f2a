use std::collections::BTreeSet;

use crate::{Alert, GatewayName, Subject, SubjectRoot, SubjectTemplate, Tag, slug};

/// Most live copies of one alert. Rules have six tags; who writes thousands
/// into one alert must not make thousands of messages of it.
const LIVE_COPIES_MAX: usize = 32;

/// Decides where an alert goes.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// In front of every subject.
    pub root: SubjectRoot,
    /// Which tag stands in the subject of an alert.
    pub routing_tags: RoutingTags,
    /// Tags whose copies are stored.
    pub tag_streams: BTreeSet<Tag>,
    /// Tags whose alerts go to a place of their own. An alert with several of
    /// them goes to that of the first.
    pub restricted_tags: Vec<Tag>,
    /// Where one more live copy goes.
    pub subject_template: Option<SubjectTemplate>,
    /// Who we are, where we publish for nodes that do not do it themselves: a
    /// mark in every subject.
    pub gateway: Option<GatewayName>,
}

/// Where one alert goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Where it is stored.
    pub subject: Subject,
    /// Its other subjects.
    pub copies: Vec<SubjectCopy>,
    /// The restricted tag that it is stored under. There are no copies then.
    pub restricted: Option<Tag>,
}

/// One more subject of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectCopy {
    /// Where it goes.
    pub subject: Subject,
    /// The tag in whose stream it is stored; `None` for who listens now.
    pub stored: Option<Tag>,
}

/// Settings that contradict each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRouting {
    /// The tag would be hidden and shown.
    #[error("restricted_tags: {tag} is like {other} of tag_streams; a tag is one or the other")]
    RestrictedAndStored {
        /// The restricted one.
        tag: Tag,
        /// The one with a stream of copies.
        other: Tag,
    },
    /// Who may read the copies could read more.
    #[error("subject_template: {template} lies below {root}, which is for Lanner's own subjects")]
    Template {
        /// The template.
        template: SubjectTemplate,
        /// The root.
        root: String,
    },
}

impl Routing {
    /// Looks at what the types cannot say.
    ///
    /// # Errors
    /// When two settings contradict each other; the message names them.
    pub fn check(&self) -> Result<(), InvalidRouting> {
        for tag in &self.restricted_tags {
            if let Some(other) = self.tag_streams.iter().find(|other| tag.is_like(other.as_str())) {
                let (tag, other) = (tag.clone(), other.clone());
                return Err(InvalidRouting::RestrictedAndStored { tag, other });
            }
        }
        match &self.subject_template {
            Some(template) if template.is_below(&self.root) => Err(InvalidRouting::Template {
                template: template.clone(),
                root: self.root.as_str().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Where `alert` goes.
    pub fn route(&self, alert: &Alert) -> Routed {
        let gateway = self.gateway.as_ref();
        if let Some(tag) = self.restriction(&alert.tags) {
            return Routed {
                subject: self.root.restricted_alert(alert, tag).via(gateway),
                copies: Vec::new(),
                restricted: Some(tag.clone()),
            };
        }
        Routed {
            subject: self.root.alert(alert, &self.routing_tags).via(gateway),
            copies: self.copies(alert),
            restricted: None,
        }
    }

    /// Whether alerts with these tags are not for everybody.
    pub fn is_restricted(&self, tags: &BTreeSet<String>) -> bool {
        self.restriction(tags).is_some()
    }

    /// The first restricted tag that one of these tags is like. All of them are
    /// looked at, however many.
    fn restriction(&self, tags: &BTreeSet<String>) -> Option<&Tag> {
        self.restricted_tags
            .iter()
            .find(|restricted| tags.iter().any(|tag| restricted.is_like(tag)))
    }

    /// The stored ones first: of these, none is left out.
    fn copies(&self, alert: &Alert) -> Vec<SubjectCopy> {
        let gateway = self.gateway.as_ref();
        // Tags that share a token share the copy.
        let tokens: BTreeSet<String> = alert.tags.iter().map(|tag| slug(tag)).collect();
        let stored = self.tag_streams.iter().filter(|tag| tokens.contains(tag.as_str()));
        let mut copies: Vec<SubjectCopy> = stored
            .map(|tag| SubjectCopy {
                subject: self.root.tag_copy(alert, tag.as_str()).via(gateway),
                stored: Some(tag.clone()),
            })
            .collect();
        let live = |subject| SubjectCopy { subject, stored: None };
        copies.extend(
            self.subject_template.iter().map(|template| live(template.subject(alert, gateway))),
        );
        let is_stored = |token: &String| self.tag_streams.iter().any(|tag| tag.as_str() == token);
        let rest = tokens.iter().filter(|token| !is_stored(token)).take(LIVE_COPIES_MAX);
        copies.extend(rest.map(|token| live(self.root.tag_copy(alert, token).via(gateway))));
        copies
    }
}

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
