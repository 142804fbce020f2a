//! The two images that the local cluster itself needs, made from Debian's
//! static busybox: nothing is pulled from anywhere.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::{
    oci::{Image, Tree},
    run::{find_program, output_of},
};

/// Holds a pod's namespaces.
pub(super) const PAUSE: &str = "lanner.local/pause:1";

/// A small system with a shell, for pods that something happens in.
pub(super) const BUSYBOX: &str = "lanner.local/busybox:1";

/// Writes both as tar files into `dir`: a list of their paths.
pub(super) fn write(dir: &Path) -> anyhow::Result<[std::path::PathBuf; 2]> {
    let path = find_program("busybox").context("busybox is missing")?;
    let busybox = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // A dynamic one would find no libraries in its container.
    let head = busybox.get(..4096).unwrap_or(&busybox);
    anyhow::ensure!(
        !head.windows(4).any(|window| window == b"/ld-"),
        "{} is not static: install Debian's busybox-static",
        path.display()
    );
    let applets = output_of(std::process::Command::new(&path).arg("--list"))?;

    let pause = dir.join("pause.tar");
    let mut tree = Tree::default();
    tree.file("bin/busybox", 0o755, busybox.clone());
    Image {
        name: PAUSE,
        layers: vec![tree.pack()?],
        user: "65535:65535",
        entrypoint: &["/bin/busybox", "tail", "-f", "/dev/null"],
    }
    .write(&pause)?;

    let small = dir.join("busybox.tar");
    let mut tree = Tree::default();
    tree.file("bin/busybox", 0o755, busybox)
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
    Image { name: BUSYBOX, layers: vec![tree.pack()?], user: "0:0", entrypoint: &["/bin/sh"] }
        .write(&small)?;
    Ok([pause, small])
}
