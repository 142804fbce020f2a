//! A folder that stands for the file system of the page's reader.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use lanner_testkit::{
    eventually,
    process::Process,
    product::{Binary, workspace},
};
use tempfile::TempDir;

use crate::page::{Block, Shown, is_as_shown};

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// What a reader has on a host, and we have below our folder.
const FOLDERS: [&str; 4] = ["/etc/lanner", "/run/lanner", "/var/lib/lanner", "/var/log/lanner"];

pub(crate) struct Place {
    dir: TempDir,
    /// What the page says, and what it is here.
    swaps: Vec<(String, String)>,
}

/// A program that goes on running, and what it wrote.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) log: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut swaps = Vec::new();
        for folder in FOLDERS {
            let here = format!("{}{folder}", dir.path().display());
            fs::create_dir_all(&here).unwrap();
            swaps.push((folder.to_owned(), here));
        }
        for folder in ["rules", "playbooks"] {
            std::os::unix::fs::symlink(workspace().join(folder), dir.path().join(folder)).unwrap();
        }
        Self { dir, swaps }
    }

    /// Where `path` of the page is.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    /// From now on, `shown` on the page is `real` here.
    pub(crate) fn swap(&mut self, shown: &str, real: &str) {
        self.swaps.push((shown.to_owned(), real.to_owned()));
    }

    /// The page's text with what it is here.
    pub(crate) fn here(&self, text: &str) -> String {
        self.swaps.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }

    /// What was printed here, as the page would show it.
    pub(crate) fn shown(&self, text: &str) -> String {
        self.swaps.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(real, shown))
    }

    /// Writes a block `file=...`; says whether it is one.
    pub(crate) fn write(&self, block: &Block) -> bool {
        let Some(file) = block.kind.strip_prefix("file=") else { return false };
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = self.here(&block.text);
        // Without a word about it, the spool is in a folder of this host, where
        // another page's forwarder may have it.
        if file.ends_with("/forwarder.yaml") && !text.contains("spool:") {
            text.push_str(&self.here("spool: {dir: /var/lib/lanner/spool}\n"));
        }
        fs::write(path, text).unwrap();
        true
    }

    /// Runs the commands of a block: what they print is exactly what is shown.
    /// In its kind `fails` says that they fail, and `contains` that they print
    /// more than is shown.
    pub(crate) fn run_all(&self, block: &Block) {
        let has = |wanted| block.kind.split(' ').any(|word| word == wanted);
        let (fails, contains) = (has("fails"), has("contains"));
        for Shown { command, printed: shown } in block.commands() {
            let (code, printed) = self.run(&command);
            let place = format!("line {}: $ {command}", block.line);
            assert_eq!(code == 0, !fails, "{place}\nended with {code}:\n{printed}");
            let lines: Vec<&str> = printed.lines().collect();
            let same = if contains {
                shown.iter().all(|shown| lines.iter().any(|line| is_as_shown(shown, line)))
            } else {
                lines.len() == shown.len()
                    && shown.iter().zip(&lines).all(|(shown, line)| is_as_shown(shown, line))
            };
            assert!(same, "{place}\nshown:\n{}\nprinted:\n{printed}", shown.join("\n"));
        }
    }

    /// Runs a command as the page's reader would; gives its exit code, and what
    /// it printed as the page would show it.
    pub(crate) fn run(&self, command: &str) -> (i32, String) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{}", self.here(command))])
            .current_dir(self.dir.path())
            .env("PATH", search_path())
            .env("LANNER_LOG", "")
            .env_remove("NODE_NAME")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), self.shown(&printed))
    }

    /// Starts the block's one command, which goes on running, and waits until it
    /// wrote what is shown.
    pub(crate) fn start(&self, block: &Block) -> Running {
        let [Shown { command, printed: shown }] = block.commands().try_into().unwrap();
        let log = self.path(&format!("line-{}.log", block.line));
        let script = format!(
            "cd {}; PATH={}; unset NODE_NAME LANNER_LOG; exec {}",
            self.dir.path().display(),
            search_path(),
            self.here(&command)
        );
        let mut process = Process::spawn(Path::new("sh"), ["-c", &script], &log);
        for shown in &shown {
            eventually(&format!("$ {command} writes {shown}"), SOON, || {
                process.assert_running();
                let written = self.shown(&fs::read_to_string(&log).unwrap());
                written.lines().any(|line| is_as_shown(shown, line)).then_some(())
            });
        }
        Running { process, log }
    }
}

impl Running {
    pub(crate) fn written(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends it a signal and gives the exit code that follows.
    pub(crate) fn end_with(mut self, signal: &str) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        eventually("it ends", SOON, || self.process.exit_status()).code()
    }
}

/// Our programs first.
pub(crate) fn search_path() -> String {
    let tool = Binary::Tool.path();
    format!("{}:{}", tool.parent().unwrap().display(), env::var("PATH").unwrap())
}
