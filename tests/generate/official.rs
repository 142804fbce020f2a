//! The field's official rules, each on what it is for: on the host, in containers that the tool
//! makes there, and in one of which a runtime tells more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use lanner_testkit::{
    container_engine::ContainerEngine, control_groups::ControlGroups, eventually, not_run,
    official_rules, process::Process, product::Binary,
};
use serde_json::{Value, json};

use super::{ALONE, NODE, SECONDS, SOON, Tool, assert_noticed, can_watch, done, list, named, text};

/// What must be filled in before some official rules can match at all: by the file that they are
/// in.
const SETTINGS: [(&str, &str); 2] = [
    (
        "falco-incubating_rules.yaml",
        "- list: namespace_scope_network_only_subnet\n  items: [shop]\n  override: {items: append}\n",
    ),
    (
        "falco-sandbox_rules.yaml",
        "- macro: allowed_containers\n  condition: (container.image.repository=allowed)\n",
    ),
];

/// Names that official rules ask the DNS for, and the addresses that actions connect to.
const HOSTS: &str =
    "10.96.0.1 kubernetes.default.svc.cluster.local\n198.51.100.7 pool.minexmr.com\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_official_rule_notices_what_it_is_for() {
    let test = "every_official_rule_notices_what_it_is_for";
    if !can_watch(test) {
        return;
    }
    let files: Vec<PathBuf> =
        official_rules::ALL.iter().filter_map(|name| official_rules::file(test, name)).collect();
    if files.is_empty() {
        return;
    }
    let _alone = ALONE.lock().await;
    let container = KnownContainer::make();
    let engine = container.engine();
    tokio::task::spawn_blocking(move || {
        let watched = Official::start(&files, engine.path());
        let mut rows = watched.on_the_host(test);
        rows.extend(watched.in_the_container(&container));
        watched.assert_all_fired(test, &rows);
        drop((container, engine));
    })
    .await
    .unwrap();
}

/// A sensor with official rules, all of them on.
struct Official {
    sensor: Process,
    rules: BTreeSet<String>,
    folder: tempfile::TempDir,
}

impl Official {
    /// Those of these files; the runtime answers at `engine`.
    fn start(files: &[PathBuf], engine: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let rules: BTreeSet<String> = files.iter().flat_map(|file| names_of_rules(file)).collect();
        assert!(!rules.is_empty(), "{files:?} hold no rule");
        let has = |name: &str| files.iter().any(|file| file.ends_with(name));
        let mut loaded: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        for (file, text) in SETTINGS.iter().filter(|(file, _)| has(file)) {
            let settings = at(&format!("settings-of-{file}"));
            fs::write(&settings, text).unwrap();
            loaded.push(settings.display().to_string());
        }
        let yaml = format!(
            "node: {NODE}\nrules_files: [{}]\nrules: [{{enable: {{rule: \"*\"}}}}]\n\
             repetition: {{enabled: false}}\n\
             runtimes: {{docker_sockets: [{}], cri_sockets: []}}\n\
             outputs: {{file: {{path: {}}}}}\n",
            loaded.join(", "),
            engine.display(),
            at("alerts.jsonl").display()
        );
        fs::write(at("sensor.yaml"), yaml).unwrap();
        fs::write(at("hosts"), HOSTS).unwrap();
        fs::write(at("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n").unwrap();
        // It sees another file of host names, and asks nobody else.
        let names = "mount --bind \"$1/hosts\" /etc/hosts\n\
                     test ! -e /etc/nsswitch.conf || mount --bind \"$1/nsswitch.conf\" /etc/nsswitch.conf\n\
                     exec \"$2\" run --config \"$1/sensor.yaml\"";
        let (here, program) = (folder.path().display().to_string(), Binary::Sensor.path());
        let args = ["--mount", "sh", "-ec", names, "sh", &here, program.to_str().unwrap()];
        let mut sensor = Process::spawn(Path::new("unshare"), args, &at("log"));
        eventually("the sensor watches", SOON, || {
            sensor.assert_running();
            // The names that nobody knows fill more than the log's tail.
            fs::read_to_string(at("log")).unwrap().contains(" watching ").then_some(())
        });
        Self { sensor, rules, folder }
    }

    fn alerts(&self) -> PathBuf {
        self.folder.path().join("alerts.jsonl")
    }

    /// Every deed for these rules; gives what the tool printed.
    fn on_the_host(&self, test: &str) -> Vec<Value> {
        let actions = named("falco_rules", |rule| self.rules.contains(rule));
        let is_for_runtimes = |needs: &str| needs == "a privileged container";
        let others = named("needs", is_for_runtimes);
        let actions: BTreeSet<String> = actions.difference(&others).cloned().collect();
        let alerts = self.alerts();
        let mut args =
            vec!["run", "--json", "--timeout", SECONDS, "--verify-file", alerts.to_str().unwrap()];
        args.extend(actions.iter().map(String::as_str));
        let tool = Tool::new();
        let (_, rows, errors) = tool.run(&args);
        assert_eq!(done(&rows), actions, "{errors}");
        assert_noticed(test, &rows, &self.sensor.log_tail());
        tool.assert_nothing_is_left();
        rows
    }

    /// What takes a container that a runtime knows; gives what the tool printed.
    fn in_the_container(&self, container: &KnownContainer) -> Vec<Value> {
        let verified: Vec<&str> = [
            ("debugfs-in-container", "Debugfs Launched in Privileged Container"),
            ("mount-in-container", "Mount Launched in Privileged Container"),
            ("contact-api-server", "Contact K8S API Server From Container"),
        ]
        .into_iter()
        .filter_map(|(action, rule)| self.rules.contains(rule).then_some(action))
        .collect();
        let alerts = self.alerts();
        let mut args =
            vec!["run", "--json", "--timeout", SECONDS, "--verify-file", alerts.to_str().unwrap()];
        args.extend(&verified);
        let rows = container.run(&args);
        for row in &rows {
            assert_eq!(row["result"], "alerted", "{row}");
            assert_eq!(row["deed"]["container"], KnownContainer::ID, "{row}");
            assert_eq!(row["deed"]["pod"], json!({"namespace": "shop", "name": "cart"}), "{row}");
        }
        assert_eq!(rows.len(), verified.len());
        let others = container.run(&["run", "--json", "contact-mining-pool"]);
        rows.into_iter().chain(others).collect()
    }

    /// That each rule fired on what was done, and each that an action names on that action.
    fn assert_all_fired(&self, test: &str, rows: &[Value]) {
        let falco_rules: BTreeMap<String, Vec<String>> = list()
            .iter()
            .map(|it| (text(&it["action"]), it["falco_rules"].as_array().unwrap()))
            .map(|(action, rules)| (action, rules.iter().map(text).collect()))
            .collect();
        let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
        let mut lacking: BTreeSet<String> = BTreeSet::new();
        for row in rows {
            let rules = falco_rules[&text(&row["action"])].iter();
            let rules = rules.filter(|rule| self.rules.contains(*rule));
            match row["result"].as_str().unwrap() {
                "not run" => lacking.extend(rules.cloned()),
                _ => expected.extend(rules.map(|rule| (rule.clone(), text(&row["token"])))),
            }
        }
        let tokens: Vec<String> = rows.iter().map(|row| text(&row["token"])).collect();
        let until = Instant::now() + SOON;
        let missing = loop {
            let (mut fired, mut by_deed) = (BTreeSet::new(), BTreeSet::new());
            for line in fs::read_to_string(self.alerts()).unwrap().lines() {
                // The last may be half written.
                let Ok(alert) = serde_json::from_str::<Value>(line) else { continue };
                let rule = text(&alert["rule"]);
                if alert["entity"]["container_id"] == KnownContainer::ID {
                    fired.insert(rule.clone());
                }
                for token in tokens.iter().filter(|token| line.contains(token.as_str())) {
                    fired.insert(rule.clone());
                    by_deed.insert((rule.clone(), token.clone()));
                }
            }
            let silent = self.rules.iter().filter(|rule| !fired.contains(*rule));
            let mut missing: Vec<String> = silent.cloned().collect();
            missing.retain(|rule| !lacking.contains(rule));
            missing.extend(expected.difference(&by_deed).map(|(rule, token)| {
                let row = rows.iter().find(|row| row["token"] == **token).unwrap();
                format!("{rule} on {}", row["action"])
            }));
            if missing.is_empty() || Instant::now() > until {
                for rule in lacking.difference(&fired) {
                    not_run(&format!("{test}: {rule}"), "what its actions need is not here");
                }
                break missing;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(missing.is_empty(), "{missing:#?}\n{}", self.sensor.log_tail());
    }
}

/// A container of which the runtime says what it says of a privileged pod's, with the host's `/etc`.
struct KnownContainer {
    groups: ControlGroups,
    folder: tempfile::TempDir,
}

impl KnownContainer {
    const ID: &str = "5b0c6e3f8d1a4c27b9e05d7f3a61c8420e9d4b7a1f3c5e6082947b1d6c3fa580";

    fn make() -> Self {
        let groups = ControlGroups::make(&format!("lanner-test/docker-{}.scope", Self::ID));
        Self { groups: groups.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn engine(&self) -> ContainerEngine {
        let of_it = json!({
            "Id": Self::ID,
            "Name": "/cart",
            "HostConfig": {"Privileged": true},
            "Config": {"Image": "lanner.local/cart:1", "Labels": {
                "io.kubernetes.pod.namespace": "shop",
                "io.kubernetes.pod.name": "cart",
                "io.kubernetes.pod.uid": "0e1c6f6a-7d1c-4f0e-9d6b-3c1f5a7b9e24",
            }},
            "Mounts": [{"Source": "/etc", "Destination": "/etc", "RW": true}],
        });
        ContainerEngine::start().with(&format!("/containers/{}/json", Self::ID), &of_it.to_string())
    }

    /// Runs the tool in it as its first process; gives what it printed, a line a value.
    fn run(&self, args: &[&str]) -> Vec<Value> {
        let joins = self.groups.joining_commands();
        let script =
            format!("{joins} exec unshare --mount --pid --fork --mount-proc --kill-child \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(Binary::Tool.path())
            .arg("generate")
            .args(args)
            .env("TMPDIR", self.folder.path())
            .envs([("POD_NAMESPACE", "shop"), ("POD_NAME", "cart")])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let rows: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!rows.is_empty(), "{errors}");
        rows
    }
}

fn names_of_rules(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("- rule: "));
    names.map(|name| name.trim().to_owned()).collect()
}
