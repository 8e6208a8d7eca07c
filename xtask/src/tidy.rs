//! House rules that a compiler does not know. Each finding names its place and the mend.

mod dependencies;
mod edges;
mod licence;
mod sources;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::output;
use crate::place::Place;

/// One breach of a rule.
#[derive(Debug)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
    mend: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}: {}\n    mend: {}",
            self.file, self.line, self.what, self.mend
        )
    }
}

/// Checks everything; all findings are printed before it fails.
pub(crate) fn run(place: &Place) -> Result<()> {
    let mut ask = place.cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--all-features",
    ]);
    let metadata: Value = serde_json::from_str(&output(
        ask.args(["--filter-platform", "x86_64-unknown-linux-gnu"]),
    )?)
    .context("cargo metadata")?;
    let mut findings = edges::check(place, &metadata)?;
    findings.extend(dependencies::check(place, &metadata)?);
    findings.extend(sources::check(&place.root)?);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("tidy: nothing to mend");
    Ok(())
}

/// The packages of `cargo metadata`.
fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A text of a JSON object, or nothing.
fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The first line (from 1) of a file that `wanted` accepts, or 1.
fn line_where(file: &Path, wanted: impl Fn(&str) -> bool) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().position(wanted).map_or(1, |index| index + 1)
}
