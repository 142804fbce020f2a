//! Which node this is, as its surroundings tell it.

use std::env;

/// `$NODE_NAME`, where it is set: one configuration file can then serve all
/// nodes of a cluster (`fieldPath: spec.nodeName`).
pub fn node_of_environment() -> Option<String> {
    env::var("NODE_NAME").ok().filter(|name| !name.trim().is_empty())
}
