//! `cargo xtask fuzz TARGET SECONDS`: libFuzzer on the stable compiler. The instrumentation is
//! switched on by compiler flags, in a build directory of its own.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::run as run_command;
use crate::place::Place;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

// Edge coverage with 8-bit counters and traced comparisons, as libFuzzer wants them.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

pub(crate) fn run(place: &Place, target: &str, seconds: u32) -> Result<()> {
    let corpus = place.root.join("fuzz/corpus").join(target);
    if !corpus.is_dir() {
        bail!(
            "{} is missing: every target has a corpus that replays as a test",
            corpus.display()
        );
    }
    let build_dir = place.target.join("fuzz");
    let mut build = place.cargo(&[
        "build",
        "--release",
        "--package",
        "servergate-fuzz",
        "--locked",
    ]);
    build.args([
        "--features",
        "libfuzzer",
        "--bin",
        "fuzz",
        "--target",
        TRIPLE,
    ]);
    build.arg("--target-dir").arg(&build_dir);
    build.env("RUSTFLAGS", FLAGS);
    // A wrapped number or a failed assertion is a finding too.
    build.env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
    build.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    build.env("CARGO_PROFILE_RELEASE_LTO", "off");
    run_command(&mut build)?;
    let (grown, found) = (
        build_dir.join("corpus").join(target),
        build_dir.join("found").join(target),
    );
    fs::create_dir_all(&grown)?;
    fs::create_dir_all(&found)?;
    let mut fuzz = Command::new(build_dir.join(TRIPLE).join("release/fuzz"));
    fuzz.env("SERVERGATE_FUZZ_TARGET", target);
    fuzz.arg(&grown)
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"));
    fuzz.arg("-timeout=5")
        .arg("-rss_limit_mb=2048")
        .arg(format!("-artifact_prefix={}/", found.display()));
    run_command(&mut fuzz)?;
    println!(
        "nothing found in {seconds} s; what was learnt is in {}",
        grown.display()
    );
    Ok(())
}
