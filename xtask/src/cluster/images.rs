//! The images that the local cluster starts with, made from Debian's static
//! busybox and our own build of nats-server: nothing is pulled from anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use lanner_testkit::programs::{NATS_SERVER_VERSION, Program};

use crate::{
    oci::{Image, Tree},
    run::{find_program, output_of},
};

/// Holds a pod's namespaces.
pub(super) const PAUSE: &str = "lanner.local/pause:1";

/// A small system with a shell, for pods that something happens in.
pub(super) const BUSYBOX: &str = "lanner.local/busybox:1";

/// Runs as nobody: whoever pauses needs no rights.
const NOBODY: &str = "65534:65534";

/// Writes all of them as tar files into `dir`, and gives their paths.
pub(super) fn write(dir: &Path) -> anyhow::Result<[PathBuf; 3]> {
    let busybox = find_program("busybox").context("busybox is missing")?;
    let program = read(&busybox)?;
    // A dynamic one would find no libraries in its container.
    let head = program.get(..4096).unwrap_or(&program);
    anyhow::ensure!(
        !head.windows(4).any(|window| window == b"/ld-"),
        "{} is not static: install Debian's busybox-static",
        busybox.display()
    );
    let applets = output_of(Command::new(&busybox).arg("--list"))?;
    let paths = ["pause.tar", "busybox.tar", "nats.tar"].map(|name| dir.join(name));
    let [pause, small, nats] = &paths;

    let mut tree = Tree::default();
    tree.file("bin/busybox", 0o755, program.clone());
    let entrypoint = &["/bin/busybox", "tail", "-f", "/dev/null"];
    image(PAUSE, &tree, NOBODY, entrypoint)?.write(pause)?;

    let mut tree = Tree::default();
    tree.file("bin/busybox", 0o755, program)
        .dir("tmp", 0o1777)
        .dir("root", 0o700)
        .file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        )
        .file("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n")
        .file("etc/shadow", 0o640, "root:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n");
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        tree.link(format!("bin/{applet}"), "busybox");
    }
    image(BUSYBOX, &tree, "0:0", &["/bin/sh"])?.write(small)?;

    let mut tree = Tree::default();
    tree.file("nats-server", 0o755, read(&Program::NatsServer.cached())?);
    let name = format!("lanner.local/nats:{NATS_SERVER_VERSION}");
    image(&name, &tree, NOBODY, &["/nats-server"])?.write(nats)?;
    Ok(paths)
}

fn image<'a>(
    name: &'a str,
    tree: &Tree,
    user: &'a str,
    entrypoint: &'a [&'a str],
) -> anyhow::Result<Image<'a>> {
    let layer = tree.pack().with_context(|| format!("cannot pack {name}"))?;
    Ok(Image { name, layers: vec![layer], user, entrypoint })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
