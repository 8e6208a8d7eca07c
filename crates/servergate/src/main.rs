//! The command line: reads what was typed, runs it, and turns the end into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    servergate::run(std::env::args_os())
}
