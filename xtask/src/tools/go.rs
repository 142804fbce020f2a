//! Builds Go programs from the modules in `xtask/tools`, which pin each
//! version; Go verifies every download against their `go.sum`.

use std::{
    fs,
    process::{self, Command},
    time::Instant,
};

use anyhow::Context as _;
use lanner_testkit::programs::{KUBERNETES_VERSION, Program};

use crate::run::{find_program, repository, run};

/// Builds `program` into the cache: all of it or nothing.
pub(super) fn build(program: Program) -> anyhow::Result<()> {
    anyhow::ensure!(
        find_program("go").is_some(),
        "{name} is missing and Go, which builds it, too: install Go 1.21 or newer \
         (https://go.dev/dl or your system's package `golang`){other}",
        name = program.name(),
        other = alternative(program),
    );
    let target = program.cached();
    let dir = target.parent().context("a cached program lies in a folder")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let unfinished = dir.join(format!(".{}.{}", program.name(), process::id()));

    let (module, package) = source(program);
    eprintln!(
        "building {} {}, once; the first Kubernetes program takes minutes",
        program.name(),
        program.version()
    );
    let started = Instant::now();
    let mut command = Command::new("go");
    command
        .current_dir(repository().join("xtask/tools").join(module))
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"])
        // What a release says of itself; a build from a module knows no version.
        .arg(format!("-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES_VERSION}"))
        .arg("-o")
        .arg(&unfinished)
        .arg(package);
    let built = run(&mut command);
    if built.is_err() {
        // Nothing there is fine too: then the build made nothing.
        let _ = fs::remove_file(&unfinished);
    }
    built?;
    fs::rename(&unfinished, &target)
        .with_context(|| format!("cannot put {} into place", target.display()))?;
    eprintln!("built {} in {} s", target.display(), started.elapsed().as_secs());
    Ok(())
}

/// The folder of the Go module and the package to build.
fn source(program: Program) -> (&'static str, String) {
    match program {
        Program::NatsServer => ("nats-server", "github.com/nats-io/nats-server/v2".to_owned()),
        Program::Etcd => ("etcd", "go.etcd.io/etcd/server/v3".to_owned()),
        _ => ("kubernetes", format!("k8s.io/kubernetes/cmd/{}", program.name())),
    }
}

/// How to do without a build, where that is possible.
fn alternative(program: Program) -> &'static str {
    match program {
        Program::NatsServer => ", or set NATS_SERVER to the path of a nats-server",
        Program::Etcd | Program::KubeApiserver | Program::Kubectl => {
            ", or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_pin_the_versions_that_testkit_looks_for() {
        for program in Program::ALL {
            let (module, package) = source(program);
            let dir = repository().join("xtask/tools").join(module);
            let go_mod = fs::read_to_string(dir.join("go.mod")).unwrap();
            let name = package.split("/cmd/").next().unwrap();
            let line = format!("\nrequire {name} v{}\n", program.version());
            assert!(go_mod.contains(&line), "{module}/go.mod has no line {line:?}");
            let tools_go = fs::read_to_string(dir.join("tools.go")).unwrap();
            assert!(tools_go.contains(&format!("_ \"{package}\"")), "{package} in tools.go");
        }
    }
}
