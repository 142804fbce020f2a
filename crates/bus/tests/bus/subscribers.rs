//! The subscribers of `docs/subscribers`, run as they are shipped, through an
//! outage of the server.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use lanner_alert::{Alert, AlertId, SubjectRoot};
use lanner_bus::{Connection, Identity, Message, Publisher, grant::Grant, headers::Headers};
use lanner_testkit::{
    Admission, SecuredBus, eventually, not_run, process::Process, product::workspace,
    programs::Library, small_layout,
};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);
const READER: &str = "soc";

/// A program and its first arguments.
type Program = (PathBuf, Vec<String>);

/// The Go subscriber, built from the sources as they are.
fn go(folder: &Path) -> Program {
    let binary = folder.join("subscriber");
    let output = Command::new("go")
        .current_dir(workspace().join("docs/subscribers/go"))
        .args(["build", "-mod=readonly", "-o"])
        .arg(&binary)
        .arg(".")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (binary, Vec::new())
}

fn python(_folder: &Path) -> Program {
    let script = workspace().join("docs/subscribers/python/subscriber.py");
    let library = format!("PYTHONPATH={}", Library::NatsPy.cached().display());
    let python = ["python3".to_owned(), "-B".to_owned(), script.display().to_string()];
    (PathBuf::from("env"), [library].into_iter().chain(python).collect())
}

/// A bus with a reader of all alerts, and its subscribers.
struct Stage {
    bus: SecuredBus,
    folder: TempDir,
    program: Program,
    publisher: Publisher,
}

/// A running subscriber.
struct Subscriber {
    process: Process,
    log: PathBuf,
}

impl Stage {
    async fn start(admission: Admission, program: impl Fn(&Path) -> Program) -> Self {
        let mut layout = small_layout();
        layout.grants.insert(READER.parse().unwrap(), Grant::default());
        let bus = SecuredBus::start_as(admission, &["node-1"], layout).await;
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path());
        let node = Identity::Forwarder { node: "node-1".to_owned() };
        let publisher = Publisher::new(Connection::connect(&bus.connection(&node)).await.unwrap());
        Self { bus, folder, program, publisher }
    }

    /// Returns once it reads.
    fn run(&self, name: &str, arguments: &[&str], says: &str) -> Subscriber {
        let (program, first) = &self.program;
        let reader = self.bus.layout().readers().next().unwrap();
        let reader = self.bus.connection(&Identity::Reader(reader));
        let mut all = first.clone();
        all.extend(["--server".to_owned(), reader.servers.join(",")]);
        all.extend(["--user".to_owned(), format!("reader.{READER}.lanner")]);
        for (flag, file) in [
            ("--ca", reader.ca_file),
            ("--cert", reader.cert_file),
            ("--key", reader.key_file),
            ("--creds", reader.creds_file),
        ] {
            all.extend(file.iter().flat_map(|file| [flag.to_owned(), file.display().to_string()]));
        }
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let log = self.folder.path().join(name);
        let mut process = Process::spawn(program, all, &log);
        eventually(&format!("{name} says {says:?}"), SOON, || {
            process.assert_running();
            fs::read_to_string(&log).unwrap().contains(says).then_some(())
        });
        Subscriber { process, log }
    }

    fn live(&self) -> Subscriber {
        self.run("live.log", &["live", "lanner.alerts.>"], "listening to lanner.alerts.>")
    }

    fn durable(&self, log: &str) -> Subscriber {
        let arguments = ["durable", "LANNER_ALERTS", "reader_soc"];
        self.run(log, &arguments, "reading reader_soc of LANNER_ALERTS")
    }

    /// Stores an alert under this message id, as its forwarder does.
    async fn publish(&self, alert: &Alert, id: &str) {
        let message = Message {
            subject: SubjectRoot::default().alert(alert, &Default::default()).to_string(),
            id: id.to_owned(),
            headers: Headers::of_alert(alert),
            payload: alert.to_json().unwrap().into(),
        };
        self.publisher.publish(&message).await.unwrap();
    }

    async fn publish_all(&self, alerts: &[Alert]) {
        for alert in alerts {
            self.publish(alert, &alert.id.to_string()).await;
        }
    }
}

impl Subscriber {
    /// How often each id was printed.
    fn seen(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap().lines() {
            // Go prints `"ID" ...`, Python `["ID", ...`.
            let id = line.trim_start_matches('[').split('"').nth(1).unwrap_or_default();
            if line.starts_with(['"', '[']) && id.parse::<AlertId>().is_ok() {
                *seen.entry(id.to_owned()).or_default() += 1;
            }
        }
        seen
    }

    fn has_seen(&mut self, alerts: &[Alert]) {
        eventually(&format!("all are in {}", self.log.display()), SOON, || {
            self.process.assert_running();
            let seen = self.seen();
            alerts.iter().all(|alert| seen.contains_key(&alert.id.to_string())).then_some(())
        });
    }

    /// Asks it to end, and gives what it said in all.
    fn end(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = eventually("it ends", SOON, || self.process.exit_status());
        let said = fs::read_to_string(&self.log).unwrap();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}

fn alerts(count: usize) -> Vec<Alert> {
    let alert = |number| {
        let alert = json!({
            "id": AlertId::new(), "schema": 1, "time": "2026-01-02T03:04:05Z", "node": "node-1",
            "hostname": "node-1", "rule": "Terminal shell", "priority": "Warning",
            "source": "syscall", "tags": ["shell"], "output": format!("{number} \u{1b}[2J\n"),
        });
        Alert::from_json(alert.to_string().as_bytes()).unwrap()
    };
    (0..count).map(alert).collect()
}

fn once(alerts: &[Alert]) -> BTreeMap<String, usize> {
    alerts.iter().map(|alert| (alert.id.to_string(), 1)).collect()
}

/// Whether the library is there. What could be got has to be.
fn can_run(test: &str, library: Library) -> bool {
    let language = library.language();
    if Command::new(language).arg(if language == "go" { "version" } else { "-V" }).output().is_err()
    {
        not_run(test, &format!("there is no {language}"));
        return false;
    }
    let cached = library.cached();
    assert!(cached.exists(), "{} is missing: run `cargo xtask tools`", cached.display());
    true
}

async fn each_alert_is_worked_on_once(program: impl Fn(&Path) -> Program) {
    let mut stage = Stage::start(Admission::Certificates, program).await;
    let all = alerts(300);
    let (before, rest) = all.split_at(100);
    let (during, after) = rest.split_at(100);
    let mut live = stage.live();
    let mut durable = stage.durable("durable.log");

    stage.publish_all(before).await;
    // Stored once more: as if the server had forgotten the message's id.
    stage.publish(&before[7], "another id of the same alert").await;
    live.has_seen(before);
    durable.has_seen(before);

    stage.bus.server.kill();
    stage.bus.server.restart();
    stage.publish_all(during).await;
    durable.has_seen(during);
    for subscriber in [&live, &durable] {
        let again = || fs::read_to_string(&subscriber.log).unwrap().contains("connected again");
        eventually("it is connected again", SOON, || again().then_some(()));
    }
    // The client library subscribes anew right after it says so.
    eventually("the live one hears again", SOON, || {
        let probe = alerts(1);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(stage.publish_all(&probe));
        });
        live.seen().contains_key(&probe[0].id.to_string()).then_some(())
    });
    stage.publish_all(after).await;
    live.has_seen(after);
    durable.has_seen(after);

    let seen = durable.seen();
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    let said = durable.end();
    assert!(!said.contains('\u{1b}'), "{said}");
    // The one that was stored twice came by twice: a live one keeps no ids.
    assert_eq!(live.seen()[&before[7].id.to_string()], 2);
    live.end();

    // What was acknowledged does not come again.
    let more = alerts(1);
    let mut durable = stage.durable("again.log");
    stage.publish_all(&more).await;
    durable.has_seen(&more);
    assert_eq!(durable.seen(), once(&more));
    durable.end();

    let refused = stage.run("refused.log", &["live", "lanner.responses.>"], "ermissions");
    refused.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_go() {
    if can_run("subscribers::in_go", Library::NatsGo) {
        each_alert_is_worked_on_once(go).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_go_with_credentials() {
    if can_run("subscribers::in_go_with_credentials", Library::NatsGo) {
        let stage = Stage::start(Admission::Credentials, go).await;
        let (mut live, mut durable) = (stage.live(), stage.durable("durable.log"));
        let all = alerts(3);
        stage.publish_all(&all).await;
        live.has_seen(&all);
        durable.has_seen(&all);
        live.end();
        durable.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_python() {
    if can_run("subscribers::in_python", Library::NatsPy) {
        each_alert_is_worked_on_once(python).await;
    }
}
