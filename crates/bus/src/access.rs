//! Who may do what on the server, as data: what `permissions` renders for a
//! server that maps certificates to users, and whoever issues tokens puts into
//! them.
//!
//! Three accounts. What one shares with another is listed, subject by subject:
//!
//! ```text
//! LANNER_NODES    forwarders ──alerts, copies─────────────▶ LANNER  streams, buckets; responder, admin
//!                     │      ◀── acknowledgements ─────────  ▲ │
//!                     │ as they are published       requests │ │ answers, responses
//!                     ▼                                      │ ▼
//! LANNER_READERS  subscriber, readers ───────────────────────┘
//! ```
//!
//! The server sends an acknowledgement, or an answer, to whatever reply subject
//! a message names, in its own name and past the sender's permissions. In one
//! account a node could so write into the buckets, and a reader purge a stream;
//! from an account of its own the answer comes back to that account.
//!
//! Readers get live alerts from the nodes' account, for the server does not hand
//! on to a third account what came by way of a service.

use lanner_alert::{FLEET as NO_NODE, node_token, node_token_via};

use crate::{
    Identity,
    layout::{
        ALERTS, FLEET, FLEET_STREAM, LOCKS, Layout, PLANS, RESPONDER, RESPONSES, restricted_stream,
        tag_stream,
    },
    rights::USER_INFO,
};

/// Asks a stream for messages, without a consumer.
const DIRECT_GET: &str = "$JS.API.DIRECT.GET.";

/// A NATS account: a space of subjects that others do not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Streams, buckets, and who works on them.
    Lanner,
    /// The forwarders.
    Nodes,
    /// Who reads.
    Readers,
}

impl Account {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lanner, Self::Nodes, Self::Readers];

    /// Its name on the server.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lanner => "LANNER",
            Self::Nodes => "LANNER_NODES",
            Self::Readers => "LANNER_READERS",
        }
    }
}

/// Subjects that one account exports, and another imports under the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Who exports it.
    pub from: Account,
    /// Who imports it. Nobody else may.
    pub with: Account,
    /// What is shared; may hold wildcards.
    pub subject: String,
    /// How.
    pub kind: ShareKind,
}

/// How subjects are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareKind {
    /// Messages that are published in the exporting account are seen in the other.
    Stream,
    /// Messages that are published in the other account arrive in the exporting
    /// one, and at most one answer to each comes back.
    Service,
    /// As a service, with any number of answers.
    ServiceWithManyAnswers,
}

/// What one identity may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
}

/// Told to nobody, but shared: into an account without JetStream and without
/// this subject the server puts the whole of `$JS.API` for itself, and answers
/// each request a second time, that there is no JetStream.
const KEEPS_THE_SERVER_SILENT: &str = "$JS.API.INFO";

/// What the accounts share.
pub fn shares(layout: &Layout) -> Vec<Share> {
    use Account::{Lanner, Nodes, Readers};
    use ShareKind::{Service, ServiceWithManyAnswers, Stream};

    let published = published_by_node(layout, "*");
    let mut shares: Vec<Share> = [(Lanner, Nodes, Service), (Nodes, Readers, Stream)]
        .into_iter()
        .flat_map(|(from, with, kind)| {
            // Heartbeats are read from their bucket, and not as they come.
            let seen = move |subject: &&String| from == Lanner || !subject.starts_with("$KV.");
            published.iter().filter(seen).map(move |subject| Share {
                from,
                with,
                subject: subject.clone(),
                kind,
            })
        })
        .collect();
    let mut with_readers =
        |subject, kind| shares.push(Share { from: Lanner, with: Readers, subject, kind });
    with_readers(KEEPS_THE_SERVER_SILENT.to_owned(), Service);
    for subject in published_by_responder(layout) {
        with_readers(subject, Stream);
    }
    for subject in requests_of_subscribers(layout) {
        // Many stored messages may be asked for at once.
        let many = subject.starts_with(DIRECT_GET);
        with_readers(subject, if many { ServiceWithManyAnswers } else { Service });
    }
    // A page of heartbeats at a time.
    with_readers(request_for_heartbeats(), ServiceWithManyAnswers);
    for reader in layout.readers() {
        for source in reader.sources(layout) {
            let [info, next, ack] = requests_to_consumer(&source.stream, &reader.durable());
            with_readers(info, Service);
            with_readers(next, ServiceWithManyAnswers);
            // An acknowledgement may ask for the next messages.
            with_readers(ack, ServiceWithManyAnswers);
        }
    }
    shares
}

impl Identity {
    /// The account that it is in.
    pub fn account(&self) -> Account {
        match self {
            Self::Admin | Self::Responder | Self::Cluster(_) => Account::Lanner,
            Self::Forwarder { .. } | Self::Gateway(_) => Account::Nodes,
            Self::Subscriber | Self::Reader(_) => Account::Readers,
        }
    }

    /// What it may do; no more than it needs.
    pub fn permissions(&self, layout: &Layout) -> Permissions {
        // A server, not a client: it has no inbox, and asks nothing.
        if let Self::Cluster(cluster) = self {
            return cluster.link_permissions();
        }
        let inbox = format!("{}.>", self.inbox_prefix());
        let (mut publish, mut subscribe) = match self {
            Self::Admin => (
                // Streams, consumers, buckets, and the plans in them.
                vec![
                    "$JS.API.>".to_owned(),
                    "$JS.FC.>".to_owned(),
                    format!("$KV.{PLANS}.>"),
                    format!("$KV.{LOCKS}.>"),
                    // Dead letters are sent again as they were.
                    format!("{}.alerts.>", layout.subject_root.as_str()),
                    format!("{}.restricted.*.alerts.>", layout.subject_root.as_str()),
                    format!("$KV.{FLEET}.>"),
                ],
                vec![],
            ),
            Self::Responder => {
                let mut publish = published_by_responder(layout);
                let restricted = layout.restricted_tags.keys().map(restricted_stream);
                for stream in restricted.chain([ALERTS.to_owned()]) {
                    publish.extend(requests_to_consumer(&stream, RESPONDER));
                }
                for bucket in [PLANS, LOCKS] {
                    publish.extend([
                        format!("$KV.{bucket}.>"),
                        format!("$JS.API.STREAM.INFO.KV_{bucket}"),
                        format!("$JS.API.DIRECT.GET.KV_{bucket}.>"),
                        // Listing and watching keys goes by consumers that live as long.
                        format!("$JS.API.CONSUMER.CREATE.KV_{bucket}"),
                        format!("$JS.API.CONSUMER.CREATE.KV_{bucket}.>"),
                        format!("$JS.API.CONSUMER.DELETE.KV_{bucket}.>"),
                        format!("$JS.FC.KV_{bucket}.>"),
                    ]);
                }
                publish.push(request_for_heartbeats());
                (publish, vec![])
            }
            // Reads single stored messages, and makes no consumer: see `grant`.
            Self::Subscriber => {
                let mut publish = requests_of_subscribers(layout);
                publish.push(request_for_heartbeats());
                (publish, live_subjects(layout))
            }
            Self::Reader(reader) => {
                let sources = reader.sources(layout);
                let requests = sources
                    .iter()
                    .flat_map(|source| requests_to_consumer(&source.stream, &reader.durable()));
                let live = sources.iter().flat_map(|source| source.subjects.clone());
                (requests.collect(), live.collect())
            }
            Self::Forwarder { node } => (published_by_node(layout, &node_token(node)), vec![]),
            Self::Cluster(_) => (vec![], vec![]),
            Self::Gateway(gateway) => {
                let tokens =
                    gateway.nodes.iter().map(|node| node_token_via(node, Some(&gateway.name)));
                (tokens.flat_map(|token| published_by_node(layout, &token)).collect(), vec![])
            }
        };
        publish.push(USER_INFO.to_owned());
        subscribe.push(inbox);
        Permissions { publish, subscribe }
    }
}

/// What each forwarder may do, with its user's name left open: the server puts
/// the name of whoever connects in its place.
pub fn forwarder_template(layout: &Layout) -> Permissions {
    const NAME: &str = "{{name()}}";
    let mut publish = published_by_node(layout, NAME);
    publish.push(USER_INFO.to_owned());
    Permissions { publish, subscribe: vec![format!("_INBOX_forwarder_{NAME}_lanner.>")] }
}

/// What the node with this token publishes: its own as [`node_token`] writes it,
/// or whatever stands for it where permissions are a template. The restricted
/// tag is left open, so that one more of them changes nothing for the nodes.
pub fn published_by_node(layout: &Layout, token: &str) -> Vec<String> {
    let root = layout.subject_root.as_str();
    let mut subjects = vec![
        format!("{root}.alerts.*.*.*.{token}"),
        format!("{root}.tags.*.*.*.{token}"),
        format!("{root}.restricted.*.alerts.*.*.{token}"),
    ];
    subjects.extend(layout.subject_template.iter().map(|template| template.pattern(token)));
    subjects.push(format!("$KV.{FLEET}.{token}"));
    subjects
}

/// Outcomes, and alerts about the nodes themselves, which no node may publish.
fn published_by_responder(layout: &Layout) -> Vec<String> {
    let root = layout.subject_root.as_str();
    vec![
        format!("{root}.responses.*.*.*"),
        format!("{root}.restricted.*.responses.*.*.*"),
        format!("{root}.alerts.*.*.*.{NO_NODE}"),
        format!("{root}.tags.*.*.*.{NO_NODE}"),
    ]
}

/// What a subscriber sees as it is published: all but what is restricted.
fn live_subjects(layout: &Layout) -> Vec<String> {
    let root = layout.subject_root.as_str();
    let mut subjects: Vec<String> =
        ["alerts", "tags", "responses"].map(|kind| format!("{root}.{kind}.>")).into();
    subjects.extend(layout.subject_template.iter().map(|template| template.pattern("*")));
    subjects
}

fn requests_of_subscribers(layout: &Layout) -> Vec<String> {
    [ALERTS.to_owned(), RESPONSES.to_owned()]
        .into_iter()
        .chain(layout.tag_streams.keys().map(tag_stream))
        .chain(layout.edges.iter().flat_map(|edge| {
            let streams = layout.streams_for_hub().into_iter();
            streams.map(|(stream, ..)| edge.stream_at_hub(&stream))
        }))
        .flat_map(|stream| {
            [
                format!("$JS.API.STREAM.INFO.{stream}"),
                format!("{DIRECT_GET}{stream}"),
                format!("{DIRECT_GET}{stream}.>"),
            ]
        })
        .collect()
}

fn request_for_heartbeats() -> String {
    format!("$JS.API.DIRECT.GET.{FLEET_STREAM}")
}

/// To look at a durable consumer, to take its messages, to acknowledge them.
fn requests_to_consumer(stream: &str, durable: &str) -> [String; 3] {
    [
        format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"),
        format!("$JS.ACK.{stream}.{durable}.>"),
    ]
}
