//! Playbooks: from an alert to a plan, and nothing else.
//!
//! ```text
//! *.rhai ─▶ parse ─▶ head ─▶ lint ─▶ Playbook ─ matches(alert)? ─▶ respond(alert) ─▶ Plan
//! ```
//!
//! Promises:
//! - A playbook is a pure function: its verbs record steps and touch nothing. One
//!   that throws, loops or asks for what it may not leaves no plan at all.
//! - What can be found before an alert comes is found at load: unknown names,
//!   unknown fields, missing capabilities, a verb's name taken by the script.
//! - One bad file never stops the others.
//! - Every error says file, line and column.

use std::{fs, path::Path, sync::Arc};

use jiff::Timestamp;
use lanner_alert::{Mode, PLAN_SCHEMA, Plan, PlanId};
use rhai::{AST, Position};
use sha2::{Digest as _, Sha256};

mod capability;
mod dedup;
mod head;
mod language;
mod lint;
pub(crate) mod names;
mod problem;
mod recorder;
mod verbs;
mod views;
mod when;

pub use self::{
    capability::Capability, dedup::Dedup, head::Head, problem::Problem, views::AlertFacts,
};
use self::{language::Language, recorder::Recorder, views::AlertView};

/// Largest file that is read as a playbook.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Longest plan, as JSON: what is stored and published has a bound.
const PLAN_BYTES_MAX: usize = 128 << 10;

/// All playbooks of some folders.
pub struct Playbooks {
    language: Language,
    playbooks: Vec<Playbook>,
}

/// One playbook, checked.
pub struct Playbook {
    /// The file's name, without its folder.
    pub file: String,
    /// Hash of the file's text: the first 16 hexadecimal digits of its SHA-256.
    pub version: String,
    /// Its head.
    pub head: Head,
    ast: AST,
    respond_at: Position,
}

impl Playbooks {
    /// Loads each `*.rhai` of each path: a file, or a folder (not those below it).
    ///
    /// What is wrong with a file is returned beside the playbooks of the others.
    pub fn load(paths: &[impl AsRef<Path>]) -> (Self, Vec<Problem>) {
        let mut loaded = Self { language: Language::new(), playbooks: Vec::new() };
        let mut problems = Vec::new();
        for path in paths {
            let path = path.as_ref();
            match files_of(path) {
                Ok(files) => {
                    for file in files {
                        problems.extend(loaded.load_file(&file));
                    }
                }
                Err(error) => problems.push(Problem {
                    file: path.display().to_string(),
                    at: None,
                    message: format!("cannot read: {error}"),
                }),
            }
        }
        (loaded, problems)
    }

    /// The playbooks, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &Playbook> {
        self.playbooks.iter()
    }

    /// The playbook of that name.
    pub fn get(&self, name: &str) -> Option<&Playbook> {
        self.iter().find(|playbook| playbook.head.name == name)
    }

    /// What `playbook` wants done about the alert.
    ///
    /// # Errors
    /// When the script ends in an error: there is no plan then, not half of one.
    pub fn plan(
        &self,
        playbook: &Playbook,
        facts: &Arc<AlertFacts>,
        ceiling: Mode,
        now: Timestamp,
    ) -> Result<Plan, Problem> {
        let recorder = Recorder::new(&playbook.file, &playbook.head, facts);
        let alert = facts.alert();
        self.language
            .respond(&playbook.ast, AlertView(facts.clone()), recorder.clone())
            .map_err(|error| Problem::of_run(&playbook.file, *error, playbook.respond_at))?;
        let (steps, skip) = recorder.finish();
        let plan = Plan {
            schema: PLAN_SCHEMA,
            id: PlanId::of(alert.id, &playbook.head.name, &playbook.version),
            alert: alert.id,
            alert_time: alert.time,
            rule: alert.rule.clone(),
            priority: alert.priority,
            node: alert.node.clone(),
            cluster: alert.cluster.clone(),
            restricted: None,
            gateway: None,
            entity: alert.entity.clone(),
            playbook: playbook.head.name.clone(),
            version: playbook.version.clone(),
            mode: playbook.head.mode.min(ceiling),
            made: now,
            pods_max: playbook.head.pods_max,
            steps,
            skip,
        };
        let bytes = serde_json::to_vec(&plan).map_or(usize::MAX, |json| json.len());
        if bytes > PLAN_BYTES_MAX {
            let message = format!("a plan of {bytes} bytes is longer than {PLAN_BYTES_MAX}");
            return Err(Problem::new(&playbook.file, playbook.respond_at, message));
        }
        Ok(plan)
    }

    fn load_file(&mut self, path: &Path) -> Vec<Problem> {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let whole_file = |message: String| vec![Problem { file: file.clone(), at: None, message }];
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) => return whole_file(format!("cannot read: {error}")),
        };
        let playbook = match Playbook::parse(&self.language, file.clone(), &text) {
            Ok(playbook) => playbook,
            Err(problems) => return problems,
        };
        if let Some(other) = self.get(&playbook.head.name) {
            return whole_file(format!(
                "playbook \"{}\" is already in {}",
                playbook.head.name, other.file
            ));
        }
        self.playbooks.push(playbook);
        Vec::new()
    }
}

impl Playbook {
    /// Whether it answers this alert.
    pub fn matches(&self, facts: &AlertFacts) -> bool {
        self.head.when.matches(facts)
    }

    fn parse(language: &Language, file: String, text: &str) -> Result<Self, Vec<Problem>> {
        let one =
            |position: Position, message: String| vec![Problem::new(&file, position, message)];
        let ast = language.compile(text).map_err(|error| vec![Problem::of_parse(&file, &error)])?;
        let map = language
            .head(&ast)
            .map_err(|error| vec![Problem::of_run(&file, *error, Position::START)])?
            .ok_or_else(|| one(Position::NONE, "no playbook(#{ ... }) in this file".to_owned()))?;
        let head = Head::parse(map)
            .map_err(|error| one(lint::position_in_head(&ast, &error.path), error.message))?;
        let problems = lint::check(&file, text, &ast, &language.functions, &head.needs);
        if !problems.is_empty() {
            return Err(problems);
        }
        let respond_at = lint::position_of_fn(text, "respond");
        let entry = ast.iter_functions().find(|function| function.name == "respond");
        match entry {
            Some(entry) if entry.params.len() == 1 => {}
            Some(_) => return Err(one(respond_at, "respond takes one argument: alert".to_owned())),
            None => {
                return Err(one(Position::NONE, "no fn respond(alert) in this file".to_owned()));
            }
        }
        Ok(Self { version: version_of(text), file, head, ast, respond_at })
    }
}

fn version_of(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("{bytes} bytes are more than {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path)
}

/// The playbooks' files at `path`, sorted by name, so that the order never depends on the disk.
fn files_of(path: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rhai") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
