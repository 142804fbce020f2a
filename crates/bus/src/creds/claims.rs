//! What the server is told of an account: what it shares, its limits, and which
//! keys may sign users with which permissions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::jwt::Nats;
use crate::{
    Identity,
    access::{Account, Permissions, Share, ShareKind, forwarder_template, shares},
    layout::Layout,
    rights::USER_INFO,
};

/// A user of the system account: pushes claims, and does nothing else.
pub(super) const SYSTEM_ROLE: &str = "system";
/// Where the server takes the claims of an account.
pub(super) const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";

/// The key that signs the users of each role.
pub(super) type Signers = BTreeMap<String, String>;

/// The `nats` part of an account's token.
pub(super) fn of_account(
    account: Account,
    layout: &Layout,
    accounts: &BTreeMap<String, String>,
    signers: &Signers,
) -> Nats {
    let shares = shares(layout);
    let exports = shares.iter().filter(|share| share.from == account).map(export);
    let imports = shares
        .iter()
        .filter(|share| share.with == account)
        .filter_map(|share| Some(import(share, accounts.get(share.from.name())?)));
    let roles = roles(layout).into_iter().filter(|role| role.account == account);
    let keys = roles
        .filter_map(|role| Some(scope(&role.name, signers.get(&role.name)?, &role.permissions)));
    object(json!({
        "exports": exports.collect::<Vec<_>>(),
        "imports": imports.collect::<Vec<_>>(),
        "limits": limits(account == Account::Lanner),
        "signing_keys": keys.collect::<Vec<_>>(),
    }))
}

/// The `nats` part of the system account's token.
pub(super) fn of_system(signers: &Signers) -> Nats {
    let permissions = Permissions {
        publish: vec![UPDATE.to_owned(), USER_INFO.to_owned()],
        subscribe: vec![format!("{}.>", crate::identity::inbox_prefix("system.lanner"))],
    };
    let keys = signers.get(SYSTEM_ROLE).map(|key| scope(SYSTEM_ROLE, key, &permissions));
    object(json!({
        "limits": limits(false),
        "signing_keys": keys.into_iter().collect::<Vec<_>>(),
    }))
}

/// What `json!` makes of braces.
pub(super) fn object(value: Value) -> Nats {
    match value {
        Value::Object(object) => object,
        _ => Nats::new(),
    }
}

struct Role {
    name: String,
    account: Account,
    permissions: Permissions,
}

/// Everybody who may connect: one role for all forwarders, whose permissions
/// hold the name of whoever connects.
fn roles(layout: &Layout) -> Vec<Role> {
    let mut identities = vec![Identity::Admin, Identity::Responder, Identity::Subscriber];
    identities.extend(layout.readers().map(Identity::Reader));
    identities.extend(layout.gateways().map(Identity::Gateway));
    let mut roles: Vec<Role> = identities
        .iter()
        .map(|identity| Role {
            name: identity.role(),
            account: identity.account(),
            permissions: identity.permissions(layout),
        })
        .collect();
    roles.push(Role {
        name: Identity::FORWARDER_ROLE.to_owned(),
        account: Account::Nodes,
        permissions: forwarder_template(layout),
    });
    roles
}

fn scope(role: &str, key: &str, permissions: &Permissions) -> Value {
    json!({
        "kind": "user_scope",
        "key": key,
        "role": role,
        "description": "",
        "template": {
            "pub": {"allow": permissions.publish},
            "sub": {"allow": permissions.subscribe},
            "subs": -1, "data": -1, "payload": -1,
            "allowed_connection_types": ["STANDARD"],
        },
    })
}

fn limits(jetstream: bool) -> Value {
    let mut limits = Map::new();
    for unlimited in ["subs", "data", "payload", "imports", "exports", "conn"] {
        limits.insert(unlimited.to_owned(), json!(-1));
    }
    limits.insert("wildcards".to_owned(), json!(true));
    // Who has no seed must not connect by showing a token that was seen somewhere.
    limits.insert("disallow_bearer".to_owned(), json!(true));
    if jetstream {
        for unlimited in ["leaf", "mem_storage", "disk_storage", "streams", "consumer"] {
            limits.insert(unlimited.to_owned(), json!(-1));
        }
    }
    Value::Object(limits)
}

/// For any account of this operator: there are ours and no others.
fn export(share: &Share) -> Value {
    match share.kind {
        ShareKind::Stream => {
            json!({"name": share.subject, "subject": share.subject, "type": "stream"})
        }
        ShareKind::Service | ShareKind::ServiceWithManyAnswers => {
            let many = share.kind == ShareKind::ServiceWithManyAnswers;
            json!({
                "name": share.subject,
                "subject": share.subject,
                "type": "service",
                "response_type": if many { "Stream" } else { "Singleton" },
            })
        }
    }
}

fn import(share: &Share, from: &str) -> Value {
    let kind = match share.kind {
        ShareKind::Stream => "stream",
        ShareKind::Service | ShareKind::ServiceWithManyAnswers => "service",
    };
    json!({"name": share.subject, "subject": share.subject, "account": from, "type": kind})
}
