//! Compiles the eBPF programs with clang.
//!
//! The object holds CO-RE relocations, so one build runs on every kernel that
//! has BTF; no header of the running kernel is needed.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = "bpf/lanner.bpf.c";
const CLANGS: [&str; 7] =
    ["clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"];

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let full = compile(&out.join("lanner.bpf.o"), &[]);
    if let Err(text) = full.and_then(|()| compile(&out.join("lanner-base.bpf.o"), &["-DBASE"])) {
        for line in text.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn compile(object: &Path, defines: &[&str]) -> Result<(), String> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target");
    let target_arch = match arch.as_str() {
        "x86_64" => "x86",
        "aarch64" => "arm64",
        other => return Err(format!("the eBPF programs do not know {other} yet")),
    };
    let clang = clang()?;
    let mut command = Command::new(&clang);
    command
        .args(["-target", "bpf", "-O2", "-g", "-Wall", "-Werror"])
        .arg(format!("-D__TARGET_ARCH_{target_arch}"))
        // Debian keeps the kernel's headers that libbpf's include under the triplet.
        .arg(format!("-I/usr/include/{arch}-linux-gnu"))
        .args(defines)
        .args(["-c", SOURCE, "-o"])
        .arg(object);
    let output =
        command.output().map_err(|error| format!("cannot run {}: {error}", clang.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut text = format!("{} could not compile {SOURCE}:\n{said}", clang.display());
    if said.contains("bpf/bpf_") && said.contains("file not found") {
        text.push_str("libbpf's headers are missing: apt-get install libbpf-dev (dnf install libbpf-devel, apk add libbpf-dev)");
    }
    Err(text)
}

/// `$CLANG`, or else the first clang on the path that can make eBPF code.
fn clang() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("CLANG") {
        return Ok(PathBuf::from(named));
    }
    let knows_bpf = |name: &&str| {
        Command::new(name)
            .arg("--print-targets")
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("bpf"))
    };
    CLANGS.into_iter().find(knows_bpf).map(PathBuf::from).ok_or_else(|| {
        "no clang with the bpf target found: apt-get install clang libbpf-dev \
         (dnf install clang libbpf-devel, apk add clang libbpf-dev), or set CLANG"
            .to_owned()
    })
}
