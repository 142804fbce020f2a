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
    let alert = Alert::from_json(text).ok()?;
    mentions(&alert, run).then_some(Seen { alert, at })
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
