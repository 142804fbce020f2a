//! Tries what must be refused to us.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::timeout;

use super::Checked;
use crate::{
    Connection, Identity,
    connection::CONNECT_MAX,
    layout::{ALERTS, Layout, PLANS},
};

/// How long after the server's last word a refusal may take to get through to us.
const REFUSAL_MAX: Duration = Duration::from_millis(500);
/// No node has that name.
const STRANGER: &str = "=lanner-check";
/// JetStream stores nothing that expects a stream of another name.
const NOT_STORED: (&str, &str) = ("Nats-Expected-Stream", "LANNER_CHECK_STORES_NOTHING");

pub(super) async fn check(
    connection: &Connection,
    identity: &Identity,
    layout: &Layout,
) -> Vec<Checked> {
    let permissions = identity.permissions(layout);
    let root = layout.subject_root.as_str();
    let publish = [
        format!("{root}.alerts.debug.check.check.{STRANGER}"),
        format!("{root}.tags.check.debug.check.{STRANGER}"),
        format!("{root}.restricted.check.alerts.debug.check.{STRANGER}"),
        format!("{root}.responses.check.check.{STRANGER}"),
        format!("{root}.node.{STRANGER}.act"),
        format!("$KV.{PLANS}.lanner_check"),
        "$JS.API.STREAM.CREATE.LANNER_CHECK".to_owned(),
        "$JS.API.STREAM.DELETE.LANNER_CHECK".to_owned(),
        format!("$JS.API.CONSUMER.CREATE.{ALERTS}"),
        format!("$JS.API.DIRECT.GET.{ALERTS}"),
        "$SYS.REQ.CLAIMS.UPDATE".to_owned(),
    ];
    let responders = format!("{}.>", Identity::Responder.inbox_prefix());
    let subscribe = [
        ">".to_owned(),
        format!("{root}.alerts.>"),
        format!("{root}.restricted.>"),
        format!("$KV.{PLANS}.>"),
        "$JS.EVENT.>".to_owned(),
        "_INBOX.>".to_owned(),
        responders,
    ];
    let mut checked = Vec::new();
    for subject in publish.iter().filter(|subject| !permits(&permissions.publish, subject)) {
        let refused = publish_is_refused(connection, subject).await;
        checked.push(verdict("publish", subject, refused));
    }
    for subject in subscribe.iter().filter(|subject| !permits(&permissions.subscribe, subject)) {
        let refused = subscription_is_refused(connection, subject).await;
        checked.push(verdict("subscribe", subject, refused));
    }
    checked
}

fn verdict(deed: &str, subject: &str, refused: Result<bool, String>) -> Checked {
    match refused {
        Ok(true) => Checked::good(format!("{deed} {subject} is refused")),
        Ok(false) => Checked::bad(format!(
            "{deed} {subject} is not refused: write permissions by `lanner bus permissions`"
        )),
        Err(error) => Checked::bad(format!("{deed} {subject}: {error}")),
    }
}

async fn publish_is_refused(connection: &Connection, subject: &str) -> Result<bool, String> {
    let refusal = connection.refusal_of(subject);
    let mut headers = HeaderMap::new();
    headers.insert(NOT_STORED.0, NOT_STORED.1);
    let payload = Bytes::from_static(b"no request");
    let sent = connection.client.publish_with_headers(subject.to_owned(), headers, payload).await;
    sent.map_err(|error| error.to_string())?;
    after_all_is_said(connection, refusal).await
}

async fn subscription_is_refused(connection: &Connection, subject: &str) -> Result<bool, String> {
    let refusal = connection.refusal_of(subject);
    let subscription = connection.client.subscribe(subject.to_owned()).await;
    let _subscription = subscription.map_err(|error| error.to_string())?;
    after_all_is_said(connection, refusal).await
}

/// The server refuses in order: once it answered what comes after, it refused
/// or did not.
async fn after_all_is_said(
    connection: &Connection,
    refusal: impl Future<Output = ()>,
) -> Result<bool, String> {
    // One more answer from behind it.
    match timeout(CONNECT_MAX, connection.rights()).await {
        Ok(Ok(_rights)) => {}
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_elapsed) => return Err("the server does not answer".to_owned()),
    }
    Ok(timeout(REFUSAL_MAX, refusal).await.is_ok())
}

/// Whether one of the patterns has all of `subject`, which may be a pattern too.
fn permits(patterns: &[String], subject: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, subject))
}

fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for expected in pattern.split('.') {
        match (expected, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(token)) if token != ">" => {}
            (expected, Some(token)) if expected == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_pattern_covers_subjects_and_narrower_patterns() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a.*", true),
            ("a.*", "a.>", false),
            ("a.>", "a.>", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*.c", "a.b.c.d", false),
            (">", ">", true),
        ] {
            assert_eq!(covers(pattern, subject), expected, "{pattern} {subject}");
        }
    }
}
