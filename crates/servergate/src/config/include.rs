//! `include = "organisations.d/*.toml"`: one file an organisation.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use host::config::{Document, Fields, Problem};

use super::Organisation;

/// The organisations of all included files; their problems go to `problems`.
pub(super) fn organisations(
    fields: &Fields<'_>,
    addresses: &[IpAddr],
    problems: &mut Vec<Problem>,
) -> Vec<Organisation> {
    let Some(pattern) = fields.path("include") else {
        return Vec::new();
    };
    let files = match matching(&pattern) {
        Ok(files) => files,
        Err(error) => {
            fields.problem(
                "include",
                format_args!("{} cannot be read: {error}", pattern.display()),
            );
            return Vec::new();
        }
    };
    if files.is_empty() {
        fields.warning(
            "include",
            format_args!("{} matches no file", pattern.display()),
        );
    }
    let mut organisations = Vec::new();
    for file in files {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                fields.problem(
                    "include",
                    format_args!("{} cannot be read: {error}", file.display()),
                );
                continue;
            }
        };
        let document = Document::new(file, text);
        let found = document.read(|fields| {
            let tables = fields.tables("organisation");
            if tables.is_empty() {
                fields.missing("organisation", "…` under `[[organisation]]");
            }
            tables
                .iter()
                .filter_map(|table| Organisation::read(table, addresses))
                .collect::<Vec<_>>()
        });
        organisations.extend(found);
        problems.extend(document.problems());
    }
    organisations
}

/// The files that a path with at most one `*` in its last part means, in order.
fn matching(pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let folder = pattern.parent().unwrap_or(Path::new("."));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(text) = name.to_str() else { continue };
        if text.len() >= before.len() + after.len()
            && text.starts_with(before)
            && text.ends_with(after)
        {
            files.push(folder.join(text));
        }
    }
    files.sort();
    Ok(files)
}
