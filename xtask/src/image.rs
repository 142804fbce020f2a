//! `cargo xtask image`: our programs as an OCI image, without a docker engine.

mod base;
mod programs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

pub(crate) use self::programs::Programs;
use crate::{
    oci::{Image, Layer, Tree},
    run::repository,
};

/// What the image is called; the manifests in `deploy/kubernetes` name it too.
pub(crate) const NAME: &str = "lanner.local/lanner:dev";

/// Who runs in it unless a pod says otherwise.
const USER: &str = "65532:65532";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to write the image
    #[arg(long, value_name = "FILE.tar", default_value = "dist/lanner-image.tar")]
    out: PathBuf,

    /// How to build the programs
    #[arg(long, default_value = "release")]
    profile: String,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    build(&arguments.out, &arguments.profile)?;
    println!("{}: {NAME}", arguments.out.display());
    println!("load it: ctr --namespace k8s.io images import {}", arguments.out.display());
    Ok(())
}

/// Builds our programs with this cargo profile and writes the image to `out`.
pub(crate) fn build(out: &Path, profile: &str) -> anyhow::Result<Programs> {
    let programs = programs::build(profile)?;
    let image = Image {
        name: NAME,
        layers: vec![base::layer(programs.libc)?, programs_layer(&programs.files)?],
        user: USER,
        entrypoint: &["/usr/local/bin/lanner"],
    };
    if let Some(dir) = out.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    image.write(out)?;
    Ok(programs)
}

fn programs_layer(files: &[PathBuf]) -> anyhow::Result<Layer> {
    let mut tree = Tree::default();
    for path in files {
        let name = path.file_name().context("a program has a name")?;
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        tree.file(Path::new("usr/local/bin").join(name), 0o755, content);
    }
    let license = repository().join("LICENSE");
    let license =
        fs::read(&license).with_context(|| format!("cannot read {}", license.display()))?;
    tree.file("usr/share/doc/lanner/LICENSE", 0o644, license);
    tree.pack().context("cannot pack our programs")
}
