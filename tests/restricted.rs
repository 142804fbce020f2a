//! Alerts with a restricted tag, among ten thousand: who is not allowed to read
//! them finds nothing of them, wherever they look. Forwarder and responder are
//! processes of their own, the server is real.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use lanner_alert::{Alert, Outcome, Status, Tag};
use lanner_bus::{
    Connection, Consumer, Identity, Message, Publisher, SubscribeError, Subscription,
    grant::{Grant, Reader},
    headers::{self, Headers},
    layout::Layout,
};
use lanner_testkit::{
    Stack, eventually, eventually_async, http::Client, small_bounds, small_layout,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

const NODE: &str = "node-1";
const ALERTS: usize = 10_000;
/// Every fourth is restricted, every hundredth is answered by the playbook.
const RESTRICTED: usize = ALERTS / 4;
const ANSWERED: usize = ALERTS / 100;
/// In each text of a restricted alert that an alert has.
const SECRET: &str = "qzsecret";
/// Long enough for a slow machine; a good run takes a few seconds.
const SOON: Duration = Duration::from_secs(60);

/// It tells somebody, which takes no cluster.
const PLAYBOOK: &str = r#"
playbook(#{
    name: "tell", owner: "tests", when: #{ priority: ">=emergency" },
    needs: ["notify"], mode: "enforce",
});
fn respond(alert) { notify("secops", `${alert.rule}: ${alert.output}`); }
"#;

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn layout() -> Layout {
    let mut layout = small_layout();
    layout.tag_streams.insert(tag("shell"), small_bounds());
    layout.restricted_tags.insert(tag("sensitive"), small_bounds());
    layout.subject_template = Some("falco.<priority>.<rule>".parse().unwrap());
    let grants = [
        ("all", BTreeSet::new()),
        ("shells", [tag("shell")].into()),
        ("privacy", [tag("sensitive")].into()),
    ];
    for (name, tags) in grants {
        layout.grants.insert(name.parse().unwrap(), Grant { tags, priority: None });
    }
    layout
}

/// A line of Falco. A restricted one also has tags that others may read.
fn line(number: usize) -> String {
    let restricted = number.is_multiple_of(4);
    let secret = if restricted { SECRET } else { "plain" };
    let near_miss = ["sensitive", "Sensitive", "SENSITIVE!", " sensitive"][number / 4 % 4];
    let mut tags = vec!["shell", "host", "T1059.004"];
    let own = format!("{secret}-tag");
    tags.push(&own);
    if restricted {
        tags.push(near_miss);
    }
    // 0, 4, 8, ... are restricted: of the answered ones, every other is.
    let answered = [0, 101].contains(&(number % 200));
    serde_json::json!({
        "hostname": format!("{secret}-host"),
        "output": format!("{secret} output {number}"),
        "output_fields": {"proc.name": format!("{secret}-process"), "fd.name": format!("/{secret}")},
        "priority": if answered { "Emergency" } else { "Notice" },
        "rule": format!("{secret} rule {}", number % 7),
        "source": "syscall",
        "tags": tags,
        "time": jiff::Timestamp::now().to_string(),
    })
    .to_string()
}

/// Everything that comes by on some subjects, until told to stop.
struct Look {
    bytes: JoinHandle<(usize, Vec<String>)>,
    done: tokio::sync::oneshot::Sender<()>,
}

impl Look {
    fn start(mut subscription: Subscription) -> Self {
        let (done, mut stop) = tokio::sync::oneshot::channel();
        let bytes = tokio::spawn(async move {
            let (mut seen, mut leaks) = (0, Vec::new());
            loop {
                let message = tokio::select! {
                    biased;
                    message = subscription.next() => message.unwrap().unwrap(),
                    _ = &mut stop => return (seen, leaks),
                };
                seen += 1;
                if mentions(&message.subject, &message.payload) {
                    leaks.push(message.subject);
                }
            }
        });
        Self { bytes, done }
    }

    async fn end(self) -> usize {
        self.done.send(()).unwrap();
        let (seen, leaks) = timeout(SOON, self.bytes).await.unwrap().unwrap();
        assert_eq!(leaks, Vec::<String>::new());
        seen
    }
}

fn mentions(subject: &str, payload: &[u8]) -> bool {
    let has = |text: &str| {
        let text = text.to_lowercase();
        text.contains(SECRET) || text.contains("sensitive")
    };
    has(subject) || has(&String::from_utf8_lossy(payload))
}

async fn connect(stack: &Stack, identity: &Identity) -> Connection {
    Connection::connect(&stack.bus.connection(identity)).await.unwrap()
}

fn reader(layout: &Layout, name: &str) -> Reader {
    layout.readers().find(|reader| reader.name.as_str() == name).unwrap()
}

/// The messages of the consumers that were made for this reader.
async fn consumer_of(stack: &Stack, reader: &Reader) -> Consumer {
    let connection = connect(stack, &Identity::Reader(reader.clone())).await;
    connection.consume(&reader.durables(stack.bus.layout())).await.unwrap()
}

/// How many messages a stream holds, none of which mentions what it must not.
async fn clean_messages(connection: &Connection, stream: &str) -> usize {
    let mut archive = connection.archive(stream).await.unwrap();
    let mut count = 0;
    while let Some(message) = archive.next().await.unwrap() {
        assert!(!mentions(&message.subject, &message.payload), "{stream}: {}", message.subject);
        count += 1;
    }
    count
}

/// A node may also lie: what is no alert is refused, and told to whom it concerns.
async fn publish_poison(stack: &Stack) {
    let node = Identity::Forwarder { node: NODE.to_owned() };
    let publisher = Publisher::new(connect(stack, &node).await);
    let subject = format!("lanner.restricted.sensitive.alerts.notice.{SECRET}.{NODE}");
    let payload = format!("{{\"id\":\"{SECRET}\",\"priority\":\"{SECRET}\"}}");
    let mut beside = Headers::default();
    beside.set(headers::RULE, SECRET);
    let message =
        Message { subject, id: SECRET.to_owned(), headers: beside, payload: payload.into() };
    publisher.publish(&message).await.unwrap();
}

fn kubeconfig(dir: &Path) -> PathBuf {
    let path = dir.join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: \"https://127.0.0.1:1\"}\n\
                users:\n- name: u\n  user: {token: t}\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\n\
                current-context: x\n";
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_everything_else_finds_nothing_of_restricted_alerts() {
    let layout = layout();
    let stack = Stack::start_with_layout(NODE, layout.clone()).await;
    let mut forwarder = stack.start_forwarder();
    let playbooks = stack.dir().join("playbooks");
    fs::create_dir(&playbooks).unwrap();
    fs::write(playbooks.join("tell.rhai"), PLAYBOOK).unwrap();
    let _responder = stack.start_responder_with(&playbooks, &kubeconfig(stack.dir()), "enforce");

    // Whatever may be listened to is.
    let subscriber = connect(&stack, &Identity::Subscriber).await;
    let mut looks = Vec::new();
    for subject in ["lanner.alerts.>", "lanner.tags.>", "lanner.responses.>", "falco.*.*"] {
        looks.push(Look::start(subscriber.subscribe(subject).await.unwrap()));
    }
    for subject in
        [">", "*.>", "lanner.>", "lanner.restricted.>", "lanner.*.sensitive.>", "falco.>", "$JS.>"]
    {
        let mut refused = subscriber.subscribe(subject).await.unwrap();
        let refusal = timeout(SOON, refused.next()).await.unwrap();
        assert!(matches!(refusal, Err(SubscribeError::Refused { .. })), "{subject}: {refusal:?}");
    }

    let pipe = stack.falco_pipe();
    let writer = tokio::task::spawn_blocking(move || {
        let mut pipe = fs::File::options().write(true).open(pipe).unwrap();
        for number in 0..ALERTS {
            writeln!(pipe, "{}", line(number)).unwrap();
        }
    });
    publish_poison(&stack).await;

    // Who is allowed to gets all of them, and what was done about them.
    let privacy = reader(&layout, "privacy");
    let mut granted = consumer_of(&stack, &privacy).await;
    let (mut alerts, mut told, mut refused) = (BTreeSet::new(), 0, 0);
    while alerts.len() < RESTRICTED || told < ANSWERED / 2 || refused < 1 {
        let delivery = timeout(SOON, granted.next()).await.unwrap_or_else(|_| {
            panic!("{} restricted alerts, {told} outcomes, {refused} refusals", alerts.len())
        });
        delivery.ack().await.unwrap();
        if delivery.subject().starts_with("lanner.restricted.sensitive.responses.") {
            let outcome: Outcome = serde_json::from_slice(delivery.payload()).unwrap();
            match outcome.status {
                Status::Executed => told += 1,
                Status::Refused => refused += 1,
                other => panic!("{other}: {:?}", outcome.reason),
            }
            continue;
        }
        assert!(mentions(delivery.subject(), delivery.payload()));
        if let Ok(alert) = Alert::from_json(delivery.payload()) {
            alerts.insert(alert.id);
        }
    }
    timeout(SOON, writer).await.unwrap().unwrap();

    // What is stored elsewhere is whole, and holds nothing of them. The admin
    // reads also what no reader may.
    let admin = connect(&stack, &Identity::Admin).await;
    let others = ALERTS - RESTRICTED;
    for (stream, expected) in [
        ("LANNER_ALERTS", others),
        ("LANNER_TAG_SHELL", others),
        ("LANNER_RESPONSES", ANSWERED - ANSWERED / 2),
    ] {
        eventually_async(stream, SOON, async || {
            let count = clean_messages(&admin, stream).await;
            (count == expected).then_some(())
        })
        .await;
    }
    let mut dead = admin.archive("LANNER_DLQ").await.unwrap();
    let letter = dead.next().await.unwrap().expect("what was refused is a dead letter");
    let pointer = String::from_utf8_lossy(&letter.payload).to_lowercase();
    assert!(!pointer.contains(SECRET), "{pointer}");

    // By request, and by consumer.
    for stream in ["LANNER_ALERTS", "LANNER_TAG_SHELL"] {
        assert_eq!(clean_messages(&subscriber, stream).await, others);
    }
    for stream in ["LANNER_RESTRICTED_SENSITIVE", "LANNER_DLQ", "KV_LANNER_PLANS"] {
        let mut archive = subscriber.archive(stream).await.unwrap();
        archive.next().await.expect_err(stream);
    }
    for name in ["all", "shells"] {
        let reader = reader(&layout, name);
        let mut granted = consumer_of(&stack, &reader).await;
        let mut acks = JoinSet::new();
        for _ in 0..others {
            let delivery = timeout(SOON, granted.next()).await.unwrap();
            assert!(!mentions(delivery.subject(), delivery.payload()), "{}", delivery.subject());
            for header in [headers::TAGS, headers::RULE, headers::NODE] {
                assert!(!mentions("", delivery.header(header).unwrap().as_bytes()));
            }
            acks.spawn(async move { delivery.ack().await });
        }
        acks.join_all().await.into_iter().collect::<Result<Vec<()>, _>>().unwrap();
    }
    // Live. A round trip on the same connection brings in what is still on its way.
    subscriber.subscribe("lanner.alerts.none.>").await.unwrap();
    let mut seen = Vec::new();
    for look in looks {
        seen.push(look.end().await);
    }
    // One that was sent again is seen again, and a live copy may be missed.
    assert!(seen[0] >= others && seen[2] >= ANSWERED / 2, "{seen:?}");
    assert!(seen[1] >= others && seen[3] >= others / 2, "{seen:?}");

    // And what the forwarder says about itself: its metrics, its heartbeat, its last report.
    let metrics = Client::plain(stack.metrics_address()).get("/metrics").await.unwrap().body;
    assert!(metrics.contains("lanner_forwarder_alerts_accepted_total"), "{metrics}");
    assert!(!mentions("", metrics.as_bytes()), "{metrics}");
    eventually_async("a heartbeat", SOON, async || {
        (clean_messages(&admin, "KV_LANNER_FLEET").await > 0).then_some(())
    })
    .await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(forwarder.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    eventually("the forwarder ends", SOON, || forwarder.exit_status());
    let log = fs::read_to_string(stack.dir().join("lanner-forwarder.log")).unwrap();
    assert!(log.contains("alerts since the start"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}
