//! The drill.

use std::path::PathBuf;

pub(crate) async fn run(_keep: Option<PathBuf>, _stay: bool) -> anyhow::Result<()> {
    Ok(())
}
