//! Who may import whom: model <- store <- host <- parts <- servergate, and no part a part.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Finding, line_where, packages, text};
use crate::place::Place;

/// Crates that serve development: they may import everybody, nobody ships them.
const DEVELOPMENT: &[&str] = &["servergate-testbed", "xtask", "servergate-fuzz"];

/// What a crate of ours may import of ours; `None` where the crate is unknown to the rules.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "servergate-model" => Some(&[]),
        "servergate-store" => Some(&["servergate-model"]),
        "servergate-host" => Some(&["servergate-model", "servergate-store"]),
        "servergate-watch"
        | "servergate-names"
        | "servergate-site"
        | "servergate-mail"
        | "servergate-chat"
        | "servergate-bulletin"
        | "servergate-fleet" => Some(&["servergate-model", "servergate-store", "servergate-host"]),
        "servergate" => Some(&[
            "servergate-model",
            "servergate-store",
            "servergate-host",
            "servergate-watch",
            "servergate-names",
            "servergate-site",
            "servergate-mail",
            "servergate-chat",
            "servergate-bulletin",
            "servergate-fleet",
        ]),
        _ => None,
    }
}

pub(super) fn check(place: &Place, metadata: &Value) -> Result<Vec<Finding>> {
    let ours: Vec<&Value> = packages(metadata)
        .filter(|package| package.get("source").is_none_or(Value::is_null))
        .collect();
    let names: Vec<&str> = ours.iter().map(|package| text(package, "name")).collect();
    let mut findings = Vec::new();
    for package in ours {
        let (name, manifest) = (
            text(package, "name"),
            Path::new(text(package, "manifest_path")),
        );
        if DEVELOPMENT.contains(&name) {
            continue;
        }
        let file = manifest
            .strip_prefix(&place.root)
            .unwrap_or(manifest)
            .display()
            .to_string();
        let Some(allowed) = allowed(name) else {
            let mend = "say in xtask/src/tidy/edges.rs what it may import, with a decision record";
            findings.push(Finding::new(
                &file,
                1,
                format!("the crate {name} has no place in the house"),
                mend,
            ));
            continue;
        };
        for dependency in package
            .get("dependencies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let imported = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev" && imported == "servergate-testbed";
            if !names.contains(&imported) || allowed.contains(&imported) || for_tests {
                continue;
            }
            let short = imported.strip_prefix("servergate-").unwrap_or(imported);
            let line = line_where(manifest, |line| {
                line.starts_with(short) || line.starts_with(imported)
            });
            let mend = "let it flow through model, store or host (ARCHITECTURE.md), or give host a typed outlet";
            findings.push(Finding::new(
                &file,
                line,
                format!("{name} may not import {imported}"),
                mend,
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, imports: &str, kind: Option<&str>) -> Vec<Finding> {
        let place = Place::find().unwrap();
        let packages = json!({ "packages": [
            { "name": name, "source": null, "manifest_path": "/nowhere/Cargo.toml",
              "dependencies": [{ "name": imports, "kind": kind }] },
            { "name": imports, "source": null, "manifest_path": "/nowhere/Cargo.toml", "dependencies": [] },
        ]});
        check(&place, &packages).unwrap()
    }

    #[test]
    fn a_part_never_imports_a_part() {
        assert_eq!(found("servergate-names", "servergate-site", None).len(), 1);
        assert_eq!(found("servergate-model", "servergate-store", None).len(), 1);
        assert!(found("servergate-names", "servergate-host", None).is_empty());
    }

    #[test]
    fn the_testbed_serves_tests_only() {
        assert_eq!(
            found("servergate-names", "servergate-testbed", None).len(),
            1
        );
        assert!(found("servergate-names", "servergate-testbed", Some("dev")).is_empty());
    }
}
