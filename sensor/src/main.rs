//! `lanner-sensor run | check | doctor | version`

use std::process::ExitCode;

fn main() -> ExitCode {
    lanner_service::main::<lanner_sensor::sensor::Sensor>()
}
