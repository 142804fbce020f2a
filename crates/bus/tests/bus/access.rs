//! What each identity may do, and may not. The clients here are not ours but
//! the bare library, as an attacker with a stolen certificate would use it.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Request};
use bytes::Bytes;
use futures::StreamExt as _;
use lanner_bus::{Connection, ConnectionConfig, Identity, Message, Publisher, headers::Headers};
use lanner_testkit::{Admission, SecuredBus, small_layout};
use tokio::{sync::mpsc, time::timeout};

/// Permissions are the same, however the server knows who connects.
const BOTH: [Admission; 2] = [Admission::Certificates, Admission::Credentials];

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A connection that tells each of the server's refusals.
pub(crate) struct Bare {
    pub(crate) client: Client,
    refusals: mpsc::Receiver<String>,
    inbox: String,
}

impl Bare {
    pub(crate) async fn holding(bus: &SecuredBus, identity: &Identity) -> Self {
        Self::connected(bus.connection(identity), identity).await
    }

    pub(crate) async fn connected(config: ConnectionConfig, identity: &Identity) -> Self {
        let (sender, refusals) = mpsc::channel(64);
        let options = match (config.cert_file, config.creds_file) {
            (Some(cert), _) => {
                ConnectOptions::new().add_client_certificate(cert, config.key_file.unwrap())
            }
            (None, creds) => ConnectOptions::with_credentials_file(creds.unwrap()).await.unwrap(),
        };
        let client = options
            .require_tls(true)
            .tls_first()
            .custom_inbox_prefix(identity.inbox_prefix())
            .add_root_certificates(config.ca_file.unwrap())
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    // A full channel only means more refusals than a test asks for.
                    let _ = sender.try_send(event.to_string());
                }
            })
            .connect(config.servers.as_slice())
            .await
            .unwrap();
        Self { client, refusals, inbox: identity.inbox_prefix() }
    }

    /// How many messages a stream holds; only the admin may ask.
    pub(crate) async fn stored_in(&self, stream: &str) -> u64 {
        self.info_of(stream).await["state"]["messages"].as_u64().unwrap()
    }

    /// What the server says of a stream.
    pub(crate) async fn info_of(&self, stream: &str) -> serde_json::Value {
        self.try_info_of(stream).await.unwrap()
    }

    /// `None` when there is no answer, as while servers elect a leader.
    pub(crate) async fn try_info_of(&self, stream: &str) -> Option<serde_json::Value> {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        let info = self.client.request(subject, Bytes::new()).await.ok()?;
        serde_json::from_slice(&info.payload).ok()
    }

    pub(crate) async fn refused(&mut self, what: &str) {
        let refusal = async {
            loop {
                let event = self.refusals.recv().await.unwrap();
                if event.to_lowercase().contains("permissions violation") {
                    assert!(event.contains(what), "{event} instead of {what}");
                    return;
                }
            }
        };
        timeout(SOON, refusal).await.unwrap_or_else(|_| panic!("{what} was not refused"));
    }

    pub(crate) async fn publish_is_refused(&mut self, subject: &str) {
        self.client.publish(subject.to_owned(), Bytes::from_static(b"{}")).await.unwrap();
        self.refused(&format!("Publish to \"{subject}\"")).await;
    }

    pub(crate) async fn subscription_is_refused(&mut self, subject: &str) {
        let _subscriber = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.refused(&format!("Subscription to \"{subject}\"")).await;
    }
}

fn node(name: &str) -> Identity {
    Identity::Forwarder { node: name.to_owned() }
}

#[tokio::test]
async fn without_a_certificate_of_ours_nobody_gets_in() {
    let bus = SecuredBus::start(&["n1"]).await;
    let config = bus.connection(&node("n1"));
    let server = config.servers.clone();
    let tls = || ConnectOptions::new().require_tls(true).tls_first();

    let refused =
        tls().add_root_certificates(config.ca_file.clone().unwrap()).connect(server.as_slice());
    refused.await.expect_err("no certificate");

    // The same names, signed by somebody else.
    let other = SecuredBus::start_empty(&["n1"]);
    let foreign = other.connection(&node("n1"));
    let refused = tls()
        .add_root_certificates(config.ca_file.clone().unwrap())
        .add_client_certificate(foreign.cert_file.unwrap(), foreign.key_file.unwrap())
        .connect(server.as_slice());
    refused.await.expect_err("somebody else's certificate");

    // Our own authority, but a server's certificate, which names no user.
    let refused = tls()
        .add_root_certificates(config.ca_file.clone().unwrap())
        .add_client_certificate(bus.pki().join("server.crt"), bus.pki().join("server.key"))
        .connect(server.as_slice());
    refused.await.expect_err("the server's own certificate");

    // And we do not talk to a server that our authority does not know.
    let mut config = other.connection(&node("n1"));
    config.ca_file = bus.connection(&node("n1")).ca_file;
    Connection::connect(&config).await.unwrap_err();
}

#[tokio::test]
async fn a_node_that_is_not_named_is_not_let_in() {
    let bus = SecuredBus::start(&["n1"]).await;
    let authority = lanner_bus::certs::Authority::open(bus.pki()).unwrap();
    authority.issue(&node("n2")).unwrap();
    let error = Connection::connect(&bus.connection(&node("n2"))).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("authorization"), "{reason}");
}

#[tokio::test]
async fn a_node_publishes_as_itself_alone_and_reads_nothing() {
    for admission in BOTH {
        let bus = SecuredBus::start_as(admission, &["n1", "n2", "n1.eu"], small_layout()).await;
        let mut attacker = Bare::holding(&bus, &node("n1")).await;
        for subject in [
            "lanner.alerts.critical.shell.rule.n2",
            "lanner.alerts.critical.shell.rule.n1_eu",
            "lanner.alerts.critical.shell.rule.extra.n1",
            "lanner.alerts.n1",
            "lanner.tags.shell.critical.rule.n2",
            "lanner.responses.done.playbook.n1",
            "lanner.node.n1.act",
            "$JS.API.INFO",
            "$JS.API.STREAM.INFO.LANNER_ALERTS",
            "$JS.API.STREAM.DELETE.LANNER_ALERTS",
            "$JS.API.STREAM.PURGE.LANNER_ALERTS",
            "$JS.API.CONSUMER.MSG.NEXT.LANNER_ALERTS.responder",
            "$JS.API.CONSUMER.CREATE.LANNER_ALERTS",
            "$JS.API.DIRECT.GET.LANNER_ALERTS",
            "$JS.ACK.LANNER_ALERTS.responder.1.1.1.1.0",
            "$KV.LANNER_PLANS.plan",
        ] {
            attacker.publish_is_refused(subject).await;
        }
        let others_inbox = format!("{}.>", node("n2").inbox_prefix());
        for subject in [
            "lanner.alerts.>",
            "lanner.tags.>",
            ">",
            "_INBOX.>",
            "$JS.EVENT.>",
            others_inbox.as_str(),
        ] {
            attacker.subscription_is_refused(subject).await;
        }
    }
}

#[tokio::test]
async fn a_subscriber_reads_live_and_stored_alerts_and_writes_nothing() {
    for admission in BOTH {
        let bus = SecuredBus::start_as(admission, &["n1"], small_layout()).await;
        let mut subscriber = Bare::holding(&bus, &Identity::Subscriber).await;
        let mut live = subscriber.client.subscribe("lanner.alerts.critical.>").await.unwrap();
        subscriber.client.flush().await.unwrap();

        let publisher =
            Publisher::new(Connection::connect(&bus.connection(&node("n1"))).await.unwrap());
        let sent = Message {
            subject: "lanner.alerts.critical.shell.rule.n1".to_owned(),
            id: "1".to_owned(),
            headers: Headers::default(),
            payload: Bytes::from_static(b"alert"),
        };
        publisher.publish(&sent).await.unwrap();
        let message = timeout(SOON, live.next()).await.unwrap().unwrap();
        assert_eq!(message.payload, sent.payload);

        let stored = Request::new().payload(Bytes::from_static(b"{\"seq\":1}")).timeout(Some(SOON));
        let stored = subscriber
            .client
            .send_request("$JS.API.DIRECT.GET.LANNER_ALERTS", stored)
            .await
            .unwrap();
        assert_eq!(stored.payload, sent.payload);

        for subject in [
            "lanner.alerts.critical.shell.rule.n1",
            "lanner.responses.done.playbook.n1",
            "$JS.API.CONSUMER.CREATE.LANNER_ALERTS.responder",
            "$JS.API.CONSUMER.MSG.NEXT.LANNER_ALERTS.responder",
            "$JS.API.DIRECT.GET.KV_LANNER_PLANS",
            "$JS.API.STREAM.MSG.DELETE.LANNER_ALERTS",
            "$KV.LANNER_PLANS.plan",
        ] {
            subscriber.publish_is_refused(subject).await;
        }
        let inbox = format!("{}.>", Identity::Responder.inbox_prefix());
        assert_ne!(subscriber.inbox, Identity::Responder.inbox_prefix());
        for subject in ["$KV.>", inbox.as_str()] {
            subscriber.subscription_is_refused(subject).await;
        }
    }
}

#[tokio::test]
async fn a_responder_publishes_no_alerts_and_changes_no_stream() {
    for admission in BOTH {
        let bus = SecuredBus::start_as(admission, &["n1"], small_layout()).await;
        let mut responder = Bare::holding(&bus, &Identity::Responder).await;
        for subject in [
            "lanner.alerts.critical.shell.rule.n1",
            "$JS.API.STREAM.DELETE.LANNER_ALERTS",
            "$JS.API.STREAM.UPDATE.LANNER_RESPONSES",
            "$JS.API.CONSUMER.CREATE.LANNER_ALERTS",
            "$JS.API.CONSUMER.DELETE.LANNER_ALERTS.responder",
            "$JS.API.STREAM.PURGE.KV_LANNER_PLANS",
        ] {
            responder.publish_is_refused(subject).await;
        }
    }
}

/// A message's reply subject is where the server sends its acknowledgement, in
/// the server's own name: it must not be a way around the permissions.
#[tokio::test]
async fn an_acknowledgement_cannot_be_aimed_at_what_a_node_may_not_reach() {
    for admission in BOTH {
        let bus = SecuredBus::start_as(admission, &["n1", "n2"], small_layout()).await;
        let attacker = Bare::holding(&bus, &node("n1")).await;
        let admin = Bare::holding(&bus, &Identity::Admin).await;
        for target in [
            "$JS.API.STREAM.PURGE.LANNER_ALERTS",
            "$JS.API.STREAM.DELETE.LANNER_RESPONSES",
            "lanner.alerts.critical.shell.rule.n2",
            "$KV.LANNER_PLANS.plan",
        ] {
            let subject = "lanner.alerts.critical.shell.rule.n1";
            attacker
                .client
                .publish_with_reply(subject, target, Bytes::from_static(b"x"))
                .await
                .unwrap();
        }
        attacker.client.flush().await.unwrap();

        // The server acknowledges in order: once this one is, all before it are.
        let last = "lanner.alerts.critical.shell.rule.n1";
        timeout(SOON, attacker.client.request(last, Bytes::from_static(b"y")))
            .await
            .unwrap()
            .unwrap();
        for (stream, count) in
            [("LANNER_ALERTS", 5), ("LANNER_RESPONSES", 0), ("KV_LANNER_PLANS", 0)]
        {
            assert_eq!(admin.stored_in(stream).await, count, "{stream} holds an acknowledgement");
        }
    }
}

/// So is an answer: who may ask for a stored message chooses where it goes.
#[tokio::test]
async fn an_answer_cannot_be_aimed_at_what_a_subscriber_may_not_reach() {
    for admission in BOTH {
        let bus = SecuredBus::start_as(admission, &["n1"], small_layout()).await;
        let publisher =
            Publisher::new(Connection::connect(&bus.connection(&node("n1"))).await.unwrap());
        let stored = Message {
            subject: "lanner.alerts.critical.shell.rule.n1".to_owned(),
            id: "1".to_owned(),
            headers: Headers::default(),
            payload: Bytes::from_static(b"alert"),
        };
        publisher.publish(&stored).await.unwrap();

        let attacker = Bare::holding(&bus, &Identity::Subscriber).await;
        let admin = Bare::holding(&bus, &Identity::Admin).await;
        let (ask, first) = ("$JS.API.DIRECT.GET.LANNER_ALERTS", Bytes::from_static(b"{\"seq\":1}"));
        for target in [
            "$KV.LANNER_PLANS.plan",
            "$KV.LANNER_LOCKS.lock",
            "lanner.alerts.critical.shell.rule.n2",
            "lanner.responses.done.playbook.n1",
            "$JS.API.STREAM.PURGE.LANNER_ALERTS",
        ] {
            attacker.client.publish_with_reply(ask, target, first.clone()).await.unwrap();
        }
        // The server answers in order: once it answered this, it answered all before.
        timeout(SOON, attacker.client.request(ask, first)).await.unwrap().unwrap();
        for (stream, count) in [
            ("LANNER_ALERTS", 1),
            ("LANNER_RESPONSES", 0),
            ("KV_LANNER_PLANS", 0),
            ("KV_LANNER_LOCKS", 0),
        ] {
            assert_eq!(admin.stored_in(stream).await, count, "{stream} holds an answer");
        }
    }
}
