//! Looks at a live server: whether it refuses what it should, by trying it.
//!
//! What is tried changes nothing where the server would let it through: an
//! alert that claims to be of another node names a stream that does not exist,
//! so that no stream stores it, and requests of JetStream's are not well formed.

mod deeds;
mod standing;
mod transport;

use std::fmt;

use jiff::Timestamp;
use lanner_alert::ALERT_BYTES_MAX;

use crate::{
    Connection, ConnectionConfig, Identity, Rights, RightsError, identity, layout::Layout,
};

/// The lowest server that has all we use: TTLs of keys, a lowest version of TLS.
pub const SERVER_VERSION_MIN: (u64, u64, u64) = (2, 11, 0);
/// An alert, its headers and its subjects.
const PAYLOAD_MIN: usize = ALERT_BYTES_MAX + (16 << 10);
/// Less is said to be too little time to renew something.
const DAYS_LEFT_MIN: i64 = 14;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found, and if it is not good what to do about it.
    pub text: String,
}

impl Checked {
    fn good(text: impl Into<String>) -> Self {
        Self { good: true, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { good: false, text: text.into() }
    }

    fn from(good: bool, text: impl Into<String>, cure: &str) -> Self {
        let text = text.into();
        if good { Self::good(text) } else { Self::bad(format!("{text}: {cure}")) }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.good { "ok  " } else { "FAIL" }, self.text)
    }
}

/// What is known of a server.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it says that we may do.
    pub rights: Rights,
    /// What was looked at.
    pub checked: Vec<Checked>,
}

/// Looks at the server of `connection`, which was made with `config`, and
/// compares it with `layout`.
///
/// # Errors
/// When the server does not say who we are.
pub async fn check(
    config: &ConnectionConfig,
    connection: &Connection,
    layout: &Layout,
) -> Result<Report, RightsError> {
    let rights = connection.rights().await?;
    let mut checked = transport::check(config).await;
    checked.extend(config.ends().into_iter().map(|(what, end)| ends(&what, end)));
    checked.extend(server(connection));
    match config.identity().and_then(|name| identity::of_name(&name, layout)) {
        None => checked.push(Checked::bad(
            "our name is none that the layout has: give the layout file with --layout",
        )),
        Some(identity) => {
            checked.extend(compare(&identity, &rights, layout));
            checked.extend(deeds::check(connection, &identity, layout).await);
            if identity == Identity::Admin {
                checked.extend(standing::check(connection, layout).await);
            }
        }
    }
    Ok(Report { rights, checked })
}

/// `end`: seconds since 1970.
fn ends(what: &str, end: i64) -> Checked {
    let Ok(at) = Timestamp::from_second(end) else {
        return Checked::bad(format!("{what} ends at no time that there is"));
    };
    let left = (end - Timestamp::now().as_second()) / (24 * 3600);
    let text = format!("{what} is good until {}", at.strftime("%Y-%m-%d"));
    Checked::from(left >= DAYS_LEFT_MIN, text, &format!("renew it, {} days are left", left.max(0)))
}

fn server(connection: &Connection) -> [Checked; 2] {
    let info = connection.client.server_info();
    let (major, minor, patch) = SERVER_VERSION_MIN;
    [
        Checked::from(
            version(&info.version).is_some_and(|version| version >= SERVER_VERSION_MIN),
            format!("nats-server {}", info.version),
            &format!("{major}.{minor}.{patch} is the lowest"),
        ),
        Checked::from(
            info.max_payload >= PAYLOAD_MIN,
            format!("messages of up to {} bytes", info.max_payload),
            &format!("the longest alerts take max_payload: {PAYLOAD_MIN}"),
        ),
    ]
}

/// The numbers in `2.12.0-RC.1`.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let numbers = text.split('-').next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// What the server lets us do, against what the layout says.
fn compare(identity: &Identity, rights: &Rights, layout: &Layout) -> Vec<Checked> {
    let needed = identity.permissions(layout);
    let account = identity.account().name();
    // A server that names an account by its key alone does not say which it is.
    let is_key = rights.account.len() == 56 && rights.account.starts_with('A');
    let mut checked = vec![Checked::from(
        rights.account == account || is_key,
        format!("account {}", rights.account),
        &format!("{identity} belongs into {account}"),
    )];
    for (deed, has, needs) in [
        ("publish", &rights.publish, &needed.publish),
        ("subscribe", &rights.subscribe, &needed.subscribe),
    ] {
        if has.is_empty() {
            checked.push(Checked::bad(format!(
                "we may {deed} anything: write permissions by `lanner bus permissions`"
            )));
            continue;
        }
        let surplus = has.iter().filter(|subject| !needs.contains(subject));
        let missing = needs.iter().filter(|subject| !has.contains(subject));
        let mut differs = false;
        for (subject, what) in surplus
            .map(|subject| (subject, "needs it not"))
            .chain(missing.map(|subject| (subject, "needs it and may not")))
        {
            differs = true;
            checked.push(Checked::bad(format!("{deed} {subject}: {identity} {what}")));
        }
        if !differs {
            checked.push(Checked::good(format!("may {deed} what the layout says and no more")));
        }
    }
    checked
}
