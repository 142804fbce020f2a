//! What a file asks of the engine that loads it: its version, and plugins.

use std::{collections::HashSet, fmt};

use super::{
    decode::{Keys, as_number},
    report::{Refusal, invalid, malformed},
    trail::{ItemType, Trail},
};
use crate::yaml::{Content, Node};

/// The version of the language that this engine speaks.
const ENGINE_VERSION: Version = Version(0, 63, 0);

/// The plugins whose fields this engine has itself, and the versions it stands in for.
const PLUGINS: [(&str, Version); 4] = [
    ("container", Version(0, 7, 0)),
    ("json", Version(0, 7, 4)),
    ("k8saudit", Version(0, 18, 0)),
    ("k8smeta", Version(0, 4, 1)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// Reads `x.y.z`; what follows is ignored, as a `-rc1`.
    fn parse(text: &str) -> Option<Self> {
        let (major, rest) = number(text.trim_start())?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let (patch, _) = number(rest.strip_prefix('.')?)?;
        Some(Self(major, minor, patch))
    }

    /// Whether what asks for `wanted` works with this.
    fn serves(self, wanted: Self) -> bool {
        self.0 == wanted.0 && self >= wanted
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    Some((digits.parse().ok()?, rest))
}

/// Checks `required_engine_version`: a number N means 0.N.0.
pub(super) fn check_engine(keys: Keys<'_, '_>) -> Result<(), Refusal> {
    let (text, node) = keys.scalar("required_engine_version")?;
    let version = match as_number(text) {
        Some(minor) => Version(ENGINE_VERSION.0, minor, ENGINE_VERSION.2),
        None => Version::parse(text).ok_or_else(|| {
            let message = format!(
                "Unable to parse engine version '{text}' as a semver string. Expected \"x.y.z\" semver format."
            );
            at(node, malformed(message, keys.trail))
        })?,
    };
    if ENGINE_VERSION.serves(version) {
        return Ok(());
    }
    let message =
        format!("Rules require engine version {version}, but engine version is {ENGINE_VERSION}");
    Err(at(node, invalid(message, keys.trail)))
}

/// Checks `required_plugin_versions`; tells of each requirement that is not met.
pub(super) fn check_plugins(item: &Node, parent: &Trail) -> Vec<Refusal> {
    let Some(node) = item.get("required_plugin_versions") else { return Vec::new() };
    let trail = parent.step(ItemType::RequiredPluginVersions, "", node.place);
    let Content::Sequence(entries) = &node.content else {
        return vec![malformed("Value of required_plugin_versions must be a sequence", &trail)];
    };
    entries.iter().filter_map(|entry| check_plugin(entry, &trail).err()).collect()
}

/// A plugin, or another one instead.
struct Requirement<'n> {
    name: &'n str,
    version: &'n str,
}

fn check_plugin(node: &Node, parent: &Trail) -> Result<(), Refusal> {
    let (first, trail) = requirement(
        node,
        parent,
        ItemType::RequiredPluginVersionsEntry,
        "Plugin version must be a mapping",
    )?;
    let mut alternatives = vec![first];
    if let Some(others) = node.get("alternatives") {
        let Content::Sequence(others) = &others.content else {
            let message = "Value of plugin version alternatives must be a sequence";
            return Err(malformed(message, &trail));
        };
        for other in others {
            let (other, _) = requirement(
                other,
                &trail,
                ItemType::RequiredPluginVersionsAlternative,
                "Plugin version alternative must be a mapping",
            )?;
            alternatives.push(other);
        }
    }
    check_alternatives(&alternatives, &trail)
}

fn requirement<'n>(
    node: &'n Node,
    parent: &Trail,
    item_type: ItemType,
    no_mapping: &str,
) -> Result<(Requirement<'n>, Trail), Refusal> {
    let unnamed = parent.step(item_type, "", node.place);
    if !matches!(node.content, Content::Mapping(_)) {
        return Err(malformed(no_mapping, &unnamed));
    }
    let (name, _) = Keys::new(node, &unnamed).scalar("name")?;
    let trail = parent.step(item_type, name, node.place);
    let (version, _) = Keys::new(node, &trail).scalar("version")?;
    Ok((Requirement { name, version }, trail))
}

fn check_alternatives(alternatives: &[Requirement<'_>], trail: &Trail) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    let mut wanted = Vec::with_capacity(alternatives.len());
    for Requirement { name, version } in alternatives {
        let Some(parsed) = Version::parse(version) else {
            let message = format!("Invalid required version '{version}' for plugin '{name}'");
            return Err(invalid(message, trail));
        };
        if !names.insert(name) {
            let message =
                format!("Defined multiple alternative version requirements for plugin '{name}'");
            return Err(invalid(message, trail));
        }
        wanted.push((name, version, parsed));
    }
    // The first one that is there decides.
    let found = wanted.iter().find_map(|(name, version, parsed)| {
        let known = PLUGINS.iter().find(|(known, _)| known == *name);
        known.map(|(_, ours)| (name, version, *parsed, *ours))
    });
    let message = match found {
        Some((_, _, parsed, ours)) if ours.serves(parsed) => return Ok(()),
        Some((name, version, _, ours)) => format!(
            "Plugin '{name}' version '{ours}' is not compatible with required plugin version '{version}'"
        ),
        None => {
            let names = wanted.iter().map(|(name, version, _)| format!("{name} (>= {version})"));
            let names = names.collect::<Vec<_>>().join(", ");
            format!("Plugin requirement not satisfied, must load one of: {names}")
        }
    };
    Err(invalid(message, trail))
}

fn at(node: &Node, mut refusal: Refusal) -> Refusal {
    refusal.place = node.place;
    refusal
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_read_as_far_as_they_go() {
        for (text, expected) in [
            ("0.57.0", Some(Version(0, 57, 0))),
            (" 1.2.3-rc1", Some(Version(1, 2, 3))),
            ("1.2.3.4", Some(Version(1, 2, 3))),
            ("1.2", None),
            ("v1.2.3", None),
            ("1.2.99999999999", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
        assert!(Version(0, 63, 0).serves(Version(0, 63, 0)));
        assert!(!Version(0, 63, 0).serves(Version(0, 63, 1)));
        assert!(!Version(1, 0, 0).serves(Version(0, 1, 0)));
    }
}
