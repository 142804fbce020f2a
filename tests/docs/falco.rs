//! docs/falco.md, with a process that writes alerts in Falco's place.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};

use lanner_alert::{Alert, Outcome, Status};
use lanner_bus::Subscription;
use lanner_testkit::scene::ScenePod;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    page::{Block, blocks, text},
    place::{Place, Running, SOON, search_path},
    stage::{NODE, Stage, pod},
};

const PAGE: &str = "falco.md";

/// What the page sets in `falco.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FalcoSettings {
    json_output: bool,
    append_output: Vec<Append>,
    file_output: Option<FileOutput>,
    program_output: Option<ProgramOutput>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Append {
    suggested_output: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOutput {
    enabled: bool,
    keep_alive: bool,
    filename: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramOutput {
    enabled: bool,
    keep_alive: bool,
    program: String,
}

/// A process that does with its outputs what Falco does.
struct Falco {
    process: Child,
    names_pods: bool,
}

impl Falco {
    fn start(place: &Place, settings: &str) -> Self {
        let settings: FalcoSettings = serde_saphyr::from_str(&place.here(settings)).unwrap();
        assert!(settings.json_output);
        let script = match (settings.file_output, settings.program_output) {
            (Some(file), None) => {
                assert!(file.enabled && file.keep_alive);
                format!("exec 3>>'{}'; cat >&3", file.filename)
            }
            (None, Some(output)) => {
                assert!(output.enabled && output.keep_alive);
                output.program
            }
            _ => panic!("one output"),
        };
        let process = Command::new("sh")
            .args(["-c", &script])
            .env("PATH", search_path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let names_pods = settings.append_output.iter().any(|append| append.suggested_output);
        Self { process, names_pods }
    }

    fn write(&mut self, mut alert: Value) {
        if !self.names_pods {
            forget(&mut alert, &["k8s.ns.name", "k8s.pod.name"]);
        }
        writeln!(self.process.stdin.as_mut().unwrap(), "{alert}").unwrap();
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

fn forget(alert: &mut Value, fields: &[&str]) {
    let known = alert["output_fields"].as_object_mut().unwrap();
    known.retain(|name, _| !fields.contains(&name.as_str()));
}

fn shell_in(pod: &ScenePod) -> Value {
    serde_json::from_str(&pod.shell_told_by_falco()).unwrap()
}

struct Story {
    stage: Stage,
    running: Vec<Running>,
    falco: Vec<Falco>,
    /// Of the last alert.
    subject: String,
    alerts_before_responder: usize,
    steps: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_as_it_says() {
    let stage = Stage::start("127.0.0.1:4222").await;
    let mut story = Story {
        stage,
        running: Vec::new(),
        falco: Vec::new(),
        subject: String::new(),
        alerts_before_responder: 0,
        steps: 0,
    };
    for block in blocks(PAGE) {
        story.steps += 1;
        story.take(&block).await;
    }
    assert!(story.steps > 20, "the page has lost its blocks");
    for running in story.running {
        assert_eq!(running.end_with("TERM"), Some(0));
    }
    for falco in story.falco {
        falco.end();
    }
}

impl Story {
    async fn take(&mut self, block: &Block) {
        if self.stage.place.write(block) {
            return;
        }
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "" | "fails") => self.stage.place.run_all(block),
            ("console", "stays") => self.running.push(self.stage.place.start(block)),
            ("console", "after the alert, contains") => {
                self.falco.first_mut().unwrap().write(shell_in(&self.stage.pod));
                // Those that came before there was a responder are answered, too.
                for _ in 0..=self.alerts_before_responder {
                    let (status, reason) = outcome(&mut self.stage.outcomes).await;
                    assert_eq!(status, Status::Observed, "{reason}");
                }
                self.stage.place.run_all(block);
            }
            ("yaml", "falco") => self.start_falco(&block.text).await,
            ("text", "subject") => {
                assert_eq!(block.text.trim_end(), self.subject);
                check_subjects(&self.subject);
            }
            ("text", "outcomes") => self.check_outcomes(&block.text).await,
            // The picture.
            ("text", "") => {}
            _ => panic!("line {}: no test runs this block", block.line),
        }
    }

    /// What Falco writes into either of its outputs arrives.
    async fn start_falco(&mut self, settings: &str) {
        let mut falco = Falco::start(&self.stage.place, settings);
        falco.write(shell_in(&self.stage.pod));
        let seen = timeout(SOON, self.stage.alerts.next()).await.expect("an alert").unwrap();
        let seen = seen.unwrap();
        let alert = Alert::from_json(&seen.payload).unwrap();
        assert_eq!((alert.node.as_str(), alert.hostname.as_str()), (NODE, "falco-x7k2p"));
        assert_eq!(alert.entity.pod_name.as_deref(), Some("cart"));
        self.subject = seen.subject;
        self.alerts_before_responder += 1;
        if settings.contains("program_output") {
            falco.end();
        } else {
            self.falco.push(falco);
        }
    }

    async fn check_outcomes(&mut self, shown: &str) {
        let stage = &mut self.stage;
        let elsewhere = pod("shop", "other", "node-2", '4');
        stage.apiserver.apply(&bare_pod(&elsewhere)).unwrap();
        let mut no_pod = shell_in(&stage.pod);
        forget(&mut no_pod, &["k8s.ns.name", "k8s.pod.name"]);
        let mut no_container = shell_in(&stage.pod);
        forget(&mut no_container, &["container.id"]);
        let nowhere = shell_in(&pod("shop", "nowhere", NODE, '5'));
        let mut seen = String::new();
        for alert in [no_pod, no_container, shell_in(&elsewhere), nowhere] {
            self.falco.first_mut().unwrap().write(alert);
            let (status, reason) = outcome(&mut stage.outcomes).await;
            seen.push_str(&format!("{status}  {reason}\n"));
        }
        assert_eq!(seen, shown);
    }
}

fn bare_pod(pod: &ScenePod) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {}, namespace: {} }}\n\
         spec: {{ nodeName: {}, containers: [{{ name: main, image: busybox }}] }}\n",
        pod.name, pod.namespace, pod.node
    )
}

async fn outcome(outcomes: &mut Subscription) -> (Status, String) {
    let seen = timeout(SOON, outcomes.next()).await.expect("an outcome").unwrap().unwrap();
    let outcome: Outcome = serde_json::from_slice(&seen.payload).unwrap();
    (outcome.status, outcome.reason.unwrap_or_default())
}

/// Each row of the table of subscriptions asks the same of both.
fn check_subjects(ours: &str) {
    let page = text(PAGE);
    let rows = page.lines().filter_map(|line| {
        let (theirs, ours) = line.strip_prefix("| `falco.")?.split_once("` | `")?;
        Some((format!("falco.{theirs}"), ours.strip_suffix("` |")?))
    });
    let mut matching = 0;
    for (theirs, pattern) in rows {
        let wanted = matches(&theirs, "falco.notice.terminal_shell_in_container");
        assert_eq!(matches(pattern, ours), wanted, "{theirs} and {pattern}");
        let other = ours.replace("notice", "critical").replace("shell", "door");
        let wanted = matches(&theirs, "falco.critical.terminal_door_in_container");
        assert_eq!(matches(pattern, &other), wanted, "{theirs} and {pattern}");
        matching += 1;
    }
    assert!(matching >= 4, "the page has lost its table");
}

/// As NATS compares a subscription with a subject.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}
