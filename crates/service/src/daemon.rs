use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{Chain, Finding, LogFormat, config, log::start_log, stop};

/// What a daemon brings; [`main`] does the rest.
pub trait Daemon {
    /// The binary's name: `lanner-forwarder`.
    const NAME: &'static str;
    /// One sentence for `--help`.
    const ABOUT: &'static str;
    /// Where the configuration is unless `--config` says otherwise.
    const CONFIG_FILE: &'static str;
    /// The version that `version` prints.
    const VERSION: &'static str;

    /// The file's shape.
    type Config: DeserializeOwned + Send;
    /// Flags of `run` beside ours; [`NoFlags`] for none.
    type Flags: Args + Send;

    /// Tells a configuration which file it was read from, for a daemon that reads it again
    /// when it changes.
    fn loaded_from(_config: &mut Self::Config, _path: &Path) {}

    /// Looks at what only the daemon can: rules, playbooks, values that do not
    /// fit each other. `check` runs it, and `run` before
    /// anything else unless [`Daemon::check_to_run`] says otherwise.
    fn check(config: &Self::Config) -> anyhow::Result<()>;

    /// What must hold before `run` begins, where that is less than `check` asks
    /// for: one bad playbook fails a check, and must not stop a running daemon
    /// from coming up again.
    fn check_to_run(config: &Self::Config) -> anyhow::Result<()> {
        Self::check(config)
    }

    /// What this host or cluster lacks.
    fn doctor(config: &Self::Config) -> impl Future<Output = Vec<Finding>> + Send;

    /// Works until `stop` is cancelled, and then finishes what it holds.
    fn run(
        config: Self::Config,
        flags: Self::Flags,
        stop: CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// For a daemon whose `run` takes no flags of its own.
#[derive(Debug, Args)]
pub struct NoFlags {}

/// Makes ring the process's TLS provider. Every `main` needs it before the
/// first connection; a second call does nothing.
pub fn install_crypto() {
    // An error means that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The whole `main` of a daemon.
pub fn main<D: Daemon>() -> ExitCode {
    install_crypto();
    // Wrong usage ends here, with clap's exit code 2.
    let matches = command::<D>().get_matches();
    match dispatch::<D>(&matches) {
        Ok(code) => code,
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            tell(&format!("{}: {}", D::NAME, Chain(error)));
            ExitCode::FAILURE
        }
    }
}

fn command<D: Daemon>() -> Command {
    let config = || {
        clap::arg!(--config <FILE> "Configuration file")
            .default_value(D::CONFIG_FILE)
            .value_parser(clap::value_parser!(PathBuf))
    };
    // Set last: the flags' own doc comment would take its place.
    const RUN_ABOUT: &str = "Work until SIGTERM or SIGINT";
    let run = Command::new("run").arg(config()).arg(
        clap::arg!(--"log-format" <FORMAT> "How log lines are written to standard error")
            .default_value("text")
            .value_parser(clap::value_parser!(LogFormat)),
    );
    Command::new(D::NAME)
        .about(D::ABOUT)
        .version(D::VERSION)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(D::Flags::augment_args(run).about(RUN_ABOUT).long_about(None))
        .subcommand(
            Command::new("check").about("Check the configuration and what it names").arg(config()),
        )
        .subcommand(
            Command::new("doctor")
                .about("Say what this host or cluster lacks, and what to do about it")
                .arg(config()),
        )
        .subcommand(Command::new("version").about("Print the version"))
}

fn dispatch<D: Daemon>(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some((name, matches)) = matches.subcommand() else {
        anyhow::bail!("no subcommand");
    };
    if name == "version" {
        tell_out(&format!("{} {}", D::NAME, D::VERSION));
        return Ok(ExitCode::SUCCESS);
    }
    let path =
        matches.get_one::<PathBuf>("config").map_or(Path::new(D::CONFIG_FILE), PathBuf::as_path);
    let mut config: D::Config = config::load(path)?;
    D::loaded_from(&mut config, path);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match name {
        "check" => {
            D::check(&config)?;
            tell_out(&format!("{}: ok", path.display()));
            Ok(ExitCode::SUCCESS)
        }
        "doctor" => {
            let findings = runtime.block_on(D::doctor(&config));
            for finding in &findings {
                tell_out(&finding.to_string());
            }
            let fatal = findings.iter().any(|finding| finding.fatal);
            Ok(if fatal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        _ => {
            let format = matches.get_one::<LogFormat>("log-format").copied();
            start_log(format.unwrap_or(LogFormat::Text))?;
            let flags = D::Flags::from_arg_matches(matches)?;
            D::check_to_run(&config)?;
            runtime.block_on(async {
                let stop = stop::on_signal()?;
                info!(version = D::VERSION, config = %path.display(), "{} starts", D::NAME);
                D::run(config, flags, stop).await?;
                info!("{} stopped", D::NAME);
                Ok(ExitCode::SUCCESS)
            })
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a process, where no log may be running")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the answer of check, doctor and version")]
fn tell_out(text: &str) {
    println!("{text}");
}
