//! `cargo xtask tools`: gets the programs that building and testing need.
//!
//! Three kinds: Debian's packages, installed when we are root on such a system
//! (and else named, for the user to install), Go programs that are built once
//! into a cache outside of `target/`, and the libraries of the subscribers in
//! `docs/subscribers`.

mod debian;
mod go;
mod library;

use std::fs::{self, File};

use anyhow::Context as _;
use clap::ValueEnum as _;
use lanner_testkit::programs::{Library, Program, cache_dir};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to get [default: what `cargo xtask test` needs without root]
    #[arg(value_parser = Tool::parse, conflicts_with = "all")]
    tools: Vec<Tool>,

    /// Get everything, also what the local cluster needs
    #[arg(long)]
    all: bool,

    /// Only print what there is and where, and what is missing
    #[arg(long)]
    print: bool,
}

/// One thing to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Packages(debian::Packages),
    Built(Program),
    Library(Library),
}

impl Tool {
    /// What the build and the tests that need no root want.
    pub(crate) const FOR_TESTS: [Self; 7] = [
        Self::Packages(debian::Packages::Clang),
        Self::Built(Program::NatsServer),
        Self::Built(Program::Etcd),
        Self::Built(Program::KubeApiserver),
        Self::Built(Program::Kubectl),
        Self::Library(Library::NatsGo),
        Self::Library(Library::NatsPy),
    ];

    /// Everything, with what the local cluster needs.
    pub(crate) fn all() -> Vec<Self> {
        let packages = debian::Packages::value_variants().iter().copied().map(Self::Packages);
        let programs = Program::ALL.map(Self::Built);
        packages.chain(programs).chain(Library::ALL.map(Self::Library)).collect()
    }

    fn parse(name: &str) -> Result<Self, String> {
        Self::all().into_iter().find(|tool| tool.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::all().into_iter().map(Self::name).collect();
            format!("it is none of {}", names.join(", "))
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Packages(packages) => packages.name(),
            Self::Built(program) => program.name(),
            Self::Library(library) => library.name(),
        }
    }

    /// Where it is, or what is missing of it.
    fn state(self) -> Result<String, String> {
        match self {
            Self::Packages(packages) => match packages.missing().as_slice() {
                [] => Ok("installed".to_owned()),
                missing => Err(format!("without {}", missing.join(", "))),
            },
            Self::Built(program) => match program.find() {
                Some(path) => Ok(path.display().to_string()),
                None => Err(format!("not at {}", program.cached().display())),
            },
            Self::Library(library) => {
                let cached = library.cached();
                let path = cached.display();
                if cached.exists() { Ok(path.to_string()) } else { Err(format!("not at {path}")) }
            }
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let tools = match arguments.tools.as_slice() {
        [] if arguments.all || arguments.print => Tool::all(),
        [] => Tool::FOR_TESTS.to_vec(),
        named => named.to_vec(),
    };
    if !arguments.print {
        get(&tools)?;
    }
    print(&tools);
    Ok(())
}

/// Gets those of `tools` that are missing.
///
/// # Errors
/// With what the user has to install, when we cannot.
pub(crate) fn get(tools: &[Tool]) -> anyhow::Result<()> {
    if tools.iter().all(|tool| tool.state().is_ok()) {
        return Ok(());
    }
    // Two runs at the same time: the second waits, and then finds all there.
    let _lock = lock()?;
    for tool in tools {
        if tool.state().is_ok() {
            continue;
        }
        match tool {
            Tool::Packages(packages) => debian::install(*packages)?,
            Tool::Built(program) => go::build(*program)?,
            Tool::Library(library) => library::get(*library)?,
        }
    }
    Ok(())
}

fn print(tools: &[Tool]) {
    println!("cache: {}", cache_dir().display());
    for tool in tools {
        let (state, text) = match tool.state() {
            Ok(text) => ("ok     ", text),
            Err(text) => ("MISSING", text),
        };
        println!("{state}  {:24} {text}", tool.name());
    }
}

fn lock() -> anyhow::Result<File> {
    let dir = cache_dir();
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another `cargo xtask tools` ({} is locked)", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}
