//! Alerts that come in, against what is true of the deeds they should be about.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::Alert;
use lanner_bus::Subscription;
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    action::Action,
    perform::{Deed, Ended, Performed},
};

/// Alerts of one run that may wait here while it goes on.
const WAITING_MAX: usize = 4096;
/// How often a file is looked at for more.
const POLL: Duration = Duration::from_millis(10);
/// The longest line that a sensor writes is shorter.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Where alerts come from.
pub(super) enum Source {
    Bus(Subscription),
    /// A file's lines from now on.
    Lines(Box<dyn Lines>),
}

/// Lines as they are written; `None` at the end for good.
pub(super) trait Lines: Send {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>>;
}

impl Source {
    /// The file's lines from now on, also of a file that is made later.
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Lines(Box::new(StandardInput)));
        }
        let from = match path.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(_) => anyhow::bail!("{} is not a file; `-` reads from a pipe", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot look at {}", path.display()));
            }
        };
        Ok(Self::Lines(Box::new(GrowingFile { path: path.to_owned(), from, open: None })))
    }
}

struct StandardInput;

impl Lines for StandardInput {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let len = io::stdin().lock().read_until(b'\n', &mut line)?;
        Ok((len > 0).then_some(line))
    }
}

struct GrowingFile {
    path: PathBuf,
    from: u64,
    open: Option<BufReader<File>>,
}

impl Lines for GrowingFile {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let reader = match &mut self.open {
                Some(reader) => reader,
                None => match File::open(&self.path) {
                    Ok(mut file) => {
                        file.seek(SeekFrom::Start(self.from))?;
                        self.open.insert(BufReader::new(file))
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        thread::sleep(POLL);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            reader.read_until(b'\n', &mut line)?;
            if line.last() == Some(&b'\n') || line.len() > LINE_BYTES_MAX {
                return Ok(Some(line));
            }
            thread::sleep(POLL);
        }
    }
}

/// An alert, and when it was here.
struct Seen {
    alert: Alert,
    at: Timestamp,
}

/// Gathers the alerts of a run while it goes on.
pub(super) struct Watch {
    alerts: mpsc::Receiver<anyhow::Result<Seen>>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Gathers the alerts that hold a text with `run` in it.
    pub(super) fn start(source: Source, run: &str) -> Self {
        let (send, alerts) = mpsc::channel(WAITING_MAX);
        let run = run.to_owned();
        let task = match source {
            Source::Bus(subscription) => Some(tokio::spawn(read_bus(subscription, run, send))),
            Source::Lines(lines) => {
                // It may wait for a line for ever, so nobody waits for it.
                thread::spawn(move || read_lines(lines, &run, &send));
                None
            }
        };
        Self { alerts, task }
    }

    /// Waits until every action that acted has its alert, or for `wait`.
    ///
    /// # Errors
    /// When alerts cannot be read any more.
    pub(super) async fn findings(
        mut self,
        performed: Vec<Performed>,
        wait: Duration,
    ) -> anyhow::Result<Vec<Finding>> {
        let mut findings: Vec<Finding> = performed.into_iter().map(Finding::new).collect();
        let until = Instant::now() + wait;
        while findings.iter().any(Finding::is_open) {
            match timeout_at(until, self.alerts.recv()).await {
                Ok(Some(seen)) => {
                    let seen = seen?;
                    for finding in &mut findings {
                        finding.consider(&seen);
                    }
                }
                // No more will come, or it took too long.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(findings)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn read_bus(
    mut subscription: Subscription,
    run: String,
    send: mpsc::Sender<anyhow::Result<Seen>>,
) {
    loop {
        let seen = match subscription.next().await {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => Err(anyhow::anyhow!("the connection to the bus is closed")),
            Err(error) => Err(error.into()),
        };
        let failed = seen.is_err();
        let seen = match seen.map(|seen| of_run(&seen.payload, &run)) {
            Ok(None) => continue,
            Ok(Some(seen)) => Ok(seen),
            Err(error) => Err(error),
        };
        if send.send(seen).await.is_err() || failed {
            return;
        }
    }
}

fn read_lines(mut lines: Box<dyn Lines>, run: &str, send: &mpsc::Sender<anyhow::Result<Seen>>) {
    loop {
        let seen = match lines.next() {
            Ok(Some(line)) => match of_run(&line, run) {
                Some(seen) => Ok(seen),
                None => continue,
            },
            Ok(None) => return,
            Err(error) => Err(anyhow::Error::new(error).context("cannot read alerts")),
        };
        let failed = seen.is_err();
        if send.blocking_send(seen).is_err() || failed {
            return;
        }
    }
}

/// The alert, if it is one of this run.
fn of_run(text: &[u8], run: &str) -> Option<Seen> {
    let at = Timestamp::now();
    // Somebody else's message is no concern of ours, whatever is wrong with it.
    let alert = Alert::from_json(text).ok().or_else(|| alert_in_tail(text))?;
    mentions(&alert, run).then_some(Seen { alert, at })
}

/// The alert in a line of `lanner alerts tail --json`.
fn alert_in_tail(text: &[u8]) -> Option<Alert> {
    if text.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut line: Value = serde_json::from_slice(text).ok()?;
    serde_json::from_value(line.get_mut("alert")?.take()).ok()
}

fn mentions(alert: &Alert, text: &str) -> bool {
    let in_field = |value: &Value| value.as_str().is_some_and(|value| value.contains(text));
    alert.output_fields.values().any(in_field)
        || alert.output.contains(text)
        || alert.entity.exe_path.as_ref().is_some_and(|path| path.contains(text))
}

/// What was found out about one action.
pub(super) struct Finding {
    pub(super) performed: Performed,
    /// The best of the alerts that it should bring.
    pub(super) notice: Option<Notice>,
}

/// An alert of a rule that should notice the action.
pub(super) struct Notice {
    pub(super) rule: String,
    pub(super) alert_id: String,
    /// From the event to here.
    pub(super) milliseconds: f64,
    /// What it says and is not so.
    pub(super) wrong: Vec<String>,
}

impl Finding {
    fn new(performed: Performed) -> Self {
        Self { performed, notice: None }
    }

    /// Whether a better alert may come.
    fn is_open(&self) -> bool {
        matches!(self.performed.ended, Ended::Acted(_))
            && self.notice.as_ref().is_none_or(|notice| !notice.wrong.is_empty())
    }

    fn consider(&mut self, seen: &Seen) {
        let Performed { action, rules, token, ended } = &self.performed;
        let Ended::Acted(deed) = ended else { return };
        let alert = &seen.alert;
        if !rules.contains(&alert.rule.as_str()) || !mentions(alert, token) {
            return;
        }
        let wrong = differences(action, deed, alert);
        let is_better = self.notice.as_ref().is_none_or(|before| wrong.len() < before.wrong.len());
        if is_better {
            self.notice = Some(Notice {
                rule: alert.rule.clone(),
                alert_id: alert.id.to_string(),
                milliseconds: (seen.at.as_nanosecond() - alert.time.as_nanosecond()) as f64 / 1e6,
                wrong,
            });
        }
    }
}

/// What the alert says of the deed that is not so. Output fields are compared
/// where the rule's output has them; the entity is every alert's.
pub(super) fn differences(action: &Action, deed: &Deed, alert: &Alert) -> Vec<String> {
    let mut compared = Comparison { fields: &alert.output_fields, wrong: Vec::new() };
    let (facts, entity) = (&deed.facts, &alert.entity);

    if let Some(pid) = deed.pid {
        compared.is("entity.pid", Some(i64::from(pid)), entity.pid);
    }
    compared.is("entity.exe_path", Some(facts.exe.as_str()), entity.exe_path.as_deref());
    compared.is("entity.uid", Some(facts.uid), entity.uid);
    match (&deed.container, deed.on_host) {
        (Some(id), _) => {
            compared.is("entity.container_id", Some(id.as_str()), entity.container_id.as_deref());
            compared.field("container.id", id.get(..12).unwrap_or(id));
        }
        (None, true) => {
            compared.is("entity.container_id", None, entity.container_id.as_deref());
            compared.field("container.id", "host");
        }
        // We do not know by what name those outside know us.
        (None, false) if entity.container_id.is_none() => {
            compared.wrong.push("entity.container_id is missing".to_owned());
        }
        (None, false) => {}
    }
    if let Some(pod) = &deed.pod {
        let (namespace, name) = (Some(pod.namespace.as_str()), Some(pod.name.as_str()));
        compared.is("entity.pod_namespace", namespace, entity.pod_namespace.as_deref());
        compared.is("entity.pod_name", name, entity.pod_name.as_deref());
        compared.field("k8s.ns.name", &pod.namespace);
        compared.field("k8s.pod.name", &pod.name);
    }

    compared.field("proc.name", &facts.name);
    compared.field("proc.pname", &deed.parent);
    compared.field("proc.exepath", &facts.exe);
    compared.field("proc.args", &facts.args);
    let cmdline = [facts.name.as_str(), facts.args.as_str()].join(" ");
    compared.field("proc.cmdline", cmdline.trim_end());
    compared.field("user.uid", &facts.uid.to_string());
    if let Some(user) = &facts.user {
        compared.field("user.name", user);
    }
    compared.terminal(facts.terminal);
    for (field, value) in &facts.fields {
        compared.field(field, value);
    }
    // The rule may look at several types of which one is ours.
    if action.event == "execve" {
        compared.field("evt.type", "execve");
    }
    compared.wrong
}

struct Comparison<'a> {
    fields: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    fn is<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        truth: Option<T>,
        said: Option<T>,
    ) {
        if truth != said {
            let show =
                |value: Option<T>| value.map_or("missing".to_owned(), |it| format!("{it:?}"));
            self.wrong.push(format!("{what} is {}, not {}", show(said), show(truth)));
        }
    }

    fn field(&mut self, name: &str, truth: &str) {
        let Some(value) = self.fields.get(name) else { return };
        let said = match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        if said != truth {
            self.wrong.push(format!("{name} is {said:?}, not {truth:?}"));
        }
    }

    fn terminal(&mut self, has_one: bool) {
        let Some(value) = self.fields.get("proc.tty") else { return };
        if (value.as_i64() != Some(0)) != has_one {
            let truth = if has_one { "a terminal's number" } else { "0" };
            self.wrong.push(format!("proc.tty is {value}, not {truth}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::generate::{catalog, perform::Pod, scene::Facts};

    const CONTAINER: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";

    fn deed() -> Deed {
        Deed {
            begun: Timestamp::UNIX_EPOCH,
            pid: Some(4711),
            parent: "application".to_owned(),
            container: Some(CONTAINER.to_owned()),
            on_host: false,
            pod: None,
            facts: Facts {
                name: "cat".to_owned(),
                args: "lg01x02".to_owned(),
                exe: "/tmp/stage/lg01x02/cat".to_owned(),
                uid: 0,
                user: Some("root".to_owned()),
                terminal: false,
                fields: [("fd.name".to_owned(), "/etc/shadow".to_owned())].into(),
            },
        }
    }

    /// What a sensor says of it.
    fn alert() -> Value {
        json!({
            "id": "0192f0c1-2b3c-7def-8123-456789abcdef", "schema": 1, "node": "node-1",
            "time": "2026-11-21T11:00:31.654520220Z", "hostname": "node-1",
            "rule": "Read sensitive file untrusted", "priority": "Warning", "source": "syscall",
            "output": "Sensitive file read by cat",
            "output_fields": {
                "proc.name": "cat", "proc.pname": "application", "proc.tty": 0,
                "proc.cmdline": "cat lg01x02", "proc.exepath": "/tmp/stage/lg01x02/cat",
                "user.uid": 0, "user.name": "root", "fd.name": "/etc/shadow",
                "container.id": "3ad7b26ded6d",
            },
            "entity": {
                "pid": 4711, "exe_path": "/tmp/stage/lg01x02/cat", "uid": 0,
                "container_id": CONTAINER,
            },
        })
    }

    #[track_caller]
    fn check(deed: &Deed, alert: &Value, expect: Expect) {
        let alert = Alert::from_json(alert.to_string().as_bytes()).unwrap();
        let action = catalog::find("read-shadow-in-container").unwrap();
        expect.assert_eq(&differences(action, deed, &alert).join("\n"));
    }

    #[test]
    fn the_truth_has_no_differences() {
        check(&deed(), &alert(), expect![""]);
    }

    #[test]
    fn each_fact_that_is_not_so_is_told() {
        let mut lie = alert();
        lie["entity"] = json!({"pid": 4712, "exe_path": "/bin/cat", "uid": 1});
        lie["output_fields"] = json!({
            "proc.name": "dog", "proc.pname": null, "proc.tty": 34816, "proc.cmdline": "cat",
            "user.uid": 1, "user.name": "daemon", "fd.name": "/etc/passwd", "container.id": "host",
        });
        check(
            &deed(),
            &lie,
            expect![[r#"
                entity.pid is 4712, not 4711
                entity.exe_path is "/bin/cat", not "/tmp/stage/lg01x02/cat"
                entity.uid is 1, not 0
                entity.container_id is missing, not "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"
                container.id is "host", not "3ad7b26ded6d"
                proc.name is "dog", not "cat"
                proc.pname is "null", not "application"
                proc.cmdline is "cat", not "cat lg01x02"
                user.uid is "1", not "0"
                user.name is "daemon", not "root"
                proc.tty is 34816, not 0
                fd.name is "/etc/passwd", not "/etc/shadow""#]],
        );
    }

    #[test]
    fn a_pod_is_the_pod_we_are_in() {
        let pod = Pod { namespace: "shop".to_owned(), name: "cart".to_owned() };
        let deed = Deed { pid: None, container: None, pod: Some(pod), ..deed() };
        let mut told = alert();
        told["entity"]["pod_namespace"] = json!("shop");
        told["output_fields"]["k8s.ns.name"] = json!("shop");
        told["output_fields"]["k8s.pod.name"] = json!("card");
        check(
            &deed,
            &told,
            expect![[r#"
                entity.pod_name is missing, not "cart"
                k8s.pod.name is "card", not "cart""#]],
        );
        told["entity"]["pod_name"] = json!("cart");
        told["output_fields"]["k8s.pod.name"] = json!("cart");
        check(&deed, &told, expect![""]);
    }

    #[test]
    fn a_deed_on_the_host_is_in_no_container() {
        let deed = Deed { container: None, on_host: true, ..deed() };
        check(
            &deed,
            &alert(),
            expect![[r#"
                entity.container_id is "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e", not missing
                container.id is "3ad7b26ded6d", not "host""#]],
        );
    }

    #[test]
    fn alerts_are_read_as_the_sensor_and_the_tool_write_them() {
        let of_sensor = alert();
        let of_tool = json!({"subject": "lanner.alerts.warning.x.y.z", "alert": alert()});
        for (line, run, found) in [
            (of_sensor.to_string(), "lg01", true),
            (of_tool.to_string(), "lg01", true),
            (of_sensor.to_string(), "lg02", false),
            (of_tool.to_string(), "lg02", false),
            (json!({"alert": "lg01"}).to_string(), "lg01", false),
            ("lg01".to_owned(), "lg01", false),
        ] {
            assert_eq!(of_run(line.as_bytes(), run).is_some(), found, "{run} in {line}");
        }
    }

    /// A better alert takes the place of a worse one, and never the other way.
    #[test]
    fn the_best_alert_counts() {
        let action = catalog::find("read-shadow-in-container").unwrap();
        let mut finding = Finding::new(Performed {
            action,
            rules: action.expected(),
            token: "lg01x02".to_owned(),
            ended: Ended::Acted(Box::new(deed())),
        });
        let mut seen = |change: fn(&mut Value)| {
            let mut told = alert();
            change(&mut told);
            let alert = Alert::from_json(told.to_string().as_bytes()).unwrap();
            let at = alert.time + Duration::from_millis(3);
            finding.consider(&Seen { alert, at });
            finding.notice.as_ref().map(|notice| (notice.wrong.len(), notice.milliseconds))
        };
        let other_rule = seen(|told| told["rule"] = json!("Write below etc"));
        assert_eq!(other_rule, None, "another rule noticed something");
        let other_deed = seen(|told| {
            told["output_fields"]["proc.cmdline"] = json!("cat lg01x03");
            told["output_fields"]["proc.exepath"] = json!("/bin/cat");
            told["entity"]["exe_path"] = json!("/bin/cat");
        });
        assert_eq!(other_deed, None, "another run of it");
        let wrong = seen(|told| told["output_fields"]["proc.pname"] = json!("sh"));
        assert_eq!(wrong, Some((1, 3.0)));
        assert_eq!(seen(|_| ()), Some((0, 3.0)));
        let worse = seen(|told| told["output_fields"]["proc.pname"] = json!("sh"));
        assert_eq!(worse, Some((0, 3.0)));
    }
}
