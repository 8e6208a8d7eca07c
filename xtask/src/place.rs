//! Where the checkout and its build directory are, and which cargo called.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::output;

/// The checkout in which this xtask runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Cargo's build directory.
    pub(crate) target: PathBuf,
    cargo: String,
}

impl Place {
    pub(crate) fn find() -> Result<Self> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        // `cargo run` says at run time where the package is; what was true when this was compiled
        // may be another checkout with the same build directory.
        let manifest = match std::env::var("CARGO_MANIFEST_DIR") {
            Ok(package) => format!("{package}/../Cargo.toml"),
            Err(_) => "Cargo.toml".to_owned(),
        };
        let mut ask = Command::new(&cargo);
        ask.args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--manifest-path",
            &manifest,
        ]);
        let answer: Value = serde_json::from_str(&output(&mut ask)?).context("cargo metadata")?;
        let path = |key: &str| -> Result<PathBuf> {
            let text = answer.get(key).and_then(Value::as_str);
            Ok(PathBuf::from(text.with_context(|| {
                format!("cargo metadata without {key}")
            })?))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            cargo,
        })
    }

    /// A cargo command that runs at the workspace's root.
    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(words);
        command
    }

    /// A binary that cargo has built.
    pub(crate) fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }
}
