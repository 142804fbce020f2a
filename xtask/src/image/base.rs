//! What lies below our programs: certificates and users, and Debian's C
//! library where they are not static.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use lanner_testkit::programs::cache_dir;

use super::programs::Libc;
use crate::{
    oci::{Layer, Tree},
    run::{find_program, is_root, output_of, run},
};

const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";

/// Makes the layer from packages that are downloaded once.
pub(super) fn layer(libc: Libc) -> anyhow::Result<Layer> {
    let mut tree = Tree::default();
    tree.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP).dir("tmp", 0o1777);
    let packages: &[&str] = match libc {
        Libc::Static => &["ca-certificates"],
        Libc::Debian => &["libc6", "libgcc-s1", "ca-certificates"],
    };
    for package in unpacked(packages)? {
        tree.copy_from(&package, is_wanted)?;
        if let Some(bundle) = certificates(&package)? {
            tree.file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle);
        }
    }
    // Where the packages hold only `/usr/lib*`, programs still look for `/lib*`.
    for dir in ["lib", "lib64"] {
        let merged = Path::new("usr").join(dir);
        if tree.contains(&merged) && !tree.contains(Path::new(dir)) {
            tree.link(dir, merged);
        }
    }
    tree.pack().context("cannot pack the base layer")
}

/// Libraries and licenses, not the documentation nor the character sets.
fn is_wanted(path: &Path) -> bool {
    let library = ["lib", "lib64", "usr/lib", "usr/lib64"].iter().any(|dir| path.starts_with(dir))
        && !path
            .components()
            .any(|part| part.as_os_str() == "gconv" || part.as_os_str() == "audit");
    let license = path.starts_with("usr/share/doc") && path.ends_with("copyright");
    library || license
}

/// All certificates of the package in one file, which its own installation
/// would make.
fn certificates(package: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let dir = package.join("usr/share/ca-certificates/mozilla");
    if !dir.exists() {
        return Ok(None);
    }
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut bundle = Vec::new();
    for path in paths {
        bundle.extend(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(Some(bundle))
}

/// The folders of the packages' content, in the cache.
fn unpacked(packages: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    anyhow::ensure!(
        find_program("apt-get").is_some() && find_program("dpkg-deb").is_some(),
        "the image's base is made of Debian's packages, and this is no Debian: \
         `rustup target add {}-unknown-linux-musl` makes static programs that need only \
         certificates, still from a Debian or Ubuntu",
        std::env::consts::ARCH
    );
    let cache = cache_dir().join("debian");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    newest_files(packages)?.iter().map(|file| unpack(&cache, file)).collect()
}

/// The files' names of the packages' newest versions.
fn newest_files(packages: &[&str]) -> anyhow::Result<Vec<String>> {
    let ask = || {
        let args = ["--quiet", "--quiet", "download", "--print-uris"];
        output_of(Command::new("apt-get").args(args).args(packages))
    };
    let uris = ask().or_else(|error| {
        // A new machine has no list of packages.
        anyhow::ensure!(is_root(), "{error:#}; as root: apt-get update");
        run(Command::new("apt-get").arg("update"))?;
        ask()
    })?;
    // 'http://…' libc6_2.36-9_amd64.deb 2759320 SHA256:…
    let mut files: Vec<String> =
        uris.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect();
    files.sort();
    anyhow::ensure!(files.len() == packages.len(), "apt-get knows not all of {packages:?}");
    Ok(files)
}

fn unpack(cache: &Path, file: &str) -> anyhow::Result<PathBuf> {
    let name = file.strip_suffix(".deb").unwrap_or(file);
    let dir = cache.join(name);
    if dir.exists() {
        return Ok(dir);
    }
    // apt-get wants the package's name and version, not the file's.
    let (package, version) = name
        .split_once('_')
        .and_then(|(package, rest)| Some((package, rest.rsplit_once('_')?.0)))
        .with_context(|| format!("cannot read the file name {file}"))?;
    let work = tempfile::tempdir_in(cache).context("cannot make a folder in the cache")?;
    let wanted = format!("{package}={}", version.replace("%3a", ":"));
    run(Command::new("apt-get").current_dir(work.path()).args([
        "--quiet",
        "--quiet",
        "-o",
        "APT::Sandbox::User=root",
        "download",
        &wanted,
    ]))?;
    let content = work.path().join("content");
    run(Command::new("dpkg-deb").arg("-x").arg(work.path().join(file)).arg(&content))?;
    fs::rename(&content, &dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}
