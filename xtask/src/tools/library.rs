//! Gets what the subscribers of `docs/subscribers` are built on, in the versions
//! that they pin. Go and pip verify what they download.

use std::{
    fs,
    path::Path,
    process::{self, Command},
};

use anyhow::Context as _;
use lanner_testkit::programs::Library;

use crate::run::{find_program, repository, run};

/// Gets `library` into the cache: all of it or nothing. Who lacks its language
/// can do without: the tests say that they did not run.
pub(super) fn get(library: Library) -> anyhow::Result<()> {
    if find_program(library.language()).is_none() {
        eprintln!("no {} here, so no {} either", library.language(), library.name());
        return Ok(());
    }
    let target = library.cached();
    let parent = target.parent().context("a cached library lies in a folder")?;
    let unfinished = parent.join(format!(".{}.{}", library.name(), process::id()));
    let got = match library {
        Library::NatsGo => run(&mut build_with_go(&unfinished)),
        Library::NatsPy => run(&mut install_by_pip(&unfinished)),
    };
    let placed = got.and_then(|()| {
        fs::rename(&unfinished, &target)
            .with_context(|| format!("cannot put {} into place", target.display()))
    });
    if placed.is_err() {
        // Nothing there is fine too.
        let _ = fs::remove_dir_all(&unfinished);
    }
    placed
}

fn build_with_go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(repository().join("docs/subscribers/go"))
        .args(["build", "-mod=readonly", "-o"])
        .arg(folder.join("subscriber"))
        .arg(".");
    command
}

fn install_by_pip(folder: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--require-hashes", "--requirement"])
        .arg(repository().join("docs/subscribers/python/requirements.txt"))
        .arg("--target")
        .arg(folder);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subscribers_pin_the_versions_that_testkit_looks_for() {
        let subscribers = repository().join("docs/subscribers");
        let go_mod = fs::read_to_string(subscribers.join("go/go.mod")).unwrap();
        let version = Library::NatsGo.version();
        assert!(go_mod.contains(&format!("nats-io/nats.go v{version}\n")), "{go_mod}");
        let pinned = fs::read_to_string(subscribers.join("python/requirements.txt")).unwrap();
        let version = Library::NatsPy.version();
        assert!(pinned.starts_with(&format!("nats-py=={version} --hash=")), "{pinned}");
    }
}
