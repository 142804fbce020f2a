use std::process::ExitCode;

fn main() -> ExitCode {
    lanner_service::main::<lanner_responder::daemon::Responder>()
}
