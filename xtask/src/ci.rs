//! `cargo xtask ci`: all that has to hold before a change is taken.

use crate::{
    run::run,
    test::{self, cargo},
    tools::{self, Tool},
};

/// The quickest to fail comes first.
pub(crate) fn main() -> anyhow::Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    // Building the sensor takes clang.
    tools::get(&Tool::FOR_TESTS)?;
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    test::main()
}
