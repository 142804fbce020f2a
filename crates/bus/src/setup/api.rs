use std::{collections::BTreeMap, time::Duration};

use async_nats::{
    Request,
    jetstream::{ErrorCode, response::Response},
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    room::Room,
    wanted::{Kind, Wanted, reserved},
};
use crate::{Cause, Connection};

/// What stands on the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) config: Map<String, Value>,
    /// Bytes that a stream holds.
    pub(super) bytes: u64,
    /// When the oldest message that a stream holds was stored.
    pub(super) oldest: Option<Timestamp>,
}

/// What the server does not do.
#[derive(Debug)]
pub(super) struct Refusal {
    code: ErrorCode,
    text: String,
}

impl Refusal {
    /// What the server answered, and what helps.
    pub(super) fn with_cure(&self) -> String {
        let cure = match self.code {
            ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => {
                "; the server has less room than the layout takes: make streams smaller, or \
                 raise its max_file_store (`lanner bus permissions --layout` prints what it has to be)"
            }
            _ => "",
        };
        format!("{}{cure}", self.text)
    }
}

/// JetStream's API, with configurations as the server writes them.
pub(super) struct Api {
    connection: Connection,
}

/// A server in a cluster answers once a stream has found its other servers.
const ANSWER_MAX: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
struct Info {
    config: Map<String, Value>,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    messages: u64,
    bytes: u64,
    first_ts: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Page {
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Info>>,
}

#[derive(Deserialize)]
struct Account {
    limits: Limits,
    #[serde(default)]
    tiers: BTreeMap<String, Value>,
    api: Level,
}

#[derive(Deserialize)]
struct Level {
    /// Since nats-server 2.11; the first one knows keys that expire.
    #[serde(default)]
    level: u32,
}

#[derive(Deserialize)]
struct Limits {
    max_storage: i64,
}

impl Api {
    pub(super) fn new(connection: &Connection) -> Self {
        Self { connection: connection.clone() }
    }

    pub(super) async fn find(&self, thing: &Wanted) -> Result<Option<Found>, Cause> {
        let info: Result<Info, Refusal> = match &thing.durable {
            None => self.ask(format!("STREAM.INFO.{}", thing.stream), &Value::Null).await?,
            Some(durable) => {
                self.ask(format!("CONSUMER.INFO.{}.{durable}", thing.stream), &Value::Null).await?
            }
        };
        match info {
            Ok(Info { config, state }) => {
                let oldest = state.first_ts.filter(|_| state.messages > 0);
                Ok(Some(Found { config, bytes: state.bytes, oldest }))
            }
            Err(Refusal {
                code: ErrorCode::STREAM_NOT_FOUND | ErrorCode::CONSUMER_NOT_FOUND,
                ..
            }) => Ok(None),
            Err(refusal) => Err(Cause::said(refusal.text)),
        }
    }

    /// What the account may store, less what is there.
    pub(super) async fn room(
        &self,
        wanted: &[Wanted],
        found: &BTreeMap<(String, Option<String>), Found>,
    ) -> Result<Room, Cause> {
        let account: Result<Account, Refusal> = self.ask("INFO".to_owned(), &Value::Null).await?;
        let account = account.map_err(|refusal| Cause::said(refusal.text))?;
        if account.api.level == 0 {
            // It would leave out what it does not know, and say nothing.
            return Err(Cause::said("the server is older than nats-server 2.11"));
        }
        // With tiers there is a bound for each number of replicas; the server minds them.
        let max =
            u64::try_from(account.limits.max_storage).ok().filter(|_| account.tiers.is_empty());
        let ours = wanted
            .iter()
            .filter(|thing| thing.kind != Kind::Consumer)
            .filter_map(|thing| found.get(&thing.key()))
            .map(|found| reserved(&found.config));
        let is_ours = |name: &str| wanted.iter().any(|thing| thing.stream == name);
        let mut taken = ours.fold(0, u64::saturating_add);
        let mut offset = 0;
        loop {
            let page: Result<Page, Refusal> =
                self.ask("STREAM.LIST".to_owned(), &json!({ "offset": offset })).await?;
            let page = page.map_err(|refusal| Cause::said(refusal.text))?;
            let streams = page.streams.unwrap_or_default();
            offset += streams.len();
            let last = streams.is_empty() || offset >= page.total;
            for Info { config, .. } in streams {
                if !config.get("name").and_then(Value::as_str).is_some_and(is_ours) {
                    taken = taken.saturating_add(reserved(&config));
                }
            }
            if last {
                return Ok(Room::new(max, taken));
            }
        }
    }

    pub(super) async fn create(&self, thing: &Wanted) -> Result<Result<(), Refusal>, Cause> {
        self.write(thing, thing.config.clone(), "CREATE").await
    }

    /// Our settings over those that stand.
    pub(super) async fn update(
        &self,
        thing: &Wanted,
        stands: &Map<String, Value>,
    ) -> Result<Result<(), Refusal>, Cause> {
        let mut config = stands.clone();
        for setting in thing.managed() {
            match thing.config.get(setting) {
                Some(value) => config.insert(setting.to_owned(), value.clone()),
                None => config.remove(setting),
            };
        }
        // One of the two, and ours is the list.
        config.remove("filter_subject");
        self.write(thing, config, "UPDATE").await
    }

    async fn write(
        &self,
        thing: &Wanted,
        config: Map<String, Value>,
        deed: &str,
    ) -> Result<Result<(), Refusal>, Cause> {
        let stream = &thing.stream;
        let answer: Result<Value, Refusal> = match &thing.durable {
            None => self.ask(format!("STREAM.{deed}.{stream}"), &Value::Object(config)).await?,
            Some(durable) => {
                let request = json!({ "stream_name": stream, "config": config, "action": deed.to_lowercase() });
                self.ask(format!("CONSUMER.DURABLE.CREATE.{stream}.{durable}"), &request).await?
            }
        };
        Ok(answer.map(drop))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &Value,
    ) -> Result<Result<T, Refusal>, Cause> {
        // Some requests are refused unless they are empty.
        let payload = if request.is_null() { String::new() } else { request.to_string() };
        let request = Request::new().payload(Bytes::from(payload)).timeout(Some(ANSWER_MAX));
        let client = &self.connection.client;
        let answer = client.send_request(format!("$JS.API.{subject}"), request).await;
        let answer = answer.map_err(|error| Cause::of(&error))?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(answer)) => Ok(Ok(answer)),
            Ok(Response::Err { error }) => {
                Ok(Err(Refusal { code: error.error_code(), text: Cause::of(&error).to_string() }))
            }
            Err(error) => Err(Cause::of(&error)),
        }
    }
}
