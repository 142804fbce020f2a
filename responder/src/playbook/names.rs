//! Which texts may become names in Kubernetes' API.
//!
//! A name becomes part of a request's path: one that is no name must never get
//! there, whatever an alert says.

/// A DNS label: namespaces.
pub(crate) fn check_dns_label(name: &str) -> Result<(), String> {
    if is_dns_label(name) { Ok(()) } else { Err(format!("{name:?} is not a namespace's name")) }
}

/// A DNS subdomain: pods.
pub(crate) fn check_dns_subdomain(name: &str) -> Result<(), String> {
    if is_dns_subdomain(name) { Ok(()) } else { Err(format!("{name:?} is not a pod's name")) }
}

fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| alphanumeric(b) || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// A label as Kubernetes takes it, and not one that steers the responder itself.
pub(super) fn check_label(key: &str, value: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if !prefix.is_none_or(is_dns_subdomain) || name.is_empty() || !is_label_text(name) {
        return Err(format!("{key:?} is not a label's key"));
    }
    if !is_label_text(value) {
        return Err(format!("{value:?} is not a label's value"));
    }
    if matches!(key, "lanner.dev/respond" | "lanner.dev/isolated" | "lanner.dev/isolated-dns") {
        return Err(format!("label `{key}` is the responder's own"));
    }
    Ok(())
}

fn is_label_text(text: &str) -> bool {
    let ends = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    text.is_empty()
        || text.len() <= 63
            && ends(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

pub(super) fn check_channel(name: &str) -> Result<(), String> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(format!("{name:?} is not a channel: up to 63 of a-z, 0-9 and -"))
}

pub(crate) fn check_playbook(name: &str) -> Result<(), String> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(format!("{name:?} is not a playbook's name: up to 63 of a-z, 0-9 and -"))
}
