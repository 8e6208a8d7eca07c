//! `cargo xtask dist`: what is given away, into `target/dist`: a static binary, its checksum,
//! the unit file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run as run_command};
use crate::place::Place;

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";
const UNIT: &str = "servergate.service";

pub(crate) fn run(place: &Place, gnu: bool) -> Result<()> {
    let target = if gnu { GNU } else { MUSL };
    if !gnu {
        require_target(place, MUSL)?;
    }
    let unit = place.root.join("dist").join(UNIT);
    if !unit.is_file() {
        bail!(
            "{} is missing: the unit file belongs to what is given away",
            unit.display()
        );
    }
    let words = [
        "build",
        "--profile",
        "dist",
        "--package",
        "servergate",
        "--locked",
        "--target",
        target,
    ];
    run_command(
        place
            .cargo(&words)
            .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    let built = place.target.join(target).join("dist/servergate");
    require_static(&built)?;
    let dist = place.target.join("dist");
    fs::create_dir_all(&dist)?;
    fs::copy(&built, dist.join("servergate")).context("copy the binary")?;
    fs::copy(&unit, dist.join(UNIT)).context("copy the unit file")?;
    let sum = output(
        Command::new("sha256sum")
            .current_dir(&dist)
            .args(["servergate", UNIT]),
    )?;
    fs::write(dist.join("SHA256SUMS"), &sum)?;
    println!("{}\n{sum}", dist.display());
    Ok(())
}

fn require_target(place: &Place, target: &str) -> Result<()> {
    let mut ask = Command::new("rustc");
    let sysroot = output(ask.current_dir(&place.root).args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    if !library.is_dir() {
        bail!(
            "the target {target} is not installed: rustup target add {target} \
             (or, where that cannot be had: cargo xtask dist --gnu)"
        );
    }
    Ok(())
}

/// A static binary names no interpreter.
fn require_static(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary)?;
    if bytes.windows(15).any(|window| window == b"/lib64/ld-linux") {
        bail!(
            "{} asks for a dynamic loader, so it is not static",
            binary.display()
        );
    }
    Ok(())
}
