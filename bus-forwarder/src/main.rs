//! `lanner-forwarder`: see the library.

use std::{env, process::ExitCode};

use lanner_bus_forwarder::{ForwarderDaemon, keeper};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == keeper::KEEPER_ARGUMENT) {
        // Nobody listens to it any more; its exit code is for whoever runs it by hand.
        return match keeper::keep(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_error) => ExitCode::FAILURE,
        };
    }
    lanner_service::main::<ForwarderDaemon>()
}
