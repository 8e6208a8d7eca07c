//! Other people's crates: their licences, their versions, and our reasons for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Finding, licence, line_where, packages, text};
use crate::place::Place;

const DUPLICATES: &str = "xtask/duplicates.toml";
const REASONS: &str = "docs/dependencies.md";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Duplicates {
    #[serde(default)]
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    name: String,
    reason: String,
}

pub(super) fn check(place: &Place, metadata: &Value) -> Result<Vec<Finding>> {
    let used = used(metadata);
    let mut findings = licences(place, metadata, &used);
    findings.extend(duplicates(place, metadata, &used)?);
    findings.extend(reasons(place)?);
    findings.extend(unused(place, metadata)?);
    Ok(findings)
}

/// What a manifest asks for and no source of its crate names, and what the workspace states and
/// no crate asks for.
fn unused(place: &Place, metadata: &Value) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut asked_for = BTreeSet::new();
    let ours =
        packages(metadata).filter(|package| package.get("source").is_none_or(Value::is_null));
    for package in ours {
        let manifest = Path::new(text(package, "manifest_path"));
        let Some(folder) = manifest.parent() else {
            continue;
        };
        let words = super::sources::words(folder)?;
        let wanted = package.get("dependencies").and_then(Value::as_array);
        for dependency in wanted.into_iter().flatten() {
            let rename = dependency.get("rename").and_then(Value::as_str);
            let name = rename.unwrap_or(text(dependency, "name"));
            asked_for.insert(name.to_owned());
            if words.contains(&name.replace('-', "_")) {
                continue;
            }
            let file = manifest.strip_prefix(&place.root).unwrap_or(manifest);
            let line = line_where(manifest, |line| line.starts_with(name));
            findings.push(Finding::new(
                &file.display().to_string(),
                line,
                format!("{name} is asked for, and no source here names it"),
                "take the line out",
            ));
        }
    }
    let manifest = place.root.join("Cargo.toml");
    for (name, entry) in &stated(&manifest)? {
        if entry.get("path").is_some() || asked_for.contains(name) {
            continue;
        }
        let line = line_where(&manifest, |line| line.starts_with(&format!("{name} = ")));
        let what = format!("{name} is stated, and no crate asks for it");
        findings.push(Finding::new("Cargo.toml", line, what, "take the line out"));
    }
    Ok(findings)
}

/// The table `[workspace.dependencies]`.
fn stated(manifest: &Path) -> Result<toml::Table> {
    let source: toml::Table = toml::from_str(&fs::read_to_string(manifest)?)?;
    let stated = source
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    let stated = stated.and_then(toml::Value::as_table);
    stated.cloned().context("[workspace.dependencies]")
}

/// The ids of packages that are built on our platform.
fn used(metadata: &Value) -> BTreeSet<&str> {
    let nodes = metadata.pointer("/resolve/nodes").and_then(Value::as_array);
    nodes
        .into_iter()
        .flatten()
        .map(|node| text(node, "id"))
        .collect()
}

fn licences(place: &Place, metadata: &Value, used: &BTreeSet<&str>) -> Vec<Finding> {
    let lock = place.root.join("Cargo.lock");
    let mut findings = Vec::new();
    for package in packages(metadata).filter(|package| used.contains(text(package, "id"))) {
        let (name, expression) = (text(package, "name"), text(package, "license"));
        if licence::is_good(expression) {
            continue;
        }
        let said = if expression.is_empty() {
            "no licence expression"
        } else {
            expression
        };
        let line = line_where(&lock, |line| line == format!("name = \"{name}\""));
        let mend = "take another crate; permissive or MPL licences only (xtask/src/tidy/licence.rs lists them)";
        findings.push(Finding::new(
            "Cargo.lock",
            line,
            format!("{name} has {said}"),
            mend,
        ));
    }
    findings
}

fn duplicates(place: &Place, metadata: &Value, used: &BTreeSet<&str>) -> Result<Vec<Finding>> {
    let path = place.root.join(DUPLICATES);
    let source = fs::read_to_string(&path).with_context(|| DUPLICATES)?;
    let list: Duplicates = toml::from_str(&source).with_context(|| DUPLICATES)?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages(metadata).filter(|package| used.contains(text(package, "id"))) {
        versions
            .entry(text(package, "name"))
            .or_default()
            .insert(text(package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let lock = place.root.join("Cargo.lock");
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        if list.skip.iter().any(|skip| skip.name == *name) {
            continue;
        }
        let all: Vec<&str> = versions.iter().copied().collect();
        let line = line_where(&lock, |line| line == format!("name = \"{name}\""));
        let mend = format!(
            "see `cargo tree -i {name}@VERSION`; one version, or an entry with its reason in {DUPLICATES}"
        );
        findings.push(Finding::new(
            "Cargo.lock",
            line,
            format!("{name} is built as {}", all.join(" and ")),
            mend,
        ));
    }
    for skip in &list.skip {
        let line = line_where(&path, |line| line.contains(&format!("\"{}\"", skip.name)));
        if !versions.contains_key(skip.name.as_str()) {
            findings.push(Finding::new(
                DUPLICATES,
                line,
                format!("{} is one version now", skip.name),
                "take the entry out",
            ));
        } else if skip.reason.trim().is_empty() {
            findings.push(Finding::new(
                DUPLICATES,
                line,
                format!("{} has no reason", skip.name),
                "say why",
            ));
        }
    }
    Ok(findings)
}

/// Every external dependency of the workspace has a line that names it in `docs/dependencies.md`.
fn reasons(place: &Place) -> Result<Vec<Finding>> {
    let manifest = place.root.join("Cargo.toml");
    let stated = stated(&manifest)?;
    let reasons = fs::read_to_string(place.root.join(REASONS)).unwrap_or_default();
    let mut findings = Vec::new();
    for (name, entry) in stated
        .iter()
        .filter(|(_, entry)| entry.get("path").is_none())
    {
        let line = line_where(&manifest, |line| line.starts_with(&format!("{name} = ")));
        if !reasons
            .lines()
            .any(|line| line.contains(&format!("`{name}`")))
        {
            let mend =
                format!("add a line with `{name}`: why it is there, who keeps it, its licence");
            findings.push(Finding::new(
                "Cargo.toml",
                line,
                format!("{name} has no reason in {REASONS}"),
                mend,
            ));
        }
        if entry.get("default-features").and_then(toml::Value::as_bool) != Some(false) {
            let mend = "write default-features = false and name the features that are needed";
            findings.push(Finding::new(
                "Cargo.toml",
                line,
                format!("{name} brings its default features"),
                mend,
            ));
        }
    }
    Ok(findings)
}
